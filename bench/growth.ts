/**
 * How cost grows with the work: what limn does with many samples at a few sizes, in processor time,
 * and the exponent between one size and the next: 1 is ten times the time for ten times the work.
 * `$LIMN_BENCH_GROWTH_MOST` (100,000) is the most pictures that are read; at 1,000,000 the temporary
 * folder needs 5 GB. `$LIMN_BENCH_GROWTH_ONLY` measures what has these words in its name.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { measureOf, measures, type Measure } from "./growth-data.ts";
import { commit, rounded, type BenchResult } from "./result.ts";

const aim = 1.1;

interface Point {
  size: number;
  seconds: number;
  bytes: number;
}

async function measureAt(name: string, size: number, top: string): Promise<Point> {
  const folder = path.join(top, String(size));
  mkdirSync(folder);
  try {
    await measureOf(name).prepare?.(folder, size);
    const words = [path.join(import.meta.dirname, "growth-child.mjs"), name, String(size), folder];
    const printed = execFileSync(process.execPath, words, { encoding: "utf8" });
    const found = JSON.parse(printed) as { seconds: number; bytes: number };
    return { size, ...found };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Between one size and the next, of samples or of products. */
function exponents(points: Point[], { products }: Measure): number[] {
  return points.slice(1).flatMap((point, i) => {
    const before = points[i];
    if (!before) return [];
    const work = Math.log(point.size / before.size) * (products === true ? 2 : 1);
    return Math.log(point.seconds / before.seconds) / work;
  });
}

function show({ size, seconds, bytes }: Point): string {
  return `${size.toLocaleString("en-US")}: ${rounded(seconds)} s ${Math.round(bytes / 1e6)} MB`;
}

export async function run(): Promise<BenchResult> {
  const only = process.env["LIMN_BENCH_GROWTH_ONLY"] ?? "";
  const notes: Record<string, string | number> = {
    what: "processor time and peak memory above what was there before; the exponents between sizes",
  };
  let worst = 0;
  const top = mkdtempSync(path.join(tmpdir(), "limn-growth-"));
  try {
    for (const [name, measure] of Object.entries(measures)) {
      if (!name.includes(only)) continue;
      const points: Point[] = [];
      for (const size of measure.sizes) points.push(await measureAt(name, size, top));
      const found = exponents(points, measure);
      worst = Math.max(worst, found.at(-1)!);
      const per = measure.products === true ? " of N x N" : "";
      notes[name] =
        `${points.map(show).join("; ")}; ${found.map((x) => x.toFixed(2)).join(", ")}${per}`;
    }
  } finally {
    rmSync(top, { recursive: true, force: true });
  }
  return {
    name: "growth",
    limn: rounded(worst),
    peer: aim,
    unit: "the largest exponent between the two largest sizes; the peer is the aim",
    ratio: rounded(aim / worst),
    commit: commit(),
    notes,
  };
}
