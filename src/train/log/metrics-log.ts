/**
 * The metrics of a run as JSON lines, one object per line, appended as training goes.
 * Survives being killed at any moment: at worst the last line is incomplete, and is dropped.
 */
import { closeSync, existsSync, fstatSync } from "node:fs";
import { dirname } from "node:path";
import { DataError } from "../../errors.ts";
import { openRegular, readExactly, readRegular } from "../../files/regular-file.ts";
import { makeFolder } from "../../files/storage.ts";
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
   * throws  DataError if a line near the end, other than the last, cannot be read: then it is not a
   *         metrics log; StorageError naming the file where it cannot be written
   */
  constructor(path: string, { resumeStep = Infinity }: MetricsLogOptions = {}) {
    this.path = path;
    makeFolder(dirname(path), path);
    const { bytes, entries } = existsSync(path) ? kept(path, resumeStep) : nothing;
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
  return scan(path, readRegular(path, Infinity), Infinity).entries;
}

interface Scan {
  entries: MetricsEntry[];
  /** Bytes of the lines that are kept. */
  bytes: number;
}

/**
 * Complete lines up to the first of a later step than `lastStep`.
 *
 * place   where in the file `content` begins, and which line that is, where it is known
 */
function scan(
  path: string,
  content: Buffer,
  lastStep: number,
  place: { byte: number; line?: number } = { byte: 0, line: 1 },
): Scan {
  const entries: MetricsEntry[] = [];
  let start = 0;
  for (let count = 0; ; count++) {
    const end = content.indexOf(0x0a, start);
    if (end < 0) break;
    const entry = parse(content.toString("utf8", start, end));
    if (entry === undefined) {
      // A crash of the machine may leave blocks of zeros behind: only what follows must be empty.
      if (content.indexOf(0x0a, end + 1) < 0) break;
      const at =
        place.line === undefined
          ? `at byte ${place.byte + start}`
          : `on line ${place.line + count}`;
      throw new DataError(
        `Expected a JSON object with step and examplesSeen ${at} of ${path}; ` +
          "move the file away or repair that line.",
        { source: path, key: at },
      );
    }
    if (entry.step > lastStep) break;
    entries.push(entry);
    start = end + 1;
  }
  return { entries, bytes: start };
}

/** Of a log's end, what is read at first. */
const TAIL_BYTES = 1 << 16;

const nothing: Scan = { entries: [], bytes: 0 };

/**
 * The length of a log up to the last entry of `lastStep` or before, and all entries of that step. Steps
 * only grow, so that its end tells: as much of it is read as was logged after that step, however long
 * the run was.
 */
function kept(path: string, lastStep: number): Scan {
  const descriptor = openRegular(path);
  try {
    const { size } = fstatSync(descriptor);
    for (let wanted = TAIL_BYTES; ; wanted *= 2) {
      const from = Math.max(0, size - wanted);
      const tail = readExactly(descriptor, from, size - from);
      if (from === 0) return scan(path, tail, lastStep);
      const first = tail.indexOf(0x0a) + 1;
      const { entries, bytes } = scan(path, tail.subarray(first), lastStep, { byte: from + first });
      if (first > 0 && entries.some(({ step }) => step < lastStep)) {
        return { entries, bytes: from + first + bytes };
      }
    }
  } finally {
    closeSync(descriptor);
  }
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
