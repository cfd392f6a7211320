/**
 * Decodes small, ordinary PNG files without sharp, whose setup takes several times as long as their pixels
 * do. A file that is in any way unusual or damaged is left to sharp, which has the last word on both.
 */
import { crc32, inflateSync } from "node:zlib";
import type { ImageHeader } from "./image-header.ts";

/** Up to here this is the faster way; it bounds the memory too. */
const MOST_PIXELS = 256 * 256;

/** Samples of a pixel in the file, by layout. */
const SAMPLES = { grey: 1, rgb: 3, palette: 1, greyAlpha: 2, rgba: 4, cmyk: 0 } as const;

/** Places, past the chunk's type, of the fields of IHDR that the header does not keep. */
const COMPRESSION = 26;
const INTERLACE = 28;
const SIGNATURE_LENGTH = 8;
const IHDR_LENGTH = 25;

const type = (name: string): number => Buffer.from(name, "latin1").readUInt32BE(0);
const IHDR = type("IHDR");
const PLTE = type("PLTE");
const IDAT = type("IDAT");
const IEND = type("IEND");
const TRNS = type("tRNS");

/**
 * The colours of a plain PNG, alpha dropped, and its alpha where it has one.
 *
 * returns   data [H, W, 3], alpha [H, W], both uint8; undefined for a file that sharp should decode
 */
export function decodePlainPng(
  bytes: Uint8Array,
  header: ImageHeader,
): { data: Uint8Array; alpha: Uint8Array | undefined } | undefined {
  const { width, height, layout, bitDepth } = header;
  if (header.format !== "png" || width * height > MOST_PIXELS) return undefined;
  if (bitDepth !== 8 && !(bitDepth < 8 && layout === "palette")) return undefined;
  const chunks = readChunks(bytes);
  if (chunks === undefined || (layout === "palette") !== (chunks.palette !== undefined))
    return undefined;
  const samples = SAMPLES[layout];
  const stride = Math.ceil((width * samples * bitDepth) / 8);
  const rows = inflated(chunks.packed, height * (stride + 1));
  if (rows === undefined || !unfilter(rows, { height, stride, step: samples })) return undefined;
  const count = width * height;
  const data = new Uint8Array(3 * count);
  if (layout === "palette") {
    const indices = unpackIndices(rows, { width, height, stride, bitDepth });
    return lookUp(indices, data, chunks);
  }
  const alpha = layout === "rgba" || layout === "greyAlpha" ? new Uint8Array(count) : undefined;
  for (let y = 0, to = 0, at = 0; y < height; y++) {
    let from = y * (stride + 1) + 1;
    const end = from + stride;
    if (samples === 3) {
      data.set(rows.subarray(from, end), to);
      to += stride;
      continue;
    }
    const [green, blue] = samples === 4 ? [1, 2] : [0, 0];
    for (; from < end; from += samples, to += 3) {
      data[to] = rows[from] as number;
      data[to + 1] = rows[from + green] as number;
      data[to + 2] = rows[from + blue] as number;
      if (alpha !== undefined) alpha[at++] = rows[from + samples - 1] as number;
    }
  }
  return { data, alpha };
}

interface Chunks {
  /** the contents of all IDAT together */
  packed: Uint8Array;
  palette: Uint8Array | undefined;
  /** the contents of tRNS */
  transparency: Uint8Array | undefined;
}

/** The chunks that matter, of a file whose order, lengths and checksums are as the standard wants. */
function readChunks(bytes: Uint8Array): Chunks | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const pixels: Uint8Array[] = [];
  let palette: Uint8Array | undefined;
  let transparency: Uint8Array | undefined;
  let before = 0;
  for (let at = SIGNATURE_LENGTH; at + 12 <= bytes.length;) {
    const length = view.getUint32(at);
    const kind = view.getUint32(at + 4);
    const end = at + 8 + length;
    if (end + 4 > bytes.length) return undefined;
    if (crc32(bytes.subarray(at + 4, end)) !== view.getUint32(end)) return undefined;
    const contents = bytes.subarray(at + 8, end);
    if ((kind === IHDR) !== (at === SIGNATURE_LENGTH)) return undefined;
    if (kind === IEND) return length === 0 ? joined({ pixels, palette, transparency }) : undefined;
    if (kind === IHDR) {
      if (length + 12 !== IHDR_LENGTH || view.getUint16(COMPRESSION) !== 0) return undefined;
      if (view.getUint8(INTERLACE) !== 0) return undefined;
    } else if (kind === IDAT) {
      if (pixels.length > 0 && before !== IDAT) return undefined;
      pixels.push(contents);
    } else if (kind === PLTE) {
      if (palette !== undefined || transparency !== undefined || pixels.length > 0)
        return undefined;
      if (length === 0 || length % 3 !== 0 || length > 768) return undefined;
      palette = contents;
    } else if (kind === TRNS) {
      if (transparency !== undefined || pixels.length > 0) return undefined;
      transparency = contents;
    } else if (!mayBeLeftOut(kind)) return undefined;
    before = kind;
    at = end + 4;
  }
  return undefined;
}

