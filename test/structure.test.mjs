/** The rules of the code's shape: which folder may import which, sizes, names, the list of exports. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const MAX_LINES = 500;

/** Folder to the folders that it may import; errors.ts is open to all, cli may import everything. */
const DIRECTIONS = {
  torch: [],
  nn: ["torch"],
  towers: ["nn", "torch"],
  hub: [],
  "zero-shot": [],
  models: ["hub", "towers", "nn", "torch", "data", "zero-shot"],
  objectives: ["torch"],
  data: [],
  report: ["evaluate", "data"],
  train: [
    "models",
    "objectives",
    "data",
    "nn",
    "torch",
    "towers",
    "evaluate",
    "report",
    "zero-shot",
  ],
  adapt: ["models", "objectives", "data", "nn", "torch", "towers"],
  evaluate: ["models", "adapt", "data", "zero-shot"],
  study: ["train", "evaluate", "adapt", "report", "data", "models", "objectives", "torch"],
  search: ["data"],
  embed: ["models", "data"],
  export: ["models", "towers", "nn", "torch", "data"],
  serve: ["search", "evaluate", "export", "models", "data"],
  testing: [],
};

/** Where a rule of DIRECTIONS is loosened, and why. */
const EXCEPTIONS = new Map([
  [
    "src/evaluate/model-embedder.ts torch",
    "it gives the metrics, which work on plain arrays, a model's embeddings",
  ],
  ["src/evaluate/evaluate-model.ts torch", "it names the device that a model runs on"],
]);

const sources = list("src", ".ts");
/** @param {string} file */
const isTest = (file) => file.endsWith(".test.ts") || file.startsWith("src/testing/");

test("each folder imports only what lies below it", () => {
  const wrong = [];
  for (const file of sources) {
    const [, folder = "", ...rest] = file.split("/");
    if (rest.length === 0 || folder === "cli" || isTest(file)) continue;
    const allowed = DIRECTIONS[/** @type {keyof typeof DIRECTIONS} */ (folder)];
    assert.ok(allowed, `src/${folder} is not in the list of directions of this test`);
    for (const target of importsOf(file)) {
      const [, to = "", ...inside] = target.split("/");
      const free = to === folder || target === "src/errors.ts" || EXCEPTIONS.has(`${file} ${to}`);
      if (free || (inside.length > 0 && /** @type {string[]} */ (allowed).includes(to))) continue;
      wrong.push(`${file} imports ${target}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test("only src/torch knows the addon", () => {
  const wrong = sources.filter((file) => {
    if (file.startsWith("src/torch/") || isTest(file)) return false;
    const text = read(file);
    return /process\.dlopen|loadAddon|\.node["'`]|torch\/(load|binding)\.ts/.test(text);
  });
  assert.deepEqual(wrong, []);
});

test("only src/cli prints or ends the process", () => {
  const wrong = sources.filter(
    (file) =>
      !file.startsWith("src/cli/") &&
      !isTest(file) &&
      /\bconsole\.|process\.exit\(/.test(withoutComments(read(file))),
  );
  assert.deepEqual(wrong, []);
});

test("no file is longer than can be read in one sitting", () => {
  const files = [
    ...sources,
    ...list("native", ".cc"),
    ...list("native", ".h"),
    ...list("setup", ".mjs"),
  ];
  for (const folder of ["recipes", "studies", "examples", "bench", "test"]) {
    files.push(...list(folder, ".ts"), ...list(folder, ".mjs"));
  }
  const wrong = files
    .map((file) => ({ file, lines: read(file).split("\n").length - 1 }))
    .filter(({ lines }) => lines > MAX_LINES);
  assert.deepEqual(wrong, []);
});

test("names are kebab-case and say something", () => {
  const bad = /(^|[-/])(utils?|helpers?|misc|common\d*|legacy|remaining)([-./]|$)/;
  const wrong = sources.filter(
    (file) =>
      !/^[a-z0-9-]+(\.test|\.test\.helper)?\.ts$/.test(path.basename(file)) ||
      (!isTest(file) && bad.test(file.replace(".test.helper", ""))),
  );
  assert.deepEqual(wrong, []);
});

test("the addon exports what src/torch/binding.ts declares", () => {
  const binding = read("src/torch/binding.ts");
  const body = /export interface Addon \{([\s\S]*?)\n\}/.exec(binding)?.[1] ?? "";
  const declared = [...body.matchAll(/^ {2}(\w+)\(/gm)].map((match) => match[1]).sort();
  const exported = list("native", ".cc")
    .flatMap((file) => [...read(file).matchAll(/\{"(\w+)",\s*\w+\}/g)].map((match) => match[1]))
    .sort();
  assert.ok(declared.length > 10, "the interface Addon was not found");
  assert.deepEqual(exported, declared);
});

test("every bench is registered", () => {
  const runner = ["bench/run.mjs", "bench/run.ts"].find((file) =>
    existsSync(path.join(root, file)),
  );
  if (!runner) return;
  const text = read(runner);
  const folders = readdirSync(path.join(root, "bench"), { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && /^[a-z]/.test(entry.name))
    .filter(
      ({ name }) => list(`bench/${name}`, ".mjs").length + list(`bench/${name}`, ".ts").length,
    )
    .map(({ name }) => name);
  assert.deepEqual(
    folders.filter((name) => !text.includes(name)),
    [],
  );
});

test("a command's file is short", () => {
  const commands = read("src/cli/commands.ts");
  const wrong = [...commands.matchAll(/import\("\.\/([\w-]+)\.ts"\)/g)]
    .map((match) => `src/cli/${match[1]}.ts`)
    .filter((file) => read(file).split("\n").length > 81);
  assert.deepEqual(wrong, []);
});

test("setup and the library look for the engine in the same folders", async () => {
  const { stateFolders, hashSources } = await import("../setup/context.mjs");
  const info = path.join(root, "dist", "torch", "engine-info.js");
  const { engineFolders, findEngine } = await import(info);
  const before = process.env["LIMN_HOME"];
  try {
    for (const home of ["", "/some/home"]) {
      process.env["LIMN_HOME"] = home;
      assert.deepEqual(engineFolders(), stateFolders(root));
    }
  } finally {
    if (before === undefined) delete process.env["LIMN_HOME"];
    else process.env["LIMN_HOME"] = before;
  }
  const engine = findEngine();
  if (engine) assert.equal(typeof hashSources(root), typeof engine.record.sources);
});

/**
 * The files that a file imports, as `src/...`; packages and Node's modules are left out.
 * @param {string} file
 */
function importsOf(file) {
  const text = withoutComments(read(file));
  const found = text.matchAll(/(?:from|import)\s*\(?\s*["'](\.{1,2}\/[^"']+)["']/g);
  return [...found].map((match) => path.posix.join(path.posix.dirname(file), match[1] ?? ""));
}

/** @param {string} text */
function withoutComments(text) {
  return text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
}

/** @param {string} file */
function read(file) {
  return readFileSync(path.join(root, file), "utf8");
}

/**
 * @param {string} folder
 * @param {string} ending
 * @returns {string[]} paths from the root, with slashes
 */
function list(folder, ending) {
  const full = path.join(root, folder);
  if (!existsSync(full)) return [];
  return readdirSync(full, { recursive: true })
    .map((name) => path.posix.join(folder, String(name).split(path.sep).join("/")))
    .filter((name) => name.endsWith(ending) && !name.includes("node_modules"))
    .sort();
}
