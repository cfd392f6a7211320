/**
 * Frames a drawing: how much white a set leaves around its icons says nothing about what they show.
 * Works on grey pixels, black on white.
 */

/** Share of the frame's side that the artwork's longer side takes. */
const fill = 0.94;

/** Greatest enlargement against the drawing's own box, so that a dot stays small. */
const zoom = 1.35;

/** Darker than this is ink. */
const ink = 200;

export interface Box {
  left: number;
  top: number;
  /** The last column and row with ink. */
  right: number;
  bottom: number;
}

/** The smallest box around the ink of a square picture; undefined where there is none. */
export function inkBox(pixels: Uint8Array, side: number): Box | undefined {
  let [left, top, right, bottom] = [side, side, -1, -1];
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      if ((pixels[y * side + x] ?? 255) >= ink) continue;
      if (x < left) left = x;
      if (x > right) right = x;
      if (y < top) top = y;
      bottom = y;
    }
  }
  return right < 0 ? undefined : { left, top, right, bottom };
}

/** The square around `box`, reduced to `size` x `size` pixels by averaging areas. */
export function frame(pixels: Uint8Array, side: number, box: Box, size: number): Uint8Array {
  const { left, top, right, bottom } = box;
  const artwork = Math.max(right - left + 1, bottom - top + 1);
  const shown = Math.min(side, Math.max(Math.ceil(side / zoom), Math.ceil(artwork / fill)));
  const from = (low: number, high: number): number =>
    Math.max(0, Math.min(side - shown, Math.round((low + high + 1 - shown) / 2)));
  const [x0, y0] = [from(left, right), from(top, bottom)];
  const { taps, starts, weights } = areaSteps(shown, size);
  // Columns first, then rows.
  const narrow = new Float64Array(shown * size);
  for (let y = 0; y < shown; y++) {
    const row = (y0 + y) * side + x0;
    for (let x = 0; x < size; x++) {
      const at = row + (starts[x] as number);
      let sum = 0;
      for (let k = 0; k < taps; k++) {
        sum += (weights[x * taps + k] as number) * (pixels[at + k] as number);
      }
      narrow[y * size + x] = sum;
    }
  }
  const framed = new Uint8Array(size * size);
  for (let y = 0; y < size; y++) {
    const at = (starts[y] as number) * size;
    for (let x = 0; x < size; x++) {
      let sum = 0.5;
      for (let k = 0; k < taps; k++) {
        sum += (weights[y * taps + k] as number) * (narrow[at + k * size + x] as number);
      }
      framed[y * size + x] = sum;
    }
  }
  return framed;
}

/** Where each output pixel begins in the input, and how much it takes of the `taps` pixels from there. */
interface AreaSteps {
  taps: number;
  starts: Int32Array;
  /** [output pixels, taps] */
  weights: Float64Array;
}

const known = new Map<string, AreaSteps>();

/** Each of `to` output pixels as the mean of the input that it covers. */
function areaSteps(from: number, to: number): AreaSteps {
  const key = `${from} ${to}`;
  const earlier = known.get(key);
  if (earlier !== undefined) return earlier;
  const scale = from / to;
  const taps = Math.min(from, Math.ceil(scale) + 1);
  const steps = {
    taps,
    starts: new Int32Array(to),
    weights: new Float64Array(to * taps),
  };
  for (let i = 0; i < to; i++) {
    const [low, high] = [i * scale, (i + 1) * scale];
    const start = Math.min(Math.floor(low), from - taps);
    steps.starts[i] = start;
    for (let k = 0; k < taps; k++) {
      const covered = Math.min(high, start + k + 1) - Math.max(low, start + k);
      steps.weights[i * taps + k] = Math.max(0, covered) / scale;
    }
  }
  known.set(key, steps);
  return steps;
}
