/**
 * ALIGN: EfficientNet-B7 and BERT-base on 1.8 billion noisy pairs.
 * arXiv:2102.05918, sections 4 and 5
 *
 * Run:     limn train recipes/align.ts --set 'data.train.shards=coyo/{00000..74699}.tar'
 * Data:    WebDataset shards; ALIGN's 1.8 billion pairs are not public. COYO-700M, as img2dataset
 *          writes it, is what the published weights of this size (kakaobrain/align-base) were
 *          trained on. tokenizers/bert-base-uncased/vocab.txt is BERT's vocabulary of 30,522.
 * Size:    171,183,185 parameters
 * Cost:    the paper: 1,024 TPU v3 cores for its main model; not measured with limn.
 * Expect:  R@1 on COCO 55.4 % image to text and 41.7 % text to image (the paper's ablation of this
 *          size); the temperature falls from 1 to about 1/64. Not run with limn.
 * Differs: the paper's main model, EfficientNet-L2 with BERT-Large, 640-pixel pretraining and a
 *          vocabulary of its own, is another (76.4 % on ImageNet): its weights and data were never
 *          published. The paper makes pictures 346 x 346 and cuts out 289 x 289; here a random
 *          part of the same share of the area is cut out first, its shape drawn from 3:4 to 4:3,
 *          and evaluation sees the whole picture. Batch norm takes its statistics from a
 *          micro-batch.
 * Unsure:  whether the ablation's runs were as long as the main one's.
 */
import { defineRecipe } from "limn";

/** Of a picture of 346 x 346, what 289 x 289 pixels are. */
const share = (289 / 346) ** 2;

export default defineRecipe({
  name: "align",
  model: "ALIGN",
  data: {
    train: { kind: "webdataset", shards: "coyo/{00000..74699}.tar" },
    tokenizer: {
      kind: "tokenizer.json",
      file: "tokenizers/bert-base-uncased/vocab.txt",
      contextLength: 64,
    },
    transform: {
      resizeMode: "squash",
      interpolation: "bilinear",
      crop: "none",
      mean: [0.5, 0.5, 0.5],
      std: [0.5, 0.5, 0.5],
    },
    augmentation: {
      randomResizedCrop: { scale: [share, share], ratio: [3 / 4, 4 / 3] },
      flip: 0.5,
    },
  },
  // Both directions are added, as in equation 1 and 2; the temperature starts at 1 and divides.
  objective: { kind: "align", labelSmoothing: 0.1, reduction: "sum", chunkSize: 4096 },
  train: {
    batchSize: 16_384,
    microBatchSize: 256,
    steps: 1_200_000,
    precision: "bfloat16",
    optimizer: { kind: "lamb", learningRate: 1e-3, weightDecay: 1e-5 },
    schedule: { kind: "linear", warmupSteps: 10_000 },
    checkpoint: { everySteps: 5000, keepLast: 3 },
    logEverySteps: 10,
  },
});
