/** The layouts that limn writes: which one holds a model, its small files and its names of weights. */
import type { EvaluationTransform } from "../../data/image/evaluation-transform.ts";
import type { NaflexTransform } from "../../data/image/naflex-transform.ts";
import { CheckpointError } from "../../errors.ts";
import type { DualEncoderConfig } from "../dual-encoder.ts";
import { patchTransform, toHuggingFaceNaflex } from "../preprocessing/hugging-face-naflex.ts";
import { toHuggingFacePreprocessor } from "../preprocessing/hugging-face-preprocessor.ts";
import type { KeyTable } from "../weights/key-table.ts";
import type { HuggingFaceFamily } from "./hugging-face/family.ts";
import { huggingFaceFamilies } from "./hugging-face/families.ts";
import { ownNames, toPairConfig } from "./limn.ts";

/** The names of `limn convert --to`. */
export const saveLayouts = ["hugging-face", "limn"] as const;
export type SaveLayout = (typeof saveLayouts)[number];

export interface WrittenModel {
  config: DualEncoderConfig;
  evaluationTransform: EvaluationTransform;
  /** Of a NaFlex tower; patches as many as the square has when absent. */
  naflexTransform?: NaflexTransform | undefined;
}

export interface LayoutWriter {
  readonly weightsFile: string;
  readonly table: KeyTable;
  /** Names and texts of the files beside weights and tokenizer. */
  files(model: WrittenModel): Record<string, string>;
}

/**
 * The writer of a layout; Hugging Face's where it holds the model, else limn's own, when none is named.
 *
 * throws  CheckpointError where the named layout cannot hold the model
 */
export function layoutWriter(
  folder: string,
  config: DualEncoderConfig,
  layout?: SaveLayout,
): LayoutWriter {
  const family = huggingFaceFamilies.find((one) => one.toConfig && one.holds(config));
  if (layout === "limn" || (layout === undefined && !family)) return own;
  if (family) return huggingFaceWriter(family, config);
  throw new CheckpointError(
    folder,
    `Expected a model that transformers has a class for, to write ${folder} in Hugging Face's ` +
      `layout, but received ${config.image.kind} with ${config.text.kind}; write limn's own`,
  );
}

function huggingFaceWriter(family: HuggingFaceFamily, config: DualEncoderConfig): LayoutWriter {
  return {
    weightsFile: "model.safetensors",
    table: family.table({ kind: "pair", config }),
    files: (model) => ({
      "config.json": family.toConfig?.(config) ?? "",
      "preprocessor_config.json": preprocessorOf(model),
    }),
  };
}

function preprocessorOf({ config, evaluationTransform, naflexTransform }: WrittenModel): string {
  const { image } = config;
  return image.kind === "naflex"
    ? toHuggingFaceNaflex(naflexTransform ?? patchTransform(evaluationTransform, image.patchSize))
    : toHuggingFacePreprocessor(evaluationTransform);
}

const own: LayoutWriter = {
  weightsFile: "model.safetensors",
  table: ownNames,
  files: (model) => ({
    "config.json": toPairConfig(model.config),
    "preprocessor_config.json": preprocessorOf(model),
  }),
};
