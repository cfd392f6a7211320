/** What `--set` does to a recipe before it is checked. */
import type { z } from "zod";

import { RecipeError } from "../../errors.ts";
import { isJsonObject } from "../../files/json-fields.ts";
import { describe, knownKeys, takesNull, unknownKey } from "./explain-issue.ts";

/** Where a recipe may name a model. A `--set` of one of its facts makes an object of a path. */
const modelKeys: readonly string[] = [
  "pretrained",
  "towers.image.pretrained",
  "towers.text.pretrained",
  "objective.teacher",
];

type Container = Record<PropertyKey, unknown>;

/**
 * `a.b=value`: JSON where it parses as JSON, else the text itself. Numbers step into lists. `null` unsets
 * a key, but where null is one of its values.
 *
 * throws  RecipeError for what is no assignment, steps into something without keys, or unsets an unknown
 *         key; other values are left to the schema
 */
export function assign(draft: Container, assignment: string, schema: z.ZodType): void {
  const split = assignment.indexOf("=");
  if (split < 1) {
    throw new RecipeError(
      assignment,
      `Expected path=value for --set but received "${assignment}"; write for example --set train.batchSize=256`,
    );
  }
  const keys = assignment.slice(0, split).split(".");
  if (keys.includes("__proto__")) throw unknownKey(keys, knownKeys(schema, [], draft));
  const value = parseValue(assignment.slice(split + 1));
  const path = keys.map((key) => (/^\d+$/.test(key) ? Number(key) : key));
  if (value === null && !takesNull(schema, path, draft)) return unset(draft, path, schema);
  let at = draft;
  for (const [i, key] of path.slice(0, -1).entries()) {
    const next = modelKeys.includes(keys.slice(0, i + 1).join("."))
      ? named(at[key])
      : (at[key] ?? {});
    at[key] = demandKeys(next, path[i + 1], { key, assignment });
    at = next as Container;
  }
  at[path.at(-1) as PropertyKey] = value;
}

/** Something that can have `key`: an object, or a list with that entry. */
function demandKeys(
  value: unknown,
  key: PropertyKey | undefined,
  { key: name, assignment }: { key: PropertyKey; assignment: string },
): unknown {
  if (isJsonObject(value)) return value;
  if (Array.isArray(value) && typeof key === "number" && key < value.length) return value;
  const wanted = Array.isArray(value)
    ? `a number below ${value.length} behind ${String(name)}, which is a list,`
    : `an object at ${String(name)}`;
  throw new RecipeError(
    assignment,
    `Expected ${wanted} for --set ${assignment} but received ${describe(Array.isArray(value) ? key : value)}; check the path`,
  );
}

/** Removes a known key. Where what it would be in is absent, so is the key already. */
function unset(draft: Container, path: readonly (string | number)[], schema: z.ZodType): void {
  let at: unknown = draft;
  for (const [i, key] of path.entries()) {
    const parent = path.slice(0, i);
    const known = knownKeys(schema, parent, draft);
    // Nothing is known of the keys of a record.
    if (typeof key === "string" && known.length > 0 && !known.includes(key)) {
      throw unknownKey(path.slice(0, i + 1), known);
    }
    if (typeof at !== "object" || at === null) return;
    if (i === path.length - 1) remove(at, key);
    else at = (at as Container)[key];
  }
}

function remove(from: object, key: PropertyKey): void {
  if (Array.isArray(from) && typeof key === "number") from.splice(key, 1);
  else delete (from as Container)[key];
}

/** A model that is named by its path alone takes facts beside it. */
function named(model: unknown): unknown {
  return typeof model === "string" ? { path: model } : (model ?? {});
}

function parseValue(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
