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

export class Peer {
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;

  /**
   * Starts `bench/peers/<script>` with Python, or `bench/<script>` with Node where it ends in `.mjs`;
   * what it prints to its error stream is shown.
   */
  constructor(script: string) {
    const node = script.endsWith(".mjs");
    const program = node ? process.execPath : peerPython();
    const file = path.join(import.meta.dirname, node ? "." : "peers", script);
    this.#process = spawn(program, [file], { stdio: ["pipe", "pipe", "inherit"] });
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