/** Whether a type is that of an ancillary chunk: four letters, the first one small, the third one not. */
function mayBeLeftOut(kind: number): boolean {
  const [a, b, c, d] = [kind >>> 24, (kind >> 16) & 255, (kind >> 8) & 255, kind & 255];
  const isLetter = (code: number): boolean => (code | 32) >= 97 && (code | 32) <= 122;
  return [a, b, c, d].every(isLetter) && (a & 32) !== 0 && (c & 32) === 0;
}

function joined({
  pixels,
  ...rest
}: Omit<Chunks, "packed"> & { pixels: Uint8Array[] }): Chunks | undefined {
  const [first] = pixels;
  if (first === undefined) return undefined;
  return { packed: pixels.length === 1 ? first : Buffer.concat(pixels), ...rest };
}

/** Exactly `length` bytes out of a zlib stream, or undefined where it holds another number or is damaged. */
function inflated(packed: Uint8Array, length: number): Uint8Array | undefined {
  try {
    const rows = inflateSync(packed, { maxOutputLength: length, chunkSize: Math.max(length, 64) });
    return rows.length === length ? rows : undefined;
  } catch {
    return undefined;
  }
}

interface Rows {
  height: number;
  /** bytes of a row, without the byte of its filter */
  stride: number;
  /** bytes from a sample to the same sample of the pixel before it, 1 at least */
  step: number;
}

/** Undoes the filters in place (PNG specification, 9.2). False for an unknown one. */
function unfilter(rows: Uint8Array, { height, stride, step }: Rows): boolean {
  for (let y = 0; y < height; y++) {
    const begin = y * (stride + 1) + 1;
    const end = begin + stride;
    // Above the first row lie zeros; the filters below it are those that need no row above.
    const filter = firstRowFilter(rows[begin - 1] as number, y);
    const up = stride + 1;
    if (filter === 1) {
      for (let i = begin + step; i < end; i++)
        rows[i] = (rows[i] as number) + (rows[i - step] as number);
    } else if (filter === 2) {
      for (let i = begin; i < end; i++) rows[i] = (rows[i] as number) + (rows[i - up] as number);
    } else if (filter === 3) average(rows, [begin, end], step, y === 0 ? 0 : up);
    else if (filter === 4) paeth(rows, [begin, end], step, up);
    else if (filter !== 0) return false;
  }
  return true;
}

/** With zeros above, Up is None and Paeth is Sub. */
function firstRowFilter(filter: number, y: number): number {
  if (y > 0) return filter;
  return filter === 2 ? 0 : filter === 4 ? 1 : filter;
}

/** `up`: bytes to the row above; 0 where there is none. */
function average(rows: Uint8Array, [begin, end]: [number, number], step: number, up: number): void {
  for (let i = begin; i < end; i++) {
    const left = i < begin + step ? 0 : (rows[i - step] as number);
    const above = up === 0 ? 0 : (rows[i - up] as number);
    rows[i] = (rows[i] as number) + ((left + above) >> 1);
  }
}

function paeth(rows: Uint8Array, [begin, end]: [number, number], step: number, up: number): void {
  const first = Math.min(end, begin + step);
  for (let i = begin; i < first; i++) rows[i] = (rows[i] as number) + (rows[i - up] as number);
  for (let i = first; i < end; i++) {
    const left = rows[i - step] as number;
    const above = rows[i - up] as number;
    const corner = rows[i - up - step] as number;
    const toLeft = Math.abs(above - corner);
    const toAbove = Math.abs(left - corner);
    const toCorner = Math.abs(left + above - 2 * corner);
    const nearest =
      toLeft <= toAbove && toLeft <= toCorner ? left : toAbove <= toCorner ? above : corner;
    rows[i] = (rows[i] as number) + nearest;
  }
}

/** One byte for each pixel's index, [H, W]. */
function unpackIndices(
  rows: Uint8Array,
  {
    width,
    height,
    stride,
    bitDepth,
  }: Pick<ImageHeader, "width" | "height" | "bitDepth"> & { stride: number },
): Uint8Array {
  const indices = new Uint8Array(width * height);
  const perByte = 8 / bitDepth;
  const mask = (1 << bitDepth) - 1;
  for (let y = 0, to = 0; y < height; y++) {
    const begin = y * (stride + 1) + 1;
    for (let x = 0; x < width; x++) {
      const byte = rows[begin + Math.floor(x / perByte)] as number;
      indices[to++] = (byte >> (8 - bitDepth * ((x % perByte) + 1))) & mask;
    }
  }
  return indices;
}

/** Colours and alpha of indices; undefined where an index has no colour. */
function lookUp(
  indices: Uint8Array,
  data: Uint8Array,
  { palette = new Uint8Array(), transparency }: Chunks,
): { data: Uint8Array; alpha: Uint8Array | undefined } | undefined {
  const colors = palette.length / 3;
  if (transparency !== undefined && transparency.length > colors) return undefined;
  const alpha = transparency === undefined ? undefined : new Uint8Array(indices.length).fill(255);
  for (let i = 0; i < indices.length; i++) {
    const index = indices[i] as number;
    if (index >= colors) return undefined;
    data[3 * i] = palette[3 * index] as number;
    data[3 * i + 1] = palette[3 * index + 1] as number;
    data[3 * i + 2] = palette[3 * index + 2] as number;
    if (transparency !== undefined && alpha !== undefined && index < transparency.length) {
      alpha[i] = transparency[index] as number;
    }
  }
  return { data, alpha };
}
