/** The features' cache with an embedder that counts what it embeds. */
import assert from "node:assert/strict";
import {
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  mkdirSync,
} from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";

import { saveTinyModel, tinyPicture } from "../../../test/support/tiny-model.ts";
import { tinyData, type TinyData } from "../../../test/support/tiny-run.ts";
import { tarOf } from "../../data/sources/samples.test.helper.ts";
import { NpyWriter } from "../../files/npy.ts";
import { loadModel, type LoadedModel } from "../load-model.ts";
import { embedDataset, embedderOf, type Embedder } from "./embed-dataset.ts";
import { FeaturesCache } from "./features-cache.ts";
import type { ModelIdentity } from "./identity.ts";

let data: TinyData;
let model: LoadedModel;
let pictures: string;
before(async () => {
  data = await tinyData(8);
  model = await loadModel(await saveTinyModel(`${data.folder}/model`), { identify: true });
  pictures = join(data.folder, "pictures");
  for (const name of ["cat", "dog"]) mkdirSync(join(pictures, name), { recursive: true });
  for (let i = 0; i < 7; i++) {
    writeFileSync(join(pictures, i % 2 ? "cat" : "dog", `${i}.png`), await tinyPicture(i));
  }
});
after(() => {
  model.dispose();
  rmSync(data.folder, { recursive: true });
});

const seen = { pictures: 0, texts: 0 };

function counting(cache?: FeaturesCache): Embedder {
  Object.assign(seen, { pictures: 0, texts: 0 });
  const inner = embedderOf(model, cache === undefined ? {} : { cache });
  return {
    ...inner,
    encodeImages: (cells) => {
      const rows = inner.encodeImages(cells);
      seen.pictures += rows.count;
      return rows;
    },
    encodeTexts: (rows) => {
      const found = inner.encodeTexts(rows);
      seen.texts += found.count;
      return found;
    },
  };
}

function cacheAt(name: string, identity = model.identity as ModelIdentity): FeaturesCache {
  return new FeaturesCache(join(data.folder, name), identity, 2);
}

const shards = (): Parameters<typeof embedDataset>[1] => ({
  loader: {
    source: { kind: "webdataset", shards: data.shards },
    transform: model.encoder.transform,
    tokenizer: model.tokenizer.description,
    batchSize: 3,
  },
});

test("a set from the cache is the set that was embedded, with nothing embedded again", async () => {
  const plain = await embedDataset(counting(), shards());
  assert.deepEqual(seen, { pictures: 8, texts: 16 });
  const first = await embedDataset(counting(cacheAt("whole")), shards());
  assert.deepEqual(seen, { pictures: 8, texts: 16 });
  const second = await embedDataset(counting(cacheAt("whole")), shards());
  assert.deepEqual(seen, { pictures: 0, texts: 0 });
  for (const found of [first, second]) {
    assert.deepEqual({ ...found, pictures: [] }, { ...plain, pictures: [] });
  }
  const { key } = { key: plain.keys[2] as string };
  const some = await embedDataset(counting(cacheAt("whole")), {
    ...shards(),
    where: { nothing: "of the kind" },
  }).catch((error: unknown) => error as Error);
  assert.match((some as Error).message, /Expected samples with .*nothing.* but found none/);
  assert.equal(typeof key, "string");
  assert.equal(seen.pictures, 0);
});

test("records are from the first run on what later runs read", async () => {
  const numbers = join(data.folder, "numbers.npy");
  const writer = new NpyWriter(numbers, 3, "float32");
  writer.append(Float32Array.of(NaN, Infinity, 2));
  writer.finish();
  const shard = join(data.folder, "numbers.tar");
  const files = { "a.png": await tinyPicture(1), "a.npy": readFileSync(numbers) };
  writeFileSync(shard, tarOf(files));
  const source = { kind: "webdataset" as const, shards: shard, npyColumns: ["x", "y", "z"] };
  const loader = { source, transform: model.encoder.transform, batchSize: 1 };
  for (const run of ["first", "second"]) {
    const { metas } = await embedDataset(counting(cacheAt("numbers")), { loader, captions: false });
    assert.deepEqual(metas, [{ x: null, y: null, z: 2 }], run);
  }
  assert.equal(seen.pictures, 0);
});

test("another model, another precision and a changed set are embedded anew", async () => {
  const folder = { kind: "folder" as const, directory: pictures, labelFromFolder: true };
  const options = {
    loader: { source: folder, transform: model.encoder.transform, batchSize: 4 },
    captions: false,
  };
  const before = await embedDataset(counting(cacheAt("changes")), options);
  assert.deepEqual(seen, { pictures: 7, texts: 0 });
  assert.deepEqual(new Set(before.labels), new Set(["cat", "dog"]));
  const { fingerprint, image, ...rest } = model.identity as ModelIdentity;
  const other = { fingerprint, image: { ...(image as object), precision: "bfloat16" }, ...rest };
  await embedDataset(counting(cacheAt("changes", other)), options);
  assert.equal(seen.pictures, 7);
  writeFileSync(join(pictures, "cat", "1.png"), await tinyPicture(90));
  const after = await embedDataset(counting(cacheAt("changes")), options);
  assert.equal(seen.pictures, 7);
  assert.notDeepEqual(after.imageEmbeddings, before.imageEmbeddings);
  const another = await loadModel(await saveTinyModel(`${data.folder}/other`, {}, 1), {
    identify: true,
  });
  another.dispose();
  assert.notEqual(another.identity?.fingerprint, fingerprint);
  assert.notDeepEqual(another.identity?.image, image);
});

test("a stopped run goes on behind its last block, and a damaged block is made again", async () => {
  const { loader } = shards();
  const options = { loader: { ...loader, batchSize: 1 }, captions: false };
  const whole = await embedDataset(counting(), options);
  const cache = cacheAt("stopped");
  const stop = new AbortController();
  const reason = new Error("stopped by hand");
  const stopped = embedDataset(counting(cache), {
    ...options,
    signal: stop.signal,
    onProgress: (done) => {
      if (done === 5) stop.abort(reason);
    },
  });
  await assert.rejects(stopped, (error) => error === reason);
  assert.equal(seen.pictures, 5);
  const later = await embedDataset(counting(cache), options);
  // The fifth was in a block that was not whole yet.
  assert.equal(seen.pictures, 4);
  assert.deepEqual(later.imageEmbeddings, whole.imageEmbeddings);
  assert.deepEqual(later.keys, whole.keys);
  const [name = ""] = readdirSync(cache.root);
  const rows = readdirSync(join(cache.root, name)).filter((one) => one.endsWith(".npy"));
  assert.equal(rows.length, 4);
  const cut = join(cache.root, name, rows.sort()[2] as string);
  truncateSync(cut, statSync(cut).size - 8);
  assert.deepEqual(await embedDataset(counting(cache), options), later);
  assert.equal(seen.pictures, 4);
});
