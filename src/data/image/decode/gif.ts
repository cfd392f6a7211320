/**
 * Decodes the first frame of a GIF to RGB (GIF89a specification, sections 18 to 23 and appendix F).
 *
 * libvips blanks transparent pixels; the reference keeps their palette colour, so limn has its own
 * decoder. It knows nothing of animation: later frames are not read.
 */

/** A GIF that breaks the format; `decode.ts` turns it into a DataError that names the sample. */
class GifProblem extends Error {}

interface Frame {
  left: number;
  top: number;
  width: number;
  height: number;
  interlaced: boolean;
  /** colours as RGB triplets; undefined: the index itself is the grey value */
  palette: Uint8Array | undefined;
  transparentIndex: number | undefined;
  /** offset of the byte that holds the LZW minimum code size */
  dataAt: number;
}

interface GifPixels {
  width: number;
  height: number;
  /** [H, W, 3] */
  data: Uint8Array;
  /** 256 colours as RGB triplets. */
  colors: Uint8Array;
  /** No palette, or one of grey values in their order, which the reference takes for none. */
  isGrey: boolean;
  /** [H, W], 0 where the index is the transparent one, else 255; absent without such an index */
  alpha?: Uint8Array;
}

/**
 * The first frame on its logical screen, which grows to hold a frame that reaches outside. Screen
 * outside the frame has the transparent index's colour, or colour 0's without one, as in Pillow.
 *
 * throws   GifProblem for truncated or broken data, and when the screen exceeds `maxPixels`
 */
export function decodeGif(bytes: Uint8Array, maxPixels: number): GifPixels {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let frame: Frame;
  try {
    frame = readFrame(bytes, view);
  } catch (error) {
    if (error instanceof RangeError) throw new GifProblem("the file ends before the first frame");
    throw error;
  }
  const width = Math.max(view.getUint16(6, true), frame.left + frame.width);
  const height = Math.max(view.getUint16(8, true), frame.top + frame.height);
  if (width * height > maxPixels)
    throw new GifProblem(`the frame needs ${width} x ${height} pixels`);
  const indices = lzwDecode(bytes, frame.dataAt, frame.width * frame.height);
  const colors = fullPalette(frame.palette);
  const data = new Uint8Array(width * height * 3);
  fillWith(data, colors, frame.transparentIndex ?? 0);
  const { transparentIndex } = frame;
  const alpha = transparentIndex === undefined ? undefined : new Uint8Array(width * height);
  for (let i = 0; i < frame.height; i++) {
    const row = frame.interlaced ? interlacedRow(i, frame.height) : i;
    const start = (frame.top + row) * width + frame.left;
    let out = start * 3;
    for (let x = 0; x < frame.width; x++) {
      const index = indices[i * frame.width + x] as number;
      if (alpha && index !== transparentIndex) alpha[start + x] = 255;
      const color = index * 3;
      data[out++] = colors[color] as number;
      data[out++] = colors[color + 1] as number;
      data[out++] = colors[color + 2] as number;
    }
  }
  const isGrey = frame.palette?.every((level, i) => level === Math.trunc(i / 3)) ?? true;
  return { width, height, data, colors, isGrey, ...(alpha ? { alpha } : {}) };
}

function fillWith(data: Uint8Array, colors: Uint8Array, index: number): void {
  const [r, g, b] = colors.subarray(index * 3, index * 3 + 3) as unknown as [
    number,
    number,
    number,
  ];
  if (r === 0 && g === 0 && b === 0) return;
  for (let i = 0; i < data.length; i += 3) {
    data[i] = r;
    data[i + 1] = g;
    data[i + 2] = b;
  }
}

/** 256 colours: the file's own, then grey values, which is what the reference has for the rest. */
function fullPalette(palette: Uint8Array | undefined): Uint8Array {
  const full = new Uint8Array(768);
  for (let i = 0; i < 768; i++) full[i] = Math.trunc(i / 3);
  if (palette) full.set(palette);
  return full;
}

