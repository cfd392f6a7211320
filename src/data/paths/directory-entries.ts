/** What is in a folder, by the bytes of its names, in an order that is the same on every machine. */
import { type Dirent, existsSync, readdirSync } from "node:fs";
import { decodeName, encodePath } from "../../files/decode-text.ts";

/** The same order on every machine, whatever its language. */
export function byCodeUnit(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Whether something has this path; bytes that are not UTF-8 are escaped, see `decodeName`. */
export function isThere(path: string): boolean {
  return existsSync(encodePath(path));
}

/** Sorted by name; bytes of names that are not UTF-8 are escaped. throws  the file system's own error */
export function directoryEntries(directory: string): Dirent[] {
  const place = encodePath(directory);
  let entries = readdirSync(place, { withFileTypes: true });
  // Bytes that are not UTF-8 have become U+FFFD, by which no file is found again.
  if (entries.some(({ name }) => name.includes("\ufffd"))) entries = withBytes(place);
  return entries.sort((a, b) => byCodeUnit(a.name, b.name));
}

function withBytes(place: string | Buffer): Dirent[] {
  return readdirSync(place, { withFileTypes: true, encoding: "buffer" }).map((entry) =>
    Object.assign(Object.create(entry) as Dirent, {
      name: decodeName(entry.name as unknown as Buffer),
      isDirectory: () => entry.isDirectory(),
      isSymbolicLink: () => entry.isSymbolicLink(),
    }),
  );
}
