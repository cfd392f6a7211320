/** What the compiler refuses in a recipe file. Compiled by tsconfig.tools.json, never run. */
import { definePretraining, defineRecipe, type Recipe } from "limn";
import { defineStudy } from "limn/study";

const source = { kind: "webdataset", shards: "shards/*.tar" } as const;
const data: Recipe["data"] = { train: source };
const train: Recipe["train"] = { batchSize: 8, steps: 2, optimizer: { learningRate: 1e-3 } };
const rest: Recipe = { name: "birds", model: "ViT-B/32", data, train };
const sizes = { width: 64, depth: 2, heads: 2 };
const image = { ...sizes, imageSize: 32, patchSize: 8 };
const mixer = { width: 64, depth: 2, tokenMlpWidth: 8, channelMlpWidth: 64 };

export default defineRecipe({
  name: "birds",
  model: {
    embedDim: 64,
    image: { ...sizes, imageSize: 32, patchSize: 8, pooling: "map" },
    text: { kind: "bert", ...sizes, activation: "gelu" },
  },
  data: { train: { kind: "webdataset", shards: "shards/*.tar" }, captions: "all" },
  objective: { kind: "cyclip", inModalWeight: 0.25 },
  train: { batchSize: 8, steps: 2, optimizer: { kind: "lamb", learningRate: 1e-3 } },
  evaluate: { suites: [{ name: "val", source, tasks: [{ kind: "retrieval" }] }] },
});

export const misspelt = [
  // @ts-expect-error: model
  defineRecipe({ ...rest, modle: "ViT-B/32" }),
  // @ts-expect-error: steps
  defineRecipe({ ...rest, train: { ...train, stepz: 3 } }),
  // @ts-expect-error: learningRate is missing
  defineRecipe({ ...rest, train: { ...train, optimizer: { kind: "adamw" } } }),
  // @ts-expect-error: beta2
  defineRecipe({ ...rest, train: { ...train, optimizer: { learningRate: 1, beta3: 0.9 } } }),
  // @ts-expect-error: cosine
  defineRecipe({ ...rest, train: { ...train, schedule: { kind: "cosin" } } }),
  // @ts-expect-error: shards
  defineRecipe({ ...rest, data: { train: { kind: "webdataset", shards: "x", shardz: "x" } } }),
  // @ts-expect-error: width, of the kind that is meant when none is named
  defineRecipe({ ...rest, model: { embedDim: 8, text: "lit-S", image: { ...image, widthh: 8 } } }),
  defineRecipe({
    ...rest,
    model: {
      embedDim: 8,
      text: "lit-S",
      // @ts-expect-error: patchDropout, which this kind does not know
      image: { kind: "mixer", ...image, ...mixer, patchDropout: 0.5 },
    },
  }),
  defineRecipe({
    ...rest,
    // @ts-expect-error: imageSize
    model: { embedDim: 8, text: "lit-S", image: { size: "RN50", imagesize: 64 } },
  }),
  defineRecipe({
    ...rest,
    // @ts-expect-error: pooling, which BERT does not know
    model: { embedDim: 8, text: { kind: "bert", ...sizes, pooling: "last" }, image: "RN50" },
  }),
  defineRecipe({
    ...rest,
    // @ts-expect-error: quickGelu
    model: { embedDim: 8, text: "lit-S", image: { ...image, activation: "quickgelu" } },
  }),
  // @ts-expect-error: alpha
  defineRecipe({ ...rest, objective: { kind: "lixp", base: "softmax", alphaa: 0.9 } }),
  // @ts-expect-error: inModalWeight, of another objective
  defineRecipe({ ...rest, objective: { kind: "softmax", inModalWeight: 0.25 } }),
  // @ts-expect-error: softmax
  defineRecipe({ ...rest, objective: { kind: "sofmax" } }),
  // @ts-expect-error: rank
  defineRecipe({ ...rest, towers: { image: { lora: { rank: 4, alpha: 8, ranks: 4 } } } }),
  // @ts-expect-error: init
  defineRecipe({ ...rest, logits: { scale: { start: 10 } } }),
  // @ts-expect-error: suites
  defineRecipe({ ...rest, evaluate: { suits: [] } }),
  defineRecipe({
    ...rest,
    // @ts-expect-error: title
    evaluate: { suites: [{ name: "val", source, tasks: [{ kind: "retrieval", titel: "x" }] }] },
  }),
];

export const misspeltPretraining = [
  // @ts-expect-error: image belongs to classification
  definePretraining({ kind: "nextToken", name: "birds", image: "augreg-S/16", data, train }),
  definePretraining({
    kind: "classification",
    name: "birds",
    image: "augreg-S/16",
    data,
    train,
    // @ts-expect-error: smoothing
    labels: { smooth: 0.1 },
  }),
];

const study = defineStudy({} as Parameters<typeof defineStudy>[0]);
// @ts-expect-error: arms
export const misspeltStudy = defineStudy({ ...study, armz: [] });
