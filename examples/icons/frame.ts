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
  const steps = areaSteps(shown, size);
  // Columns first, then rows.
  const narrow = new Float32Array(shown * size);
  for (let y = 0; y < shown; y++) {
    const row = (y0 + y) * side + x0;
    for (let x = 0; x < size; x++) {
      const { at, weights } = steps[x] as AreaStep;
      let sum = 0;
      for (let k = 0; k < weights.length; k++) {
        sum += (weights[k] ?? 0) * (pixels[row + at + k] ?? 255);
      }
      narrow[y * size + x] = sum;
    }
  }
  const framed = new Uint8Array(size * size);
  for (let y = 0; y < size; y++) {
    const { at, weights } = steps[y] as AreaStep;
    for (let x = 0; x < size; x++) {
      let sum = 0;
      for (let k = 0; k < weights.length; k++) {
        sum += (weights[k] ?? 0) * (narrow[(at + k) * size + x] ?? 255);
      }
      framed[y * size + x] = Math.round(sum);
    }
  }
  return framed;
}

/** Where an output pixel begins in the input, and how much it takes of each pixel from there. */
interface AreaStep {
  at: number;
  weights: number[];
}

const known = new Map<string, AreaStep[]>();

/** Each of `to` output pixels as the mean of the input that it covers. */
function areaSteps(from: number, to: number): AreaStep[] {
  const key = `${from} ${to}`;
  const earlier = known.get(key);
  if (earlier !== undefined) return earlier;
  const scale = from / to;
  const steps = Array.from({ length: to }, (_, i): AreaStep => {
    const [low, high] = [i * scale, (i + 1) * scale];
    const at = Math.floor(low);
    const weights: number[] = [];
    for (let x = at; x < Math.min(from, high - 1e-9); x++) {
      weights.push((Math.min(high, x + 1) - Math.max(low, x)) / scale);
    }
    return { at, weights };
  });
  known.set(key, steps);
  return steps;
}
