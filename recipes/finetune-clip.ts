/**
 * A published CLIP fine-tuned in full on your own pairs, then set between its old and new weights.
 * WiSE-FT, arXiv:2109.01903; layer-wise decay of the rate, BEiT, arXiv:2106.08254
 *
 * Run:     limn train recipes/finetune-clip.ts --set pretrained=models/clip-vit-base-patch32
 *          limn interpolate models/clip-vit-base-patch32 runs/finetune-clip/model \
 *            --alpha 0.25 --alpha 0.5 --alpha 0.75 --out models/finetuned
 * Data:    WebDataset shards of your own pairs (`limn data pack`); the folder is CLIP ViT-B/32 with
 *          its tokenizer, in Hugging Face's layout. Model, tokenizer and preprocessing are the folder's.
 * Size:    151,277,313 parameters
 * Cost:    not measured with limn.
 * Expect:  depends on your pairs. WiSE-FT's own figures are those of a classifier on ImageNet: between
 *          the weights, both the new set and the shifted ones gain. Not run with limn.
 * Unsure:  the settings are what the field commonly takes, not one paper's: a rate of 1e-5, a hundredth
 *          of training from scratch, and a decay of 0.75 for each block further from the output.
 */
import { defineRecipe } from "limn";

export default defineRecipe({
  name: "finetune-clip",
  pretrained: "models/clip-vit-base-patch32",
  towers: { image: { layerDecay: 0.75 }, text: { layerDecay: 0.75 } },
  data: {
    train: { kind: "webdataset", shards: "shards/*.tar" },
    augmentation: { randomResizedCrop: { scale: [0.9, 1], ratio: [3 / 4, 4 / 3] } },
  },
  train: {
    batchSize: 512,
    microBatchSize: 128,
    steps: 5000,
    precision: "bfloat16",
    optimizer: { learningRate: 1e-5, weightDecay: 0.1 },
    schedule: { kind: "cosine", warmupSteps: 500 },
    gradientClip: 1,
    checkpoint: { everySteps: 500 },
    logEverySteps: 10,
  },
});
