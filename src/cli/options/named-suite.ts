/** Which suite a command means, and which of its sets. */
import { didYouMean, UsageError } from "../../errors.ts";
import { readSuite } from "../../evaluate/suites/read-suite.ts";
import type { SuiteDefinition } from "../../evaluate/suites/suite.ts";

export const onlyOption = {
  only: {
    type: "string",
    multiple: true,
    value: "<set>",
    help: "this set alone, such as vtab/pets",
  },
} as const;

/**
 * The suite with the sets of `--only`; all without it.
 *
 * throws  DataError for an unknown suite, UsageError for a set that it has not
 */
export async function namedSuite(
  given: string,
  only: readonly string[] | undefined,
): Promise<SuiteDefinition> {
  const suite = await readSuite(given);
  if (only === undefined) return suite;
  const names = suite.sets.map(({ name }) => name);
  const stray = only.find((name) => !names.includes(name));
  if (stray === undefined) {
    return { ...suite, sets: suite.sets.filter(({ name }) => only.includes(name)) };
  }
  throw new UsageError(
    `Expected a set of ${suite.name} after --only but received "${stray}"; limn suite list ${given} ` +
      `shows them.${didYouMean(stray, names)}`,
  );
}
