/** What `limn train` and `limn pretrain` have in common: their options, and where a run goes. */
import path from "node:path";
import { makeUniqueFolder } from "../../files/storage.ts";

import type { OptionValues } from "../command.ts";

export const runOptions = {
  workdir: { type: "string", value: "<folder>", help: "the run's folder; default runs/<name>" },
  set: { type: "string", multiple: true, value: "<path=value>", help: "change one recipe value" },
  smoke: {
    type: "boolean",
    help: "two steps of eight examples, to see that it runs; by default in runs/<name>-smoke-...",
  },
  "allow-recipe-change": {
    type: "boolean",
    help: "go on with a run whose recipe or data was another",
  },
} as const;

type Given = OptionValues<typeof runOptions>;

export interface RunArguments {
  directory: string;
  set: readonly string[];
  smoke: boolean;
  allowRecipeChange: boolean;
  handleSignals: true;
  progress?: NodeJS.WriteStream;
}

/** The options as `train` and `pretrain` take them; `name` is the resolved recipe's. */
export function runArguments(options: Given, name: string, json: boolean): RunArguments {
  const smoke = options.smoke ?? false;
  return {
    directory: options.workdir ?? runFolder(name, smoke),
    set: options.set ?? [],
    smoke,
    allowRecipeChange: options["allow-recipe-change"] ?? false,
    handleSignals: true,
    ...(json ? {} : { progress: process.stderr }),
  };
}

/** A smoke run gets a new folder each time: it must neither go on with a run nor stand in its way. */
function runFolder(name: string, smoke: boolean): string {
  if (!smoke) return path.join("runs", name);
  return makeUniqueFolder(path.join("runs", `${name}-smoke-`));
}
