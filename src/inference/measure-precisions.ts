/** What each precision costs and gives on this machine: speed, memory, and the distance from float32. */
import type { Embeddings } from "../arrays/embeddings.ts";
import { availability, precisions, type Precision } from "../nn/precision.ts";
import { threadCount, type Device } from "../torch/index.ts";
import { encodeList } from "./encode-images.ts";
import { embedTexts } from "./encode-texts.ts";
import { generatedLabels, generatedPictures } from "./generated-pictures.ts";
import type { LoadedModel } from "./load-model.ts";
import { MAX_PIXELS } from "../data/image/index.ts";
import type { PictureTransform } from "../data/image/picture-cell.ts";
import { pictureBatches, type Picture } from "./picture-batches.ts";

/** How far unit rows are from those of float32: 1 - cosine. */
export interface Distance {
  mean: number;
  worst: number;
}

/** Rows per second at a number of inputs at once. */
export interface Rate {
  batch: number;
  perSecond: number;
}

export interface PrecisionMeasurement {
  precision: Precision;
  /** Forward passes alone: pictures are decoded and texts tokenized before. */
  pictures: Rate[];
  texts: Rate[];
  /** Bytes of the weights as they are held. */
  memory: number;
  imageDistance: Distance;
  textDistance: Distance;
  /** Of the pictures, how many have the same best label as in float32. */
  sameTop1: number;
}

export interface PrecisionReport {
  device: Device;
  threads: number;
  pictures: { count: number; given: boolean };
  labels: { count: number; given: boolean };
  measured: PrecisionMeasurement[];
  /** Precisions that are not to be had, and why. */
  missing: { precision: Precision; why: string }[];
}

export interface MeasureOptions {
  device?: Device;
  /** Default: 32 that limn makes. */
  pictures?: readonly Picture[] | undefined;
  /** Default: 24 of limn's. */
  labels?: readonly string[] | undefined;
  /** Seconds for each rate, at least. Default 1.5. */
  seconds?: number;
  /** Called before each precision. */
  onPrecision?: (precision: Precision) => void;
}

const BATCHES = [1, 8, 32];

/**
 * Loads the model in each precision that there is, one after another.
 *
 * load    the model in a precision, which is disposed of here
 * throws  as `load`; DataError for a picture that cannot be read
 */
export async function measurePrecisions(
  load: (precision: Precision) => Promise<LoadedModel>,
  options: MeasureOptions = {},
): Promise<PrecisionReport> {
  const { device = "cpu", pictures, labels, seconds = 1.5, onPrecision } = options;
  const given = {
    pictures: pictures ?? generatedPictures(32),
    labels: labels ?? generatedLabels,
    seconds,
  };
  const report: PrecisionReport = {
    device,
    threads: threadCount(),
    pictures: { count: given.pictures.length, given: pictures !== undefined },
    labels: { count: given.labels.length, given: labels !== undefined },
    measured: [],
    missing: [],
  };
  let reference: Found | undefined;
  for (const precision of precisions) {
    const available = availability(precision, device);
    if (!available.has) {
      report.missing.push({ precision, why: available.why });
      continue;
    }
    onPrecision?.(precision);
    const model = await load(precision);
    try {
      const found = await embed(model, given);
      reference ??= found;
      report.measured.push({
        precision,
        ...(await rates(model, given)),
        memory: model.pair.bytes,
        imageDistance: distance(found.images, reference.images),
        textDistance: distance(found.texts, reference.texts),
        sameTop1: agreement(found.best, reference.best),
      });
    } finally {
      model.dispose();
    }
  }
  return report;
}

interface Given {
  pictures: readonly Picture[];
  labels: readonly string[];
  seconds: number;
}

interface Found {
  images: Embeddings;
  texts: Embeddings;
  /** Of each picture, the place of its best label. */
  best: number[];
}

async function embed(model: LoadedModel, { pictures, labels }: Given): Promise<Found> {
  const { rows: images } = await encodeList(model, pictures, {});
  const texts = embedTexts(model, labels);
  const classifier = await model.zeroShotClassifier([...labels]);
  const best = classifier.rank(images, 1).map(([first]) => first?.index ?? -1);
  return { images, texts, best };
}

async function rates(
  model: LoadedModel,
  { pictures, labels, seconds }: Given,
): Promise<Pick<PrecisionMeasurement, "pictures" | "texts">> {
  const { encoder } = model;
  const found: Pick<PrecisionMeasurement, "pictures" | "texts"> = { pictures: [], texts: [] };
  for (const batch of BATCHES) {
    const cells = await cellsOf(repeated(pictures, batch), encoder.transform);
    const rate = perSecond(batch, seconds, () => encoder.encodeImages(cells));
    found.pictures.push({ batch, perSecond: rate });
    const texts = repeated(labels, batch);
    const textRate = perSecond(batch, seconds, () => embedTexts(model, texts));
    found.texts.push({ batch, perSecond: textRate });
  }
  return found;
}

/** uint8 [N, cellBytes(transform)] */
async function cellsOf(
  pictures: readonly Picture[],
  transform: PictureTransform,
): Promise<Uint8Array> {
  const settings = { transform, onError: "throw", workers: 0, maxPixels: MAX_PIXELS } as const;
  const batches = pictureBatches(pictures, { ...settings, batchSize: pictures.length });
  for await (const { cells } of batches) return Uint8Array.from(cells);
  throw new RangeError("Expected at least one picture to measure with but received none");
}

function repeated<T>(list: readonly T[], count: number): T[] {
  return Array.from({ length: count }, (_, i) => list[i % list.length] as T);
}

/** By the shortest of the passes, since other work only slows. The first one warms up. */
function perSecond(count: number, least: number, pass: () => unknown): number {
  pass();
  let best = Infinity;
  const start = performance.now();
  for (let passes = 0; passes < 2 || performance.now() - start < 1000 * least; passes++) {
    const begin = performance.now();
    pass();
    best = Math.min(best, performance.now() - begin);
  }
  return (1000 * count) / best;
}

/** Of unit rows. */
function distance(a: Embeddings, b: Embeddings): Distance {
  const apart = Array.from({ length: a.count }, (_, row) => {
    let cosine = 0;
    for (let i = row * a.dim; i < (row + 1) * a.dim; i++) {
      cosine += (a.data[i] as number) * (b.data[i] as number);
    }
    // Rounding of float32 rows gives a little more than 1 at times.
    return Math.max(0, 1 - cosine);
  });
  const sum = apart.reduce((total, one) => total + one, 0);
  return { mean: sum / apart.length, worst: Math.max(...apart) };
}

function agreement(a: readonly number[], b: readonly number[]): number {
  return a.filter((best, i) => best === b[i]).length / a.length;
}
