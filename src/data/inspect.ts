/** Looks through a source: what it holds, what is wrong with it. */
import { DigestTable } from "../arrays/digest-table.ts";
import {
  type Bin,
  StreamHistogram,
  StreamSummary,
  type Summary,
} from "../arrays/stream-summary.ts";
import { DataError, didYouMean } from "../errors.ts";
import { usableCores } from "../files/cores.ts";
import type { Tokenizer } from "../text/index.ts";
import { TextCounts } from "./caption-counts.ts";
import { DecodeCheck } from "./decode-check.ts";
import { pixelBound, tooLarge } from "./image/decode/decode.ts";
import { MAX_TRAINING_PIXELS, readImageHeader } from "./image/index.ts";
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
  /**
   * A picture of more pixels is a bad sample, told from its header. By default 67,108,864, so that what
   * training passes over is listed.
   */
  maxPixels?: number;
  /** Stop after this many samples. */
  limit?: number;
  /** Decoding threads; by default the usable cores. Has no influence on the result. */
  workers?: number;
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
  /** Of a folder: files that belong to no sample, by their ending. */
  passedOver?: Readonly<Record<string, number>>;
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
  /** How often each label occurs, of the first 100,000 different ones. */
  labels: Record<string, number>;
  /** Samples with a label beyond those; absent where there are none. */
  unlistedLabels?: number;
  /** Keys that occur more than once: the first hundred that did so. */
  duplicateKeys: string[];
  parts: PartReport[];
  /** Whether `limit` ended it early. */
  partial: boolean;
}

const KEYS: (keyof InspectOptions)[] = [
  "source",
  "tokenizer",
  "check",
  "maxPixels",
  "limit",
  "workers",
  "onProgress",
];
const MOST_LISTED = 100;
const MOST_LABELS = 100_000;
/** Samples, and bytes of their pictures, that wait for a decoder at a time. */
const MOST_WAITING = { samples: 64, bytes: 64 << 20 };

/**
 * Reads a whole source, sample by sample. Bad samples are listed, never thrown.
 *
 * memory   27 to 54 bytes for each different key and caption, see `DigestTable`; the rest is bounded.
 *          Counts are exact, quantiles as `StreamSummary` has them
 * throws   DataError if the source cannot be opened or is empty; TypeError for an unknown option,
 *          RangeError for `workers` and `maxPixels` that are no positive integers
 */
export async function inspectSource(options: InspectOptions): Promise<InspectReport> {
  for (const key of Object.keys(options)) {
    if (!(KEYS as string[]).includes(key)) {
      throw new TypeError(`Unknown inspect option ${key}.${didYouMean(key, KEYS)}`);
    }
  }
  const { workers = usableCores() } = options;
  if (!Number.isInteger(workers) || workers < 1) {
    throw new RangeError(
      `Expected a positive integer for workers but received ${workers}; leave it out for one a core`,
    );
  }
  pixelBound(options.maxPixels, MAX_TRAINING_PIXELS);
  const source = await openSource(options.source);
  const check = new DecodeCheck(workers);
  const inspection = new Inspection(
    options,
    source.parts.map(({ path }) => path),
    check,
  );
  let partial = false;
  try {
    for await (const sample of readSamples(source)) {
      if (inspection.samples === options.limit) {
        partial = true;
        break;
      }
      await inspection.add(sample);
    }
    await inspection.settle();
  } finally {
    await check.close();
  }
  if (inspection.samples === 0) {
    throw new DataError(
      `Expected at least one sample for ${source.name} but received none; check the source`,
      { source: source.name },
    );
  }
  const { columns, passedOver } = source;
  return {
    ...inspection.report(source.name, partial),
    ...(columns !== undefined && { columns }),
    ...(passedOver !== undefined && { passedOver }),
  };
}

type Verdict = Problem | undefined;

/** A sample whose picture may still be on its way through a decoder. */
interface Waiting {
  part: PartReport;
  bytes: number;
  verdict: Verdict | Promise<Verdict>;
}

