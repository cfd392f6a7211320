/** Packs any source into WebDataset shards. */
import sharp from "sharp";
import { DigestTable } from "../arrays/digest-table.ts";
import { DataError, didYouMean, sampleIn } from "../errors.ts";
import { readingReason } from "../files/regular-file.ts";
import { checkApart, checkFolderTarget } from "../files/atomic-folder.ts";
import { pixelBound, tooLarge } from "./image/decode/decode.ts";
import { decodeGif } from "./image/decode/gif.ts";
import { decodeImage, type ImageOrigin, MAX_PIXELS, readImageHeader } from "./image/index.ts";
import { partNames } from "./loader/batch-builder.ts";
import { problemError } from "./loader/protocol.ts";
import type { PackSample } from "./sample.ts";
import { openSource } from "./sources/open-source.ts";
import { readSamples } from "./sources/read-sample.ts";
import { sampleName } from "./sources/sample-groups.ts";
import type { SourceSpec } from "./sources/source-spec.ts";
import type { Columns, Problem, Source } from "./sources/source.ts";
import { writeShards } from "./write-shards.ts";

export { writeShards } from "./write-shards.ts";
export type { WriteShardsOptions } from "./write-shards.ts";

export interface PackOptions {
  source: SourceSpec;
  /** Where the shards go: a new folder, or an empty one that is not in a folder source. */
  directory: string;
  /** By default 1000. */
  samplesPerShard?: number;
  /** Shards are named `<prefix>-000000.tar`; by default `shard`. */
  prefix?: string;
  /**
   * Pixels of the shorter side after resizing; larger images are shrunk and encoded again, others
   * keep their bytes. By default every image keeps its bytes, but for GIF, of which the first frame
   * becomes PNG.
   */
  resize?: number;
  /** What resized images become; by default what they were. Images that keep their bytes stay. */
  format?: "jpg" | "png" | "webp";
  /** 1 to 100, of resized JPEG and WebP; by default 95. */
  quality?: number;
  /** A picture of more pixels is a bad sample, told from its header. By default 178,956,970. */
  maxPixels?: number;
  /** Leave out samples without a caption (true by default). */
  requireCaption?: boolean;
  /** Samples left out, by the names that batches give their pictures (`Batch.imageIds`). */
  exclude?: Pick<ReadonlySet<string>, "has">;
  /** Bad samples are left out and listed (`skip`, the default), or end the packing. */
  onError?: "skip" | "fail";
}

export interface PackResult {
  /** Of a table: the columns that were read. */
  columns?: Columns;
  shards: string[];
  samples: number;
  /** Images that were resized. Of those that were not, only GIF are encoded again, as PNG. */
  resized: number;
  /** Samples left out by `exclude`. */
  excluded: number;
  skipped: number;
  /** The first hundred of the skipped samples. */
  badSamples: Problem[];
  /** Samples that were packed without their record, as it cannot be read; the first hundred by name. */
  withoutRecord: number;
  lostRecords: Problem[];
}

const KEYS: (keyof PackOptions)[] = [
  "source",
  "directory",
  "samplesPerShard",
  "prefix",
  "resize",
  "format",
  "quality",
  "maxPixels",
  "requireCaption",
  "exclude",
  "onError",
];

/**
 * Reads a source in its order and writes it as shards; see `writeShards` for what they hold and
 * for a full disk. Only headers are checked: `inspectSource` decodes. A key that was used before gets
 * a number.
 *
 * memory   about 80 bytes a sample for its key, see `DigestTable`
 * throws   DataError if the source cannot be opened or holds no usable sample, with
 *          `onError: "fail"` for the first bad one; StorageError for a folder that holds something;
 *          TypeError and RangeError for options
 */
export async function packDataset(options: PackOptions): Promise<PackResult> {
  checkPackOptions(options);
  const { directory, samplesPerShard = 1000, prefix } = options;
  const result: PackResult = {
    shards: [],
    samples: 0,
    resized: 0,
    excluded: 0,
    skipped: 0,
    badSamples: [],
    withoutRecord: 0,
    lostRecords: [],
  };
  await checkPackTarget(options);
  const written = await writeShards({
    samples: packSamples(options, result),
    directory,
    samplesPerShard,
    ...(prefix === undefined ? {} : { prefix }),
  });
  return { ...result, ...written };
}

