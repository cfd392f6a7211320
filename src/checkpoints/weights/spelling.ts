/** Weights under other names than their file's. */
import { CheckpointError } from "../../errors.ts";
import type { Weights } from "./weight-file.ts";

/**
 * `weights` under what `spell` makes of their names.
 *
 * returns  each new name with the file's
 * throws   CheckpointError where two weights of the file come to the same name
 */
export function spellings(
  { file, names }: Weights,
  spell: (name: string) => string,
): Map<string, string> {
  const spelled = new Map<string, string>();
  for (const name of names) {
    const known = spell(name);
    const other = spelled.get(known);
    if (other !== undefined) {
      throw new CheckpointError(
        file,
        `Expected one weight for ${known} in ${file} but received ${other} and ${name}; ` +
          "remove the one that is not the model's",
      );
    }
    spelled.set(known, name);
  }
  return spelled;
}

/** The weights that `spelled` names, by their new names. */
export function respelled(weights: Weights, spelled: ReadonlyMap<string, string>): Weights {
  const spelling = (name: string): string => spelled.get(name) ?? name;
  return {
    file: weights.file,
    metadata: weights.metadata,
    names: [...spelled.keys()],
    has: (name) => spelled.has(name),
    info: (name) => weights.info(spelling(name)),
    tensor: (name) => weights.tensor(spelling(name)),
    layer: (name, at) => weights.layer(spelling(name), at),
    readInto: (name, target) => weights.readInto(spelling(name), target),
  };
}
