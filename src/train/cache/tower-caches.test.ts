import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, readdirSync, statSync, utimesSync } from "node:fs";
import { truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";

import { evaluationPreset, type TrainingAugmentation } from "../../data/image/index.ts";
import { createLoader } from "../../data/loader/loader.ts";
import type { Batch } from "../../data/sample.ts";
import { createTokenizer, type Tokenizer } from "../../text/index.ts";
import { writeShards } from "../../data/write-shards.ts";
import { pixelsToTensor } from "../../pair/dual-encoder.ts";
import { tinyData, type TinyData } from "../../../test/support/tiny-run.ts";
import { fromData, manualSeed, noGrad, scope, type Tensor } from "../../torch/index.ts";
import { TextTransformer } from "../../towers/text/text-transformer.ts";
import { VisionTransformer } from "../../towers/image/vision-transformer.ts";
import { solo, type ProcessGroup } from "../process-group.ts";
import { defaultCacheRoot, hashWeights } from "../../inference/features/identity.ts";
import { onlyCached } from "./cached-batch.ts";
import { fingerprintSource } from "../../data/data-fingerprint.ts";
import type { BuiltCache } from "./embedding-cache.ts";
import { imageFeatureCache, pixelCache, textFeatureCache } from "./tower-caches.ts";

const sizes = { width: 16, depth: 2, heads: 2, mlpWidth: 32 } as const;
const shared = { ...sizes, activation: "gelu", normEpsilon: 1e-5 } as const;
const transform = evaluationPreset("clip", 32);
const augmentation: TrainingAugmentation = {
  randomResizedCrop: { scale: [0.4, 0.8], ratio: [0.9, 1.1] },
};

let data: TinyData;
let batches: Batch[];
let ids: string[];
let tokenizer: Tokenizer;
let image: VisionTransformer;
let text: TextTransformer;

before(async () => {
  data = await tinyData(20);
  tokenizer = await createTokenizer({
    kind: "tokenizer.json",
    file: data.tokenizer,
    contextLength: 16,
  });
  const { vocabSize, endId = 0, padId } = tokenizer;
  manualSeed(3);
  image = new VisionTransformer(
    { kind: "vit", imageSize: 32, patchSize: 16, ...shared, stochasticDepth: 0.5 },
    8,
  );
  const special = { eotTokenId: endId, padTokenId: padId };
  text = new TextTransformer(
    { kind: "transformer", contextLength: 16, vocabSize, ...shared, ...special },
    8,
  );
  batches = await read();
  ids = batches[0]!.imageIds;
});

after(() => {
  image.dispose();
  text.dispose();
});

const root = (): string => mkdtempSync(join(tmpdir(), "limn-cache-"));

interface Changes {
  shards?: string[];
  dtype?: "float16" | "float32";
  views?: number;
  augmented?: boolean;
  onError?: "skip" | "fail";
}

function given(changes: Changes): Omit<Parameters<typeof imageFeatureCache>[0], "tower" | "root"> {
  const { shards = data.shards, dtype = "float32", views = 1, augmented = false } = changes;
  return {
    loader: {
      source: { kind: "webdataset", shards },
      transform,
      workers: 1,
      ...(augmented ? { augmentation } : {}),
      ...(changes.onError === undefined ? {} : { onError: changes.onError }),
    },
    device: "cpu",
    dtype,
    views,
    batchSize: 7,
  };
}

const images = (at: string, changes: Changes = {}): Promise<BuiltCache> =>
  imageFeatureCache({ ...given(changes), tower: image, root: at });

/** Batches in another order and of another size than caches are made with. */
async function read(): Promise<Batch[]> {
  const loader = await createLoader({
    source: { kind: "webdataset", shards: data.shards },
    transform,
    tokenizer: tokenizer.description,
    batchSize: 5,
    epochs: 1,
    lastBatch: "keep",
    seed: 9,
    workers: 1,
  });
  const found: Batch[] = [];
  for await (const batch of loader) found.push({ ...batch, pixels: batch.pixels.slice() });
  await loader.close();
  return found;
}

/** The largest difference over the largest value. */
function difference(a: Tensor, b: Tensor): number {
  assert.deepEqual(a.shape, b.shape);
  return a.sub(b).abs().amax().item() / b.abs().amax().item();
}

test("of several processes the first one makes the cache, the others open it", async () => {
  const at = root();
  const second = { ...solo, rank: 1, size: 2, isFirst: false };
  const waits: number[] = [];
  const wait = (rank: number) => () => void waits.push(rank);
  const made = (group: ProcessGroup): Promise<BuiltCache> =>
    imageFeatureCache({
      ...given({}),
      tower: image,
      root: at,
      group: { ...group, barrier: wait(group.rank) },
    });
  await assert.rejects(made(second), {
    name: "DataError",
    message:
      /^Expected the cache that the first process made in .* but there is none yet; keep caches in a folder that all processes share/,
  });
  const first = await made({ ...solo, size: 2 });
  assert.equal(first.rebuilt, "there is none yet");
  const other = await made(second);
  assert.equal(other.rebuilt, undefined);
  assert.equal(other.cache.count, first.cache.count);
  assert.deepEqual(waits, [1, 0, 1]);
  for (const { cache } of [first, other]) cache.close();
});

test("cached image features equal re-encoded ones", async () => {
  const at = root();
  image.train(true);
  const built = await images(at);
  assert.ok(image.training, "the tower is left in its mode");
  const half = await images(at, { dtype: "float16" });
  assert.match(half.rebuilt ?? "", /the nearest other one, the stored type differ/);
  image.train(false);
  for (const { imageIds, pixels, imageSize } of batches) {
    const fresh = scope(() =>
      noGrad(() => image.features(pixelsToTensor(pixels, imageSize, transform))),
    );
    assert.ok(difference(built.cache.rows(imageIds, 0), fresh) < 1e-6);
    assert.ok(difference(half.cache.rows(imageIds, 0), fresh) < 2 ** -11);
  }
  built.cache.close();
  half.cache.close();
});

test("cached text features equal re-encoded ones; equal captions share a row", async () => {
  const { augmentation: _, views: __, ...options } = { ...given({}), augmentation };
  const { cache } = await textFeatureCache({ ...options, tower: text, tokenizer, root: root() });
  assert.equal(cache.count, 8 + 20);
  text.train(false);
  for (const { captions, tokens, contextLength } of batches) {
    const rows = fromData(tokens, [captions.length, contextLength]).to("int64");
    const fresh = scope(() => noGrad(() => text.features(rows)));
    assert.ok(difference(cache.rows(captions, 0), fresh) < 1e-6);
  }
  assert.equal(cache.has("a caption of another set"), false);
  cache.close();
});

test("cached pixels are the loader's pixels", async () => {
  const { cache } = await pixelCache({ ...given({}), root: root() });
  for (const { imageIds, pixels, size } of batches) {
    const rows = cache.rows(imageIds, 0);
    assert.deepEqual(rows.shape, [size, 3, 32, 32]);
    assert.deepEqual(rows.data(), Uint8Array.from(pixels));
  }
  cache.close();
});

test("views differ, are stable, follow the epoch, and more of them keep those there are", async () => {
  const [at, other] = [root(), root()];
  await assert.rejects(images(at, { views: 2 }), /Expected 1 for views but received 2; views diff/);
  const two = await images(at, { views: 2, augmented: true });
  const again = await images(at, { views: 2, augmented: true });
  assert.equal(again.rebuilt, undefined);
  const times = (): number[] =>
    ["view-0.rows", "view-1.rows"].map((name) => statSync(join(two.cache.folder, name)).mtimeMs);
  const before = times();
  const three = await images(at, { views: 3, augmented: true });
  assert.equal(three.rebuilt, "it has fewer views");
  assert.deepEqual(times(), before);
  const elsewhere = await images(other, { augmented: true });
  const rows = (built: BuiltCache, epoch: number): Tensor => built.cache.rows(ids, epoch);
  for (const epoch of [0, 1]) {
    assert.ok(rows(two, epoch).equals(rows(three, epoch)));
    assert.ok(rows(two, epoch).equals(rows(two, epoch + 2)));
  }
  assert.ok(rows(three, 0).equals(rows(elsewhere, 1)));
  assert.ok(difference(rows(three, 0), rows(three, 1)) > 1e-3);
  assert.ok(difference(rows(three, 1), rows(three, 2)) > 1e-3);
  for (const { cache } of [two, again, three, elsewhere]) cache.close();
});

test("other weights, preprocessing or data make another cache, and the reason is told", async () => {
  const at = root();
  const [a, b] = await Promise.all([images(at), images(at)]);
  assert.ok(a.cache.rows(ids, 0).equals(b.cache.rows(ids, 0)), "two builds at once");
  assert.equal((await images(at)).rebuilt, undefined);
  const bias = [...image.namedParameters()].find(([name]) => name.endsWith("bias"))![1].tensor;
  const weights = hashWeights(image);
  noGrad(() => bias.add_(1e-3));
  assert.notEqual(hashWeights(image), weights);
  const moved = await images(at);
  assert.equal(
    moved.rebuilt,
    "there is none yet; compared with the nearest other one, the weights differ",
  );
  noGrad(() => image.projection?.weight.tensor.add_(1));
  assert.equal((await images(at)).rebuilt, undefined, "the head has no part in the features");
  const augmented = await images(at, { augmented: true });
  assert.match(augmented.rebuilt ?? "", /one, the preprocessing differ$/);
  const folder = mkdtempSync(join(tmpdir(), "limn-shards-"));
  cpSync(dirname(data.shards[0]!), folder, { recursive: true });
  const shards = data.shards.map((path) => path.replace(dirname(path), folder));
  assert.equal((await images(at, { shards })).rebuilt, undefined, "a copy is the same data");
  const bytes = readFileSync(shards[1]!);
  const pixel = bytes.indexOf("IDAT") + 20;
  bytes[pixel] = bytes[pixel]! ^ 1;
  writeFileSync(shards[1]!, bytes);
  const other = await images(at, { shards, onError: "skip" });
  assert.match(other.rebuilt ?? "", /one, the data differ$/);
  assert.equal(readdirSync(at).length, 4);
});

test("a large source counts as changed when a file is written anew", async () => {
  const source = { kind: "webdataset", shards: data.shards } as const;
  const print = (): ReturnType<typeof fingerprintSource> =>
    fingerprintSource(source, { contentsUpTo: 1 });
  const first = await print();
  assert.equal(first.by, "sizes and times");
  assert.deepEqual(await print(), first);
  const { atime, mtime } = statSync(data.shards[2]!);
  utimesSync(data.shards[2]!, atime, new Date(mtime.getTime() + 1000));
  assert.notEqual((await print()).digest, first.digest);
});

test("a failure or a crash in the middle leaves nothing that is used, nor does a cut", async () => {
  const at = root();
  const failing = imageFeatureCache({
    ...given({}),
    tower: image,
    root: at,
    onProgress: ({ done }) => {
      if (done > 7) throw new Error("stopped here");
    },
  });
  await assert.rejects(failing, /stopped here/);
  const [folder] = readdirSync(at);
  assert.deepEqual(readdirSync(join(at, folder!)), ["key.json"]);
  const builder = new URL("./crash.test.helper.js", import.meta.url);
  const child = fork(builder, [join(at, folder!, "view-0.rows")]);
  const [code] = await new Promise<unknown[]>((resolve) =>
    child.once("exit", (...all) => resolve(all)),
  );
  assert.equal(code, null, "the process was killed");
  assert.equal(readdirSync(join(at, folder!)).length, 2);
  const built = await images(at);
  assert.equal(built.rebuilt, "there is none yet");
  assert.deepEqual(readdirSync(join(at, folder!)).sort(), ["key.json", "view-0.rows"]);
  const expected = built.cache.rows(ids, 0);
  built.cache.close();
  const file = join(at, folder!, "view-0.rows");
  truncateSync(file, statSync(file).size - 5);
  const second = await images(at);
  assert.match(second.rebuilt ?? "", /it is truncated/);
  assert.ok(second.cache.rows(ids, 0).equals(expected));
  second.cache.close();
});

test("a picture that cannot be read is skipped and counted, and left out of the batches", async () => {
  const folder = mkdtempSync(join(tmpdir(), "limn-bad-"));
  const good = readFileSync(data.shards[0]!);
  const start = good.indexOf("\x89PNG", 0, "latin1");
  const png = good.subarray(start, start + 200);
  const samples = ["a", "b"].map((key) => ({
    key,
    image: key === "a" ? Buffer.from(png.subarray(0, 40)) : whole(good, start),
    extension: "png" as const,
    captions: [`picture ${key}`],
  }));
  const { shards } = await writeShards({ samples, directory: folder, samplesPerShard: 8 });
  const at = root();
  await assert.rejects(images(at, { shards, onError: "fail" }), { code: "LIMN_DATA" });
  const { cache, badSamples } = await images(at, { shards, onError: "skip" });
  assert.deepEqual([cache.count, cache.skipped, badSamples.length], [1, 1, 1]);
  const loader = await createLoader({
    source: { kind: "webdataset", shards },
    transform,
    tokenizer: tokenizer.description,
    batchSize: 2,
    epochs: 1,
    workers: 1,
    images: "skip",
  });
  const batch = (await loader.next())!;
  await loader.close();
  assert.equal(batch.size, 2);
  const kept = onlyCached(batch, { image: (id) => cache.has(id) });
  assert.deepEqual([kept.size, kept.keys, kept.captions], [1, ["b"], ["picture b"]]);
  assert.deepEqual([kept.tokens.length, [...kept.owners], kept.skipped], [16, [0], 1]);
  assert.deepEqual(cache.rows(kept.imageIds, 0).shape, [1, 16]);
  assert.equal(onlyCached(kept, { image: (id) => cache.has(id) }), kept);
  const none = onlyCached(batch, { caption: () => false });
  assert.deepEqual([none.size, none.tokens.length], [0, 0]);
  cache.close();
});

/** A whole PNG that starts at `start`. */
function whole(bytes: Buffer, start: number): Buffer {
  return Buffer.from(bytes.subarray(start, bytes.indexOf("IEND", start) + 8));
}

test("caches lie where the environment says", () => {
  assert.equal(defaultCacheRoot("embeddings", { LIMN_CACHE: "/a" }), join("/a", "embeddings"));
  assert.equal(
    defaultCacheRoot("embeddings", { XDG_CACHE_HOME: "/b" }),
    join("/b", "limn", "embeddings"),
  );
  assert.match(defaultCacheRoot("embeddings", {}), /\.cache.limn.embeddings$/);
});
