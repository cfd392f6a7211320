/**
 * LiT L/16 on public data: CC12M and YFCC100M's captioned subset.
 * arXiv:2111.07991, section 5.2, appendix E
 *
 * Run:     limn pretrain recipes/augreg-l-16.ts  # or --set towers.image.pretrained=<folder>
 *          limn train recipes/lit-l-16.ts
 * Smoke:   limn pretrain recipes/augreg-l-16.ts --smoke --workdir runs/tower --set ...
 *          limn train recipes/lit-l-16.ts --smoke --set towers.image.pretrained=runs/tower/model \
 *            --set ...
 * Data:    WebDataset shards of CC12M and of YFCC's 15 million pictures that CLIP chose, as
 *          img2dataset writes them; captions of YFCC are title, description and tags in `captions`
 *          of key.json. tokenizers/bert-base-uncased/vocab.txt is BERT's vocabulary of 30,522.
 * Size:    637,935,617 parameters, of which 334,633,985 are trained
 * Cost:    not in the paper for this run; not measured with limn.
 * Expect:  75.7 % zero-shot on ImageNet; COCO R@1 48.5 % image to text, 31.2 % text to image
 *          (published weights LiT-L16L). Not run with limn.
 * Differs: AdamW, where the paper takes Adafactor for large text towers; its decay of 1e-4 does
 *          not scale with the rate of 8e-4, as AdamW's it is 0.125. Batches mix the two sets, the
 *          paper's alternate. One of a picture's captions is drawn each epoch; the paper's best
 *          run adds the losses of three. Its filter of titles (camera names, digits) is left to
 *          those who pack the shards.
 * Unsure:  warm-up is that of the runs on private data. Whether this run's BERT began from its own
 *          pretraining; if so: --set towers.setting=LU with towers.text.pretrained, learned on.
 *          The first logit scale: 10 in the published configurations.
 */
import { defineRecipe } from "limn";

export default defineRecipe({
  name: "lit-l-16",
  model: "LiT-L/16",
  towers: { setting: "Lu", image: { pretrained: "runs/augreg-l-16/model" } },
  data: {
    train: {
      kind: "webdataset",
      shards: ["cc12m/{00000..01242}.tar", "yfcc15m/{00000..01480}.tar"],
    },
    // [CLS] and up to 15 pieces, without [SEP].
    tokenizer: {
      kind: "tokenizer.json",
      file: "tokenizers/bert-base-uncased/vocab.txt",
      contextLength: 16,
      addEnd: false,
      pooling: "first",
    },
    // Evaluation makes both sides 224 pixels, values go to [-1, 1]; training cuts as Inception did.
    transform: {
      resizeMode: "squash",
      interpolation: "bilinear",
      crop: "none",
      mean: [0.5, 0.5, 0.5],
      std: [0.5, 0.5, 0.5],
    },
    augmentation: { randomResizedCrop: { scale: [0.05, 1], ratio: [3 / 4, 4 / 3] } },
  },
  objective: { kind: "softmax", chunkSize: 4096 },
  logits: { scale: { init: 10, max: null } },
  train: {
    batchSize: 16_384,
    microBatchSize: 1024,
    steps: 60_000,
    precision: "bfloat16",
    optimizer: { learningRate: 8e-4, weightDecay: 0.125, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
    schedule: { kind: "cosine", warmupSteps: 10_000 },
    gradientClip: 1,
    checkpoint: { everySteps: 1000, keepLast: 3 },
    logEverySteps: 10,
  },
});
