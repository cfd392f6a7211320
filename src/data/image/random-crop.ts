/** Where a training picture is cut. */
import { roundHalfEven } from "./crop.ts";
import type { Region } from "./resize/resize.ts";

interface Size {
  width: number;
  height: number;
}

/** The largest square in the middle. */
export function centralSquare({ width, height }: Size): Region {
  const side = Math.min(width, height);
  const [left, top] = [Math.floor((width - side) / 2), Math.floor((height - side) / 2)];
  return { left, top, width: side, height: side };
}

/**
 * The rectangle of torchvision's RandomResizedCrop: a part of the area uniform in `scale`, an aspect
 * ratio log-uniform in `ratio`, placed uniformly. After ten that do not fit, the central rectangle
 * whose ratio is the nearest allowed one to the picture's.
 */
export function drawResizedCrop(
  { width, height }: Size,
  { scale, ratio }: { scale: readonly [number, number]; ratio: readonly [number, number] },
  next: () => number,
): Region {
  const [logLow, logHigh] = [Math.log(ratio[0]), Math.log(ratio[1])];
  for (let attempt = 0; attempt < 10; attempt++) {
    const area = width * height * (scale[0] + (scale[1] - scale[0]) * next());
    const aspect = Math.exp(logLow + (logHigh - logLow) * next());
    const w = roundHalfEven(Math.sqrt(area * aspect));
    const h = roundHalfEven(Math.sqrt(area / aspect));
    if (w < 1 || h < 1 || w > width || h > height) continue;
    const top = Math.floor(next() * (height - h + 1));
    const left = Math.floor(next() * (width - w + 1));
    return { left, top, width: w, height: h };
  }
  const own = width / height;
  let [w, h] = [width, height];
  if (own < ratio[0]) h = Math.max(1, roundHalfEven(width / ratio[0]));
  else if (own > ratio[1]) w = Math.max(1, roundHalfEven(height * ratio[1]));
  return {
    left: Math.floor((width - w) / 2),
    top: Math.floor((height - h) / 2),
    width: w,
    height: h,
  };
}
