/** Reads the golden pictures for tests; not part of the package. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

export interface GoldenPicture {
  name: string;
  /** Pillow's mode of the file */
  mode: string;
  /** the encoded file, base64 */
  bytes: string;
  width: number;
  height: number;
  /** SHA-256 of the RGB pixels */
  rgb: string;
  /** SHA-256 by transform, named interpolation-resizeMode-imageSize */
  transformed: Record<string, string>;
  upright?: { width: number; height: number; rgb: string };
  pixels?: number[];
}

/** Every golden picture of `test/goldens/image.json.gz`. */
export function goldenPictures(): GoldenPicture[] {
  const file = new URL("../../../../test/goldens/image.json.gz", import.meta.url);
  const golden = JSON.parse(gunzipSync(readFileSync(file)).toString()) as {
    cases: GoldenPicture[];
  };
  return golden.cases;
}

/** The encoded file of one golden picture. */
export function goldenBytes(name: string): Buffer {
  const found = goldenPictures().find((picture) => picture.name === name);
  if (!found) throw new Error(`internal: no golden picture ${name}`);
  return Buffer.from(found.bytes, "base64");
}
