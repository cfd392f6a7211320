/**
 * The metrics of a run as JSON lines, one object per line, appended as training goes.
 * Survives being killed at any moment: at worst the last line is incomplete, and is dropped.
 */
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { DataError } from "../../errors.ts";
import { AppendFile } from "./append-file.ts";

/**
 * The keys of every logged step. The learner reports further ones: a pair
 * `train/contrastiveAccuracy` (share of the batch whose own pair is the most similar one, in [0, 1]),
 * `train/logitScale` (the multiplier, not its logarithm), `train/learningRate`, `train/gradNorm`
 * (before clipping) and the objective's own numbers.
 */
export interface StepValues extends Record<string, number> {
  /** The objective's; nats for the contrastive ones: ln(batch size) is guessing. */
  "train/loss": number;
  "train/examplesPerSecond": number;
  /** Time of the step spent waiting for data. */
  "data/waitSeconds": number;
}

/** One line of the log: where training stood, and any metrics under their keys. */
interface MetricsEntry {
  /** Optimizer steps done, from 1. */
  readonly step: number;
  /** Image-text pairs seen since the start of training. */
  readonly examplesSeen: number;
  /** Seconds since 1970. */
  readonly wallTime: number;
  readonly values: Readonly<Record<string, number>>;
}

interface MetricsLogOptions {
  /** Continues a run: entries after this step are removed, since it will take those steps again. */
  readonly resumeStep?: number;
}

/** Appends entries to a JSONL file. */
export class MetricsLog {
  readonly path: string;
  /** What the file holds already of the step that the run goes on from. */
  readonly resumed: readonly MetricsEntry[];
  readonly #file: AppendFile;

  /**
   * Opens or makes the file. What a killed process left incomplete is removed; with `resumeStep`,
   * so is everything after that step.
   *
   * throws  DataError if a line other than the last cannot be read: then it is not a metrics log
   */
  constructor(path: string, { resumeStep = Infinity }: MetricsLogOptions = {}) {
    this.path = path;
    mkdirSync(dirname(path), { recursive: true });
    const { bytes, entries } = existsSync(path)
      ? scan(path, resumeStep)
      : { bytes: 0, entries: [] };
    this.resumed = entries.filter(({ step }) => step === resumeStep);
    this.#file = new AppendFile(path, "a", bytes);
  }

  /**
   * Writes one line. Keys `step`, `examplesSeen` and `wallTime` come first.
   *
   * throws  RangeError if the step is not a whole number >= 0
   */
  append(entry: Omit<MetricsEntry, "wallTime"> & { wallTime?: number }): void {
    const { step, examplesSeen, wallTime = Date.now() / 1000, values } = entry;
    if (!Number.isSafeInteger(step) || step < 0) {
      throw new RangeError(`Expected a whole number >= 0 for step but received ${step}.`);
    }
    const line = JSON.stringify({ step, examplesSeen, wallTime, ...encode(values) });
    this.#file.append(Buffer.from(`${line}\n`));
  }

  /** Waits until everything written is on the disk itself; call it with every checkpoint. */
  sync(): void {
    this.#file.sync();
  }

  /** Closes the file; closing twice is fine, writing afterwards is not. */
  close(): void {
    this.#file.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * All complete entries of a log, in order; an incomplete last line is left out.
 *
 * throws  DataError naming the line if another one cannot be read
 */
export function readMetricsLog(path: string): MetricsEntry[] {
  return scan(path, Infinity).entries;
}

interface Scan {
  entries: MetricsEntry[];
  /** Length of the part of the file that is kept. */
  bytes: number;
}

function scan(path: string, lastStep: number): Scan {
  const content = readFileSync(path);
  const entries: MetricsEntry[] = [];
  let start = 0;
  for (let line = 1; ; line++) {
    const end = content.indexOf(0x0a, start);
    if (end < 0) break;
    const entry = parse(content.toString("utf8", start, end));
    if (entry === undefined) {
      // A crash of the machine may leave blocks of zeros behind: only what follows must be empty.
      if (content.indexOf(0x0a, end + 1) < 0) break;
      throw new DataError(
        `Expected a JSON object with step and examplesSeen on line ${line} of ${path}; ` +
          "move the file away or repair that line.",
        { source: path, key: String(line) },
      );
    }
    if (entry.step > lastStep) break;
    entries.push(entry);
    start = end + 1;
  }
  return { entries, bytes: start };
}

function parse(line: string): MetricsEntry | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof parsed !== "object" || parsed === null) return undefined;
  const { step, examplesSeen, wallTime, ...rest } = parsed as Record<string, unknown>;
  if (typeof step !== "number" || typeof examplesSeen !== "number") return undefined;
  const time = typeof wallTime === "number" ? wallTime : NaN;
  return { step, examplesSeen, wallTime: time, values: decode(rest) };
}

/** JSON has no NaN; a diverged run must still say so. */
const named: Readonly<Record<string, number>> = { NaN, Infinity, "-Infinity": -Infinity };

function encode(values: Readonly<Record<string, number>>): Record<string, number | string> {
  return Object.fromEntries(
    Object.entries(values).map(([key, value]) => [
      key,
      Number.isFinite(value) ? value : String(value),
    ]),
  );
}

function decode(values: Record<string, unknown>): Record<string, number> {
  const out: Record<string, number> = {};
  for (const [key, value] of Object.entries(values)) {
    if (typeof value === "number") out[key] = value;
    else if (typeof value === "string" && value in named) out[key] = named[value] ?? NaN;
  }
  return out;
}
