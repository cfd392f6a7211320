#!/usr/bin/env node
/**
 * Makes goldens again from their references, in Python environments of their own:
 *
 *   npm run goldens -- family-tokens processors     these generators
 *   npm run goldens                                  all of them (minutes; about 6 GB of packages)
 *   npm run goldens -- --list
 *
 * The environments lie in test/goldens/.venv and test/goldens/.venv-tensorflow, which git ignores; their
 * packages are those of requirements.txt and requirements-tensorflow.txt.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";

const here = import.meta.dirname;
const root = path.resolve(here, "..", "..");
const generators = path.join(here, "generate");

/** Generators that read what others wrote come after them; the rest follow in the order of their names. */
const first = [
  "token-ids",
  "family-tokens",
  "end-to-end",
  "hugging-face-configs",
  "hugging-face-models",
  "open-clip-models",
  "flax-models",
];
/** What runs OpenAI's own code. */
const readsOpenAi = ["open-clip-models", "end-to-end"];
/** What needs TensorFlow, which does not share an environment with the others. */
const tensorflow = ["processors-tensorflow", "lit-tokens"];

/**
 * Packages whose own requirements contradict the rest and of which single files are used.
 * @type {Record<string, string>}
 */
const alone = {
  "benchmark-sets": "clip-benchmark==1.6.1",
  "clip-retrieval": "clip-retrieval==2.45.0",
  "global-contrastive": "libauc==2.0.1",
  metrics:
    "clip-benchmark==1.6.1 pycocoevalcap==1.2 statsmodels==0.15.0 patsy==1.0.3 wilds==2.0.0",
  parquet: "img2dataset==1.47.0",
};

/** Parts of others, checks of what limn wrote, and what needs a package of npm or a checkout; run by hand. */
const notGenerators = ["tiny-tokenizers", "read-back", "oniguruma", "datacomp-tasks", "audit"];

const found = readdirSync(generators)
  .filter((name) => /\.(py|mjs)$/.test(name))
  .map((name) => path.parse(name).name)
  .filter((name) => !notGenerators.includes(name));
const known = [
  ...first.filter((name) => found.includes(name)),
  ...found.filter((name) => !first.includes(name)).sort(),
];
const { values, positionals } = parseArgs({
  options: { list: { type: "boolean" } },
  allowPositionals: true,
});
const unknown = positionals.find((name) => !known.includes(name));
if (unknown !== undefined) {
  console.error(`Expected generators, of ${known.join(", ")}, but received ${unknown}.`);
  process.exit(2);
}
if (values.list) {
  console.log(known.join("\n"));
  process.exit(0);
}
for (const name of known) {
  if (positionals.length === 0 || positionals.includes(name)) generate(name);
}

/** @param {string} name */
function generate(name) {
  const script = path.join(generators, `${name}.mjs`);
  if (existsSync(script)) return run(process.execPath, script);
  const kind = tensorflow.includes(name) ? "-tensorflow" : "";
  const python = environment(kind);
  const extra = alone[name];
  if (extra !== undefined) {
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", ...extra.split(" "));
  }
  // OpenAI's own code is in no package that imports today; one file of it is enough.
  const openAi = readsOpenAi.includes(name) ? { OPENAI_CLIP: openAiSources(python) } : {};
  return run(python, "-P", path.join(generators, `${name}.py`), {
    ...openAi,
    HF_HUB_DISABLE_XET: "1",
  });
}

/** The Python of an environment with the packages of its list. @param {string} kind */
function environment(kind) {
  const folder = path.join(here, `.venv${kind}`);
  const python = path.join(folder, "bin", "python");
  const list = path.join(here, `requirements${kind}.txt`);
  const stamp = path.join(folder, "requirements.txt");
  const wanted = readFileSync(list, "utf8");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return python;
  if (!existsSync(python)) run("python3", "-m", "venv", folder);
  run(python, "-m", "pip", "install", "--requirement", list);
  writeFileSync(stamp, wanted);
  return python;
}

/** @param {string} python */
function openAiSources(python) {
  const folder = path.join(here, ".venv", "openai-clip");
  if (!existsSync(folder)) {
    run(python, "-m", "pip", "install", "--no-deps", "--target", folder, "openai-clip==1.0.1");
  }
  return path.join(folder, "clip");
}

/** @param {string} command @param {(string | Record<string, string>)[]} words */
function run(command, ...words) {
  const variables = words.filter((word) => typeof word === "object");
  const list = words.filter((word) => typeof word === "string");
  console.log(
    [path.basename(command), ...list.map((word) => path.relative(root, word) || word)].join(" "),
  );
  const env = Object.assign({}, process.env, ...variables);
  const { status, error } = spawnSync(command, list, { cwd: root, stdio: "inherit", env });
  if (status === 0) return;
  console.error(`${command} failed${error ? `: ${error.message}` : ` with exit code ${status}`}`);
  process.exit(1);
}
