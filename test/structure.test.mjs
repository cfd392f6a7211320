/** The rules of the code's shape: which folder may import which, sizes, names, the list of exports. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const MAX_LINES = 500;

/**
 * The rooms of src/, from the ground up: each may import the rooms named here, all of which stand
 * above it in this list. errors.ts is open to all, and cli may import everything.
 * @type {Record<string, string[]>}
 */
const DIRECTIONS = {
  files: [],
  arrays: [],
  engine: [],
  hub: ["files"],
  torch: ["files", "engine"],
  nn: ["torch"],
  optimize: ["torch", "nn"],
  towers: ["torch", "nn"],
  text: ["files"],
  data: ["files", "arrays", "engine", "text"],
  pair: ["torch", "nn", "towers"],
  checkpoints: ["files", "hub", "torch", "nn", "towers", "text", "data", "pair"],
  objectives: ["files", "torch", "nn", "optimize", "checkpoints"],
  inference: ["files", "arrays", "torch", "nn", "towers", "text", "data", "pair", "checkpoints"],
  adapt: ["arrays"],
  evaluate: ["files", "arrays", "hub", "torch", "text", "data", "inference"],
  embed: ["files", "arrays", "data", "inference"],
  report: ["files", "arrays", "evaluate"],
  train: [
    "files",
    "arrays",
    "torch",
    "nn",
    "optimize",
    "towers",
    "objectives",
    "text",
    "data",
    "pair",
    "checkpoints",
    "inference",
    "evaluate",
    "report",
  ],
  study: ["files", "arrays", "torch", "evaluate", "report", "train"],
};

/**
 * The folders of the large rooms, from the ground up: each may import those before it, unless it says
 * otherwise. Files that lie directly in a room are open to its folders.
 * @type {Record<string, string[]>}
 */
const FLOORS = {
  checkpoints: ["weights", "preprocessing", "layouts", "adapters"],
  cli: ["print", "options", "commands"],
  data: ["image", "tables", "parquet", "paths", "sources", "loader", "dedupe"],
  evaluate: ["metrics", "tasks", "suites", "audit", "compare"],
  inference: ["features"],
  objectives: ["shared", "amorlip", "lixp", "neuclip"],
  report: ["pages"],
  text: ["fix-text", "models", "sentence-piece", "tokenizer-json", "train"],
  towers: ["image", "text"],
  train: ["recipe", "log", "step", "cache", "run", "pair", "tower"],
};

/** Folders that stand beside each other: none imports another. */
const APART = [
  ["amorlip", "lixp", "neuclip"],
  ["image", "text"],
];

/**
 * Where a rule is loosened, and why. One that nothing needs any more fails.
 * @type {Map<string, string>}
 */
const EXCEPTIONS = new Map();

/** The most product files of one folder, but for the list of commands, which has a file for each. */
const MOST_FILES = 15;
const COMMANDS = "src/cli/commands";

/** Folders whose files are siblings of one registry: they may share base names with each other. */
const REGISTRIES = [
  "src/objectives",
  "src/towers",
  "src/evaluate/tasks",
  "src/checkpoints/layouts",
];

const sources = list("src", ".ts");
/** @param {string} file */
const isTest = (file) => /\.test(\.helper)?\.ts$/.test(file);
const products = sources.filter((file) => !isTest(file));

test("each folder imports only what lies below it", () => {
  const rooms = Object.keys(DIRECTIONS);
  const wrong = [];
  const used = new Set();
  for (const file of products) {
    const [, folder = "", ...rest] = file.split("/");
    // index.ts, public/ and the command line stand above every room
    if (rest.length === 0 || folder === "cli" || folder === "public") continue;
    const allowed = DIRECTIONS[folder];
    assert.ok(allowed, `src/${folder} is not in the list of directions of this test`);
    for (const target of importsOf(file).map(({ target }) => target)) {
      const [, to = "", ...inside] = target.split("/");
      if (to === folder || target === "src/errors.ts") continue;
      const key = EXCEPTIONS.has(`${file} ${to}`) ? `${file} ${to}` : `${folder} -> ${to}`;
      used.add(key);
      if (EXCEPTIONS.has(key)) continue;
      if (inside.length > 0 && allowed.includes(to)) continue;
      wrong.push(`${file} imports ${target}`);
    }
  }
  for (const [room, allowed] of Object.entries(DIRECTIONS)) {
    for (const to of allowed) {
      if (rooms.indexOf(to) >= rooms.indexOf(room)) wrong.push(`${room} -> ${to} goes up`);
      if (!used.has(`${room} -> ${to}`)) wrong.push(`${room} -> ${to} is allowed and unused`);
    }
  }
  for (const key of EXCEPTIONS.keys()) {
    if (!used.has(key)) wrong.push(`the exception "${key}" is unused`);
  }
  assert.deepEqual(wrong, []);
});

