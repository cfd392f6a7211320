/** Makes a WeightFile of a format's table of weights: names, states and errors are alike in all. */
import { CheckpointError, didYouMean } from "../../errors.ts";
import { scope, type Tensor } from "../../torch/index.ts";
import { namingFile } from "./reading-errors.ts";
import {
  checkPlace,
  checkTarget,
  layerOf,
  readArray,
  readArrayInto,
  type StoredArray,
} from "./stored-array.ts";
import type { WeightFile, WeightInfo } from "./weight-file.ts";

export interface WeightTable<T extends WeightInfo> {
  file: string;
  /** The kind of file with its article, "a safetensors file". */
  what: string;
  weights: ReadonlyMap<string, T>;
  metadata?: Readonly<Record<string, string>>;
  /** Where the elements of a weight lie; throws Error with the cause alone. Types are known. */
  locate: (weight: T, name: string) => StoredArray;
  /** Gives a view in place of a copy where it can. */
  view?: (weight: T) => Tensor | undefined;
  close: () => void;
}

export interface WeightReader<T extends WeightInfo> extends WeightFile {
  info(name: string): T;
}

/** An open file over `table`. */
export function weightReader<T extends WeightInfo>(table: WeightTable<T>): WeightReader<T> {
  const { file, what, weights, metadata = {} } = table;
  let open = true;
  const info = (name: string): T => {
    const found = weights.get(name);
    if (found !== undefined) return found;
    throw new CheckpointError(
      file,
      `Expected a tensor "${name}" in ${file} but it has none.${didYouMean(name, weights.keys())}`,
    );
  };
  const find = (name: string): T => {
    const found = info(name);
    if (!open) {
      throw new CheckpointError(
        file,
        `Expected ${file} to be open but it was closed; open it again`,
      );
    }
    if (found.dtype === undefined) throw unreadable(file, name, found.storedAs);
    return found;
  };
  const close = (): void => {
    if (open) table.close();
    open = false;
  };
  return {
    file,
    names: [...weights.keys()],
    metadata,
    has: (name) => weights.has(name),
    info,
    tensor: (name) => {
      const found = find(name);
      return namingFile(
        file,
        what,
        () => table.view?.(found) ?? readArray(table.locate(found, name)),
      );
    },
    layer: (name, at) => {
      const found = find(name);
      checkPlace(name, found.shape, at);
      return namingFile(file, what, () => {
        const { view } = table;
        if (view === undefined) return readArray(layerOf(table.locate(found, name), at));
        return scope(() => (view(found) ?? readArray(table.locate(found, name))).select(0, at));
      });
    },
    readInto: (name, target) => {
      const found = find(name);
      checkTarget(name, found.shape, target);
      namingFile(file, what, () => readArrayInto(table.locate(found, name), target));
    },
    close,
    [Symbol.dispose]: close,
  };
}

function unreadable(file: string, name: string, storedAs: string): CheckpointError {
  const pickled = storedAs.endsWith("O");
  const cure = pickled
    ? "it is a pickle, of which nothing was executed; save plain numbers"
    : "save it as float32, float16, bfloat16 or an integer type";
  return new CheckpointError(
    file,
    `Expected numbers of a type that limn reads for ${file} but tensor "${name}" has the element ` +
      `type ${storedAs}; ${cure}`,
  );
}