function readFrame(bytes: Uint8Array, view: DataView): Frame {
  let at = 13;
  let globalPalette: Uint8Array | undefined;
  const screenFlags = view.getUint8(10);
  if (screenFlags & 0x80) {
    globalPalette = readPalette(bytes, at, screenFlags);
    at += globalPalette.length;
  }
  let transparentIndex: number | undefined;
  for (;;) {
    const block = view.getUint8(at++);
    if (block === 0x21) {
      const label = view.getUint8(at++);
      if (label === 0xf9 && view.getUint8(at) >= 4 && view.getUint8(at + 1) & 1) {
        transparentIndex = view.getUint8(at + 4);
      }
      for (let size = view.getUint8(at++); size > 0; size = view.getUint8(at++)) at += size;
    } else if (block === 0x2c) {
      break;
    } else if (block === 0x3b) {
      throw new GifProblem("the file holds no frame");
    }
  }
  const flags = view.getUint8(at + 8);
  const palette = flags & 0x80 ? readPalette(bytes, at + 9, flags) : undefined;
  return {
    left: view.getUint16(at, true),
    top: view.getUint16(at + 2, true),
    width: view.getUint16(at + 4, true),
    height: view.getUint16(at + 6, true),
    interlaced: (flags & 0x40) !== 0,
    palette: palette ?? globalPalette,
    transparentIndex,
    dataAt: at + 9 + (palette?.length ?? 0),
  };
}

function readPalette(bytes: Uint8Array, at: number, flags: number): Uint8Array {
  const length = 3 << ((flags & 7) + 1);
  if (at + length > bytes.length) throw new RangeError("short");
  return bytes.subarray(at, at + length);
}

/** The screen row of the i-th stored row (GIF89a, appendix E: every 8th, 8th from 4, 4th, 2nd). */
function interlacedRow(i: number, height: number): number {
  let left = i;
  for (const [start, step] of [
    [0, 8],
    [4, 8],
    [2, 4],
    [1, 2],
  ] as const) {
    const rows = Math.max(0, Math.ceil((height - start) / step));
    if (left < rows) return start + left * step;
    left -= rows;
  }
  return height - 1;
}

const MAX_CODES = 4096;

/** Variable-length-code LZW (GIF89a, appendix F) until `count` indices are out. */
function lzwDecode(bytes: Uint8Array, at: number, count: number): Uint8Array {
  const minimum = bytes[at++];
  if (minimum === undefined) throw new GifProblem("the file ends before its pixels");
  if (minimum < 1 || minimum > 8) throw new GifProblem(`the LZW code size is ${minimum}`);
  const [clear, end] = [1 << minimum, (1 << minimum) + 1];
  const prefix = new Uint16Array(MAX_CODES);
  const suffix = new Uint8Array(MAX_CODES);
  const length = new Uint16Array(MAX_CODES).fill(1, 0, clear);
  for (let i = 0; i < clear; i++) suffix[i] = i;
  const out = new Uint8Array(count);
  let [written, next, width, previous] = [0, end + 1, minimum + 1, -1];
  let [bits, bitCount, blockLeft] = [0, 0, 0];
  while (written < count) {
    while (bitCount < width) {
      if (blockLeft === 0) blockLeft = bytes[at++] ?? 0;
      const byte = bytes[at++];
      if (blockLeft === 0 || byte === undefined) throw new GifProblem(endedAt(written, count));
      blockLeft--;
      bits |= byte << bitCount;
      bitCount += 8;
    }
    const code = bits & ((1 << width) - 1);
    bits >>>= width;
    bitCount -= width;
    if (code === clear) {
      [next, width, previous] = [end + 1, minimum + 1, -1];
      continue;
    }
    if (code === end) throw new GifProblem(endedAt(written, count));
    if (code > next || (code === next && previous < 0) || (previous < 0 && code > end)) {
      throw new GifProblem(`LZW code ${code} at pixel ${written} has no meaning`);
    }
    if (previous >= 0 && next < MAX_CODES) {
      prefix[next] = previous;
      length[next] = (length[previous] as number) + 1;
      // The first index of the entry: of the code itself, or of the previous one for the new code.
      let first = code === next ? previous : code;
      while (first > end) first = prefix[first] as number;
      suffix[next] = first;
      next++;
      if (next === 1 << width && width < 12) width++;
    }
    const size = length[code] as number;
    let [walk, position] = [code, written + size - 1];
    for (; position >= written; position--) {
      if (position < count) out[position] = suffix[walk] as number;
      walk = prefix[walk] as number;
    }
    written += size;
    previous = code;
  }
  return out;
}

function endedAt(written: number, count: number): string {
  return `the pixels end after ${written} of ${count}`;
}
