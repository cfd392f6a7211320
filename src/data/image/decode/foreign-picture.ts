/** Formats that are recognised only to say what a file is when it is refused. */
import { isSvg, SVG_NAME } from "../svg/is-svg.ts";

const formats: readonly [name: string, offset: number, magic: string][] = [
  ["a BMP file", 0, "BM"],
  ["a TIFF file", 0, "II*\0"],
  ["a TIFF file", 0, "MM\0*"],
  ["a BigTIFF file", 0, "II+\0"],
  ["a BigTIFF file", 0, "MM\0+"],
  ["an AVIF file", 4, "ftypavif"],
  ["an AVIF file", 4, "ftypavis"],
  ["an HEIF file", 4, "ftyphe"],
  ["an HEIF file", 4, "ftypmif1"],
  ["an HEIF file", 4, "ftypmsf1"],
  ["a video (MP4 or MOV)", 4, "ftyp"],
  ["a video (WebM or Matroska)", 0, "\x1aE\xdf\xa3"],
  ["a JPEG 2000 file", 4, "jP  "],
  ["a JPEG 2000 file", 0, "\xff\x4f\xff\x51"],
  ["a JPEG XL file", 4, "JXL "],
  ["a JPEG XL file", 0, "\xff\x0a"],
  ["an ICO file", 0, "\0\0\x01\0"],
  ["a Photoshop file", 0, "8BPS"],
  ["an OpenEXR file", 0, "v/1\x01"],
  ["a DDS file", 0, "DDS "],
  ["a QOI file", 0, "qoif"],
  ["a PDF file", 0, "%PDF"],
  ["an array of numpy", 0, "\x93NUMPY"],
  ["a zip archive", 0, "PK\x03\x04"],
  ["a gzip file", 0, "\x1f\x8b"],
];

/** What a picture is that limn does not read, told by its first bytes. */
export function foreignPicture(bytes: Uint8Array): string | undefined {
  const start = Buffer.from(bytes.subarray(0, 1024)).toString("latin1");
  const known = formats.find(([, offset, magic]) => start.startsWith(magic, offset));
  if (known !== undefined) return known[0];
  if (isSvg(bytes)) return SVG_NAME;
  return /^P[1-7]\s/.test(start) ? "a PNM file" : undefined;
}
