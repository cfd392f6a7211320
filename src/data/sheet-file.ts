/** Writing a contact sheet where people say: in place of an earlier sheet, never of anything else. */
import { accessSync, closeSync, constants, readSync } from "node:fs";
import path from "node:path";
import { StorageError } from "../errors.ts";
import { checkApart } from "../files/atomic-folder.ts";
import { writeFileAtomically } from "../files/atomic-write.ts";
import { openRegular } from "../files/regular-file.ts";
import { orStorageError, physicalPath, statsOf } from "../files/storage.ts";
import { sheetMark } from "./contact-sheet.ts";
import type { SourceSpec } from "./sources/source-spec.ts";

/**
 * Refuses a file that `writeSheet` could not write or would not replace, before the work begins.
 *
 * throws  StorageError naming the file: another lies there, its folder cannot be written, or a picture
 *         among the source's own would be read as one of them
 */
export function checkSheetTarget(file: string, source: SourceSpec): void {
  if (source.kind === "folder" && !/\.html$/i.test(file)) checkApart(file, [source.directory]);
  orStorageError(file, () => {
    const target = physicalPath(file);
    accessSync(path.dirname(target), constants.W_OK);
    // What is no plain file is refused where it is written.
    if (statsOf(target)?.isFile() !== true || isSheet(target)) return;
    throw new StorageError(
      file,
      `Expected no file, or an earlier contact sheet, at ${file} for writing but received another ` +
        "file; choose another name, or move it away (it is untouched)",
    );
  });
}

/** Writes a sheet's bytes. throws  StorageError as `checkSheetTarget`, and on a full disk */
export function writeSheet(file: string, sheet: Uint8Array, source: SourceSpec): void {
  checkSheetTarget(file, source);
  writeFileAtomically(file, (write) => write(sheet));
}

/** Each format has the mark near its beginning; sheets of limn 0.1 in HTML had their title alone. */
const marks = [sheetMark, "<title>Contact sheet</title><style>"];

function isSheet(file: string): boolean {
  const descriptor = openRegular(file);
  try {
    const start = Buffer.alloc(4096);
    readSync(descriptor, start, 0, start.length, 0);
    return marks.some((mark) => start.includes(mark));
  } finally {
    closeSync(descriptor);
  }
}
