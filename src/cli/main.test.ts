import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { CheckpointError, DataError, HubError, StorageError, UsageError } from "../errors.ts";
import { defineCommand, parseCommandLine, type Command } from "./command.ts";
import type { CommandTable } from "./commands.ts";
import { commandHelp } from "./print/help.ts";
import { exitCode, main } from "./main.ts";

const pack: Command = defineCommand({
  name: "data pack",
  summary: "Packs pairs.",
  usage: "<source> [folder]",
  options: {
    limit: { type: "integer", value: "<pairs>", help: "stop after so many" },
    ratio: { type: "number", least: 0, most: 1, help: "a share" },
    format: { type: "string", choices: ["tar", "folder"], help: "what to write" },
    set: { type: "string", multiple: true, short: "s", help: "override" },
    fast: { type: "boolean", help: "be quick" },
  },
  examples: ["limn data pack pairs.csv shards"],
  run: ({ print, operands }) => Promise.resolve(print("text", { operands })),
});

const failing = (error: Error): Command =>
  defineCommand({
    name: "fail",
    summary: "Fails.",
    examples: [],
    run: () => Promise.reject(error),
  });

const table: CommandTable = {
  data: { summary: "data", commands: { pack: row(pack) } },
  usage: row(failing(new UsageError("bad"))),
  checkpoint: row(failing(new CheckpointError("m.safetensors", "weight x is missing"))),
  broken: row(failing(new TypeError("internal: oops"))),
  shut: row(
    failing(
      Object.assign(new Error("EACCES"), { code: "EACCES", syscall: "stat", path: "in/shards" }),
    ),
  ),
  full: row(
    failing(
      Object.assign(new Error("EROFS"), { code: "EROFS", syscall: "copyfile", dest: "out/a.json" }),
    ),
  ),
};

function row(command: Command): CommandTable[string] {
  return { summary: command.summary, load: () => Promise.resolve({ default: command }) };
}

/** Runs a command line and returns its exit code and what it wrote. */
async function limn(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  const written = { out: "", err: "" };
  const { stdout, stderr } = process;
  const real = { out: stdout.write.bind(stdout), err: stderr.write.bind(stderr) };
  stdout.write = (text: string | Uint8Array): boolean => ((written.out += String(text)), true);
  stderr.write = (text: string | Uint8Array): boolean => ((written.err += String(text)), true);
  try {
    return { code: await main(argv, table), ...written };
  } finally {
    stdout.write = real.out;
    stderr.write = real.err;
  }
}

test("an unknown option is refused with the nearest one", () => {
  const parse = (...args: string[]): unknown => parseCommandLine(pack, ["a", ...args]);
  assert.throws(() => parse("--limt", "3"), /Unknown option --limt\. Did you mean "--limit"\?/);
  assert.throws(() => parse("--zzzzzzzzzz"), /Unknown option --zzzzzzzzzz\. See: limn data pack/);
  assert.throws(() => parse("-x"), /Unknown option -x/);
  assert.throws(() => parse("--constructor"), /Unknown option --constructor/);
});

test("a value is read by its type and misuse is named", () => {
  const parse = (...args: string[]): unknown => parseCommandLine(pack, ["a", ...args]);
  assert.throws(() => parse("--limit"), /Expected <pairs> after --limit but received nothing/);
  assert.throws(() => parse("--limit="), /Expected <pairs> after --limit but received nothing/);
  assert.throws(() => parse("--limit", "--fast"), /Expected <pairs> after --limit .* --fast/);
  assert.throws(() => parse("--limit", "1.5"), /Expected a whole number for --limit .* "1\.5"/);
  assert.throws(() => parse("--ratio", "much"), /Expected a number for --ratio .* "much"/);
  assert.throws(() => parse("--ratio", "2"), /Expected a number from 0 to 1 for --ratio .* 2/);
  assert.throws(() => parse("--format", "tra"), /Expected one of tar, folder .*mean "tar"/);
  assert.throws(() => parse("--fast=yes"), /Expected no value for --fast but received "yes"/);
  assert.throws(() => parse("--limit", "1", "--limit", "2"), /Expected --limit once/);
  assert.throws(() => parse("--debug", "--no-fast"), /Unknown option --no-fast/);
});

