/** Which samples of a source belong to a set. */
import { types } from "node:util";

import { DataError } from "../../errors.ts";

/** Values that a sample's JSON must have. */
export type Where = Readonly<Record<string, string | number | boolean>>;

/** Whether a sample's record has the values that are asked for. */
export function fitsWhere(
  meta: Readonly<Record<string, unknown>> | undefined,
  where: Where | undefined,
): boolean {
  return Object.entries(where ?? {}).every(([key, value]) => isEqual(meta?.[key], value));
}

/** A record's number may be a bigint, or a Number object where its text has a point (1.0). */
function isEqual(found: unknown, value: string | number | boolean): boolean {
  if (typeof value !== "number" || typeof found !== "object") return found === value;
  return types.isNumberObject(found) && Number(found) === value;
}

export function noSamples(where: Where | undefined, source: string): DataError {
  return new DataError(
    `Expected samples with ${JSON.stringify(where ?? {})} in ${source} but found none; ` +
      "check the source and the conditions of the suite",
    { source },
  );
}
