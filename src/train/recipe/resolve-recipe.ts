/** From what a recipe file says, plus overrides, to the resolved recipe that is saved and run. */
import { z } from "zod";

import { didYouMean, RecipeError } from "../../errors.ts";
import { isJsonObject } from "../../files/json-fields.ts";
import { checkSuites, checkTogether } from "./check-recipe.ts";
import { recipeSchema, suiteSchema, type ResolvedRecipe, type SuiteRecipe } from "./recipe.ts";

/** Where a recipe may name a model. A `--set` of one of its facts makes an object of a path. */
const modelKeys: readonly string[] = [
  "pretrained",
  "towers.image.pretrained",
  "towers.text.pretrained",
  "objective.teacher",
];

export interface ResolveOptions {
  /** Assignments such as `train.batchSize=256`, applied in order. */
  set?: readonly string[];
  /** Two steps of eight pairs, without caches: shows that a recipe runs. */
  smoke?: boolean;
}

/**
 * Fills in defaults and checks every key, then those that depend on each other.
 *
 * throws  RecipeError naming the first key that is unknown, missing, out of range or in contradiction
 */
export function resolveRecipe(recipe: unknown, options: ResolveOptions = {}): ResolvedRecipe {
  const resolved = resolveWith(recipeSchema, recipe, options);
  checkTogether(resolved);
  return freeze(resolved);
}

/**
 * A recipe with `set` and `smoke` applied, checked key by key and completed by a schema.
 *
 * throws  RecipeError naming the first key that is unknown, missing or out of range
 */
export function resolveWith<S extends z.ZodType>(
  schema: S,
  recipe: unknown,
  { set = [], smoke = false }: ResolveOptions,
): z.output<S> {
  const draft = copy(recipe);
  if (!isJsonObject(draft)) {
    throw new RecipeError("", `Expected an object for the recipe but received ${describe(draft)}`);
  }
  if (smoke) applySmoke(draft);
  for (const assignment of set) assign(draft, assignment);
  const parsed = schema.safeParse(draft);
  if (!parsed.success) throw explain(parsed.error, draft, schema);
  return parsed.data;
}

/** Checks a list of suites as `evaluate.suites` of a recipe is; RecipeError names what is wrong. */
export function resolveSuites(suites: unknown): SuiteRecipe[] {
  const parsed = z.array(suiteSchema).safeParse(suites);
  if (!parsed.success) throw explain(parsed.error, suites, recipeSchema);
  checkSuites(parsed.data, "suites");
  return parsed.data;
}

function copy(recipe: unknown): unknown {
  try {
    return structuredClone(recipe);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new RecipeError(
      "",
      `Expected plain data for the recipe but received something else (${reason}); ` +
        "export an object without functions",
      { cause },
    );
  }
}

function applySmoke(draft: Record<string, unknown>): void {
  const train = (draft["train"] ??= {});
  if (!isJsonObject(train)) return;
  Object.assign(train, { batchSize: 8, steps: 2, logEverySteps: 1 });
  delete train["microBatchSize"];
  delete train["minutes"];
  train["schedule"] = { kind: "constant" };
  train["checkpoint"] = {};
  dropCaches(draft);
}

/** Caches hold the whole data set, of which a smoke run reads two batches. */
function dropCaches({ data, towers }: Record<string, unknown>): void {
  if (isJsonObject(data)) delete data["cache"];
  if (!isJsonObject(towers)) return;
  for (const tower of Object.values(towers)) if (isJsonObject(tower)) delete tower["cache"];
}

/** `a.b=value`: JSON where it parses as JSON, else the text itself. */
function assign(draft: Record<string, unknown>, assignment: string): void {
  const split = assignment.indexOf("=");
  if (split < 1) {
    throw new RecipeError(
      assignment,
      `Expected path=value for --set but received "${assignment}"; write for example --set train.batchSize=256`,
    );
  }
  const keys = assignment.slice(0, split).split(".");
  const last = keys.pop() as string;
  let at = draft;
  for (const [i, key] of keys.entries()) {
    const path = keys.slice(0, i + 1).join(".");
    const next = modelKeys.includes(path) ? named(at[key]) : (at[key] ?? {});
    if (!isJsonObject(next)) {
      throw new RecipeError(
        assignment,
        `Expected an object at ${key} for --set ${assignment} but received ${describe(next)}; check the path`,
      );
    }
    at[key] = next;
    at = next;
  }
  at[last] = parseValue(assignment.slice(split + 1));
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

function describe(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

function explain(error: z.ZodError, draft: unknown, schema: z.ZodType): RecipeError {
  const issue = deepest(error.issues);
  const path = issue.path.map(String).join(".");
  if (issue.code === "unrecognized_keys") {
    const key = issue.keys[0] ?? "";
    const full = path === "" ? key : `${path}.${key}`;
    const known = knownKeys(schema, issue.path, draft);
    const hint = didYouMean(key, known);
    return new RecipeError(
      full,
      `Expected only known keys for the recipe but received ${full};` +
        (hint === "" ? ` known here: ${known.join(", ")}` : hint),
    );
  }
  const value = valueAt(draft, issue.path);
  return new RecipeError(
    path,
    `Expected ${wanted(issue)} for ${path || "the recipe"} but received ${describe(value)}; ` +
      `change it in the recipe or with --set ${path}=...${nearestChoice(issue, value)}`,
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
      return `${issue.origin} ${issue.inclusive ? "of at least" : "above"} ${issue.minimum}`;
    case "too_big":
      return `${issue.origin} ${issue.inclusive ? "of at most" : "below"} ${issue.maximum}`;
    case "invalid_value":
      return `one of ${issue.values.map(describe).join(", ")}`;
    default:
      return oneOf(
        issue.message.replace(/^Invalid (discriminator value. Expected|input)/, "").trim(),
      );
  }
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
function knownKeys(recipe: z.ZodType, path: readonly PropertyKey[], draft: unknown): string[] {
  const schema = z.toJSONSchema(recipe, { io: "input", unrepresentable: "any" });
  let nodes: JsonSchema[] = [schema as JsonSchema];
  for (const [depth, key] of path.entries()) {
    nodes = membersOf(nodes, valueAt(draft, path.slice(0, depth))).flatMap((node) => {
      const child = typeof key === "number" ? node.items : node.properties?.[String(key)];
      return child ? [child] : [];
    });
  }
  const keys = membersOf(nodes, valueAt(draft, path)).flatMap((node) =>
    Object.keys(node.properties ?? {}),
  );
  return [...new Set(keys)];
}

function membersOf(nodes: readonly JsonSchema[], value: unknown): JsonSchema[] {
  const members = nodes.flatMap(branches);
  if (!isJsonObject(value) || value["kind"] === undefined) return members;
  const named = members.filter(({ properties }) => properties?.["kind"]?.const === value["kind"]);
  return named.length > 0 ? named : members;
}

interface JsonSchema {
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

export function freeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    for (const child of Object.values(value)) freeze(child);
    Object.freeze(value);
  }
  return value;
}
