/** Loads what a recipe or suite file exports: TypeScript, JavaScript or JSON. */
import { closeSync, existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { createJiti } from "jiti";

import { UsageError } from "../../errors.ts";
import { openRegular, readJsonFile } from "../../files/regular-file.ts";
import { packageRoot } from "../../engine/engine-info.ts";

/**
 * The default export of a file, or a JSON file's value. A recipe file is code: loading it runs it.
 *
 * throws   UsageError when the file is missing, cannot be loaded, or has no default export
 */
export async function loadFile(file: string): Promise<unknown> {
  const full = path.resolve(file);
  if (!existsSync(full)) {
    throw new UsageError(`Expected a file at ${file} but found none; check the path.`);
  }
  try {
    if (full.endsWith(".json")) return readJsonFile(full);
    // What is no file would be waited for.
    closeSync(openRegular(full));
    const jiti = createJiti(pathToFileURL(full).href, {
      alias: libraryAliases(),
      fsCache: false,
      // otherwise the named exports stand in for a default that is missing
      interopDefault: false,
    });
    const loaded = await jiti.import<{ default?: unknown }>(full);
    if (loaded.default !== undefined) return loaded.default;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(`Expected a file that loads at ${file} but received: ${reason}`, {
      cause,
    });
  }
  throw new UsageError(
    `Expected a default export in ${file} but found none; write export default defineRecipe({ ... }).`,
  );
}

/** Recipes import the library by its name, wherever they lie: `limn`, `limn/data` to compiled files. */
export function libraryAliases(): Record<string, string> {
  const root = packageRoot();
  const { exports } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as {
    exports: Record<string, { default: string } | string>;
  };
  return Object.fromEntries(
    Object.entries(exports).flatMap(([subpath, target]) =>
      typeof target === "string"
        ? []
        : [[path.posix.join("limn", subpath), path.join(root, target.default)]],
    ),
  );
}