class Inspection {
  samples = 0;
  readonly #options: InspectOptions;
  readonly #parts: PartReport[];
  readonly #check: DecodeCheck;
  /** In the order of the source. */
  readonly #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #settled = 0;
  readonly #badSamples: Problem[] = [];
  #bad = 0;
  #missing = 0;
  #cut = 0;
  readonly #formats: Record<string, number> = {};
  readonly #layouts: Record<string, number> = {};
  readonly #labels: Map<string, number> = new Map();
  #unlistedLabels = 0;
  readonly #numbers = {
    width: new StreamSummary(),
    height: new StreamSummary(),
    aspectRatio: new StreamSummary(),
    bytes: new StreamSummary(),
    perImage: new StreamSummary(),
    characters: new StreamSummary(),
    tokens: new StreamSummary(),
  };
  readonly #shortest: StreamHistogram = new StreamHistogram();
  readonly #lengths: StreamHistogram = new StreamHistogram();
  readonly #captions: TextCounts = new TextCounts(10);
  readonly #keys: DigestTable = new DigestTable();
  readonly #duplicates: string[] = [];

  constructor(options: InspectOptions, paths: string[], check: DecodeCheck) {
    this.#options = options;
    this.#check = check;
    this.#parts = paths.map((path) => ({ path, samples: 0, bad: 0, bytes: 0 }));
  }

  /** Takes a sample in. Its picture may be decoded later, while the next samples are read. */
  async add(sample: ReadSample): Promise<void> {
    const part = this.#parts[sample.part]!;
    this.samples += 1;
    part.samples += 1;
    const key = "problem" in sample ? sample.problem.key : sample.ref.key;
    const times = key === undefined ? 0 : this.#keys.change(key, (before) => before + 1);
    if (times === 2 && this.#duplicates.length < MOST_LISTED) this.#duplicates.push(key!);
    const readable = !("problem" in sample);
    const verdict = readable ? this.#addReadable(sample) : sample.problem;
    // It is looked at in its turn; until then a rejection has no listener.
    if (verdict instanceof Promise) verdict.catch(() => undefined);
    const bytes = readable ? sample.image.length : 0;
    this.#waiting.push({ part, bytes, verdict });
    this.#waitingBytes += bytes;
    const { samples: most, bytes: mostBytes } = MOST_WAITING;
    while (this.#waiting.length > most || this.#waitingBytes > mostBytes) await this.#settleFirst();
  }

  /** Waits for all pictures. */
  async settle(): Promise<void> {
    while (this.#waiting.length > 0) await this.#settleFirst();
  }

  async #settleFirst(): Promise<void> {
    const { part, bytes, verdict } = this.#waiting.shift()!;
    const problem = await verdict;
    this.#waitingBytes -= bytes;
    if (problem !== undefined) {
      this.#bad += 1;
      part.bad += 1;
      if (this.#badSamples.length < MOST_LISTED) this.#badSamples.push(problem);
    }
    this.#options.onProgress?.((this.#settled += 1));
  }

  #addReadable(sample: Exclude<ReadSample, { problem: Problem }>): Verdict | Promise<Verdict> {
    const { ref, image, text } = sample;
    this.#parts[sample.part]!.bytes += image.length;
    this.#addText(text.captions, text.label);
    const bad = (reason: string): Problem => ({ file: ref.file, key: ref.key, reason });
    const header = readImageHeader(image);
    if ("problem" in header) return bad(header.detail);
    const { format, layout, width, height } = header;
    this.#formats[format] = (this.#formats[format] ?? 0) + 1;
    this.#layouts[layout] = (this.#layouts[layout] ?? 0) + 1;
    const [short, long] = width < height ? [width, height] : [height, width];
    this.#numbers.width.add(width);
    this.#numbers.height.add(height);
    this.#numbers.aspectRatio.add(long / short);
    this.#numbers.bytes.add(image.length);
    this.#shortest.add(short);
    const maxPixels = this.#options.maxPixels ?? MAX_TRAINING_PIXELS;
    const refused = tooLarge(header, maxPixels, { source: ref.file, key: ref.key });
    if (refused !== undefined) return bad(refused.reason);
    const silent = text.captions.length === 0 ? bad("it has no caption") : undefined;
    if (this.#options.check === "header") return silent;
    const decoded = this.#check.check({ image, source: ref.file, key: ref.key, maxPixels });
    return decoded.then((reason) => (reason === undefined ? silent : bad(reason)));
  }

  #addText(captions: string[], label: string | undefined): void {
    if (label !== undefined) this.#addLabel(label);
    if (captions.length === 0) this.#missing += 1;
    this.#numbers.perImage.add(captions.length);
    const { tokenizer } = this.#options;
    for (const caption of captions) {
      const characters = Array.from(caption).length;
      this.#numbers.characters.add(characters);
      this.#lengths.add(characters);
      this.#captions.add(caption);
      if (tokenizer === undefined) continue;
      const { length, ids } = tokenizer.encode(caption);
      this.#numbers.tokens.add(length);
      if (length === ids.length) this.#cut += 1;
    }
  }

  #addLabel(label: string): void {
    const count = this.#labels.get(label);
    if (count === undefined && this.#labels.size === MOST_LABELS) this.#unlistedLabels += 1;
    else this.#labels.set(label, (count ?? 0) + 1);
  }

  report(source: string, partial: boolean): InspectReport {
    const { samples } = this;
    const { width, height, aspectRatio, bytes, perImage, characters, tokens } = this.#numbers;
    return {
      source,
      samples,
      usable: samples - this.#bad,
      bad: this.#bad,
      badSamples: this.#badSamples,
      images: {
        formats: this.#formats,
        layouts: this.#layouts,
        width: width.get(),
        height: height.get(),
        shortestSide: this.#shortest.get(),
        aspectRatio: aspectRatio.get(),
        bytes: bytes.get(),
      },
      captions: {
        count: characters.count,
        perImage: perImage.get(),
        characters: characters.get(),
        charactersHistogram: this.#lengths.get(),
        missing: this.#missing,
        repeated: this.#captions.repeated,
        commonest: this.#captions.commonest.map(({ text: caption, count }) => ({ caption, count })),
        ...(this.#options.tokenizer === undefined ? {} : { tokens: tokens.get(), cut: this.#cut }),
      },
      labels: Object.fromEntries(this.#labels),
      ...(this.#unlistedLabels > 0 && { unlistedLabels: this.#unlistedLabels }),
      duplicateKeys: this.#duplicates,
      parts: this.#parts,
      partial,
    };
  }
}
