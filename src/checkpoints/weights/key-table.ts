/**
 * Two-way tables between limn's names of weights and those of a checkpoint's layout. A table is data:
 * patterns of limn's names beside patterns of the file's. Knows no model and no family.
 *
 *     "imageTower.blocks.#.norm1.*": "vision_model.encoder.layers.#.layer_norm1.*"
 *
 * `#` is a number, `*` the last word of the name, which may be spelled in another way (`leaves`), and
 * `**` all that is left of it.
 */
import type { Tensor } from "../../torch/index.ts";
import { respelled, spellings } from "./spelling.ts";
import type { Weights } from "./weight-file.ts";

/** How one weight of a file becomes one of limn's, and back. Results may be views. */
export interface WeightForm {
  /** True where the file's numbers lie in the same order under the same shape. */
  readonly isSame?: boolean;
  /** The shape in the file of a weight of `shape` here. */
  readonly shape: (ours: readonly number[]) => readonly number[];
  readonly toOurs: (theirs: Tensor) => Tensor;
  readonly toTheirs: (ours: Tensor) => Tensor;
}

/** The weights of a file that make up one of limn's, stacked along its first dimension. */
export interface WeightKeys {
  readonly names: readonly string[];
  /** The parts' shares of the first dimension, such as [1, 2] for a query beside a key and value. Equal when absent. */
  readonly shares?: readonly number[];
  /** Of each part; as it is when absent. */
  readonly form?: WeightForm;
  /**
   * The file holds this weight of all blocks in one, stacked along a new first dimension; the number
   * behind the pattern's first `#` is the place in it.
   */
  readonly layersStacked?: boolean;
}

export interface KeyTable {
  /** Patterns of limn's names, each with the file's pattern or patterns. The first that fits counts. */
  readonly keys: Readonly<Record<string, string | WeightKeys>>;
  /** What `*` becomes where the file spells it differently: `{ runningMean: "running_mean" }`. */
  readonly leaves?: Readonly<Record<string, string>>;
  /**
   * This table's name of a file's weight, where files spell it in more than one way: a prefix that
   * some leave out, a word of older files. `canonicalWeights` reads a file under these names, which
   * `carried` and `ignored` are asked about too. As the file has it when absent.
   */
  readonly canonical?: (name: string) => string;
  /** The file's weights that nothing is computed from but that belong to its layout: kept for saving. */
  readonly carried?: (name: string) => boolean;
  /** The file's weights that mean nothing, such as a table of position numbers. */
  readonly ignored?: (name: string) => boolean;
}

/** One weight of a file as a part of limn's. */
export interface WeightPart {
  readonly name: string;
  /** In the file. */
  readonly fileShape: readonly number[];
  /** In limn. */
  readonly shape: readonly number[];
  readonly form: WeightForm;
  /** Its place along the first dimension of a weight that holds all blocks. */
  readonly layer?: number;
}

/** One weight of limn and what it is made of. */
export interface WeightRow {
  readonly ours: string;
  readonly shape: readonly number[];
  /** Stacked along the first dimension of `ours`. */
  readonly parts: readonly WeightPart[];
}

/** The usual spelling of torch's modules. */
export const torchLeaves: Readonly<Record<string, string>> = {
  runningMean: "running_mean",
  runningVariance: "running_var",
};

/** As it is. */
export const same: WeightForm = {
  isSame: true,
  shape: (shape) => shape,
  toOurs: (tensor) => tensor,
  toTheirs: (tensor) => tensor,
};

/** A matrix whose rows are limn's columns. */
export const transposed: WeightForm = {
  shape: ([rows = 0, columns = 0]) => [columns, rows],
  toOurs: (tensor) => tensor.t(),
  toTheirs: (tensor) => tensor.t(),
};

/** The same numbers in the same order under another shape: every part is reshaped, both ways. */
export function reshaped(shape: WeightForm["shape"]): WeightForm {
  return { shape, toOurs: same.toOurs, toTheirs: same.toTheirs };
}

/** [N, W] in limn, [1, N, W] in the file: tables of positions. */
export const leadingOne: WeightForm = reshaped((shape) => [1, ...shape]);

/** [] in limn, [1] in the file. */
export const oneNumber: WeightForm = reshaped(() => [1]);