test("each folder of a room imports only what lies below it", () => {
  const wrong = [];
  const folders = new Set();
  for (const file of products) {
    const [, room = "", folder = "", ...rest] = file.split("/");
    if (rest.length === 0) continue;
    folders.add(`${room}/${folder}`);
    const floors = FLOORS[room] ?? [];
    if (!floors.includes(folder)) wrong.push(`src/${room}/${folder} is not in FLOORS`);
    for (const { target } of importsOf(file)) {
      const [, toRoom, to = "", ...inside] = target.split("/");
      if (toRoom !== room || inside.length === 0 || to === folder) continue;
      const apart = APART.some((names) => names.includes(to) && names.includes(folder));
      if (apart || floors.indexOf(to) > floors.indexOf(folder)) {
        wrong.push(`${file} imports ${target}`);
      }
    }
  }
  for (const [room, floors] of Object.entries(FLOORS)) {
    for (const folder of floors) {
      if (!folders.has(`${room}/${folder}`))
        wrong.push(`FLOORS has ${room}/${folder}, which is gone`);
    }
  }
  assert.deepEqual([...new Set(wrong)], []);
});

test("one sees at a glance what a folder holds", () => {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const file of products) {
    const folder = path.posix.dirname(file);
    counts.set(folder, (counts.get(folder) ?? 0) + 1);
  }
  const full = [...counts].filter(([folder, count]) => folder !== COMMANDS && count > MOST_FILES);
  assert.deepEqual(full, []);
});

test("no two files have the same name", () => {
  /** @type {Map<string, string[]>} */
  const places = new Map();
  for (const file of products) {
    const name = path.posix.basename(file);
    if (name === "index.ts" || file.startsWith("src/public/")) continue;
    places.set(name, [...(places.get(name) ?? []), file]);
  }
  const shared = [...places]
    .filter(([, files]) => {
      const registry = REGISTRIES.find((folder) => files[0]?.startsWith(`${folder}/`));
      return (
        files.length > 1 && !(registry && files.every((one) => one.startsWith(`${registry}/`)))
      );
    })
    .map(([name]) => name);
  assert.deepEqual(shared, []);
});

test("files do not import values of each other in a circle", () => {
  const graph = new Map(
    products.map((file) => [
      file,
      importsOf(file).flatMap(({ target, value }) => (value ? [target] : [])),
    ]),
  );
  const circles = connected(graph)
    .filter((files) => files.length > 1)
    .map((files) => files.sort().join(" "));
  assert.deepEqual(circles, []);
});

