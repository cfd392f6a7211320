import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";

import { assertClose } from "../../test/support/close.ts";
import { inLockstep } from "../../test/support/lockstep-group.ts";
import type { LoaderPosition } from "../data/loader/loader.ts";
import type { Batch } from "../data/sample.ts";
import { manualSeed, randn, randomState, scope, type Tensor } from "../torch/index.ts";
import { modelConfig } from "./recipe/build-model.ts";
import { drawOwn, solo, type ProcessGroup } from "./process-group.ts";
import { resolveLogits } from "./recipe/logits.ts";
import { resolveRecipe } from "./recipe/resolve-recipe.ts";
import { loaderPosition, type TrainingState } from "./run/run-checkpoint.ts";
import { Trainer, type StepReport } from "./step/trainer.ts";

const contextLength = 10;
const vocabulary = { vocabSize: 40, contextLength, padId: 0, endId: 39 };
const opened: Trainer[] = [];
afterEach(() => opened.splice(0).forEach((one) => one.dispose()));

function trainer(set: string[], group?: ProcessGroup): Trainer {
  const recipe = resolveRecipe(
    {
      name: "t",
      model: {
        embedDim: 16,
        image: { imageSize: 16, patchSize: 8, width: 32, depth: 2, heads: 2 },
        text: { width: 32, depth: 2, heads: 2 },
      },
      data: {
        train: { kind: "webdataset", shards: "-" },
        tokenizer: { kind: "clip-bpe", merges: "-" },
      },
      train: {
        batchSize: 8,
        steps: 60,
        device: "cpu",
        optimizer: { learningRate: 3e-3, weightDecay: 0.01 },
        schedule: { kind: "constant" },
        gradientClip: 1,
      },
    },
    { set },
  );
  const config = modelConfig(
    recipe.model ?? "",
    vocabulary,
    resolveLogits(recipe.logits, recipe.objective),
  );
  const half: [number, number, number] = [0.5, 0.5, 0.5];
  const one = new Trainer({
    recipe,
    config,
    device: "cpu",
    normalization: { mean: half, std: half },
    scratchFolder: "-",
    ...(group ? { group } : {}),
  });
  opened.push(one);
  return one;
}

/** Pairs `from` to `to` of eight, all of one length so that a share is cut as the whole is. */
function batch(from: number, to: number, step: number): Batch {
  const size = to - from;
  const keys = Array.from({ length: size }, (_, i) => `sample-${step}-${from + i}`);
  const tokens = keys.flatMap((_, i) => {
    const row = from + i;
    return Array.from({ length: contextLength }, (_, t) => {
      if (t >= 4) return t === 4 ? vocabulary.endId : 0;
      return 1 + ((row * 5 + t + step) % 38);
    });
  });
  return {
    keys,
    ids: keys,
    imageIds: keys,
    pixels: Uint8Array.from({ length: size * 768 }, (_, i) => {
      const at = from * 768 + i;
      return (at * 7919 + (at >> 5) + step * 31) % 256;
    }),
    size,
    imageSize: 16,
    tokens: Int32Array.from(tokens),
    contextLength,
    lengths: new Int32Array(size).fill(5),
    captions: keys,
    owners: Int32Array.from(keys, (_, i) => i),
    skipped: 0,
    epoch: 0,
  };
}

/** Three steps of two ranks, each with its share of every batch. */
function ofTwo(set: string[]): { reports: StepReport[][]; trainers: Trainer[] } {
  const now: ProcessGroup[] = [];
  const groups = [0, 1].map((rank) => following(rank, now));
  const trainers = groups.map((group) => trainer(set, group));
  const reports = [0, 1, 2].map((step) =>
    inLockstep(
      2,
      (group) => {
        now[group.rank] = group;
        const share = batch(4 * group.rank, 4 * group.rank + 4, step);
        return (trainers[group.rank] as Trainer).trainStep(share);
      },
      (rank) => trainers[rank]?.optimizer.zeroGrad(),
    ),
  );
  return { reports, trainers };
}

