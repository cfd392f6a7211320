/** Operands that an operator of libtorch may not expect, made from its schema. */
import { fromData, zeros } from "../../dist/src/torch/index.js";

/** @typedef {import("./random.mjs").Random} Random */
/** @typedef {import("../../dist/src/torch/index.js").DType} DType */
/** @typedef {import("../../dist/src/torch/index.js").OperatorArgument} OperatorArgument */

/** @type {number[][]} */
const shapes = [
  ...[[], [0], [1], [3], [7], [0, 3], [3, 0], [2, 3], [3, 3], [4, 1], [2, 3, 4], [2, 0, 4]],
  ...[
    [1, 3, 4, 4],
    [2, 4, 5, 5],
    [1, 0, 4, 4],
    [2, 3, 0, 0],
    [0, 3, 4, 4],
    [1, 2, 3, 4, 5],
    [1, 1, 1, 1, 1],
    [1, 2, 0, 4, 5],
  ],
];
/** @type {DType[]} */
const dtypes = ["float32", "float64", "int64", "int32", "bool", "uint8", "float16", "int8"];
const near = [0, 1, 2, -1, 3];
const far = [
  ...[-2, 4, 5, 7, 16, -17, 1000, 65536, 2 ** 31 - 1, 2 ** 31, -(2 ** 31), 2 ** 32 + 1],
  ...[2 ** 40, Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER],
];
const scalars = [0, 1, -1, 0.5, 2, 3, -0, NaN, Infinity, -Infinity, 1e300, 1e-300, 2 ** 40, -7];
const words = [
  "mean",
  "sum",
  "none",
  "constant",
  "reflect",
  "ij",
  "",
  "trunc",
  "floor",
  "tanh",
  "é",
];

/**
 * The parameters of a schema: `aten::add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor`.
 * @param {string} schema
 * @returns {{ type: string, optional: boolean, fallback: boolean, name: string }[]}
 */
export function parameters(schema) {
  const start = schema.indexOf("(");
  let depth = 0;
  let end = start;
  for (; end < schema.length; end++) {
    if (schema[end] === "(") depth++;
    if (schema[end] === ")" && --depth === 0) break;
  }
  const inner = schema.slice(start + 1, end).replaceAll(/\([^)]*\)/g, "");
  const parts = inner.match(/(?:\[[^\]]*\]|"[^"]*"|[^,])+/g) ?? [];
  return parts
    .map((part) => part.trim())
    .filter((part) => part !== "*" && part !== "")
    .map((part) => {
      const [typed = "", fallback] = part.split("=");
      const [type = "", name = ""] = typed.trim().split(/ (?=[^ ]*$)/);
      const bare = type.replaceAll(/\[\d+\]/g, "[]");
      const optional = bare.endsWith("?");
      return {
        type: optional ? bare.slice(0, -1) : bare,
        optional,
        fallback: fallback !== undefined,
        name,
      };
    });
}

/**
 * One list of operands. Some are all of one shape and type, so that they pass the first checks.
 * @param {ReturnType<typeof parameters>} wanted
 * @param {Random} random
 * @returns {OperatorArgument[]}
 */
export function operands(wanted, random) {
  const alike = random.chance(0.6)
    ? { shape: random.pick(shapes), dtype: random.chance(0.7) ? dtypes[0] : random.pick(dtypes) }
    : undefined;
  const boldness = random.pick([0, 0.1, 0.5]);
  const integer = () => (random.chance(boldness) ? random.pick(far) : random.pick(near));
  const tensor = () => {
    const different = !alike || random.chance(0.2);
    const shape = different ? random.pick(shapes) : alike.shape;
    const dtype = different ? random.pick(dtypes) : (alike.dtype ?? "float32");
    const count = shape.reduce((product, side) => product * side, 1);
    if (random.chance(0.2)) return zeros(shape, { dtype });
    const wide = random.chance(0.3);
    const values = Float64Array.from({ length: count }, () =>
      wide ? random.pick([...near, ...far, NaN, Infinity]) : random.pick([0, 1, 2, 0.5]),
    );
    const made = fromData(values, shape).to(dtype);
    return shape.length > 1 && random.chance(0.2) ? made.transpose(0, shape.length - 1) : made;
  };
  /** @template T @param {() => T} one */
  const list = (one) => Array.from({ length: random.pick([0, 1, 2, 2, 2, 3, 4]) }, one);
  /** @type {Record<string, () => OperatorArgument>} */
  const makers = {
    Tensor: tensor,
    "Tensor[]": () => list(tensor),
    "Tensor?[]": () => list(() => (random.chance(0.3) ? null : tensor())),
    Scalar: () => random.pick(scalars),
    "Scalar[]": () => list(() => random.pick(scalars)),
    int: integer,
    SymInt: integer,
    "int[]": () => list(integer),
    "SymInt[]": () => list(integer),
    float: () => random.pick(scalars),
    "float[]": () => list(() => random.pick(scalars)),
    bool: () => random.chance(0.5),
    "bool[]": () => list(() => random.chance(0.5)),
    str: () => random.pick(words),
    Device: () => "cpu",
    ScalarType: () => random.pick([0, 3, 4, 6, 7, 11, 15]),
  };
  return wanted.map(({ type, optional, fallback }) => {
    if (fallback && random.chance(0.4)) return undefined;
    if (optional && random.chance(0.4)) return null;
    const maker = makers[type];
    return maker ? maker() : undefined;
  });
}
