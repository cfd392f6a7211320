import { createReadStream, createWriteStream, mkdirSync, symlinkSync } from "node:fs";
import { open, readFile, rm, chmod } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { createInflateRaw, inflateRawSync } from "node:zlib";
import { SetupError } from "./context.mjs";

/**
 * A reader of zip archives (PKWARE's APPNOTE 6.3, sections 4.3 and 4.5.3) that is enough for wheels
 * and for libtorch's zip: stored and deflated entries, zip64, symbolic links.
 *
 * @typedef {object} Entry
 * @property {string} name
 * @property {number} method 0 stored, 8 deflated
 * @property {number} compressed bytes
 * @property {number} size bytes
 * @property {number} offset of the local header
 * @property {number} mode Unix mode, or 0
 */

const SYMLINK = 0o120000;

/**
 * Writes the entries that `wanted` accepts into `target`.
 * @param {string} file
 * @param {string} target
 * @param {(name: string) => boolean} [wanted]
 * @returns {Promise<number>} how many files were written
 */
export async function unzip(file, target, wanted = () => true) {
  const entries = (await listZip(file)).filter(({ name }) => wanted(name));
  let count = 0;
  for (const entry of entries) {
    const place = path.join(target, entry.name);
    if (path.relative(target, place).startsWith("..")) {
      throw new SetupError(`${file} has an entry outside its folder: ${entry.name}`);
    }
    if (entry.name.endsWith("/")) continue;
    mkdirSync(path.dirname(place), { recursive: true });
    await writeEntry(file, entry, place);
    count++;
  }
  return count;
}

/**
 * The bytes of the first entry that `wanted` accepts.
 * @param {string} file
 * @param {(name: string) => boolean} wanted
 */
export async function readZipText(file, wanted) {
  const entry = (await listZip(file)).find(({ name }) => wanted(name));
  if (!entry) return "";
  const start = await dataStart(file, entry);
  const handle = await open(file);
  try {
    const data = Buffer.alloc(entry.compressed);
    await handle.read(data, 0, data.length, start);
    return (entry.method === 8 ? inflateRawSync(data) : data).toString("utf8");
  } finally {
    await handle.close();
  }
}

/** @param {string} file @param {Entry} entry @param {string} place */
async function writeEntry(file, entry, place) {
  const start = await dataStart(file, entry);
  // an empty file has no byte to read, and `end` is inclusive
  if (entry.compressed === 0) return (await open(place, "w")).close();
  const input = createReadStream(file, { start, end: start + entry.compressed - 1 });
  const output = createWriteStream(place);
  if (entry.method === 8) await pipeline(input, createInflateRaw(), output);
  else if (entry.method === 0) await pipeline(input, output);
  else throw new SetupError(`${file}: ${entry.name} is compressed in a way that setup cannot read`);
  if (output.bytesWritten !== entry.size) {
    throw new SetupError(
      `${file}: ${entry.name} has ${output.bytesWritten} of ${entry.size} bytes`,
    );
  }
  if ((entry.mode & 0o170000) === SYMLINK) {
    const to = await readFile(place, "utf8");
    await rm(place);
    symlinkSync(to, place);
  } else if (entry.mode & 0o111) await chmod(place, 0o755);
}

/** @param {string} file @param {Entry} entry */
async function dataStart(file, entry) {
  const handle = await open(file);
  try {
    const header = Buffer.alloc(30);
    await handle.read(header, 0, 30, entry.offset);
    return entry.offset + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
  } finally {
    await handle.close();
  }
}

/**
 * @param {string} file
 * @returns {Promise<Entry[]>}
 */
async function listZip(file) {
  const handle = await open(file);
  try {
    const { size } = await handle.stat();
    const tail = Buffer.alloc(Math.min(size, 66_000));
    await handle.read(tail, 0, tail.length, size - tail.length);
    const end = tail.lastIndexOf("PK\x05\x06", undefined, "latin1");
    if (end < 0) throw new SetupError(`${file} is not a whole zip archive`);
    let length = tail.readUInt32LE(end + 12);
    let start = tail.readUInt32LE(end + 16);
    const locator = tail.lastIndexOf("PK\x06\x07", undefined, "latin1");
    if (start === 0xffffffff && locator >= 0) {
      const end64 = Buffer.alloc(56);
      await handle.read(end64, 0, 56, Number(tail.readBigUInt64LE(locator + 8)));
      length = Number(end64.readBigUInt64LE(40));
      start = Number(end64.readBigUInt64LE(48));
    }
    const directory = Buffer.alloc(length);
    await handle.read(directory, 0, length, start);
    return readDirectory(directory);
  } finally {
    await handle.close();
  }
}

/** @param {Buffer} directory */
function readDirectory(directory) {
  /** @type {Entry[]} */
  const entries = [];
  let at = 0;
  while (at + 46 <= directory.length && directory.readUInt32LE(at) === 0x02014b50) {
    const nameLength = directory.readUInt16LE(at + 28);
    const extraLength = directory.readUInt16LE(at + 30);
    const extra = directory.subarray(at + 46 + nameLength, at + 46 + nameLength + extraLength);
    const entry = {
      name: directory.toString("utf8", at + 46, at + 46 + nameLength),
      method: directory.readUInt16LE(at + 10),
      compressed: directory.readUInt32LE(at + 20),
      size: directory.readUInt32LE(at + 24),
      offset: directory.readUInt32LE(at + 42),
      mode: directory.readUInt32LE(at + 38) >>> 16,
    };
    readZip64(entry, extra);
    entries.push(entry);
    at += 46 + nameLength + extraLength + directory.readUInt16LE(at + 32);
  }
  return entries;
}

/** @param {Entry} entry @param {Buffer} extra */
function readZip64(entry, extra) {
  for (let at = 0; at + 4 <= extra.length; at += 4 + extra.readUInt16LE(at + 2)) {
    if (extra.readUInt16LE(at) !== 1) continue;
    let field = at + 4;
    for (const key of /** @type {const} */ (["size", "compressed", "offset"])) {
      if (entry[key] !== 0xffffffff) continue;
      entry[key] = Number(extra.readBigUInt64LE(field));
      field += 8;
    }
  }
}
