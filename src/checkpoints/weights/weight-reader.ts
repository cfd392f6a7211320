/**
 * Makes a WeightFile of a format's table of weights: names, states and errors are alike in all formats.
 * Reads the elements of a weight from where they lie, in whatever order and type.
 */
import { CheckpointError, didYouMean, ShapeError } from "../../errors.ts";
import {
  scope,
  type Tensor,
  call,
  dtypeBytes,
  empty,
  noGrad,
  operator,
  type DType,
} from "../../torch/index.ts";
import type { WeightFile, WeightInfo } from "./weight-file.ts";
import type { ByteSource } from "./byte-source.ts";

interface WeightTable<T extends WeightInfo> {
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

interface WeightReader<T extends WeightInfo> extends WeightFile {
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

export interface StoredArray {
  readonly source: ByteSource;
  /** Bytes before the first element. */
  readonly position: number;
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** In elements, one per side; row-major when absent. Never negative. */
  readonly strides?: readonly number[] | undefined;
}

/** One place along the first side, which `checkPlace` knows. */
function layerOf(stored: StoredArray, at: number): StoredArray {
  const { position, dtype, shape, strides } = stored;
  const [step = 0, ...steps] = strides ?? rowMajor(shape);
  return {
    ...stored,
    position: position + at * step * dtypeBytes(dtype),
    shape: shape.slice(1),
    strides: strides && steps,
  };
}

/** A new contiguous tensor of the stored type. */
function readArray(stored: StoredArray): Tensor {
  const { source, position, dtype, shape } = stored;
  if (!isRowMajor(stored)) return scope(() => gather(stored).contiguous());
  const made = empty(shape, { dtype });
  if (made.count > 0) source.fill(made, position);
  return made;
}

/**
 * Fills `target`. Row-major elements of its own type go straight to its memory; those of another
 * type pass through a few MB.
 */
function readArrayInto(stored: StoredArray, target: Tensor): void {
  const { source, position, dtype } = stored;
  const { count } = target;
  if (count === 0) return;
  scope(() => {
    const into = target.detach();
    if (!isRowMajor(stored)) noGrad(() => into.copy_(gather(stored)));
    else if (dtype === target.dtype && target.device === "cpu") source.fill(into, position);
    else {
      const flat = into.view(-1);
      const most = Math.min(count, stagingElements);
      const staging = empty([most], { dtype });
      for (let at = 0; at < count; at += most) {
        const length = Math.min(most, count - at);
        scope(() => {
          const part = staging.narrow(0, 0, length);
          source.fill(part, position + at * dtypeBytes(dtype));
          noGrad(() => flat.narrow(0, at, length).copy_(part));
        });
      }
    }
  });
}

/** 4 to 16 MB: large enough that the calls cost nothing. */
const stagingElements = 1 << 21;

/** Throws ShapeError unless `target` can take elements of this shape as they come. */
function checkTarget(name: string, shape: readonly number[], target: Tensor): void {
  if (shape.join() === target.shape.join()) return;
  throw new ShapeError(
    `Expected a tensor [${shape.join(", ")}] to read ${name} into but received ` +
      `[${target.shape.join(", ")}]; make it of the weight's shape`,
  );
}

/** Throws RangeError unless a weight of this shape has this place along its first side. */
export function checkPlace(name: string, shape: readonly number[], at: number): void {
  const [count = 0] = shape;
  if (Number.isInteger(at) && at >= 0 && at < count) return;
  throw new RangeError(
    `Expected a place from 0 to ${count - 1} of ${name} [${shape.join(", ")}] but received ${at}; ` +
      "ask info for its shape",
  );
}

/** Elements between the first and the last that the strides reach, both included. */
export function extent(shape: readonly number[], strides: readonly number[]): number {
  if (shape.includes(0)) return 0;
  return shape.reduce((reach, side, i) => reach + (side - 1) * (strides[i] ?? 0), 1);
}

/** Row-major strides of a shape. */
export function rowMajor(shape: readonly number[]): number[] {
  const strides: number[] = [];
  let step = 1;
  for (const side of shape.toReversed()) {
    strides.unshift(step);
    step *= Math.max(side, 1);
  }
  return strides;
}

function isRowMajor({ shape, strides }: StoredArray): boolean {
  if (strides === undefined || shape.includes(0)) return true;
  const expected = rowMajor(shape);
  return shape.every((side, i) => side === 1 || strides[i] === expected[i]);
}

/** A view of what the strides reach, which is read as one piece. */
function gather({ source, position, dtype, shape, strides = [] }: StoredArray): Tensor {
  const piece = empty([extent(shape, strides)], { dtype });
  source.fill(piece, position);
  return call(asStrided, piece, shape, strides, 0);
}

const asStrided = operator("as_strided");
