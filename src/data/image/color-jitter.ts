/** Random colour changes of training pictures, on [H, W, 3] uint8 in place. */

/** Strengths as in torchvision's ColorJitter; 0 or absent leaves that property alone. */
export interface ColorJitter {
  /** factor drawn from [max(0, 1 - x), 1 + x] */
  brightness?: number;
  /** factor drawn from [max(0, 1 - x), 1 + x] */
  contrast?: number;
  /** factor drawn from [max(0, 1 - x), 1 + x] */
  saturation?: number;
  /** turn drawn from [-x, x], in circles; at most 0.5 */
  hue?: number;
  /** of any change at all. Default: 1 */
  probability?: number;
}

type ColorProperty = "brightness" | "contrast" | "saturation" | "hue";

/** One change: a factor (1 changes nothing), or for hue a part of the circle (0 changes nothing). */
export interface ColorChange {
  property: ColorProperty;
  amount: number;
}

const PROPERTIES: readonly ColorProperty[] = ["brightness", "contrast", "saturation", "hue"];

/** Draws what to change and in which order, as torchvision does; `next` is uniform in [0, 1). */
export function drawColorChanges(jitter: ColorJitter, next: () => number): ColorChange[] {
  const changes: ColorChange[] = [];
  if (next() >= (jitter.probability ?? 1)) return changes;
  for (const property of PROPERTIES) {
    const strength = jitter[property] ?? 0;
    if (strength === 0) continue;
    const low = property === "hue" ? -strength : Math.max(0, 1 - strength);
    const high = property === "hue" ? strength : 1 + strength;
    changes.push({ property, amount: low + (high - low) * next() });
  }
  for (let i = changes.length - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1));
    [changes[i], changes[j]] = [changes[j] as ColorChange, changes[i] as ColorChange];
  }
  return changes;
}

/** Applies the changes one after the other, each rounded to 8 bits, as on a PIL image. */
export function applyColorChanges(data: Uint8Array, changes: readonly ColorChange[]): void {
  for (const { property, amount } of changes) {
    if (property === "brightness") blendTable(data, 0, amount);
    else if (property === "contrast") blendTable(data, meanLuma(data), amount);
    else if (property === "saturation") saturate(data, amount);
    else turnHue(data, amount);
  }
}

/** Replaces every pixel by its luma. */
export function toGreyscale(data: Uint8Array): void {
  for (let i = 0; i < data.length; i += 3) {
    const grey = luma(data, i);
    data[i] = grey;
    data[i + 1] = grey;
    data[i + 2] = grey;
  }
}

/** ITU-R 601-2 luma in 16-bit fixed point, as Pillow's conversion to "L". */
function luma(data: Uint8Array, i: number): number {
  const [r, g, b] = [data[i] as number, data[i + 1] as number, data[i + 2] as number];
  return (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16;
}

function meanLuma(data: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < data.length; i += 3) sum += luma(data, i);
  return Math.floor(sum / (data.length / 3) + 0.5);
}

/** `base + factor (x - base)`, cut to [0, 255], truncated. */
function blend(base: number, x: number, factor: number): number {
  const value = base + factor * (x - base);
  return value <= 0 ? 0 : value >= 255 ? 255 : Math.trunc(value);
}

function blendTable(data: Uint8Array, base: number, factor: number): void {
  const table = new Uint8Array(256);
  for (let x = 0; x < 256; x++) table[x] = blend(base, x, factor);
  for (let i = 0; i < data.length; i++) data[i] = table[data[i] as number] as number;
}

function saturate(data: Uint8Array, factor: number): void {
  for (let i = 0; i < data.length; i += 3) {
    const grey = luma(data, i);
    for (let c = 0; c < 3; c++) data[i + c] = blend(grey, data[i + c] as number, factor);
  }
}

/** Turns hue by `turn` circles in HSV; value and saturation stay, without rounding in between. */
function turnHue(data: Uint8Array, turn: number): void {
  for (let i = 0; i < data.length; i += 3) {
    const [r, g, b] = [data[i] as number, data[i + 1] as number, data[i + 2] as number];
    const max = Math.max(r, g, b);
    const chroma = max - Math.min(r, g, b);
    if (chroma === 0) continue;
    const sector =
      max === r ? (g - b) / chroma : max === g ? (b - r) / chroma + 2 : (r - g) / chroma + 4;
    const hue = sector + 6 * turn + 12;
    for (let c = 0; c < 3; c++) {
      // Distance of this channel's peak on the circle of six: red 0, green 2, blue 4.
      const k = (hue + 5 - 2 * c) % 6;
      data[i + c] = Math.round(max - chroma * Math.max(0, Math.min(k, 4 - k, 1)));
    }
  }
}
