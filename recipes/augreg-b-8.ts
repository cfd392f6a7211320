/**
 * AugReg's ViT-B/8 on ImageNet-21k, for SigLiT to lock.
 * arXiv:2106.10270; big_vision's vit_i21k.py
 *
 * Run:     limn pretrain recipes/augreg-b-8.ts --set 'data.train.shards=i21k/{00000..13152}.tar'
 * Data:    WebDataset shards with the class of each picture in key.cls; ImageNet-21k is to be had
 *          from image-net.org. All classes are read from the shards before the first step.
 * Size:    85,807,872 parameters, and 21,843 classes of its own
 * Cost:    the whole batch of 4,096 must fit on the device: there are no micro-batches here, and
 *          batches of 1,024 with a quarter of the rate are a usual substitute. Not measured with
 *          limn.
 * Expect:  about 85.8 % on ImageNet after fine-tuning (recalled of the published weights). Not run
 *          with limn.
 * Differs: published weights of this size were trained with RandAugment and mixup ("medium2"),
 *          which limn does not have: here crops as in Inception, and mirrors. Weights are float32,
 *          Adam's first moment there bfloat16. The bias of a class starts there at -10.
 * Unsure:  the setting of the published weights is read off their names.
 */
import { definePretraining } from "limn";

const pictures = 13_153_500;
const epochs = 300;
const batchSize = 4096;

export default definePretraining({
  kind: "classification",
  name: "augreg-b-8",
  image: "augreg-B/8",
  data: {
    train: { kind: "webdataset", shards: "i21k/{00000..13152}.tar" },
    transform: { interpolation: "bilinear", mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] },
    augmentation: {
      randomResizedCrop: { scale: [0.05, 1], ratio: [3 / 4, 4 / 3] },
      flip: 0.5,
    },
  },
  // Every class is a yes or no of its own (sigmoid cross-entropy).
  labels: { separator: "," },
  train: {
    batchSize,
    steps: Math.floor((pictures * epochs) / batchSize),
    precision: "bfloat16",
    activationCheckpointing: true,
    optimizer: { learningRate: 1e-3, weightDecay: 0.1, beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
    schedule: { kind: "cosine", warmupSteps: 10_000 },
    gradientClip: 1,
    checkpoint: { everySteps: 5000, keepLast: 3 },
    logEverySteps: 10,
  },
});
