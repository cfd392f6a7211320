/** A folder as timm's `push_to_hf_hub` writes it: `config.json` with `architecture`, and weights. */
import { join } from "node:path";
import { CheckpointError } from "../../../errors.ts";
import { readJsonObject } from "../../../files/json-fields.ts";
import { fromTimmPretrainedConfig } from "../../preprocessing/timm-pretrained-config.ts";
import type { KeyTable } from "../../weights/key-table.ts";
import type { Layout, ModelSource, Place } from "../../layout.ts";
import { openWeightsOf } from "../weights-of.ts";
import { fromTimmConfig } from "./config.ts";
import { timmVitKeys } from "./keys.ts";

/** The classifier is kept for saving: the tower's features are what lies before it. */
export const timmTable: KeyTable = {
  keys: timmVitKeys("imageTower.", ""),
  carried: (name) => name === "head.weight" || name === "head.bias",
};

export const timm: Layout = {
  name: "timm",
  matches: ({ file, folder, names }) => {
    if (file !== undefined || !names.includes("config.json")) return false;
    return typeof readJsonObject(join(folder, "config.json"))["architecture"] === "string";
  },
  read: (place, given): ModelSource => {
    const file = join(place.folder, "config.json");
    const json = readJsonObject(file);
    const { config } = fromTimmConfig(file, json);
    return {
      place,
      layout: "timm",
      family: "ViT",
      contents: { kind: "image", config, embedDim: null },
      table: timmTable,
      openWeights: () => openWeightsOf(place, weightsFiles),
      evaluationTransform: () => given.evaluationTransform ?? fromTimmPretrainedConfig(file, json),
      tokenizer: () => Promise.reject(noText(place)),
    };
  },
};

const weightsFiles = ["model.safetensors", "pytorch_model.bin"];

function noText({ path }: Place): CheckpointError {
  return new CheckpointError(
    path,
    `Expected a text tower in ${path} but it holds an image tower of timm, which has no tokenizer; ` +
      "pair it with a text tower first",
  );
}
