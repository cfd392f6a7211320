/** The text tower of a flax checkpoint: big_vision's transformer (SigLIP, LiT's small models) or BERT (LiT). */
import { UnsettledError } from "../../../errors.ts";
import type { BertConfig } from "../../../towers/text/bert-tower.ts";
import type { TextTowerConfig } from "../../../towers/index.ts";
import type { TextTransformerConfig } from "../../../towers/text/text-transformer.ts";
import { leadingOne, transposed, type KeyTable } from "../../weights/key-table.ts";
import { gemmaVocabulary } from "../hugging-face/siglip-family.ts";
import { blocks, dense, norm } from "./flax-forms.ts";
import { layersOf, namesOf, type FlaxShapes } from "./shapes.ts";

interface FlaxTextTower {
  config: TextTowerConfig;
  embedDim: number;
  keys: KeyTable["keys"];
}

/** The tower under `txt/`. Throws CheckpointError naming the weight that is missing. */
export function readTextTower(shapes: FlaxShapes): FlaxTextTower {
  const [, embedDim = 0] = shapes.sides("txt/head/kernel", 2);
  return shapes.hasUnder("txt/BertEncoder_0/")
    ? { ...readBert(shapes), embedDim }
    : { ...readTransformer(shapes), embedDim };
}

function readTransformer(shapes: FlaxShapes): Omit<FlaxTextTower, "embedDim"> {
  const [vocabSize = 0, width = 0] = shapes.sides("txt/Embed_0/embedding", 2);
  const [, contextLength = 0] = shapes.sides("txt/pos_embedding", 3);
  const names = namesOf(shapes, "txt/Encoder_0");
  const layers = layersOf(shapes, "txt/Encoder_0", names);
  const config: TextTransformerConfig = {
    ...{ kind: "transformer", contextLength, vocabSize, width, ...layers },
    ...{ activation: "geluTanh", normEpsilon: 1e-6, initialization: "bigVision" },
    ...{ attention: "bidirectional", pooling: "last", projectionBias: true },
    eotTokenId: 1,
    padTokenId: vocabSize >= gemmaVocabulary ? 0 : 1,
  };
  return {
    config,
    keys: {
      "textTower.tokenEmbedding.weight": "txt/Embed_0/embedding",
      "textTower.positionEmbedding": { names: ["txt/pos_embedding"], form: leadingOne },
      ...blocks("textTower.blocks.#", "txt/Encoder_0", names, layers.heads),
      ...norm("textTower.normAfter", "txt/Encoder_0/encoder_norm"),
      ...dense("textTower.projection", "txt/head"),
    },
  };
}

/** flaxformer's BertEncoder, whose matrices are [inputs, outputs] without a side for heads. */
function readBert(shapes: FlaxShapes): Omit<FlaxTextTower, "embedDim"> {
  const root = "txt/BertEncoder_0";
  const layer = `${root}/encoder_block/layer_sequence/layers_#`;
  const tables = `${root}/embedder/embedders`;
  const [vocabSize = 0, width = 0] = shapes.sides(`${tables}_token_ids/embedding`, 2);
  const [contextLength = 0] = shapes.sides(`${tables}_position_ids/embedding`, 2);
  const first = layer.replace("#", "0");
  const [, mlpWidth = 0] = shapes.sides(`${first}/mlp_block/mlp/dense_layer/kernel`, 2);
  const config: BertConfig = {
    ...{ kind: "bert", contextLength, vocabSize, width, mlpWidth },
    depth: shapes.count(`${layer}/attention_block/layer_norm/scale`),
    heads: bertHeads(shapes.file, width),
    ...{ activation: "geluTanh", normEpsilon: 1e-12, padTokenId: 0, projectionBias: true },
    padding: "anywhere",
  };
  const inner = `${layer}/attention_block/attention_layer`;
  const parts = ["query", "key", "value"];
  return {
    config,
    keys: {
      "textTower.tokenEmbedding.weight": `${tables}_token_ids/embedding`,
      "textTower.positionEmbedding": `${tables}_position_ids/embedding`,
      "textTower.typeEmbedding": `${tables}_segment_ids/embedding`,
      ...norm("textTower.normBefore", `${root}/layer_norm`),
      "textTower.blocks.#.attention.input.weight": {
        names: parts.map((part) => `${inner}/${part}/kernel`),
        form: transposed,
      },
      "textTower.blocks.#.attention.input.bias": {
        names: parts.map((part) => `${inner}/${part}/bias`),
      },
      ...dense("textTower.blocks.#.attention.output", `${layer}/attention_block/dense_layer`),
      ...norm("textTower.blocks.#.norm1", `${layer}/attention_block/layer_norm`),
      ...dense("textTower.blocks.#.mlp.up", `${layer}/mlp_block/mlp/dense_layer`),
      ...dense("textTower.blocks.#.mlp.down", `${layer}/mlp_block/dense_layer`),
      ...norm("textTower.blocks.#.norm2", `${layer}/mlp_block/layer_norm`),
      ...dense("textTower.projection", "txt/head"),
    },
  };
}

/** All published BERTs have heads of 64. */
function bertHeads(file: string, width: number): number {
  if (width % 64 === 0) return width / 64;
  throw new UnsettledError(
    file,
    "architecture",
    `Expected a BERT with heads of 64 in ${file} but received a width of ${width}, from which its ` +
      "heads cannot be told; convert the checkpoint to Hugging Face's layout, whose config.json says it",
  );
}
