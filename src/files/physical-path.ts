/** Where a path leads, whether something lies there yet or not. Knows nothing of what is written there. */
import { lstatSync, readlinkSync, type Stats } from "node:fs";
import path from "node:path";

/** As many as the kernel follows. */
const MOST_LINKS = 40;

/**
 * The absolute path that `given` stands for, without links: the last name may be a link too, even to
 * nothing. `..` is the folder above the one that a link leads to, as for the system's own calls.
 *
 * throws  the file system's error where a file stands in the way (ENOTDIR) or links go in a circle (ELOOP)
 */
export function physicalPath(given: string): string {
  const absolute = path.isAbsolute(given) ? given : `${process.cwd()}${path.sep}${given}`;
  const { root } = path.parse(absolute);
  let current = root;
  let links = 0;
  const names = namesOf(absolute.slice(root.length));
  for (let name = names.shift(); name !== undefined; name = names.shift()) {
    if (name === "..") {
      current = path.dirname(current);
      continue;
    }
    const next = path.join(current, name);
    const stats = statsOf(next);
    if (!stats?.isSymbolicLink()) {
      if (stats && !stats.isDirectory() && names.length > 0) throw failure("ENOTDIR", next);
      current = next;
      continue;
    }
    if (++links > MOST_LINKS) throw failure("ELOOP", next);
    const target = readlinkSync(next);
    const targetRoot = path.isAbsolute(target) ? path.parse(target).root : undefined;
    names.unshift(...namesOf(target.slice(targetRoot?.length ?? 0)));
    current = targetRoot ?? current;
  }
  return current;
}

/** Whether `inner` is `outer` or lies in it; both as `physicalPath` gives them. */
export function liesIn(inner: string, outer: string): boolean {
  const relative = path.relative(outer, inner);
  return relative === "" || !(relative.split(path.sep)[0] === ".." || path.isAbsolute(relative));
}

/** What lies at a path itself, links not followed; undefined where there is nothing. */
export function statsOf(file: string): Stats | undefined {
  try {
    return lstatSync(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}

function namesOf(text: string): string[] {
  const separators = path.sep === "\\" ? /[\\/]+/ : /\/+/;
  return text.split(separators).filter((name) => name !== "" && name !== ".");
}

function failure(code: string, file: string): Error {
  return Object.assign(new Error(`${code}: ${file}`), { code, path: file });
}
