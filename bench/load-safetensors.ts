/**
 * Seconds and peak memory of loading a safetensors file of CLIP ViT-L/14 in float32 (1.7 GB of random
 * weights), against a plain read of the same bytes and against safetensors in Python. Every
 * measurement is a process of its own, as a peak never falls.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

import { peerPython } from "./peer.ts";
import { commit, rounded, type BenchResult } from "./result.ts";

const rounds = 3;
const child = fileURLToPath(new URL("load-safetensors-child.mjs", import.meta.url));
const peer = path.join(import.meta.dirname, "peers", "load_safetensors.py");

interface Figures {
  /** From the opened process to all weights in memory. */
  seconds: number;
  /** Of the processor in that time, which other work on the machine disturbs less. */
  cpu: number;
  /** Of the process, in bytes. */
  peak: number;
  /** The same right before the clock started. */
  before: number;
}

/** What limn's side does, in words for the notes. */
const ways = {
  plain: "readSync in pieces of 256 MiB into fresh memory of the file's size",
  fresh: "tensor(name) of all, without a buffer between",
  into: "readInto of all, into tensors that were written before",
  buffered: "readSync of each tensor into one buffer, then copied: what limn did before",
  mapped: "tensor(name) of all of the mapped file: nothing is read yet",
  mappedSum: "tensor(name) of all of the mapped file, and the sum of each",
};
type Way = keyof typeof ways;

function measure(way: Way, file: string): Figures {
  const answer = execFileSync(process.execPath, [child, way, file], { encoding: "utf8" });
  return JSON.parse(answer) as Figures;
}

function measurePeer(file: string): Figures & { version: string } {
  const answer = execFileSync(peerPython(), [peer, file], { encoding: "utf8" });
  return JSON.parse(answer) as Figures & { version: string };
}

/** The quicker of two, field by field: what else the machine does only ever adds. */
function better<T extends Figures>(a: T | undefined, b: T): T {
  if (a === undefined) return b;
  const { min } = Math;
  return {
    ...b,
    seconds: min(a.seconds, b.seconds),
    cpu: min(a.cpu, b.cpu),
    peak: min(a.peak, b.peak),
    before: min(a.before, b.before),
  };
}

export async function run(): Promise<BenchResult> {
  const folder = mkdtempSync(path.join(tmpdir(), "limn-bench-"));
  const file = path.join(folder, "model.safetensors");
  try {
    execFileSync(process.execPath, [child, "make", file]);
    const best = new Map<Way, Figures>();
    let theirs: (Figures & { version: string }) | undefined;
    for (let round = 0; round < rounds; round++) {
      for (const way of Object.keys(ways) as Way[]) {
        best.set(way, better(best.get(way), measure(way, file)));
      }
      theirs = better(theirs, measurePeer(file));
    }
    return report(best, theirs as Figures & { version: string }, statSync(file).size);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function report(
  best: ReadonlyMap<Way, Figures>,
  theirs: Figures & { version: string },
  size: number,
): BenchResult {
  const of = (way: Way): Figures => best.get(way) as Figures;
  const describe = ({ seconds, cpu, peak, before }: Figures): string =>
    `${rounded(seconds)} s (${rounded(seconds / of("plain").seconds)} of the plain read; ` +
    `${rounded(cpu)} s and ${rounded(cpu / of("plain").cpu)} in CPU time), peak ` +
    `${rounded(peak / size)} of the file, ${rounded((peak - before) / size)} above what the ` +
    "process had";
  const notes: Record<string, string | number> = {
    what: `${rounded(size / 1e9)} GB, CLIP ViT-L/14 in float32, in the page cache; best of ${rounds}`,
    "time over the plain read": rounded(of("fresh").seconds / of("plain").seconds),
    "CPU time over the plain read's": rounded(of("fresh").cpu / of("plain").cpu),
    "peak over the file's size": rounded(of("fresh").peak / size),
    "load_file over the mapped file": rounded(theirs.seconds / of("mapped").seconds),
  };
  for (const way of Object.keys(ways) as Way[]) notes[way] = `${describe(of(way))}: ${ways[way]}`;
  notes[`safetensors ${theirs.version}`] =
    `${describe(theirs)}: load_file in Python, which maps too`;
  return {
    name: "load-safetensors",
    limn: rounded(of("fresh").seconds),
    // The aim is set against the plain read; Python's loader reads nothing until it is used.
    peer: rounded(of("plain").seconds),
    unit: "s",
    ratio: rounded(of("plain").seconds / of("fresh").seconds),
    commit: commit(),
    notes,
  };
}
