import { readFile } from "node:fs/promises";
import { DataError } from "../errors.ts";

/**
 * The object in a JSON file, or an empty one where there is no file.
 *
 * throws  DataError for a file that cannot be read or does not parse
 */
export async function readOptionalJson<T extends object>(file: string): Promise<Partial<T>> {
  try {
    return JSON.parse(await readFile(file, "utf8")) as T;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return {};
    throw new DataError(
      `Expected JSON in ${file} but it does not parse; save the tokenizer again.`,
      { source: file },
      { cause },
    );
  }
}