test("only src/torch knows the addon", () => {
  const wrong = sources.filter((file) => {
    if (file.startsWith("src/torch/") || isTest(file)) return false;
    const text = read(file);
    return /process\.dlopen|loadAddon|\.node["'`]|torch\/binding\.ts/.test(text);
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

test("the addon for pictures exports what native-pixels.ts declares", () => {
  const binding = read("src/data/image/native-pixels.ts");
  const body = /export interface PixelsAddon \{([\s\S]*?)\n\}/.exec(binding)?.[1] ?? "";
  const declared = [...body.matchAll(/^ {2}(\w+)\(/gm)].map((match) => match[1]).sort();
  const text = read("native/pixels/pixels.cc");
  const exported = [...text.matchAll(/\{"(\w+)", nullptr,/g)].map((match) => match[1]).sort();
  assert.ok(declared.length > 3, "the interface PixelsAddon was not found");
  assert.deepEqual(exported, declared);
});

test("documents name files that exist", () => {
  const wrong = [];
  const documents = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", ...list("docs", ".md")];
  for (const file of documents) {
    const text = read(file);
    const links = [...text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)].map((match) => match[1] ?? "");
    for (const link of links.filter((one) => !/^[a-z]+:/.test(one))) {
      const target = path.posix.join(path.posix.dirname(file), link);
      if (!existsSync(path.join(root, target))) wrong.push(`${file} links to ${link}`);
    }
    for (const [, place = ""] of text.matchAll(/`((?:src|test|setup|native|bench)\/[\w./-]+)`/g)) {
      if (!existsSync(path.join(root, place))) wrong.push(`${file} names ${place}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test("a command's file is short", () => {
  const commands = read("src/cli/commands.ts");
  const wrong = [...commands.matchAll(/import\("\.\/commands\/([\w/-]+)\.ts"\)/g)]
    .map((match) => `src/cli/commands/${match[1]}.ts`)
    .filter((file) => read(file).split("\n").length > 81);
  assert.deepEqual(wrong, []);
});

test("only the commands that read a recipe load the recipes", () => {
  const wrong = [];
  const readers = new Set(["train", "pretrain", "study", "eval"]);
  for (const file of products.filter((one) => one.startsWith("src/cli/commands/"))) {
    if (readers.has(path.posix.basename(file, ".ts"))) continue;
    const seen = new Set([file]);
    for (const one of seen) {
      for (const { target, value } of importsOf(one)) if (value) seen.add(target);
    }
    wrong.push(
      ...[...seen].filter((one) => one.startsWith("src/train/")).map((one) => [file, one]),
    );
  }
  assert.deepEqual(wrong, []);
});

test("setup and the library agree where the engine is and what it was built from", async () => {
  const { stateFolders, hashSources } = await import("../setup/context.mjs");
  const library = await import(path.join(root, "dist", "src", "engine", "engine-info.js"));
  const before = process.env["LIMN_HOME"];
  try {
    for (const home of ["", "/some/home"]) {
      process.env["LIMN_HOME"] = home;
      assert.deepEqual(library.engineFolders(), stateFolders(root));
    }
  } finally {
    if (before === undefined) delete process.env["LIMN_HOME"];
    else process.env["LIMN_HOME"] = before;
  }
  assert.match(hashSources(root), /^[0-9a-f]{16}$/);
  assert.equal(library.hashSources(), hashSources(root));
  assert.equal(library.hashSources("native/pixels"), hashSources(root, "native/pixels"));
});

/**
 * The files that a file imports, as `src/...`, and whether it takes more than types; packages and
 * Node's modules are left out.
 * @param {string} file
 */
function importsOf(file) {
  const text = withoutComments(read(file));
  const found = text.matchAll(
    /(?:\b(import|export)\b(\s+type\b)?([^"';]*?)\bfrom|\bimport\s*\(?)\s*["'](\.{1,2}\/[^"']+)["']/g,
  );
  return [...found].map(([, , type, names = "", to = ""]) => ({
    target: path.posix.join(path.posix.dirname(file), to),
    value: !type && !onlyTypes(names),
  }));
}

/**
 * Whether every name between braces is marked as a type.
 * @param {string} names
 */
function onlyTypes(names) {
  const inside = /^\s*\{([\s\S]*)\}\s*$/.exec(names)?.[1];
  if (inside === undefined) return false;
  return inside.split(",").every((name) => name.trim() === "" || /^\s*type\s/.test(name));
}

/**
 * The strongly connected groups of a graph (Tarjan).
 * @param {Map<string, string[]>} graph
 * @returns {string[][]}
 */
function connected(graph) {
  /** @type {Map<string, { index: number, low: number, open: boolean }>} */
  const seen = new Map();
  /** @type {string[]} */
  const stack = [];
  /** @type {string[][]} */
  const groups = [];
  /** @param {string} node */
  const visit = (node) => {
    const own = { index: seen.size, low: seen.size, open: true };
    seen.set(node, own);
    stack.push(node);
    for (const next of graph.get(node) ?? []) {
      const there = seen.get(next) ?? (graph.has(next) ? visit(next) : undefined);
      if (there?.open) own.low = Math.min(own.low, there.low);
    }
    if (own.low !== own.index) return own;
    const group = stack.splice(stack.indexOf(node));
    for (const one of group) /** @type {{ open: boolean }} */ (seen.get(one)).open = false;
    groups.push(group);
    return own;
  };
  for (const node of graph.keys()) if (!seen.has(node)) visit(node);
  return groups;
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
