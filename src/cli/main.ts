/** The frame of the command line: finds the command, reads its arguments, maps errors to codes. */
import { readFileSync } from "node:fs";
import path from "node:path";
import {
  CheckpointError,
  DataError,
  EngineError,
  HubError,
  LimnError,
  SettingError,
  StorageError,
  UnsettledError,
  UsageError,
  didYouMean,
} from "../errors.ts";
import { asReadingError } from "../files/regular-file.ts";
import { asWritingError } from "../files/storage.ts";
import { packageRoot, setupCommand } from "../engine/engine-info.ts";
import { parseCommandLine, type Command, type Invocation } from "./command.ts";
import { commands, type CommandTable } from "./commands.ts";
import { withFlags } from "./options/source-argument.ts";
import { commandHelp, listHelp } from "./print/help.ts";

const EXIT = { failure: 1, usage: 2, badInput: 3, storage: 4 } as const;

/** Runs `limn <argv>` and returns its exit code; nothing is thrown. */
export async function main(argv: readonly string[], table = commands): Promise<number> {
  const understood: Understood = { names: [] };
  try {
    return await dispatch(argv, table, understood);
  } catch (caught) {
    const error = asReadingError(asWritingError(caught));
    reportError(error, understood, argv.includes("--debug"));
    return exitCode(error);
  }
}

/** What of a command line was understood, for the error lines. */
interface Understood {
  readonly names: string[];
  command?: Command;
}

async function dispatch(
  argv: readonly string[],
  table: CommandTable,
  understood: Understood,
): Promise<number> {
  const { names } = understood;
  const [word, ...rest] = argv;
  const here = ["limn", ...names].join(" ");
  if (word === undefined || word === "--help" || word === "-h" || word === "help") {
    const text = help(here, table);
    (word === undefined ? process.stderr : process.stdout).write(`${text}\n`);
    return word === undefined ? EXIT.usage : 0;
  }
  if ((word === "--version" || word === "-v") && names.length === 0) {
    process.stdout.write(`${version()}\n`);
    return 0;
  }
  const row = Object.hasOwn(table, word) ? table[word] : undefined;
  if (!row) {
    const kind = word.startsWith("-") ? "option" : "command";
    const near = didYouMean(word, Object.keys(table));
    throw new UsageError(`Unknown ${kind} "${word}".${near || ` See: ${here} --help`}`);
  }
  names.push(word);
  if ("commands" in row) return dispatch(rest, row.commands, understood);
  understood.command = (await row.load()).default;
  return invoke(understood.command, rest);
}

async function invoke(command: Command, args: readonly string[]): Promise<number> {
  const { options, operands } = parseCommandLine(command, args);
  if (options["help"] === true) {
    process.stdout.write(`${commandHelp(command)}\n`);
    return 0;
  }
  const json = options["json"] === true;
  const invocation: Invocation<never> = {
    options: options as Invocation<never>["options"],
    operands,
    json,
    print: (text, data) => {
      process.stdout.write(`${json ? JSON.stringify(data, null, 2) : text}\n`);
    },
    note: (text) => {
      process.stderr.write(`${text}\n`);
    },
  };
  return (await command.run(invocation)) ?? 0;
}

function help(name: string, table: CommandTable): string {
  const rows = Object.entries(table).map(([word, { summary }]): [string, string] => [
    word,
    summary,
  ]);
  return listHelp(name, rows, [`${name} <command> --help shows a command's options and examples.`]);
}

function version(): string {
  const text = readFileSync(path.join(packageRoot(), "package.json"), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}

/** What the command line, not the network, got wrong. */
const usageFailures: readonly HubError["failure"][] = ["reference", "settings"];

/**
 * 0 ok, 1 failure, 2 usage, 3 bad data or checkpoint, 4 a place that cannot be written; commands
 * return 130 and 143 themselves.
 */
export function exitCode(error: unknown): number {
  if (error instanceof UsageError || error instanceof SettingError) return EXIT.usage;
  if (error instanceof HubError && usageFailures.includes(error.failure)) return EXIT.usage;
  if (error instanceof StorageError) return EXIT.storage;
  if (error instanceof HubError && error.failure === "disk") return EXIT.storage;
  if (error instanceof DataError || error instanceof CheckpointError) return EXIT.badInput;
  return EXIT.failure;
}

/** The flags of facts about a model that are not called as in the library. */
const factFlags: Readonly<Record<string, string>> = {
  evaluationTransform: "preprocessing",
  contextLength: "context-length",
};

/** One line with the error, one with the next step; the stack only where it is asked for. */
function reportError(error: unknown, { names, command }: Understood, debug: boolean): void {
  const where = ["limn", ...names].join(" ");
  const message = error instanceof Error ? error.message : String(error);
  const takesSource = command?.options !== undefined && "image-column" in command.options;
  process.stderr.write(`${where}: ${takesSource ? withFlags(message) : message}\n`);
  if (debug) process.stderr.write(`${describeStack(error)}\n`);
  else process.stderr.write(`${nextStep(error, where, command)}\n`);
}

function nextStep(error: unknown, where: string, command?: Command): string {
  if (error instanceof UsageError) return `Next: ${where} --help`;
  if (error instanceof UnsettledError) {
    const flag = factFlags[error.option] ?? error.option;
    if (command?.options && flag in command.options) return `Next: ${where} with --${flag}`;
  }
  if (error instanceof EngineError) return `Next: ${setupCommand()}, then npx limn doctor`;
  if (error instanceof LimnError) return `Next: correct this and run the command again.`;
  return `Next: run it again with --debug for the stack.`;
}

function describeStack(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const cause = error.cause === undefined ? "" : `\ncaused by ${describeStack(error.cause)}`;
  return `${error.stack ?? error.message}${cause}`;
}
