/**
 * The commands that are killed: what each needs, how it is called on a target, and which of what it
 * leaves must be the same bytes however often it was stopped.
 */
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import path from "node:path";
import { train } from "../../dist/src/train/train-pair.js";
import { startLocalHub } from "../../dist/test/support/local-hub.js";
import { saveTinyModel, tinyPicture } from "../../dist/test/support/tiny-model.js";
import { tinyData, tinyRecipe } from "../../dist/test/support/tiny-run.js";

/**
 * @typedef {object} Command
 * @property {(target: string) => string[]} args arguments of limn that write `target`
 * @property {(target: string) => Record<string, string>} [env] further environment
 * @property {(name: string) => boolean} [same] which files must be the same; all when absent
 * @property {boolean} [isRun] a run: its metrics hold each step once
 * @property {boolean} [shared] several processes may write it, and wait for each other
 */

/** Files of a run that hold times, or that the run does not need. */
const volatile = /^(metrics\.jsonl|report\.html|tensorboard|\.?limn-cache|scratch)/;
/** @param {string} name */
const ofRun = (name) => !volatile.test(name);

/**
 * Makes the inputs of all commands in `folder`.
 *
 * @param {string} folder
 * @param {number} steps of the runs that are trained
 * @returns {Promise<{ commands: Record<string, Command>, close: () => Promise<void> }>}
 */
export async function prepareCommands(folder, steps) {
  const data = await tinyData();
  const inputs = path.join(folder, "inputs");
  mkdirSync(inputs, { recursive: true });
  const shards = path.dirname(data.shards[0] ?? "");
  // Another user reads them too.
  chmodSync(path.dirname(shards), 0o755);
  const model = await saveTinyModel(path.join(inputs, "model"));
  const tuned = await saveTinyModel(path.join(inputs, "tuned"), {}, 1);
  const hub = await hubOf(model);
  const pictures = await manyPictures(path.join(inputs, "pictures"));
  /** @param {string} name @param {object} changes */
  const recipe = (name, changes) => {
    const base = tinyRecipe(data);
    const file = path.join(inputs, `${name}.json`);
    const train = { ...base.train, steps, checkpoint: { everySteps: 5, keepLast: 2 } };
    writeFileSync(file, JSON.stringify({ ...base, train, evaluate: undefined, ...changes }));
    return file;
  };
  const amorlip = { kind: "amorlip", stage2: "emaNetwork", reinitializeEveryEpochs: 2 };
  const recipes = {
    "train-amorlip": recipe("amorlip", { objective: amorlip }),
    "train-fastclip": recipe("fastclip", { objective: { kind: "fastclip", version: 3 } }),
    "train-lit": recipe("lit", await lockedTower(data, path.join(inputs, "pretrained"))),
  };
  const source = { kind: "webdataset", shards: data.shards };
  const pretraining = recipe("pretrain", {
    kind: "nextToken",
    model: undefined,
    text: { kind: "transformer", width: 16, depth: 2, heads: 2 },
    data: { train: source, tokenizer: tinyRecipe(data).data.tokenizer, workers: 1 },
  });
  /** @type {Record<string, Command>} */
  const commands = {};
  for (const [name, file] of Object.entries(recipes)) {
    commands[name] = {
      args: (target) => ["train", file, "--workdir", target],
      env: (target) => ({ LIMN_CACHE: path.join(target, ".limn-cache") }),
      same: ofRun,
      isRun: true,
    };
  }
  commands["pretrain"] = {
    args: (target) => ["pretrain", pretraining, "--workdir", target],
    same: ofRun,
    isRun: true,
  };
  commands["embed"] = {
    args: (target) => ["embed", model, pictures, "--out", target, "--texts", "--shard-size", "7"],
  };
  commands["pack"] = {
    args: (target) => ["data", "pack", pictures, target, "--samples-per-shard", "5"],
  };
  commands["dedupe"] = { args: (target) => ["data", "dedupe", shards, "--out", target] };
  commands["report"] = { args: (target) => ["data", "dedupe", shards, "--report", target] };
  commands["sheet"] = {
    args: (target) => ["data", "inspect", pictures, "--sheet", path.join(target, "sheet.html")],
  };
  commands["convert"] = { args: (target) => ["convert", model, target, "--to", "limn"] };
  commands["interpolate"] = { args: (target) => ["interpolate", model, tuned, "--out", target] };
  commands["tokenizer"] = {
    args: (target) => ["tokenizer", "train", shards, target, "--vocab-size", "560"],
  };
  const study = path.join(inputs, "study.mjs");
  writeFileSync(study, tinyStudy);
  commands["study"] = {
    args: (target) => ["study", study, "--workdir", target, "--out", path.join(target, "page")],
    // The others hold times.
    same: (name) => name.endsWith("started.json"),
  };
  commands["hub"] = {
    args: () => ["info", "hf://org/model"],
    env: (target) => ({
      HF_ENDPOINT: hub.endpoint,
      HF_HUB_CACHE: target,
      HF_HUB_DISABLE_IMPLICIT_TOKEN: "1",
    }),
    shared: true,
  };
  return { commands, close: () => hub.close() };
}