test("the number of operands is held", () => {
  assert.throws(() => parseCommandLine(pack, []), /Expected <source> but received nothing/);
  assert.throws(() => parseCommandLine(pack, ["a", "b", "c"]), /Unexpected argument "c"/);
  assert.deepEqual(parseCommandLine(pack, ["--help"]).operands, []);
});

test("options, short ones, repeated ones and `--` are understood", () => {
  const args = ["a", "-s", "x=1", "--set=y=2", "--limit", "-3", "--fast", "--", "--b"];
  assert.deepEqual(parseCommandLine(pack, args), {
    options: { set: ["x=1", "y=2"], limit: -3, fast: true },
    operands: ["a", "--b"],
  });
});

test("help shows usage, every option and the examples", () => {
  const text = commandHelp(pack);
  assert.match(text, /^Usage: limn data pack <source> \[folder\] \[options\]$/m);
  assert.match(text, /--limit <pairs> +stop after so many/);
  assert.match(text, /--format <text> +what to write \(one of tar, folder\)/);
  assert.match(text, /-s, --set <text> +override \(may be repeated\)/);
  assert.match(text, /limn data pack pairs\.csv shards/);
});

test("exit codes: usage 2, data and checkpoints 3, storage 4, the rest 1", async () => {
  assert.equal(exitCode(new StorageError("metrics.jsonl", "the disk is full")), 4);
  assert.equal(exitCode(new HubError("disk", "the disk is full")), 4);
  assert.equal(exitCode(new DataError("cut", { source: "a.tar" })), 3);
  assert.equal((await limn("usage")).code, 2);
  assert.equal((await limn("checkpoint")).code, 3);
  assert.equal((await limn("broken")).code, 1);
  assert.equal((await limn()).code, 2);
  assert.equal((await limn("--help")).code, 0);
});

test("an error is one line and the next step; the stack only with --debug", async () => {
  const plain = await limn("checkpoint");
  assert.deepEqual(plain.err.trimEnd().split("\n"), [
    "limn checkpoint: weight x is missing",
    "Next: correct this and run the command again.",
  ]);
  assert.equal(plain.out, "");
  assert.match((await limn("broken", "--debug")).err, /TypeError: internal: oops\n +at /);
});

test("an unknown command is refused with the nearest one, at every depth", async () => {
  assert.match((await limn("dta")).err, /^limn: Unknown command "dta"\. Did you mean "data"\?/);
  const nested = await limn("data", "pak");
  assert.match(nested.err, /^limn data: Unknown command "pak"\. Did you mean "pack"\?/);
  assert.match(nested.err, /Next: limn data --help/);
});

test("--json prints the data alone; without it the text", async () => {
  assert.equal((await limn("data", "pack", "a")).out, "text\n");
  const { out } = await limn("data", "pack", "a", "--json");
  assert.deepEqual(JSON.parse(out), { operands: ["a"] });
});

test("a bare failure of reading names the place and ends with exit code 3", async () => {
  const { code, err } = await limn("shut");
  assert.equal(code, 3);
  assert.match(
    err,
    /Expected a place that can be read for in\/shards but received EACCES: the file/,
  );
});

test("a bare failure of writing names the file and ends with exit code 4", async () => {
  const { code, err } = await limn("full");
  assert.equal(code, 4);
  assert.match(err, /Expected a writable file system for writing out\/a\.json but received EROFS/);
});

test(
  "standard output on a full disk ends with exit code 4 and a sentence",
  { skip: !existsSync("/dev/full") },
  () => {
    const bin = fileURLToPath(new URL("../../../bin/limn.mjs", import.meta.url));
    const command = `"${process.execPath}" "${bin}" --version > /dev/full`;
    const { status, stderr } = spawnSync("sh", ["-c", command], { encoding: "utf8" });
    assert.equal(status, 4);
    assert.match(stderr, /^limn: Expected room for standard output but received ENOSPC; free some/);
  },
);
