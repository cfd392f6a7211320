/**
 * SigLIxP ViT-B/16 on six billion pairs seen: SigLIP in the context of its batch.
 * arXiv:2411.15099
 *
 * Run:     limn train recipes/siglixp-b-16.ts --set 'data.train.shards=pairs/{000000..139827}.tar'
 * Control: --set objective.alpha=1 is SigLIP, to the bit, at equal steps.
 * Later:   a finished SigLIP goes on with the context for half a billion pairs (15,258 steps):
 *          --set pretrained=<model folder> --set train.steps=15258
 * Data:    WebDataset shards; WebLI is not public. DataComp-1B, as img2dataset writes it, is the
 *          nearest. The vocabulary is SentencePiece's 32,000 pieces of English C4 (c4_en).
 * Size:    203,155,970 parameters, and three scalars of the context
 * Cost:    the attention over a batch of 32,768 is 0.3 % of the towers' work at B/16, and takes
 *          its memory in chunks; not measured with limn.
 * Expect:  over 21 datasets (summary of the paper): 32 shots 73.8 % (SigLIP 69.5 %). Not run with
 *          limn.
 * Differs: AdamW, where the authors' framework may have had Adafactor. The pairs are not theirs.
 * Unsure:  the paper has no code and its text could not be read in full. From a summary of it:
 *          sizes, pairs seen, alpha 0.9, the post-training. Recalled: the batch. Of SigLIP: text
 *          tower, 64 tokens, 224 pixels, rate, decay (1e-4 that does not scale with the rate:
 *          AdamW's 0.1), beta2, schedule. tau_ctx begins where attention over cosines has a
 *          temperature of 0.3, so that it can switch on within 183,105 steps; see
 *          `contextTemperatureInit` in docs/objectives.md.
 */
import { defineRecipe } from "limn";

const examples = 6_000_000_000;
const batchSize = 32_768;

export default defineRecipe({
  name: "siglixp-b-16",
  model: "SigLIP-B/16",
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
  objective: { kind: "lixp", base: "sigmoid", alpha: 0.9, chunkSize: 4096 },
  train: {
    batchSize,
    microBatchSize: 512,
    steps: Math.floor(examples / batchSize),
    precision: "bfloat16",
    optimizer: { learningRate: 1e-3, weightDecay: 0.1, beta1: 0.9, beta2: 0.95, epsilon: 1e-8 },
    schedule: { kind: "cosine", warmupSteps: 10_000 },
    gradientClip: 1,
    checkpoint: { everySteps: 2000, keepLast: 3 },
    logEverySteps: 10,
  },
});
