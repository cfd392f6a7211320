/** Pictures and texts that are always there, for measuring a model where none are given. */
import type { RgbImage } from "../data/image/decode/decode.ts";

const SIDE = 256;

/**
 * `count` different pictures, the same ones each time: stripes of two colours in a direction and width
 * of their own, a disc of a third, and noise.
 */
export function generatedPictures(count: number): RgbImage[] {
  return Array.from({ length: count }, (_, i) => picture(i));
}

function picture(number: number): RgbImage {
  const draw = drawing(number);
  const [first, second, third] = [color(draw), color(draw), color(draw)];
  const [angle, length] = [Math.PI * draw(), 8 + 120 * draw()];
  const [centerX, centerY, radius] = [SIDE * draw(), SIDE * draw(), 16 + 80 * draw()];
  const noise = 60 * draw();
  const data = new Uint8Array(3 * SIDE * SIDE);
  for (let y = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) {
      const along = (x * Math.cos(angle) + y * Math.sin(angle)) / length;
      const share = 0.5 + 0.5 * Math.sin(2 * Math.PI * along);
      const inside = Math.hypot(x - centerX, y - centerY) < radius;
      const shift = noise * (draw() - 0.5);
      for (let c = 0; c < 3; c++) {
        const striped = share * (first[c] as number) + (1 - share) * (second[c] as number);
        const level = (inside ? (third[c] as number) : striped) + shift;
        data[3 * (y * SIDE + x) + c] = Math.max(0, Math.min(255, Math.round(level)));
      }
    }
  }
  return { data, width: SIDE, height: SIDE };
}

function color(draw: () => number): number[] {
  return [255 * draw(), 255 * draw(), 255 * draw()];
}

/** Numbers in [0, 1) that the seed alone decides: xorshift, Marsaglia 2003. */
function drawing(seed: number): () => number {
  let state = (seed + 1) * 0x9e3779b1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** Labels of what one often sees. */
export const generatedLabels: readonly string[] = [
  ...["a person", "a dog", "a cat", "a bird", "a car", "a bus", "a bicycle", "a boat"],
  ...["a house", "a street", "a mountain", "the sea", "a forest", "a flower", "a table", "food"],
  ...[
    "stripes",
    "a red disc",
    "a green disc",
    "a blue disc",
    "noise",
    "a pattern",
    "text",
    "a map",
  ],
];
