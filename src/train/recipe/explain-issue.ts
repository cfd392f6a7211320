/** What a schema found wrong with a recipe, in the words of limn's errors. Knows no recipe. */
import { z } from "zod";

import { counted, didYouMean, RecipeError } from "../../errors.ts";
import { isJsonObject } from "../../files/json-fields.ts";

/** A value as messages show it. */
export function describe(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

/** The error of a recipe for what its schema found first: by path, with the nearest known key. */
export function explain(error: z.ZodError, draft: unknown, schema: z.ZodType): RecipeError {
  const issue = deepest(error.issues);
  const path = issue.path.map(String).join(".");
  if (issue.code === "unrecognized_keys") {
    return unknownKey([...issue.path, issue.keys[0] ?? ""], knownKeys(schema, issue.path, draft));
  }
  const value = valueAt(draft, issue.path);
  return new RecipeError(
    path,
    `Expected ${wanted(issue)} for ${path || "the recipe"} but received ${describe(value)}; ` +
      `change it in the recipe or with --set ${path}=...${nearestChoice(issue, value)}`,
  );
}

/** The error for a key that is not among those known in its place. */
export function unknownKey(path: readonly PropertyKey[], known: readonly string[]): RecipeError {
  const full = path.map(String).join(".");
  const hint = didYouMean(String(path.at(-1)), known);
  return new RecipeError(
    full,
    `Expected only known keys for the recipe but received ${full};` +
      (hint === "" ? ` known here: ${known.join(", ")}` : hint),
  );
}

/** The nearest of a few names, for one that is misspelt. */
function nearestChoice(issue: Issue, value: unknown): string {
  if (issue.code !== "invalid_value" || typeof value !== "string") return "";
  const hint = didYouMean(value, issue.values.map(String));
  return hint === "" ? "" : `.${hint}`;
}

function wanted(issue: Issue): string {
  switch (issue.code) {
    case "invalid_type":
      return `a value of type ${issue.expected}`;
    case "too_small":
      return bounded(issue.origin, issue.inclusive ? "of at least" : "above", issue.minimum);
    case "too_big":
      return bounded(issue.origin, issue.inclusive ? "of at most" : "below", issue.maximum);
    case "invalid_value":
      return `one of ${issue.values.map(describe).join(", ")}`;
    default: {
      const said = issue.message
        .replace(/^Invalid (discriminator value. Expected|input)/, "")
        .trim();
      if (said !== "" || issue.code !== "invalid_union") return oneOf(said);
      const members = issue.errors.flatMap(([first]) =>
        first === undefined ? [] : [wanted(first)],
      );
      return [...new Set(members)].join(", or ");
    }
  }
}

/** `a number above 0`, `a list of at least 1 entry`. */
function bounded(origin: string, how: string, bound: number | bigint): string {
  if (origin === "array") return `a list ${how} ${counted(Number(bound), "entry", "entries")}`;
  if (origin === "string") return `a text ${how} ${counted(Number(bound), "character")}`;
  return `a number ${how} ${bound}`;
}

/** zod's `'a' | 'undefined' | 'b'` in the words of the other messages. */
function oneOf(message: string): string {
  const quoted = [...message.matchAll(/'([^']*)'/g)].flatMap(([, name]) =>
    name === "undefined" ? [] : [name],
  );
  return quoted.length > 1 ? `one of ${quoted.join(", ")}` : message;
}

type Issue = z.core.$ZodIssue;

/** A union reports all its members; the member that got furthest says what is wrong. */
function deepest(issues: readonly Issue[]): Issue {
  const first = issues[0] as Issue;
  if (first.code !== "invalid_union") return first;
  const branches = first.errors.filter((branch) => branch.length > 0);
  const inner = branches.map((branch) => deepest(branch));
  const best = inner.sort((a, b) => b.path.length - a.path.length)[0];
  if (best === undefined || (best.path.length === 0 && best.code !== "unrecognized_keys"))
    return first;
  return { ...best, path: [...first.path, ...best.path] };
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (at, key) =>
      typeof at === "object" && at !== null ? (at as Record<PropertyKey, unknown>)[key] : undefined,
    value,
  );
}

/** The keys that the schema knows at a path; of a union those of the member that the draft names. */
export function knownKeys(
  recipe: z.ZodType,
  path: readonly PropertyKey[],
  draft: unknown,
): string[] {
  const keys = nodesAt(recipe, path, draft).flatMap((node) => Object.keys(node.properties ?? {}));
  return [...new Set(keys)];
}

/** Whether null is one of the values that the schema has at a path. */
export function takesNull(
  recipe: z.ZodType,
  path: readonly PropertyKey[],
  draft: unknown,
): boolean {
  return nodesAt(recipe, path, draft).some(({ type }) => type === "null");
}

function nodesAt(recipe: z.ZodType, path: readonly PropertyKey[], draft: unknown): JsonSchema[] {
  const schema = z.toJSONSchema(recipe, { io: "input", unrepresentable: "any" });
  let nodes: JsonSchema[] = [schema as JsonSchema];
  for (const [depth, key] of path.entries()) {
    nodes = membersOf(nodes, valueAt(draft, path.slice(0, depth))).flatMap((node) => {
      const child = typeof key === "number" ? node.items : node.properties?.[String(key)];
      return child ? [child] : [];
    });
  }
  return membersOf(nodes, valueAt(draft, path));
}

function membersOf(nodes: readonly JsonSchema[], value: unknown): JsonSchema[] {
  const members = nodes.flatMap(branches);
  if (!isJsonObject(value) || value["kind"] === undefined) return members;
  const named = members.filter(({ properties }) => properties?.["kind"]?.const === value["kind"]);
  return named.length > 0 ? named : members;
}

interface JsonSchema {
  type?: string;
  const?: unknown;
  properties?: Record<string, JsonSchema>;
  items?: JsonSchema;
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
}

function branches(node: JsonSchema): JsonSchema[] {
  const inner = [...(node.anyOf ?? []), ...(node.oneOf ?? [])];
  return inner.length > 0 ? inner.flatMap(branches) : [node];
}
