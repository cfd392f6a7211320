/** Plain values of a pickle, such as the epoch of a training checkpoint. */
import { PickleDict, PickleGlobal, PickleList, type PickleValue } from "./pickle-values.ts";

/** Dicts become objects without a prototype; tuples and sets become lists. */
export type PlainValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PlainValue[]
  | { [key: string]: PlainValue };

/**
 * throws  Error, with the cause alone, for a tensor and for values beyond `budget` or 100 levels:
 *         a pickle can hold itself
 */
export function plainValue(value: PickleValue, budget: number): PlainValue {
  let left = budget;
  const convert = (item: PickleValue, level: number): PlainValue => {
    if (left-- <= 0 || level > 100) throw new Error("it is nested without end");
    if (item instanceof PickleList) return item.items.map((inner) => convert(inner, level + 1));
    if (item instanceof PickleDict) {
      const made = Object.create(null) as { [key: string]: PlainValue };
      for (const [key, inner] of item.entries) made[String(key)] = convert(inner, level + 1);
      return made;
    }
    if (item instanceof PickleGlobal) return item.name;
    if (item === null || typeof item !== "object" || item instanceof Uint8Array) return item;
    throw new Error("it holds tensors");
  };
  return convert(value, 0);
}
