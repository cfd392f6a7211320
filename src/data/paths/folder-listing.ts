/** The files of a folder and of the folders in it, linked ones too, in an order that never changes. */
import { type Dirent, realpathSync, statSync } from "node:fs";
import { join, sep } from "node:path";
import { DataError } from "../../errors.ts";
import { encodePath } from "../../files/decode-text.ts";
import { directoryEntries } from "./directory-entries.ts";
import { isHidden } from "./file-kinds.ts";

/** More folders than this are links that multiply each other. */
const MOST_FOLDERS = 1_000_000;

export interface Listing {
  /** Paths relative to the top with forward slashes. Bytes that are not UTF-8 are escaped. */
  files: string[];
  /** Those that are links to nothing. */
  broken: ReadonlySet<string>;
}

/**
 * Lists what is in a folder. Links to folders are followed, but for those that lead back to a folder
 * they lie in; hidden files and folders are left out.
 *
 * throws   DataError if a folder cannot be read
 */
export function listFolder(top: string): Listing {
  const files: string[] = [];
  const broken = new Set<string>();
  let folders = 0;
  const visit = (inside: string, above: readonly string[]): void => {
    const directory = inside === "" ? top : join(top, inside);
    const { entries, real } = readFolder(directory);
    if (++folders > MOST_FOLDERS) {
      throw new DataError(
        `Expected at most ${MOST_FOLDERS} folders for source.directory but received more in ${top}; ` +
          "look for links that lead to each other",
        { source: top },
      );
    }
    const chain = [...above, real];
    for (const entry of entries) {
      if (isHidden(entry.name)) continue;
      const name = inside === "" ? entry.name : `${inside}/${entry.name}`;
      const kind = kindOf(entry, join(top, name), chain);
      if (kind === "folder") visit(name, chain);
      if (kind === "file" || kind === "broken") files.push(name);
      if (kind === "broken") broken.add(name);
    }
  };
  visit("", []);
  return { files, broken };
}

function kindOf(
  entry: Dirent,
  path: string,
  chain: readonly string[],
): "file" | "folder" | "broken" | "loop" {
  if (entry.isDirectory()) return "folder";
  if (!entry.isSymbolicLink()) return "file";
  const place = encodePath(path);
  try {
    if (!statSync(place).isDirectory()) return "file";
    const target = realPath(place);
    const loops = chain.some((one) => one === target || one.startsWith(withEnd(target)));
    return loops ? "loop" : "folder";
  } catch {
    return "broken";
  }
}

/** For comparison alone: its bytes, one for each character. */
function realPath(place: string | Buffer): string {
  return realpathSync.native(place, "latin1");
}

function withEnd(folder: string): string {
  return folder.endsWith(sep) ? folder : folder + sep;
}

function readFolder(directory: string): { entries: Dirent[]; real: string } {
  try {
    const entries = directoryEntries(directory);
    return { entries, real: realPath(encodePath(directory)) };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw new DataError(
      `Expected a readable folder for source.directory but received ${code} for ${directory}; ` +
        `check the path and its permissions`,
      { source: directory },
      { cause: error },
    );
  }
}
