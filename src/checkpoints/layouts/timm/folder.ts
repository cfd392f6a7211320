/** A folder as timm's `push_to_hf_hub` writes it: `config.json` with `architecture`, and weights. */
import { join } from "node:path";
import { CheckpointError } from "../../../errors.ts";
import { fromTimmPretrainedConfig } from "../../preprocessing/timm-pretrained-config.ts";
import type { KeyTable } from "../../weights/key-table.ts";
import type { Layout } from "../../layout.ts";
import type { PlaceFacts } from "../../place.ts";
import { fromTimmConfig } from "./config.ts";
import { timmVitKeys } from "./keys.ts";

/** The classifier is kept for saving: the tower's features are what lies before it. */
export const timmTable: KeyTable = {
  keys: timmVitKeys("imageTower.", ""),
  carried: (name) => name === "head.weight" || name === "head.bias",
};

export const timm: Layout = {
  name: "timm",
  matches: (place) => {
    if (place.file !== undefined || !place.names.includes("config.json")) return false;
    return typeof place.json("config.json")["architecture"] === "string";
  },
  read: (place, given) => {
    const file = join(place.folder, "config.json");
    const json = place.json("config.json");
    const { config } = fromTimmConfig(file, json);
    return {
      place,
      layout: "timm",
      family: "ViT",
      contents: { kind: "image", config, embedDim: null },
      table: timmTable,
      weights: () => place.weightsOf(weightsFiles),
      evaluationTransform: () => given.evaluationTransform ?? fromTimmPretrainedConfig(file, json),
      tokenizer: () => Promise.reject(noText(place)),
    };
  },
};

const weightsFiles = ["model.safetensors", "pytorch_model.bin"];

function noText({ path }: PlaceFacts): CheckpointError {
  return new CheckpointError(
    path,
    `Expected a text tower in ${path} but it holds an image tower of timm, which has no tokenizer; ` +
      "pair it with a text tower first",
  );
}
