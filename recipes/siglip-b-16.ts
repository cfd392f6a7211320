/**
 * SigLIP ViT-B/16 at 256 pixels on 40 billion pairs seen.
 * arXiv:2303.15343; big_vision's released weights
 *
 * Run:     limn train recipes/siglip-b-16.ts --set 'data.train.shards=pairs/{000000..139827}.tar'
 * Then:    five billion pairs more at the final size, with a hundredth of the rate and no decay:
 *          limn train recipes/siglip-b-16.ts --set name=siglip-b-16-224 \
 *            --set model.image.imageSize=224 --set pretrained=runs/siglip-b-16/model \
 *            --set train.steps=152587 --set train.optimizer.learningRate=1e-5 --set train.optimizer.weightDecay=0
 * Data:    WebDataset shards; WebLI is not public. DataComp-1B, as img2dataset writes it, is the
 *          nearest. The vocabulary is SentencePiece's 32,000 pieces of English C4 (c4_en).
 * Size:    203,202,050 parameters
 * Cost:    16 TPU v4 for three days, as the model card says; not measured with limn.
 * Expect:  zero-shot on ImageNet 76.7 % at 256 pixels, 76.2 % at 224; COCO R@1 at 256: 65.1 %
 *          image to text, 47.4 % text to image (paper). Not run with limn.
 * Differs: AdamW, where the paper's runs used big_vision's Adafactor with a momentum. big_vision's
 *          decay of 1e-4 does not scale with the rate of 1e-3; as AdamW's it is 0.1. Resizing is
 *          antialiased.
 * Unsure:  rate, decay, warm-up and schedule are those that SigLIP 2 states for its run of this
 *          length.
 */
import { defineRecipe } from "limn";

const examples = 40_000_000_000;
const batchSize = 32_768;

export default defineRecipe({
  name: "siglip-b-16",
  model: {
    embedDim: 768,
    image: { size: "siglip-B/16", imageSize: 256 },
    text: "siglip-B",
    imageProjection: false,
  },
  data: {
    train: { kind: "webdataset", shards: "pairs/{000000..139827}.tar" },
    // Padded with the end of text, id 1; the last position is read, so the length matters.
    tokenizer: {
      kind: "tokenizer.json",
      file: "tokenizers/c4-en/sentencepiece.model",
      contextLength: 64,
      clean: "lower",
      padId: 1,
    },
    // Both sides become 256 pixels, values go to [-1, 1]; no augmentation.
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
    batchSize,
    microBatchSize: 512,
    steps: Math.floor(examples / batchSize),
    precision: "bfloat16",
    // A beta2 of 0.95 keeps the loss of large batches without spikes (figure 5).
    optimizer: { learningRate: 1e-3, weightDecay: 0.1, beta1: 0.9, beta2: 0.95, epsilon: 1e-8 },
    schedule: { kind: "cosine", warmupSteps: 20_000 },
    gradientClip: 1,
    checkpoint: { everySteps: 5000, keepLast: 3 },
    logEverySteps: 10,
  },
});
