/** Questions that a checkpoint's files leave open. */
import { UnsettledError } from "../../errors.ts";
import type { GivenFacts } from "../layout.ts";

/**
 * The error of a file that does not say something that only its owner can know.
 *
 * option  the name of `GivenFacts` that settles it
 * what    as in `Expected <what> for <option> of <file>`
 */
export function unsettled(file: string, option: keyof GivenFacts, what: string): UnsettledError {
  return new UnsettledError(
    file,
    option,
    `Expected ${what} for ${option} of ${file} but nothing in the file says it; say it with ` +
      settledBy(option),
  );
}

/** How a command, a call and a recipe say one of the facts. */
export function settledBy(option: keyof GivenFacts): string {
  return `the option ${option}, in a recipe with { path, ${option} } in place of the path`;
}
