/** What a bench gives, and the small things that every bench needs. */
import { execFileSync } from "node:child_process";

export interface BenchResult {
  name: string;
  /** limn's figure, in `unit`. */
  limn: number;
  /** The peer's figure, in `unit`. */
  peer: number;
  unit: string;
  /** Above 1 always means that limn is better. */
  ratio: number;
  commit: string;
  /** Versions, settings and further figures. */
  notes?: Record<string, string | number>;
}

/** The commit of this tree, with `-dirty` where files differ from it. */
export function commit(): string {
  const git = (...words: string[]): string =>
    execFileSync("git", words, { encoding: "utf8", cwd: import.meta.dirname }).trim();
  try {
    const changed = git("status", "--porcelain", "--untracked-files=no") !== "";
    return git("rev-parse", "--short", "HEAD") + (changed ? "-dirty" : "");
  } catch {
    return "unknown";
  }
}

/** Three significant digits: what a bench can honestly claim. */
export function rounded(value: number): number {
  return Number(value.toPrecision(3));
}

/** Seconds that `body` takes. */
export function seconds(body: () => void): number {
  const start = performance.now();
  body();
  return (performance.now() - start) / 1000;
}

/** Throws unless both sides did the same work; called before any clock starts. */
export function assertSameWork(
  what: string,
  limn: ArrayLike<number>,
  peer: ArrayLike<number>,
  rtol = 0,
): void {
  const same =
    limn.length === peer.length &&
    Array.from(limn).every((value, i) => {
      const other = peer[i] ?? NaN;
      return Math.abs(value - other) <= rtol * Math.abs(other);
    });
  if (same) return;
  throw new Error(
    `Expected equal work on both sides for ${what} but received ` +
      `${Array.from(limn).slice(0, 8).join(", ")} and ${Array.from(peer).slice(0, 8).join(", ")}`,
  );
}
