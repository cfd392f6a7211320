/** Pictures into HTML. Knows nothing about reports. */
import { escapeHtml } from "../files/escape-html.ts";

const signatures: readonly [mime: string, test: (bytes: Uint8Array) => boolean][] = [
  ["image/png", (bytes) => startsWith(bytes, 0, [0x89, 0x50, 0x4e, 0x47])],
  ["image/jpeg", (bytes) => startsWith(bytes, 0, [0xff, 0xd8, 0xff])],
  ["image/gif", (bytes) => startsWith(bytes, 0, [0x47, 0x49, 0x46, 0x38])],
  [
    "image/webp",
    (bytes) =>
      startsWith(bytes, 0, [0x52, 0x49, 0x46, 0x46]) &&
      startsWith(bytes, 8, [0x57, 0x45, 0x42, 0x50]),
  ],
];

function startsWith(bytes: Uint8Array, at: number, expected: readonly number[]): boolean {
  return expected.every((byte, i) => bytes[at + i] === byte);
}

/**
 * The bytes of a PNG, JPEG, GIF or WebP file as a data URI.
 *
 * throws  TypeError for other bytes
 */
export function imageDataUri(bytes: Uint8Array): string {
  const mime = signatures.find(([, test]) => test(bytes))?.[0];
  if (mime === undefined) {
    throw new TypeError(
      `Expected the bytes of a PNG, JPEG, GIF or WebP file but received ${bytes.length} bytes ` +
        "of something else; convert the picture first.",
    );
  }
  return `data:${mime};base64,${Buffer.from(bytes).toString("base64")}`;
}

/**
 * An img element.
 *
 * throws  TypeError unless `uri` carries the picture itself: a report must open anywhere
 */
export function imageElement(uri: string, alt: string): string {
  if (!/^data:image\/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/]+=*$/.test(uri)) {
    throw new TypeError(
      `Expected a base64 data URI of a picture but received "${uri.slice(0, 40)}"; ` +
        "make one with imageDataUri.",
    );
  }
  return `<img src="${uri}" alt="${escapeHtml(alt)}" loading="lazy">`;
}
