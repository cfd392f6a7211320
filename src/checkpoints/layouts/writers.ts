/** The layouts that limn writes: which one holds a model, its small files and its names of weights. */
import type { EvaluationTransform } from "../../data/image/evaluation-transform.ts";
import type { NaflexTransform } from "../../data/image/naflex-transform.ts";
import type { TokenizerDescription } from "../../text/index.ts";
import { CheckpointError } from "../../errors.ts";
import type { DualEncoderConfig } from "../../pair/dual-encoder.ts";
import { patchTransform, toHuggingFaceNaflex } from "../preprocessing/hugging-face-naflex.ts";
import { toHuggingFacePreprocessor } from "../preprocessing/hugging-face-preprocessor.ts";
import type { DType } from "../../torch/dtype.ts";
import type { KeyTable } from "../weights/key-table.ts";
import { huggingFaceFamilies } from "./hugging-face/families.ts";
import { ownNames, toPairConfig } from "./limn.ts";
import { openClipFiles, type OpenClipFilesOptions } from "./open-clip/write.ts";

/** The names of `limn convert --to`. */
export const saveLayouts = ["hugging-face", "open-clip", "limn"] as const;
export type SaveLayout = (typeof saveLayouts)[number];

export interface WrittenModel {
  config: DualEncoderConfig;
  evaluationTransform: EvaluationTransform;
  /** Of a NaFlex tower; patches as many as the square has when absent. */
  naflexTransform?: NaflexTransform | undefined;
  /** Whose files lie beside the model, where a layout must know. */
  tokenizer?: TokenizerDescription | undefined;
}

/** A model in one layout, but for its weights and its tokenizer. */
interface WrittenLayout {
  readonly weightsFile: string;
  readonly table: KeyTable;
  /** Texts of the other files, by name. */
  readonly files: Readonly<Record<string, string>>;
}

/**
 * A model in the named layout; in Hugging Face's where that holds it, else in limn's own, when none
 * is named.
 *
 * dtype   of the weights that are written beside
 * throws  CheckpointError where the named layout cannot hold the model
 */
export function writtenLayout(
  folder: string,
  model: WrittenModel,
  { layout, dtype }: { layout?: SaveLayout | undefined; dtype?: DType | undefined } = {},
): WrittenLayout {
  const { config, evaluationTransform, tokenizer } = model;
  if (layout === "open-clip") {
    return openClipFiles(folder, config, evaluationTransform, openClipTokenizer(tokenizer));
  }
  const own = {
    weightsFile: "model.safetensors",
    table: ownNames,
    files: { "config.json": toPairConfig(config), ...preprocessorFile(model) },
  };
  const family = huggingFaceFamilies.find((one) => one.toConfig && one.holds(config));
  if (layout === "limn" || (layout === undefined && !family)) return own;
  if (family?.toConfig) {
    const table = family.table({ kind: "pair", config });
    return {
      ...own,
      table,
      files: { ...own.files, "config.json": family.toConfig(config, dtype) },
    };
  }
  throw new CheckpointError(
    folder,
    `Expected a model that transformers has a class for, to write ${folder} in Hugging Face's ` +
      `layout, but received ${config.image.kind} with ${config.text.kind}; write limn's own`,
  );
}

function preprocessorFile(model: WrittenModel): Record<string, string> {
  const { config, evaluationTransform, naflexTransform } = model;
  const { image } = config;
  const text =
    image.kind === "naflex"
      ? toHuggingFaceNaflex(naflexTransform ?? patchTransform(evaluationTransform, image.patchSize))
      : toHuggingFacePreprocessor(evaluationTransform);
  return { "preprocessor_config.json": text };
}

/** open_clip has CLIP's own tokenizer built in and reads any other from the folder. */
function openClipTokenizer(tokenizer: TokenizerDescription | undefined): OpenClipFilesOptions {
  if (tokenizer === undefined || tokenizer.kind === "clip-bpe") return {};
  const { clean = "none", rules } = tokenizer;
  if (clean === "lower" || clean === "whitespace" || clean === "canonicalize") {
    return { huggingFaceTokenizer: { clean } };
  }
  const siglip = rules === "siglip" || rules === "siglip2" || clean === "big-vision-canonicalize";
  return { huggingFaceTokenizer: { clean: siglip ? "canonicalize" : "whitespace" } };
}