/** Refuses a folder that the shards cannot go to. throws  StorageError naming it */
export async function checkPackTarget({
  source,
  directory,
}: Pick<PackOptions, "source" | "directory">): Promise<void> {
  // A folder's listing would find them.
  if (source.kind === "folder") checkApart(directory, [source.directory]);
  await checkFolderTarget(directory, { onlyNew: true });
}

function checkAny(count: number, { source: spec }: PackOptions, { badSamples }: PackResult): void {
  if (count > 0) return;
  const first = badSamples[0];
  const received =
    first === undefined
      ? "none"
      : `only bad ones, such as ${sampleIn(first.file, first.key)}: ${first.reason}`;
  const source = JSON.stringify(spec);
  throw new DataError(
    `Expected at least one usable sample for ${source} but received ${received}; check the source`,
    { source },
  );
}

async function* packSamples(options: PackOptions, result: PackResult): AsyncGenerator<PackSample> {
  const opened = await openSource(options.source, { records: true });
  // What Python wrote as 1.0 stays a float.
  const source: Source = { ...opened, reading: { ...opened.reading, floats: "marked" } };
  if (source.columns !== undefined) result.columns = source.columns;
  const taken = new DigestTable();
  const names = partNames(source);
  let count = 0;
  for await (const sample of readSamples(source)) {
    if (options.exclude?.has(`${names[sample.part]}#${sample.index}`) === true) {
      result.excluded += 1;
      continue;
    }
    const packed = "problem" in sample ? sample : await packOne(sample, options, taken);
    if ("problem" in packed) {
      if (options.onError === "fail") throw problemError(packed.problem);
      result.skipped += 1;
      if (result.badSamples.length < 100) result.badSamples.push(packed.problem);
      continue;
    }
    if (packed.resized) result.resized += 1;
    if (packed.lost !== undefined) {
      result.withoutRecord += 1;
      if (result.lostRecords.length < 100) result.lostRecords.push(packed.lost);
    }
    count += 1;
    yield packed.sample;
  }
  // Before the folder appears.
  checkAny(count, options, result);
}

type Readable = Exclude<
  ReturnType<typeof readSamples> extends AsyncGenerator<infer S> ? S : never,
  { problem: Problem }
>;

async function packOne(
  { ref, image, text }: Readable,
  options: PackOptions,
  taken: DigestTable,
): Promise<{ sample: PackSample; resized: boolean; lost?: Problem } | { problem: Problem }> {
  const { key, file, classIndex: labelFile } = ref;
  const bad = (reason: string): { problem: Problem } => ({ problem: { file, key, reason } });
  if ((options.requireCaption ?? true) && text.captions.length === 0) {
    const lost = text.lostRecord;
    return bad(lost === undefined ? "it has no caption" : `it has no caption, and ${lost}`);
  }
  const header = readImageHeader(image);
  if ("problem" in header) return bad(header.detail);
  const { format, width, height } = header;
  const at = { source: file, key };
  const refused = tooLarge(header, options.maxPixels ?? MAX_PIXELS, at);
  if (refused !== undefined) return bad(refused.reason);
  const shrink = options.resize !== undefined && Math.min(width, height) > options.resize;
  const extension = packExtension(format, shrink ? options.format : undefined);
  try {
    const kept = (): Promise<Uint8Array> | Uint8Array =>
      format === "gif" ? gifAsPng(image, at, options) : image;
    const bytes = shrink ? await shrinkImage(image, at, extension, options) : await kept();
    const packed: PackSample = {
      key: uniqueKey(key, taken),
      image: bytes,
      extension,
      captions: text.captions,
    };
    if (text.label !== undefined)
      packed[labelFile === undefined ? "label" : "classIndex"] = text.label;
    if (text.meta !== undefined || text.record !== undefined) {
      packed.meta = { ...text.record, ...text.meta };
    }
    const done = { sample: packed, resized: shrink };
    const reason = text.lostRecord;
    return reason === undefined ? done : { ...done, lost: { file, key, reason } };
  } catch (error) {
    return bad(readingReason(error));
  }
}

