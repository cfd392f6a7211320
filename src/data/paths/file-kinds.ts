/** What the names of files say: pictures, what belongs to them, and what belongs to no sample. */

import { foreignFile } from "../tables/foreign-file.ts";

/**
 * Endings of picture files, the first found being the picture of a sample. What limn cannot decode
 * stands here too: such a picture is a bad sample, where another file is none.
 */
export const IMAGE_EXTENSIONS: readonly string[] = [
  // In open_clip's order.
  ...["jpg", "png", "jpeg", "webp", "gif", "jfif", "jpe", "jif", "apng"],
  ...["tif", "tiff", "avif", "heic", "heif", "bmp", "dib", "jxl", "jp2", "j2k", "jpx"],
  ...["ppm", "pgm", "pbm", "pnm", "tga", "ico", "psd", "svg", "dng", "exr"],
];

const images: ReadonlySet<string> = new Set(IMAGE_EXTENSIONS);
const companions: ReadonlySet<string> = new Set(["txt", "json", "cls", "npy"]);

/** Whether an ending, in lower case, is that of a picture. */
export function isImageExtension(extension: string): boolean {
  return images.has(extension);
}

/** Whether files with this ending, in lower case, can be part of a sample. */
export function isSampleExtension(extension: string): boolean {
  return images.has(extension) || companions.has(extension);
}

/** Files and folders of systems and of programs, whatever lies in them. */
const system = new RegExp(
  `(?:^|/)(?:${[
    "__MACOSX|icon\\r|\\.AppleDouble|\\.Trashe?s?|\\.Spotlight-V100|\\.fseventsd",
    "thumbs\\.db|ehthumbs\\.db|desktop\\.ini|\\$RECYCLE\\.BIN|System Volume Information",
    "lost\\+found|\\.Trash-\\d+|\\.thumbnails",
    // Disk stations of Synology and QNAP keep thumbnails and removed files.
    "@eaDir|#recycle|#snapshot|@Recycle|@Recently-Snapshot|\\.@__thumb",
    "\\.ipynb_checkpoints|\\.git",
  ].join("|")})(?:/|$)`,
  "i",
);

const dotted = /(?:^|\/)\.(?!\.?(?:\/|$))/;
const dottedName = /(?:^|\/)\.[^/]*$/;

/**
 * Whether a path in a folder is one of those that systems put beside people's files: macOS' `._name`,
 * `.DS_Store` and `__MACOSX`, Windows' `Thumbs.db`, and whatever else starts with a dot.
 */
export function isHidden(path: string): boolean {
  return dotted.test(path) || system.test(path);
}

/** The same for a member of an archive. A folder that starts with a dot may be all that was packed. */
export function isHiddenMember(path: string): boolean {
  return dottedName.test(path) || system.test(path);
}

/** Stem and ending of a file's name, the ending in lower case; `[name, ""]` without a dot. */
export function splitEnding(name: string): [stem: string, ending: string] {
  const dot = name.lastIndexOf(".");
  if (dot <= name.lastIndexOf("/")) return [name, ""];
  return [name.slice(0, dot), name.slice(dot + 1).toLowerCase()];
}

const packers: readonly [name: string, magic: readonly number[], command: string][] = [
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd], "zstd -dc"],
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0], "xz -dc"],
  ["bzip2", [0x42, 0x5a, 0x68], "bzip2 -dc"],
  ["lz4", [0x04, 0x22, 0x4d, 0x18], "lz4 -dc"],
  ["compress", [0x1f, 0x9d], "uncompress -c"],
];

const archives: readonly [name: string, magic: string][] = [
  ["a zip archive", "PK\u0003\u0004"],
  ["a 7-Zip archive", "7z\u00bc\u00af\u0027\u001c"],
  ["a RAR archive", "Rar!"],
];

/** What the first bytes of a shard are, where they are not those of `.tar` or `.tar.gz`. */
export function foreignArchive(first: Uint8Array): string | undefined {
  const starts = (magic: readonly number[]): boolean => magic.every((byte, i) => first[i] === byte);
  const packer = packers.find(([, magic]) => starts(magic));
  if (packer !== undefined) {
    const [name, , command] = packer;
    return `it is packed by ${name}, and limn reads .tar and .tar.gz; unpack it: ${command} shard > shard.tar`;
  }
  const archive = archives.find(([, magic]) => starts([...Buffer.from(magic, "latin1")]));
  if (archive === undefined) {
    const foreign = foreignFile(first);
    return foreign && `it is ${foreign.what}; ${foreign.cure}`;
  }
  return `it is ${archive[0]}, and limn reads .tar and .tar.gz; unpack it and give the folder`;
}
