/**
 * A Python or Node program that measures the same work: commands and answers are lines of JSON on its
 * standard streams, so that both sides can take turns on one machine.
 */
import { spawn, type ChildProcessByStdio } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";

/** The interpreter of `npm run bench:setup`, or `$LIMN_BENCH_PYTHON` where that was not run. */
export function peerPython(): string {
  const own = path.join(import.meta.dirname, ".venv", "bin", "python");
  if (existsSync(own)) return own;
  const named = process.env["LIMN_BENCH_PYTHON"];
  if (named && existsSync(named)) return named;
  throw new Error(
    `Expected Python with the peers in ${own} or $LIMN_BENCH_PYTHON but received ` +
      `${named ?? "neither"}; run: npm run bench:setup`,
  );
}

/**
 * The folder of open_clip's main branch, to be put before the released one: `npm run bench:setup` fetches the
 * pinned commit, or `$LIMN_BENCH_OPEN_CLIP_MAIN` names its `src`. Undefined where there is none.
 */
export function openClipMain(): string | undefined {
  const named = process.env["LIMN_BENCH_OPEN_CLIP_MAIN"];
  const found = [named, path.join(import.meta.dirname, ".open-clip-main")];
  return found.find((folder) => folder && existsSync(path.join(folder, "open_clip")));
}

/** The C library's setting that `limn` trains and embeds with (`keepFreedMemory`), for a peer. */
export const keptMemory = {
  MALLOC_TRIM_THRESHOLD_: "2147483647",
  MALLOC_MMAP_THRESHOLD_: "1073741824",
} as const;

export class Peer {
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;

  /**
   * Starts `bench/peers/<script>` with Python, or `bench/<script>` with Node where it ends in `.mjs`;
   * what it prints to its error stream is shown. `environment` is added to its own; `python` is another
   * interpreter than the peers' own.
   */
  constructor(script: string, environment: NodeJS.ProcessEnv = {}, python?: string) {
    const node = script.endsWith(".mjs");
    const program = node ? process.execPath : (python ?? peerPython());
    const file = path.join(import.meta.dirname, node ? "." : "peers", script);
    this.#process = spawn(program, [file], {
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, ...environment },
    });
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  /** Sends one command and waits for its answer. */
  async ask<T>(command: Record<string, unknown>): Promise<T> {
    this.#process.stdin.write(`${JSON.stringify(command)}\n`);
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`Expected an answer of the peer but it ended`);
    return JSON.parse(value) as T;
  }

  close(): void {
    this.#process.stdin.end();
  }
}
