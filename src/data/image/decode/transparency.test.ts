import assert from "node:assert/strict";
import { test } from "node:test";
import { blendOntoWhite, flattenOntoWhite, whitenColor } from "./transparency.ts";

/** Every colour at every alpha, with the two other channels at other places. */
function allPairs(): { rgba: Uint8Array; wanted: Uint8Array } {
  const rgba = new Uint8Array(65536 * 4);
  const wanted = new Uint8Array(65536 * 3);
  for (let i = 0; i < 65536; i++) {
    const alpha = i >> 8;
    for (let c = 0; c < 3; c++) {
      const color = (i + 85 * c) & 255;
      rgba[4 * i + c] = color;
      wanted[3 * i + c] = Math.floor((color * alpha + 255 * (255 - alpha)) / 255 + 0.5);
    }
    rgba[4 * i + 3] = alpha;
  }
  return { rgba, wanted };
}

test("transparent pixels on white are the rounded mean, for every colour and alpha", () => {
  const { rgba, wanted } = allPairs();
  assert.deepEqual(flattenOntoWhite(rgba), wanted);
  const rgb = rgba.filter((_, i) => i % 4 !== 3);
  const alpha = rgba.filter((_, i) => i % 4 === 3);
  blendOntoWhite(rgb, alpha);
  assert.deepEqual(rgb, wanted);
});

test("only pixels of the transparent colour become white", () => {
  const data = Uint8Array.of(1, 2, 3, 1, 2, 4, 0, 2, 3, 1, 0, 3, 1, 2, 3);
  whitenColor(data, [1, 2, 3]);
  assert.deepEqual([...data], [255, 255, 255, 1, 2, 4, 0, 2, 3, 1, 0, 3, 255, 255, 255]);
});