/** A part of a file's weight as limn has it, a view where it can be. */
export function partToOurs(part: WeightPart, theirs: Tensor): Tensor {
  const layer = part.layer === undefined ? theirs : theirs.select(0, part.layer);
  return part.form.toOurs(layer).reshape(...part.shape);
}

/** A part of limn's weight as the file has it, a view where it can be. */
export function partToTheirs(part: WeightPart, ours: Tensor): Tensor {
  return part.form.toTheirs(ours).reshape(...part.fileShape);
}

/**
 * The rows of a model's weights.
 *
 * weights   limn's names and shapes, as `namedState` of a model gives them; only those that start
 *           with `prefix`, where one is given
 * throws    Error for a weight that the table does not know: the layout cannot hold the model
 */
export function weightRows(
  table: KeyTable,
  weights: Iterable<readonly [string, { readonly shape: readonly number[] }]>,
): WeightRow[] {
  const patterns = Object.entries(table.keys).map(([pattern, keys]) => ({
    fits: matcher(pattern),
    keys: typeof keys === "string" ? { names: [keys] } : keys,
  }));
  const depths = new Map<string, number>();
  const found = [...weights].map(([ours, { shape }]) => {
    for (const { fits, keys } of patterns) {
      const words = fits(ours);
      if (words === null) continue;
      if (keys.layersStacked) raise(depths, keys.names[0] as string, Number(words.numbers[0]) + 1);
      return { ours, shape, keys, words };
    }
    throw new Error(`internal: the table has no name for ${ours}`);
  });
  return found.map(({ ours, shape, keys, words }) => {
    const depth = depths.get(keys.names[0] as string) ?? 0;
    return { ours, shape, parts: partsOf(shape, keys, { ...words, depth, leaves: table.leaves }) };
  });
}

function raise(depths: Map<string, number>, name: string, depth: number): void {
  depths.set(name, Math.max(depth, depths.get(name) ?? 0));
}

interface Words {
  /** What stood for each `#`. */
  numbers: readonly string[];
  /** What stood for `*`. */
  leaf: string | undefined;
}

function matcher(pattern: string): (name: string) => Words | null {
  const source = pattern
    .split(/(#|\*+)/)
    .map((piece) => {
      if (piece === "#") return "(\\d+)";
      if (piece === "**") return "(?<leaf>.+)";
      return piece === "*" ? "(?<leaf>\\w+)" : piece.replaceAll(".", "\\.");
    })
    .join("");
  const expression = new RegExp(`^${source}$`);
  return (name) => {
    const found = expression.exec(name);
    if (found === null) return null;
    const leaf = found.groups?.["leaf"];
    const numbers = found.slice(1, leaf === undefined ? undefined : -1);
    return { numbers, leaf };
  };
}

interface Filling extends Words {
  /** Blocks that a stacked weight holds. */
  depth: number;
  leaves: KeyTable["leaves"];
}

function partsOf(shape: readonly number[], keys: WeightKeys, filling: Filling): WeightPart[] {
  const { names, form = same, layersStacked = false } = keys;
  const shares = keys.shares ?? names.map(() => 1);
  const total = shares.reduce((sum, share) => sum + share, 0);
  const [first = 1, ...rest] = shape;
  return names.map((pattern, i) => {
    const part = names.length === 1 ? shape : [(first * (shares[i] ?? 1)) / total, ...rest];
    const fileShape = form.shape(part);
    const name = fill(pattern, filling, layersStacked);
    if (!layersStacked) return { name, fileShape, shape: part, form };
    const layer = Number(filling.numbers[0]);
    return { name, fileShape: [filling.depth, ...fileShape], shape: part, form, layer };
  });
}

function fill(pattern: string, { numbers, leaf, leaves }: Filling, skipsFirst: boolean): string {
  let at = skipsFirst ? 1 : 0;
  return pattern
    .replaceAll("#", () => numbers[at++] ?? "#")
    .replace(/\*+/, () => (leaf === undefined ? "*" : (leaves?.[leaf] ?? leaf)));
}

/**
 * `weights` with the table's own names (`KeyTable.canonical`); errors name what they are about as the
 * table does.
 *
 * throws  CheckpointError where two weights of the file come to the same name
 */
export function canonicalWeights(weights: Weights, table: KeyTable): Weights {
  const { canonical } = table;
  return canonical === undefined ? weights : respelled(weights, spellings(weights, canonical));
}
