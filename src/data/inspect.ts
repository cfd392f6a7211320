/** Looks through a source: what it holds, what is wrong with it. */
import { DataError, didYouMean } from "../errors.ts";
import type { Tokenizer } from "../text/index.ts";
import { decodeImage, readImageHeader } from "./image/index.ts";
import { openSource } from "./sources/open-source.ts";
import { type ReadSample, readSamples } from "./sources/read-sample.ts";
import type { SourceSpec } from "./sources/source-spec.ts";
import type { Columns, Problem } from "./sources/source.ts";

export interface InspectOptions {
  source: SourceSpec;
  /** Counts tokens too, and how many captions are longer than its context. */
  tokenizer?: Tokenizer;
  /** `header` trusts an image whose header is sound; `decode` (default) decodes every one. */
  check?: "header" | "decode";
  /** Stop after this many samples. */
  limit?: number;
  /** Called after each sample. */
  onProgress?: (samples: number) => void;
}

/** One shard, or the whole table or folder. */
export interface PartReport {
  path: string;
  samples: number;
  bad: number;
  /** Bytes of its images. */
  bytes: number;
}

/** What `inspectSource` found; plain JSON. */
export interface InspectReport {
  source: string;
  /** Of a table: the columns that were read. */
  columns?: Columns;
  samples: number;
  /** Usable samples: the image is sound and, where captions were asked for, there is one. */
  usable: number;
  bad: number;
  /** The first hundred. */
  badSamples: Problem[];
  images: {
    formats: Record<string, number>;
    layouts: Record<string, number>;
    /** pixels */
    width: Summary;
    height: Summary;
    shortestSide: Bin[];
    /** long side / short side */
    aspectRatio: Summary;
    bytes: Summary;
  };
  captions: {
    count: number;
    perImage: Summary;
    /** Unicode characters */
    characters: Summary;
    charactersHistogram: Bin[];
    /** Samples without any caption; they are no use for training. */
    missing: number;
    /** Captions that occur more than once, and how often the commonest do. */
    repeated: number;
    commonest: { caption: string; count: number }[];
    /** start and end included; only with a tokenizer */
    tokens?: Summary;
    /** captions longer than the tokenizer's context, which are cut in training */
    cut?: number;
  };
  labels: Record<string, number>;
  /** Keys that occur more than once, the first hundred. */
  duplicateKeys: string[];
  parts: PartReport[];
  /** Whether `limit` ended it early. */
  partial: boolean;
}

const KEYS: (keyof InspectOptions)[] = ["source", "tokenizer", "check", "limit", "onProgress"];
const MOST_LISTED = 100;

/**
 * Reads a whole source, sample by sample. Bad samples are listed, never thrown.
 *
 * throws   DataError if the source cannot be opened or is empty; TypeError for an unknown option
 */
export async function inspectSource(options: InspectOptions): Promise<InspectReport> {
  for (const key of Object.keys(options)) {
    if (!(KEYS as string[]).includes(key)) {
      throw new TypeError(`Unknown inspect option ${key}.${didYouMean(key, KEYS)}`);
    }
  }
  const source = await openSource(options.source);
  const columns = source.columns === undefined ? {} : { columns: source.columns };
  const inspection = new Inspection(
    options,
    source.parts.map(({ path }) => path),
  );
  for await (const sample of readSamples(source)) {
    if (inspection.samples === options.limit) {
      return { ...inspection.report(source.name, true), ...columns };
    }
    await inspection.add(sample);
    options.onProgress?.(inspection.samples);
  }
  if (inspection.samples === 0) {
    throw new DataError(
      `Expected at least one sample for ${source.name} but received none; check the source`,
      { source: source.name },
    );
  }
  return { ...inspection.report(source.name, false), ...columns };
}

class Inspection {
  samples = 0;
  readonly #options: InspectOptions;
  readonly #parts: PartReport[];
  readonly #badSamples: Problem[] = [];
  #bad = 0;
  #missing = 0;
  #cut = 0;
  readonly #formats: Record<string, number> = {};
  readonly #layouts: Record<string, number> = {};
  readonly #labels: Record<string, number> = {};
  readonly #widths: number[] = [];
  readonly #heights: number[] = [];
  readonly #bytes: number[] = [];
  readonly #perImage: number[] = [];
  readonly #characters: number[] = [];
  readonly #tokens: number[] = [];
  readonly #captions: Map<string, number> = new Map();
  readonly #keys: Map<string, number> = new Map();

  constructor(options: InspectOptions, paths: string[]) {
    this.#options = options;
    this.#parts = paths.map((path) => ({ path, samples: 0, bad: 0, bytes: 0 }));
  }

