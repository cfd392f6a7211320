/** Checks of the small JSON objects that describe image transforms. */
import { didYouMean, SettingError } from "../../errors.ts";

/** Throws SettingError if `value` does not fit; `path` names it. */
export type FieldCheck = (value: unknown, path: string) => void;
export type FieldChecks = Readonly<Record<string, FieldCheck>>;

/**
 * `value` if it is an object with only known keys, all required ones, and fitting values. A key that
 * is undefined counts as absent.
 */
export function checkFields(
  value: unknown,
  checks: FieldChecks,
  { path, required = [] }: { path: string; required?: readonly string[] },
): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw problem(path, "an object", value);
  }
  const known = Object.keys(checks);
  const present = Object.entries(value).filter(([, field]) => field !== undefined);
  for (const [key, field] of present) {
    const check = checks[key];
    if (!check || !Object.hasOwn(checks, key)) {
      const hint = didYouMean(key, known) || ` Known keys: ${known.join(", ")}.`;
      throw new SettingError(`${path}.${key}`, `Unknown key ${path}.${key}.${hint}`);
    }
    check(field, `${path}.${key}`);
  }
  for (const key of required) {
    if (present.some(([name]) => name === key)) continue;
    throw new SettingError(
      `${path}.${key}`,
      `Expected ${path}.${key} to be set but received nothing; add it.`,
    );
  }
  return Object.fromEntries(present);
}

/** The error of a value that is not `expected`. */
export function problem(path: string, expected: string, value: unknown): SettingError {
  const shown = typeof value === "number" ? String(value) : JSON.stringify(value);
  return new SettingError(path, `Expected ${expected} for ${path} but received ${shown}.`);
}

export function positiveInteger(value: unknown, path: string): void {
  if (!Number.isInteger(value) || (value as number) < 1) {
    throw problem(path, "a positive whole number", value);
  }
}

export function boolean(value: unknown, path: string): void {
  if (typeof value !== "boolean") throw problem(path, "true or false", value);
}

export function probability(value: unknown, path: string): void {
  if (typeof value !== "number" || !(value >= 0 && value <= 1)) {
    throw problem(path, "a number from 0 to 1", value);
  }
}

export function oneOf(allowed: readonly string[]): FieldCheck {
  return (value, path) => {
    if (typeof value === "string" && allowed.includes(value)) return;
    const hint = typeof value === "string" ? didYouMean(value, allowed) : "";
    const names = allowed.map((name) => `"${name}"`);
    const expected = [names.slice(0, -1).join(", "), names.at(-1)].filter(Boolean).join(" or ");
    const error = problem(path, expected, value);
    throw hint ? new SettingError(path, error.message + hint) : error;
  };
}

export function numberBetween(low: number, high: number): FieldCheck {
  return (value, path) => {
    if (typeof value !== "number" || !(value >= low && value <= high)) {
      throw problem(path, `a number from ${low} to ${high}`, value);
    }
  };
}

export function vector3({ above }: { above: number }): FieldCheck {
  return (value, path) => {
    const fits =
      Array.isArray(value) &&
      value.length === 3 &&
      value.every((v) => typeof v === "number" && Number.isFinite(v) && v > above);
    const bound = above === -Infinity ? "" : ` above ${above}`;
    if (!fits) throw problem(path, `three finite numbers${bound}`, value);
  };
}

/** Red, green and blue as 8-bit levels. */
export function bytes3(value: unknown, path: string): void {
  const level = (v: unknown): boolean => Number.isInteger(v) && Number(v) >= 0 && Number(v) <= 255;
  if (!Array.isArray(value) || value.length !== 3 || !value.every(level)) {
    throw problem(path, "three whole numbers from 0 to 255", value);
  }
}

/** Two numbers, ordered, above 0 and at most `max`. */
export function range({ max }: { max: number }): FieldCheck {
  return (value, path) => {
    const [low, high] = Array.isArray(value) && value.length === 2 ? value : [NaN, NaN];
    const fits =
      typeof low === "number" && typeof high === "number" && low > 0 && low <= high && high <= max;
    const bound = Number.isFinite(max) ? `, at most ${max}` : "";
    if (!fits) throw problem(path, `two numbers [low, high] above 0${bound}, in order`, value);
  };
}
