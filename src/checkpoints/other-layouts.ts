/** Layouts that limn does not read, told by the names of their files, and what leads to one that it reads. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { modelsIn, pairAmongOthers } from "./weights/unwrapped.ts";
import { isWeightsFile } from "./weights/weight-file.ts";
import type { Place } from "./place.ts";

const resave =
  "load it in Python with transformers and save it with save_pretrained, which writes safetensors";

/** A file's name, what a folder with it is, and what to do. The first that fits counts. */
const known: readonly (readonly [RegExp, string, string])[] = [
  [
    /^model_index\.json$/,
    "a pipeline of diffusers, which limn does not read",
    "give the folder of a whole CLIP model; a pipeline holds one of its towers alone",
  ],
  [
    /^adapter_(config\.json|model\.(safetensors|bin))$/,
    "an adapter of peft without its base model",
    "give the base model, and this folder as its adapter",
  ],
  [/\.gguf$/i, "a GGUF model, which limn does not read", "give the model that it was made from"],
  [
    /\.(mlpackage|mlmodelc?)$/,
    "a Core ML model, which limn does not read",
    "give the model that it was made from",
  ],
  [
    /\.onnx$/,
    "an ONNX model, which limn does not read",
    "give the model that it was exported from",
  ],
  [/\.(tflite|engine|plan)$/, "a compiled model, which limn does not read", "give its source"],
  [
    /^tf_model\.h5$|\.h5$|\.keras$/,
    "a model of Keras or TensorFlow, which limn does not read",
    resave,
  ],
  [/^saved_model\.pb$/, "a SavedModel of TensorFlow, which limn does not read", resave],
  [/\.msgpack$/, "a model of Flax in msgpack, which limn does not read", resave],
  [
    /\.distcp$|^(bf16_)?zero_pp_rank_|^mp_rank_\d+_model_states\.pt$|^zero_to_fp32\.py$|^pytorch_model_fsdp_\d+$/,
    "a checkpoint in parts, one for each process that trained it",
    "join them in Python (dcp_to_torch_save, zero_to_fp32) and give the one file",
  ],
  [
    /^(_CHECKPOINT_METADATA|manifest\.ocdbt|checkpoint\.index)$/,
    "a checkpoint folder of JAX or TensorFlow, which limn does not read",
    "give big_vision's .npz",
  ],
  [
    /^modules\.json$/,
    "a model of sentence-transformers without a CLIPModel among its modules",
    "give the folder of a module that limn reads",
  ],
];

/**
 * What lies at a place that no layout recognised, as the end of `Expected a model at ... but`; undefined
 * where nothing is known.
 */
export function otherLayout(place: Place): string | undefined {
  const { file } = place;
  if (file !== undefined) return fileWords(place, file) ?? wordsFor([basename(file)]);
  const words = wordsFor(place.names);
  const inner = modelFolders(place);
  const files = [...place.names, ...checkpointsIn(place)].filter(isModelFile);
  if (inner.length > 0) {
    return (
      `${words ?? "it holds no model itself"}${words === undefined ? ";" : ", or"} give one of the folders in ` +
      `it that look like models: ${shown(inner)}`
    );
  }
  if (words !== undefined || files.length === 0) return words;
  return (
    `it holds weights without a configuration (${shown(files)}); copy config.json or open_clip_config.json and what else came ` +
    "with them beside them, or give one of the files"
  );
}

/** A run of open_clip keeps its files a folder lower. */
function checkpointsIn({ folder, names }: Place): string[] {
  if (!names.includes(CHECKPOINTS) || !isFolder(join(folder, CHECKPOINTS))) return [];
  return readdirSync(join(folder, CHECKPOINTS)).map((name) => join(CHECKPOINTS, name));
}

const CHECKPOINTS = "checkpoints";

/** The name of a file that may hold a model's weights, and not an optimizer's or a random state. */
export function isModelFile(name: string): boolean {
  return isWeightsFile(name) && !/optim|scheduler|scaler|rng_state|training_args/.test(name);
}

/** The first and the last of many, which are the newest where they are numbered. */
function shown(names: readonly string[]): string {
  const few = names.length <= 6 ? names : [...names.slice(0, 3), "...", ...names.slice(-3)];
  return few.join(", ");
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** What stands in place of weights that a configuration belongs to; undefined where nothing is known. */
export function otherWeights(names: readonly string[]): string | undefined {
  return wordsFor(names.filter((name) => name !== "modules.json"));
}

function wordsFor(names: readonly string[]): string | undefined {
  for (const [pattern, what, cure] of known) {
    const name = names.find((one) => pattern.test(one));
    if (name !== undefined) return `it is ${what} (${name}); ${cure}`;
  }
  return undefined;
}

/** A file of weights that were opened, with names of no layout. */
function fileWords(place: Place, file: string): string | undefined {
  if (!isWeightsFile(file)) return undefined;
  const weights = place.weightsIn(file);
  const pair = pairAmongOthers(weights.names);
  if (pair !== undefined && pair.others.length > 0) {
    return (
      `beside the weights of a pair under ${pair.holder} its file has others ` +
      `(${pair.others.slice(0, 3).join(", ")}); save those under ${pair.holder} alone`
    );
  }
  const models = modelsIn(weights);
  const shown = weights.names.slice(0, 3).join(", ");
  const several = models.length > 1 ? `, under ${models.slice(0, 6).join(", ")}` : "";
  return (
    `its weights (${shown}, ...${several}) are those of no layout that limn knows without a configuration; ` +
    "give a folder with config.json, or the state dict of one whole CLIP"
  );
}

function modelFolders({ folder, names }: Place): string[] {
  return names
    .map((name) => join(folder, name))
    .filter((inner) => {
      if (!isFolder(inner)) return false;
      const configs = ["config.json", "open_clip_config.json", "snapshots"];
      return configs.some((name) => existsSync(join(inner, name)));
    });
}