  async add(sample: ReadSample): Promise<void> {
    const part = this.#parts[sample.part]!;
    this.samples += 1;
    part.samples += 1;
    const key = "problem" in sample ? sample.problem.key : sample.ref.key;
    if (key !== undefined) increase(this.#keys, key);
    const problem = "problem" in sample ? sample.problem : await this.#addReadable(sample);
    if (problem === undefined) return;
    this.#bad += 1;
    part.bad += 1;
    if (this.#badSamples.length < MOST_LISTED) this.#badSamples.push(problem);
  }

  async #addReadable(
    sample: Exclude<ReadSample, { problem: Problem }>,
  ): Promise<Problem | undefined> {
    const { ref, image, text } = sample;
    this.#parts[sample.part]!.bytes += image.length;
    this.#addText(text.captions, text.label);
    const bad = (reason: string): Problem => ({ file: ref.file, key: ref.key, reason });
    const header = readImageHeader(image);
    if ("problem" in header) return bad(header.detail);
    const { format, layout, width, height } = header;
    this.#formats[format] = (this.#formats[format] ?? 0) + 1;
    this.#layouts[layout] = (this.#layouts[layout] ?? 0) + 1;
    this.#widths.push(width);
    this.#heights.push(height);
    this.#bytes.push(image.length);
    if (this.#options.check !== "header") {
      try {
        await decodeImage(image, { at: { source: ref.file, key: ref.key } });
      } catch (error) {
        return bad(error instanceof Error ? error.message : String(error));
      }
    }
    return text.captions.length === 0 ? bad("it has no caption") : undefined;
  }

  #addText(captions: string[], label: string | undefined): void {
    if (label !== undefined) this.#labels[label] = (this.#labels[label] ?? 0) + 1;
    if (captions.length === 0) this.#missing += 1;
    this.#perImage.push(captions.length);
    const { tokenizer } = this.#options;
    for (const caption of captions) {
      this.#characters.push(Array.from(caption).length);
      increase(this.#captions, caption);
      if (tokenizer === undefined) continue;
      const { length, ids } = tokenizer.encode(caption);
      this.#tokens.push(length);
      if (length === ids.length) this.#cut += 1;
    }
  }

  report(source: string, partial: boolean): InspectReport {
    const { samples } = this;
    const [bad, widths, heights] = [this.#bad, this.#widths, this.#heights];
    const [characters, tokens] = [this.#characters, this.#tokens];
    const short = widths.map((width, i) => Math.min(width, heights[i]!));
    const ratio = widths.map((width, i) => Math.max(width, heights[i]!) / short[i]!);
    const repeated = [...this.#captions].filter(([, count]) => count > 1);
    repeated.sort(([, a], [, b]) => b - a);
    const duplicates = [...this.#keys].filter(([, count]) => count > 1).map(([key]) => key);
    return {
      source,
      samples,
      usable: samples - bad,
      bad,
      badSamples: this.#badSamples,
      images: {
        formats: this.#formats,
        layouts: this.#layouts,
        width: summarize(widths),
        height: summarize(heights),
        shortestSide: histogram(short),
        aspectRatio: summarize(ratio),
        bytes: summarize(this.#bytes),
      },
      captions: {
        count: characters.length,
        perImage: summarize(this.#perImage),
        characters: summarize(characters),
        charactersHistogram: histogram(characters),
        missing: this.#missing,
        repeated: repeated.length,
        commonest: repeated.slice(0, 10).map(([caption, count]) => ({ caption, count })),
        ...(this.#options.tokenizer === undefined
          ? {}
          : { tokens: summarize(tokens), cut: this.#cut }),
      },
      labels: this.#labels,
      duplicateKeys: duplicates.slice(0, MOST_LISTED),
      parts: this.#parts,
      partial,
    };
  }
}

function increase(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** Of a list of numbers; all zero for an empty one. Quantiles are values of the list. */
export interface Summary {
  min: number;
  median: number;
  mean: number;
  p95: number;
  max: number;
}

/** Values from `from` (inclusive) to `to` (exclusive). */
export interface Bin {
  from: number;
  to: number;
  count: number;
}

export function summarize(values: readonly number[]): Summary {
  if (values.length === 0) return { min: 0, median: 0, mean: 0, p95: 0, max: 0 };
  const sorted = Float64Array.from(values).sort();
  const quantile = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)]!;
  return {
    min: sorted[0]!,
    median: quantile(0.5),
    mean: sorted.reduce((sum, value) => sum + value, 0) / sorted.length,
    p95: quantile(0.95),
    max: sorted.at(-1)!,
  };
}

/** Counts in bins whose bounds double: 1 to 2, 2 to 4, and so on; zeros come first. */
export function histogram(values: readonly number[]): Bin[] {
  const counts = new Map<number, number>();
  for (const value of values) {
    const from = value < 1 ? 0 : 2 ** Math.floor(Math.log2(value));
    counts.set(from, (counts.get(from) ?? 0) + 1);
  }
  return [...counts]
    .sort(([a], [b]) => a - b)
    .map(([from, count]) => ({ from, to: from === 0 ? 1 : 2 * from, count }));
}
