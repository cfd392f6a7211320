/** `text_cfg` of open_clip (model.py, `CLIPTextCfg`) as a text tower. */
import type { TextTransformerConfig } from "../../../towers/text/text-transformer.ts";
import type { StrictFields } from "../strict-fields.ts";
import { blockSettings, layerSettings, maxDepth } from "./layer-settings.ts";

export interface OpenClipText {
  config: TextTransformerConfig;
  /** False where the tower's features are the embeddings. */
  projection: boolean;
}

const sizeFields = ["context_length", "vocab_size", "width", "heads", "layers", "mlp_ratio"];
const towerFields = [
  ...["embed_cls", "pad_id", "eos_id", "no_causal_mask", "pool_type", "proj_bias", "proj_type"],
  ...["final_ln_after_pool", "output_tokens", "act_kwargs", "norm_kwargs"],
  ...Object.keys(blockSettings),
];
const tokenizerFields = ["hf_tokenizer_name", "tokenizer_mode", "tokenizer_kwargs"];
const libraryFields = ["hf_model_name", "hf_model_pretrained", "hf_proj_type", "hf_pooler_type"];

/** `</s>` of SigLIP's vocabulary and `<eos>` of Gemma's: a tower that reads the last place needs none. */
const sentencePieceEnd = 1;

export function readText(fields: StrictFields, quickGelu: boolean): OpenClipText {
  fields.only([...sizeFields, ...towerFields, ...tokenizerFields, ...libraryFields]);
  // The sizes of such a tower are in none of the checkpoint's files.
  if (fields.text("hf_model_name") !== undefined) {
    fields.refuse("hf_model_name", "nothing, open_clip's own text tower,");
  }
  fields.fixed({
    embed_cls: [false],
    output_tokens: [false],
    final_ln_after_pool: [false],
    pool_type: ["argmax", "eos", "last"],
    proj_type: ["linear", "none"],
    ...blockSettings,
  });
  const projection = fields.raw("proj_type") !== "none";
  const width = fields.integer("width", 512);
  const heads = fields.integer("heads", 8);
  if (width % heads !== 0) fields.fail("heads", `a divisor of width ${width}`);
  const bias = projection && fields.boolean("proj_bias", false);
  const config: TextTransformerConfig = {
    kind: "transformer",
    contextLength: fields.integer("context_length", 77),
    vocabSize: fields.integer("vocab_size", 49_408),
    width,
    depth: fields.integer("layers", 12, { most: maxDepth }),
    heads,
    ...layerSettings(fields, width, quickGelu),
    eotTokenId: endOfText(fields),
    padTokenId: fields.integer("pad_id", 0, { least: 0 }),
    ...(fields.boolean("no_causal_mask", false) && { attention: "bidirectional" as const }),
    ...(fields.raw("pool_type") === "last" && { pooling: "last" as const }),
    ...(bias && { projectionBias: true }),
  };
  return { config, projection };
}

/** `argmax` looks for the greatest id of a row, which is CLIP's end of text, the last of the vocabulary. */
function endOfText(fields: StrictFields): number {
  const pooling = fields.raw("pool_type") ?? "argmax";
  const vocabSize = fields.integer("vocab_size", 49_408);
  if (pooling === "argmax") return vocabSize - 1;
  if (pooling === "last") return sentencePieceEnd;
  const id = fields.integer("eos_id", 2, { least: 0 });
  return id < vocabSize ? id : fields.fail("eos_id", `an id below vocab_size ${vocabSize}`);
}
