/** The numbers that lie in `key.npy` beside a picture, as part of its sample's record. */
import { MOST_NPY_BYTES, NoVectorError, parseNpyVector } from "../tables/npy-vector.ts";
import type { Piece, ReadingOptions } from "./source.ts";

type Numbers = Record<string, unknown>;

export interface SampleNumbers {
  /** Each number under its column's name; without columns all of them as `npy`. */
  record: Numbers;
  /** Why an array is none of a record, where no columns were asked for. */
  lost?: string;
}

/**
 * read     gives the bytes of a piece; throws Error with a short reason
 * throws   Error with a short reason for a file that is damaged; with columns also for an array that is no
 *          vector of as many numbers, and where there is none
 */
export function sampleNumbers(
  npy: Piece | undefined,
  { npyColumns: columns, floats }: Pick<ReadingOptions, "npyColumns" | "floats">,
  read: (piece: Piece, mostBytes: number) => Uint8Array,
): SampleNumbers {
  if (npy === undefined) {
    if (columns === undefined) return { record: {} };
    throw new Error(`it has no .npy file for ${namesOf(columns)}`);
  }
  try {
    if ((npy.size ?? 0) > MOST_NPY_BYTES) {
      throw new NoVectorError(
        `it has ${npy.size} bytes, more than the ${MOST_NPY_BYTES} of a vector`,
      );
    }
    const vector = parseNpyVector(read(npy, MOST_NPY_BYTES));
    // As in records, see `parseJson`: 1.0 is told from 1.
    const isMarked = vector.floats && floats === "marked";
    const numbers = isMarked ? vector.numbers.map(marked) : vector.numbers;
    return { record: columns === undefined ? { npy: numbers } : named(numbers, columns) };
  } catch (cause) {
    const reason = `its .npy file cannot be read: ${(cause as Error).message}`;
    // Arrays of other uses, such as latents, may lie there.
    if (cause instanceof NoVectorError && columns === undefined)
      return { record: {}, lost: reason };
    throw new Error(reason, { cause });
  }
}

function marked(value: number): unknown {
  return Number.isInteger(value) ? Object(value) : value;
}

function named(numbers: readonly unknown[], columns: readonly string[]): Numbers {
  if (numbers.length === columns.length) {
    return Object.fromEntries(columns.map((name, i) => [name, numbers[i]]));
  }
  throw new NoVectorError(
    `it has ${numbers.length} numbers, and npyColumns ${columns.length} names (${namesOf(columns)})`,
  );
}

function namesOf(columns: readonly string[]): string {
  const shown = columns.slice(0, 10).join(", ");
  return columns.length > 10 ? `${shown}, ...` : shown;
}