/** A rank's group, which is another one in every attempt of a step. */
function following(rank: number, now: readonly ProcessGroup[]): ProcessGroup {
  const group = (): ProcessGroup => now[rank] as ProcessGroup;
  return {
    rank,
    size: 2,
    isFirst: rank === 0,
    gather: (rows) => group().gather(rows),
    gatherValues: (value) => group().gatherValues(value),
    reduce: (tensor, how) => group().reduce(tensor, how),
    barrier: () => group().barrier(),
  };
}

const weights = ({ model }: Trainer): Map<string, Float32Array> =>
  new Map([...model.namedState()].map(([name, tensor]) => [name, tensor.toFloat32Array()]));

describe("solo", () => {
  it("returns the very tensors that it is given", () => {
    scope(() => {
      const rows = randn([2, 3]);
      assert.equal(solo.gather(rows), rows);
      assert.equal(solo.reduce(rows, "mean"), rows);
      assert.deepEqual(solo.gatherValues(3), [3]);
    });
  });
});

describe("a checkpoint's loader positions", () => {
  const position = (offset: number): LoaderPosition => ({
    version: 1,
    order: "-",
    cursor: { epoch: 0, part: 0, entry: 0, offset },
    epochSamples: 0,
    skipped: 0,
  });
  const state = (loader: LoaderPosition | LoaderPosition[]): TrainingState => ({
    step: 1,
    examplesSeen: 8,
    loader,
  });
  const second: ProcessGroup = { ...solo, rank: 1, size: 2, isFirst: false };
  it("are each rank's own", () => {
    assert.deepEqual(loaderPosition("run", state(position(3)), solo), position(3));
    const both = state([position(3), position(4)]);
    assert.deepEqual(loaderPosition("run", both, second), position(4));
  });
  it("are refused by another number of processes", () => {
    const both = state([position(3), position(4)]);
    assert.throws(() => loaderPosition("run", both, solo), {
      name: "CheckpointError",
      message:
        "Expected a checkpoint of 1 processes in run but received one of 2; go on with as many, or " +
        "start another run whose pretrained is run",
    });
    assert.throws(() => loaderPosition("run", state(position(3)), second), /one of 1; go on/);
  });
});

describe("two ranks", () => {
  for (const set of [
    [],
    ["objective.kind=sigmoid"],
    ["train.microBatchSize=3"],
    ["objective.kind=softmax", "objective.chunkSize=3"],
  ]) {
    it(`learn from a batch what one process learns from it: ${set.join() || "softmax"}`, () => {
      const alone = trainer(set);
      const whole = [0, 1, 2].map((step) => alone.trainStep(batch(0, 8, step)));
      const { reports, trainers } = ofTwo(set);
      for (const [step, ranks] of reports.entries()) {
        const expected = whole[step] as StepReport;
        for (const found of ranks) {
          for (const [name, value] of Object.entries(expected)) {
            // Sums in another order, in float32.
            const number = found[name] as number;
            assert.ok(Math.abs(number - value) < 1e-4, `${name} ${number} is not ${value}`);
          }
        }
      }
      const [first, second] = trainers.map(weights) as [
        Map<string, Float32Array>,
        Map<string, Float32Array>,
      ];
      assert.deepEqual(first, second, "the ranks stay equal, bit for bit");
      for (const [name, values] of weights(alone)) {
        assertClose(first.get(name) as Float32Array, values, { atol: 1e-4 });
      }
      assert.deepEqual(
        trainers.map(({ examplesSeen, step }) => [examplesSeen, step]),
        [
          [24, 3],
          [24, 3],
        ],
      );
    });
  }
  it("draw numbers of their own in the towers and leave the generator as it was", () => {
    const draw = (group: ProcessGroup, step: number): { own: number; after: Tensor } =>
      scope(() => {
        manualSeed(4);
        const own = drawOwn(group, { seed: 1, step, device: "cpu" }, () => randn([]).item());
        return { own, after: randomState() };
      });
    manualSeed(4);
    const before = randomState().data();
    const found = [0, 1].flatMap((rank) =>
      [0, 1].map((step) => draw({ ...solo, rank, size: 2, isFirst: rank === 0 }, step)),
    );
    assert.equal(new Set(found.map(({ own }) => own)).size, 4);
    for (const { after } of found) assert.deepEqual(after.data(), before);
    manualSeed(4);
    const plain = randn([]).item();
    assert.equal(draw(solo, 0).own, plain);
  });
});
