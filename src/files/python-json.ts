/**
 * JSON for Python readers. JavaScript writes 1.0 as `1`, which Python reads as an integer; strictly
 * typed configurations refuse it, and a parameter made from it would be one of integers.
 */

const mark = "\u{1}float ";

/** `value` such that `pythonJson` writes it with a decimal point. */
export function pythonFloat(value: number): number | string {
  return Number.isInteger(value) ? mark + value.toFixed(1) : value;
}

/** Indented JSON with a final line break, `pythonFloat` values as floats. */
export function pythonJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`.replaceAll(/"\\u0001float (-?\d+\.\d)"/g, "$1");
}
