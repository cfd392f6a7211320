/**
 * SigLiT: a locked ViT-B/8 of AugReg and a new text tower.
 * arXiv:2303.15343, sections 3.3 and 4.3
 *
 * Run:     limn pretrain recipes/augreg-b-8.ts  # or --set towers.image.pretrained=<folder>
 *          limn train recipes/siglit-b-8.ts --set 'data.train.shards=pairs/{000000..139827}.tar'
 * Smoke:   limn pretrain recipes/augreg-b-8.ts --smoke --workdir runs/tower --set ...
 *          limn train recipes/siglit-b-8.ts --smoke --set towers.image.pretrained=runs/tower/model \
 *            --set ...
 * Data:    WebDataset shards; the paper's pairs are not public. The vocabulary is SentencePiece's
 *          32,000 pieces of English C4 (c4_en). The paper's image tower is AugReg's public B/8.
 * Size:    270,536,194 parameters, of which 184,728,322 are trained
 * Cost:    four TPU v4 for one day; the cache takes 1.5 KB for each picture (1.5 TB per billion),
 *          made in one pass. Not measured with limn.
 * Expect:  79.7 % zero-shot on ImageNet (paper). Not run with limn.
 * Differs: nothing that we know of; big_vision's decay of 1e-7 does not scale with the rate of
 *          1e-4, as Lion's it is 1e-3. Resizing is antialiased.
 * Unsure:  that the L text tower has 12 blocks, 16 tokens and 6,500 steps of warm-up is recalled,
 *          and so is a logit scale of 10 and a bias of -10 here.
 */
import { defineRecipe } from "limn";

export default defineRecipe({
  name: "siglit-b-8",
  model: {
    embedDim: 768,
    image: "augreg-B/8",
    text: {
      width: 1024,
      depth: 12,
      heads: 16,
      activation: "geluTanh",
      normEpsilon: 1e-6,
      attention: "bidirectional",
      pooling: "last",
      projectionBias: true,
      initialization: "bigVision",
    },
    imageProjection: false,
  },
  towers: {
    setting: "Lu",
    image: { pretrained: "runs/augreg-b-8/model", cache: { precision: "float16" } },
  },
  data: {
    train: { kind: "webdataset", shards: "pairs/{000000..139827}.tar" },
    // Padded with the end of text, id 1; the last position is read, so the length matters.
    tokenizer: {
      kind: "tokenizer.json",
      file: "tokenizers/c4-en/sentencepiece.model",
      contextLength: 16,
      clean: "lower",
      padId: 1,
    },
    // Both sides become 224 pixels, values go to [-1, 1]; no augmentation.
    transform: {
      resizeMode: "squash",
      interpolation: "bilinear",
      crop: "none",
      mean: [0.5, 0.5, 0.5],
      std: [0.5, 0.5, 0.5],
    },
  },
  // The logits begin at a scale of 10 and a bias of -10, the defaults of this objective.
  objective: { kind: "sigmoid", chunkSize: 4096 },
  train: {
    batchSize: 32_768,
    microBatchSize: 2048,
    steps: 65_000,
    precision: "bfloat16",
    optimizer: { kind: "lion", learningRate: 1e-4, weightDecay: 1e-3 },
    schedule: { kind: "cosine", warmupSteps: 6500 },
    checkpoint: { everySteps: 1000, keepLast: 3 },
    logEverySteps: 10,
  },
});
