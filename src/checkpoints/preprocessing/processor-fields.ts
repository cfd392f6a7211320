/** Reads the values that every Hugging Face image processor has; each error names file and field. */
import type { EvaluationTransform } from "../../data/image/evaluation-transform.ts";
import { isJsonObject, type JsonFields, type JsonObject } from "../../files/json-fields.ts";
import { filters } from "./processor-classes.ts";

type Vector = [number, number, number];

/** Switches of other processors, which would change the pixels; only false is followed. */
const unfollowed = [
  ...["do_pad", "do_flip_channel_order", "do_thumbnail", "do_align_long_axis", "use_square_size"],
  ...["do_image_splitting", "do_resize_longest_edge", "keep_aspect_ratio", "do_crop_margin"],
];

/** Throws CheckpointError for a switch that is on though limn would not follow it. */
export function checkSwitches(fields: JsonFields): void {
  for (const key of unfollowed) if (fields.boolean(key, false)) fields.unsupported(key, "false");
  for (const key of ["do_resize", "do_rescale"]) {
    if (!readSwitch(fields, key, true)) fields.unsupported(key, "true");
  }
}

/** A switch of a step: transformers takes null for off, and only an absent one for its default. */
export function readSwitch(fields: JsonFields, key: string, fallback: boolean): boolean {
  return fields.isNull(key) ? false : fields.boolean(key, fallback);
}

export function readFilter(
  fields: JsonFields,
  fallback: number,
): EvaluationTransform["interpolation"] {
  const value = fields.raw("resample") ?? fallback;
  // torchvision has names for what Pillow has numbers for.
  const wanted = typeof value === "string" ? value.toLowerCase() : value;
  const found = Object.entries(filters).find(
    ([name, number]) => name === wanted || number === wanted,
  );
  if (found) return found[0] as EvaluationTransform["interpolation"];
  return fields.unsupported("resample", "3 (bicubic), 2 (bilinear) or 1 (lanczos)");
}

interface FoundSize {
  /** pixels */
  side: number;
  /** `side` is that of the shortest edge, not of a square. */
  shortest: boolean;
}

/** A number, [height, width], {height, width} or {shortest_edge}. */
export function readSize(
  fields: JsonFields,
  key: string,
  { fallback, squareNumbers }: { fallback: unknown; squareNumbers: boolean },
): FoundSize {
  const value = fields.raw(key) ?? fallback;
  const { shortest_edge: edge, height, width, ...others } = sizeObject(value, squareNumbers);
  const side = edge ?? height;
  const known = edge === undefined ? height === width : height === undefined && width === undefined;
  const alone = Object.values(others).every((other) => other === undefined || other === null);
  if (known && alone && Number.isSafeInteger(side) && Number(side) > 0) {
    return { side: Number(side), shortest: edge !== undefined };
  }
  return fields.unsupported(key, "a number, {shortest_edge} or {height, width} of equal numbers");
}

function sizeObject(value: unknown, squareNumbers: boolean): JsonObject {
  if (isJsonObject(value)) {
    // transformers writes the forms that it does not use as null.
    return Object.fromEntries(Object.entries(value).filter(([, side]) => side !== null));
  }
  if (Array.isArray(value)) {
    return value.length === 2 ? { height: value[0], width: value[1] } : {};
  }
  return squareNumbers ? { height: value, width: value } : { shortest_edge: value };
}

/** One number for all channels, or one per channel. */
export function readChannels(
  fields: JsonFields,
  key: string,
  { fallback, above }: { fallback: readonly number[]; above: number },
): Vector {
  const value = fields.raw(key);
  const values =
    typeof value === "number" ? ([value, value, value] as Vector) : fields.channels(key, fallback);
  const bound = above === -Infinity ? "" : ` above ${above}`;
  if (!values.every((item) => Number.isFinite(item) && item > above)) {
    fields.fail(key, `three numbers${bound}`);
  }
  return [...values];
}

/**
 * `rescale_factor`, `rescale_offset` and `image_mean`, `image_std` as mean and deviation of pixels
 * in [0, 1]: what x f - o, then (y - mean) / std, then (only EfficientNet's `include_top`) z / std
 * does to a level x is (x / 255 - (o + mean) / k) / (std std' / k) with k = 255 f.
 */
export function readNormalization(
  fields: JsonFields,
  defaults: { mean: readonly number[]; std: readonly number[]; efficientNet?: boolean },
): { mean: Vector; std: Vector } {
  const { efficientNet = false } = defaults;
  const factor = fields.number("rescale_factor", 1 / 255);
  if (!(factor > 0)) fields.fail("rescale_factor", "a number above 0");
  const k = nearlyWhole(255 * factor);
  const offset = efficientNet && fields.boolean("rescale_offset", false) ? 1 : 0;
  const top = efficientNet && fields.boolean("include_top", true);
  const normalize = readSwitch(fields, "do_normalize", true);
  const ones: Vector = [1, 1, 1];
  const imageMean = readChannels(fields, "image_mean", {
    fallback: defaults.mean,
    above: -Infinity,
  });
  const imageStd = readChannels(fields, "image_std", { fallback: defaults.std, above: 0 });
  const mean = normalize ? imageMean : ([0, 0, 0] as Vector);
  const [first, second] = [normalize ? imageStd : ones, top ? imageStd : ones];
  return {
    mean: mean.map((m) => (offset + m) / k) as Vector,
    std: first.map((s, c) => (s * (second[c] as number)) / k) as Vector,
  };
}

/** Files hold 1/255 in as few as eight digits. */
function nearlyWhole(value: number): number {
  const whole = Math.round(value);
  return whole > 0 && Math.abs(value / whole - 1) < 1e-6 ? whole : value;
}
