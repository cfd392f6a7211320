/**
 * A published CLIP adapted to your own pairs by low-rank changes of its queries and values.
 * LoRA, arXiv:2106.09685, section 4.2
 *
 * Run:     limn train recipes/finetune-clip-lora.ts --set pretrained=models/clip-vit-base-patch32
 * Data:    WebDataset shards of your own pairs (`limn data pack`); the folder is CLIP ViT-B/32 with
 *          its tokenizer, in Hugging Face's layout. Model, tokenizer and preprocessing are the folder's.
 * Size:    151,277,313 parameters, beside which 491,521 are trained
 * Cost:    not measured with limn.
 * Expect:  depends on your pairs. runs/finetune-clip-lora/model is the merged model, adapter/ beside it
 *          the changes apart, 2 MB that Python's peft opens. Not run with limn.
 * Unsure:  rank, alpha and rate are peft's and the field's habits, not one paper's for CLIP.
 */
import { defineRecipe } from "limn";

/** Of queries and values, the default. */
const lora = { rank: 8, alpha: 16, dropout: 0.05 };

export default defineRecipe({
  name: "finetune-clip-lora",
  pretrained: "models/clip-vit-base-patch32",
  towers: { image: { lora }, text: { lora } },
  data: {
    train: { kind: "webdataset", shards: "shards/*.tar" },
    augmentation: { randomResizedCrop: { scale: [0.9, 1], ratio: [3 / 4, 4 / 3] } },
  },
  train: {
    batchSize: 512,
    microBatchSize: 128,
    steps: 5000,
    precision: "bfloat16",
    optimizer: { learningRate: 2e-4, weightDecay: 0.01 },
    schedule: { kind: "cosine", warmupSteps: 200 },
    checkpoint: { everySteps: 500 },
    logEverySteps: 10,
  },
});