/** A study of two arms that train nothing. */
const tinyStudy = `
const arm = (name, index) => ({
  name,
  factors: { index },
  settings: index,
  run: async () => ({ metrics: {}, items: { acc: Uint8Array.of(1, index, 0, index) } }),
});
export default {
  name: "tiny",
  title: "A tiny study",
  question: "The paper found that b is better than a.",
  source: "Nobody, arXiv:0000.00000",
  seeds: [0, 1, 2],
  secondsPerRun: 1,
  metrics: { acc: { label: "accuracy", unit: "share", better: "higher" } },
  prepare: () => Promise.resolve(null),
  arms: () => [arm("a", 0), arm("b", 1)],
  settings: () => ["Four items"],
  tables: () => [{ kind: "arms", title: "Both", metrics: ["acc"], baseline: "a" }],
  figures: () => [],
  conclusions: () => [],
};
`;

/**
 * A locked image tower whose features are cached.
 * @param {Awaited<ReturnType<typeof tinyData>>} data
 * @param {string} directory
 */
async function lockedTower(data, directory) {
  const recipe = tinyRecipe(data);
  await train({ recipe, directory, set: ["train.steps=1", "evaluate.suites=[]"] });
  return {
    data: { ...recipe.data, augmentation: undefined },
    towers: { image: { pretrained: path.join(directory, "model"), locked: true, cache: {} } },
  };
}

/** @param {string} folder */
async function manyPictures(folder) {
  mkdirSync(folder);
  for (let i = 0; i < 24; i++) {
    writeFileSync(path.join(folder, `picture-${i}.png`), await tinyPicture(i));
    writeFileSync(path.join(folder, `picture-${i}.txt`), `cat ${i}`);
  }
  return folder;
}

/**
 * A hub that has the model.
 * @param {string} model
 */
async function hubOf(model) {
  const files = Object.fromEntries(
    readdirSync(model)
      .filter((name) => !name.startsWith("."))
      .map((name) => {
        const bytes = readFileSync(path.join(model, name));
        return [name, { bytes, lfs: name.endsWith(".safetensors") }];
      }),
  );
  const commit = "0123456789abcdef0123456789abcdef01234567";
  return startLocalHub({ "org/model": { commit, revisions: ["main"], files } });
}

/**
 * The contents of every file of a target that must be the same, links included.
 *
 * @param {string} target
 * @param {Command} command
 * @returns {Map<string, Buffer>}
 */
export function contentsOf(target, { same = () => true }) {
  /** @type {Map<string, Buffer>} */
  const found = new Map();
  for (const name of readdirSync(target, { recursive: true }).map(String).sort()) {
    const file = path.join(target, name);
    if (same(name) && statSync(file).isFile()) found.set(name, readFileSync(file));
  }
  return found;
}

/**
 * Names below a folder that a writer should not have left.
 * @param {string} folder
 */
export function leftovers(folder) {
  return readdirSync(folder, { recursive: true })
    .map(String)
    .filter((name) => /\.partial(-|$)|\.limn-(lock|previous)|\.breaking$/.test(name));
}

/**
 * Steps that a run's log holds more than once, with the same keys.
 * @param {string} target
 */
export function repeatedSteps(target) {
  const lines = readFileSync(path.join(target, "metrics.jsonl"), "utf8").trim().split("\n");
  const keys = lines.map((line) => {
    const { step, wallTime: _, ...rest } = JSON.parse(line);
    return `${step} ${Object.keys(rest).sort().join()}`;
  });
  return keys.filter((key, i) => keys.indexOf(key) !== i);
}