function packExtension(format: string, wanted: PackOptions["format"]): PackSample["extension"] {
  if (wanted !== undefined) return wanted;
  if (format === "webp") return "webp";
  return format === "jpeg" ? "jpg" : "png";
}

/** The first frame: open_clip and webdataset's own decoders take no GIF. Colours and alpha are kept. */
async function gifAsPng(
  bytes: Uint8Array,
  at: ImageOrigin,
  { maxPixels = MAX_PIXELS }: PackOptions,
): Promise<Uint8Array> {
  const { data, width, height } = await decodeImage(bytes, { at, maxPixels });
  const { alpha } = decodeGif(bytes, width * height);
  const raw = { width, height, channels: 3 } as const;
  const picture = sharp(data, { raw, limitInputPixels: false });
  if (alpha !== undefined) {
    picture.joinChannel(Buffer.from(alpha.buffer), { raw: { ...raw, channels: 1 } });
  }
  return picture.toColourspace("srgb").png().toBuffer();
}

async function shrinkImage(
  bytes: Uint8Array,
  at: ImageOrigin,
  extension: PackSample["extension"],
  options: PackOptions,
): Promise<Uint8Array> {
  const { quality = 95, resize: side, maxPixels = MAX_PIXELS } = options;
  // Decoded as everywhere in limn: profiles and EXIF are ignored, and what is not RGB becomes RGB.
  const { data, width, height } = await decodeImage(bytes, { at, maxPixels });
  const raw = { width, height, channels: 3 } as const;
  // What was decoded is bounded by `maxPixels`.
  const resized = sharp(data, { raw, limitInputPixels: false }).resize({
    width: side!,
    height: side!,
    fit: "outside",
    kernel: "cubic",
  });
  if (extension === "jpg") return resized.jpeg({ quality }).toBuffer();
  return extension === "webp" ? resized.webp({ quality }).toBuffer() : resized.png().toBuffer();
}

/**
 * A key that shards allow: no dots in its last part, forward slashes, not used before.
 *
 * taken   the keys in use, and for each the number that is tried next when it comes again
 */
function uniqueKey(key: string, taken: DigestTable): string {
  const parts = key
    .replace(/\\/g, "/")
    .split("/")
    .filter((part) => part !== "" && part !== "." && part !== "..");
  const last = (parts.pop() ?? "sample").replace(/\.(jpe?g|png|webp|gif|svg)$/i, "");
  const name = last.replace(/[.\0\n]/g, "_") || "sample";
  const given = [...parts, name].join("/");
  // Readers pass over a shard's own files, and over what systems put into folders.
  const isRead = sampleName(`${given}.jpg`)?.key === given;
  const base = isRead ? given : `key-${given.replaceAll("/", "_")}`;
  const known = taken.get(base);
  if (known === 0) {
    taken.set(base, 2);
    return base;
  }
  let number = known;
  while (taken.get(`${base}-${number}`) !== 0) number += 1;
  taken.set(base, number + 1);
  taken.set(`${base}-${number}`, 2);
  return `${base}-${number}`;
}

function checkPackOptions(options: PackOptions): void {
  for (const key of Object.keys(options)) {
    if (!(KEYS as string[]).includes(key)) {
      throw new TypeError(`Unknown pack option ${key}.${didYouMean(key, KEYS)}`);
    }
  }
  pixelBound(options.maxPixels, MAX_PIXELS);
  const { resize, quality } = options;
  if (resize !== undefined && (!Number.isInteger(resize) || resize < 1)) {
    throw new RangeError(`Expected a positive integer for resize but received ${resize}`);
  }
  if (quality !== undefined && !(quality >= 1 && quality <= 100)) {
    throw new RangeError(`Expected 1 to 100 for quality but received ${quality}`);
  }
}
