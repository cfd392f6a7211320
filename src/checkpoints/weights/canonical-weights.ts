/** A file's weights under the names of a table that knows several spellings of them. */
import { CheckpointError } from "../../errors.ts";
import type { KeyTable } from "./key-table.ts";
import type { Weights } from "./weight-file.ts";

/**
 * `weights` with the table's own names (`KeyTable.canonical`); errors name what they are about as the
 * table does.
 *
 * throws  CheckpointError where two weights of the file come to the same name
 */
export function canonicalWeights(weights: Weights, table: KeyTable): Weights {
  const { canonical } = table;
  if (canonical === undefined) return weights;
  const { file, metadata } = weights;
  const spelled = new Map<string, string>();
  for (const name of weights.names) {
    const known = canonical(name);
    const other = spelled.get(known);
    if (other !== undefined) throw twice(file, [other, name], known);
    spelled.set(known, name);
  }
  const spelling = (name: string): string => spelled.get(name) ?? name;
  return {
    file,
    metadata,
    names: [...spelled.keys()],
    has: (name) => spelled.has(name),
    info: (name) => weights.info(spelling(name)),
    tensor: (name) => weights.tensor(spelling(name)),
    layer: (name, at) => weights.layer(spelling(name), at),
    readInto: (name, target) => weights.readInto(spelling(name), target),
  };
}

function twice(file: string, [one, other]: [string, string], known: string): CheckpointError {
  return new CheckpointError(
    file,
    `Expected one weight for ${known} in ${file} but received ${one} and ${other}; ` +
      "remove the one that is not the model's",
  );
}
