/** Errors of a format and of the file system, turned into ones that name the file. */
import { CheckpointError } from "../../errors.ts";

/**
 * Runs `body`. A plain Error of it, which states the cause alone, becomes a CheckpointError that
 * names the file; every other error passes as it is.
 *
 * what  the kind of file that was expected, "a safetensors file"
 */
export function namingFile<T>(file: string, what: string, body: () => T): T {
  try {
    return body();
  } catch (cause) {
    // A subclass is an error of limn, which says enough, or a fault of limn, which must show.
    if (!(cause instanceof Error) || cause.constructor !== Error) throw cause;
    const code = (cause as NodeJS.ErrnoException).code;
    const reason = code === "ENOENT" ? "there is no such file" : cause.message;
    const cure =
      code === undefined ? "fetch or save it again" : "check the path and its permissions";
    throw new CheckpointError(file, `Expected ${what} for ${file} but ${reason}; ${cure}`, {
      cause,
    });
  }
}
