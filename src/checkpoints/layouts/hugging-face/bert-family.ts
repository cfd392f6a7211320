/**
 * BERT as a text tower: transformers' `BertModel`, and the models around it with a head of another task
 * (configuration_bert.py and modeling_bert.py, 5.23). ALIGN's text tower has the same names.
 */
import type { BertConfig } from "../../../towers/text/bert-tower.ts";
import { JsonFields, type JsonObject } from "../../../files/json-fields.ts";
import type { KeyTable } from "../../weights/key-table.ts";
import { freeId } from "../end-of-text.ts";
import type { HuggingFaceFamily, HuggingFaceModel } from "./family.ts";
import { isPositionNumbers, readLayers, type LayerDefaults } from "./layer-keys.ts";

const layers: LayerDefaults = {
  width: 768,
  depth: 12,
  heads: 12,
  mlpWidth: 3072,
  activation: "gelu",
  normEpsilon: 1e-12,
};

/** The fields of `BertConfig` and `AlignTextConfig`. Throws CheckpointError naming the field. */
export function readBert(fields: JsonFields): BertConfig {
  if (fields.integer("type_vocab_size", 2) !== 2) {
    fields.unsupported("type_vocab_size", "2, for a first and a second sentence");
  }
  const positions = fields.raw("position_embedding_type") ?? "absolute";
  if (positions !== "absolute") fields.unsupported("position_embedding_type", '"absolute"');
  for (const name of ["is_decoder", "add_cross_attention"]) {
    if (fields.boolean(name, false)) fields.unsupported(name, "false, for an encoder");
  }
  const vocabSize = fields.integer("vocab_size", 30_522);
  return {
    kind: "bert",
    contextLength: fields.integer("max_position_embeddings", 512),
    vocabSize,
    ...readLayers(fields, layers),
    padTokenId: freeId(fields, "pad_token_id", { fallback: 0, vocabSize }),
  };
}

/** limn's names to those of `BertModel`, whose modules stand behind `theirs`. */
export function bertKeys(theirs: "" | "text_model."): KeyTable["keys"] {
  const block = `${theirs}encoder.layer.#`;
  const inputs = ["query", "key", "value"].map((name) => `${block}.attention.self.${name}.*`);
  return {
    "textTower.tokenEmbedding.weight": `${theirs}embeddings.word_embeddings.weight`,
    "textTower.positionEmbedding": `${theirs}embeddings.position_embeddings.weight`,
    "textTower.typeEmbedding": `${theirs}embeddings.token_type_embeddings.weight`,
    "textTower.normBefore.*": `${theirs}embeddings.LayerNorm.*`,
    "textTower.blocks.#.attention.input.*": { names: inputs },
    "textTower.blocks.#.attention.output.*": `${block}.attention.output.dense.*`,
    "textTower.blocks.#.norm1.*": `${block}.attention.output.LayerNorm.*`,
    "textTower.blocks.#.mlp.up.*": `${block}.intermediate.dense.*`,
    "textTower.blocks.#.mlp.down.*": `${block}.output.dense.*`,
    "textTower.blocks.#.norm2.*": `${block}.output.LayerNorm.*`,
  };
}

/** Heads of pretraining and of tasks. */
const heads = /^(pooler|cls|classifier|qa_outputs)\./;

const table: KeyTable = {
  keys: bertKeys(""),
  // BertModel's own files have no prefix, those of the models around it do; files that came from
  // TensorFlow call a norm's weight and bias gamma and beta.
  canonical: (name) =>
    name
      .replace(/^bert\./, "")
      .replace(/\.LayerNorm\.gamma$/, ".LayerNorm.weight")
      .replace(/\.LayerNorm\.beta$/, ".LayerNorm.bias"),
  ignored: (name) => heads.test(name) || isPositionNumbers(name),
};

export const bert: HuggingFaceFamily = {
  modelType: "bert",
  className: "BertModel",

  fromConfig(file: string, json: JsonObject): HuggingFaceModel {
    const config = readBert(new JsonFields(file, "", json));
    return {
      family: "BERT",
      tokenizer: { file: "align", className: "BertTokenizer" },
      contents: { kind: "text", config, embedDim: null },
    };
  },

  holds: () => false,

  table: () => table,
};
