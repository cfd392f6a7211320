#!/usr/bin/env node
/**
 * Writes the tables of recipes.md from the schemas that check recipes: `npm run docs`, after a build.
 * A marked part, from `<!-- generated: NAME -->` to `<!-- end -->`, is replaced; the rest is kept.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { format, resolveConfig } from "prettier";
import { z } from "zod";

import { pairNames, smallPairNames } from "../dist/src/pair/published.js";
import {
  imageTowerKinds,
  imageTowerNames,
  textTowerKinds,
  textTowerNames,
} from "../dist/src/towers/index.js";
import { smallTextSizes } from "../dist/src/towers/text/text-transformer.js";
import { recipeSchema } from "../dist/src/train/recipe/recipe.js";
import { pretrainSchema } from "../dist/src/train/recipe/pretrain-recipe.js";

/**
 * What is read of a JSON schema.
 * @typedef {{
 *   type?: string,
 *   description?: string,
 *   const?: unknown,
 *   enum?: unknown[],
 *   default?: unknown,
 *   properties?: Record<string, JsonSchema>,
 *   required?: string[],
 *   items?: JsonSchema,
 *   prefixItems?: JsonSchema[],
 *   anyOf?: JsonSchema[],
 *   oneOf?: JsonSchema[],
 *   minimum?: number,
 *   maximum?: number,
 *   exclusiveMinimum?: number,
 *   exclusiveMaximum?: number,
 * }} JsonSchema
 */

export const file = fileURLToPath(new URL("recipes.md", import.meta.url));

const recipe = jsonOf(recipeSchema);
const pretraining = membersOf(jsonOf(pretrainSchema));
const [pair] = membersOf(at(recipe, "model")).filter(({ properties }) => properties);
const sized = membersOf(at(pair ?? {}, "image")).filter((member) => kindOf(member) === "sized");

/**
 * Keys of the tables made so far that have no description in their schema, as `part: key`.
 * @type {Set<string>}
 */
export const undescribed = new Set();
let part = "";

/** @type {Record<string, () => string>} */
const parts = {
  names,
  "image towers": () =>
    kindTables([...imageTowerKinds.map(({ schema }) => jsonOf(schema)), ...sized]),
  "text towers": () => kindTables(textTowerKinds.map(({ schema }) => jsonOf(schema))),
  pair: () => table(rowsOf(pair ?? {})),
  recipe: () => table(rowsOf(recipe)),
  "model changes": () => table(rowsOf(at(recipe, "modelChanges"))),
  towers: () => {
    const towers = at(recipe, "towers");
    const image = rowsOf(at(towers, "image"), "image.");
    return table([...rowsOf(towers), ...image]);
  },
  logits: () => table(rowsOf(at(recipe, "logits"), "", 2)),
  data: () => table(rowsOf(at(recipe, "data"), "", 2)),
  sources: () => kindTables(membersOf(at(recipe, "data", "train"))),
  train: () => table(rowsOf(at(recipe, "train"), "", 2)),
  optimizers: () => kindTables(membersOf(at(recipe, "train", "optimizer"))),
  evaluate: () => table(rowsOf(at(recipe, "evaluate"), "", 2)),
  tasks: () => kindTables(membersOf(at(recipe, "evaluate", "suites", "tasks"))),
  objectives: () => kindTables(membersOf(at(recipe, "objective"))),
  pretraining: () =>
    kindTables(pretraining, (member) =>
      rowsOf(member).flatMap((row) =>
        ["labels", "evaluate"].includes(row.key)
          ? [row, ...rowsOf(at(member, row.key), `${row.key}.`)]
          : [row],
      ),
    ),
};

/**
 * The document with its marked parts made anew, formatted.
 * @param {string} text
 * @returns {Promise<string>}
 */
export async function generate(text) {
  const seen = new Set();
  const filled = text.replace(
    /(<!-- generated: ([\w ]+) -->)[\s\S]*?(<!-- end -->)/g,
    (_, begin, /** @type {string} */ name, end) => {
      const make = parts[name];
      if (!make) throw new Error(`Expected one of ${Object.keys(parts).join(", ")}, not ${name}`);
      seen.add(name);
      part = name;
      return `${begin}\n\n${make()}\n\n${end}`;
    },
  );
  const missing = Object.keys(parts).filter((name) => !seen.has(name));
  if (missing.length > 0) throw new Error(`recipes.md has no part for ${missing.join(", ")}`);
  return format(filled, { ...(await resolveConfig(file)), filepath: file });
}

/** @param {z.ZodType} schema */
function jsonOf(schema) {
  const options = /** @type {const} */ ({ io: "input", unrepresentable: "any", reused: "inline" });
  return /** @type {JsonSchema} */ (z.toJSONSchema(schema, options));
}

/**
 * The schema below some keys; lists are stepped into.
 * @param {JsonSchema} schema
 * @param {string[]} keys
 * @returns {JsonSchema}
 */
function at(schema, ...keys) {
  let here = schema;
  for (const key of keys) {
    const child = (here.items ?? here).properties?.[key];
    if (!child)
      throw new Error(`Expected a key ${key} in ${Object.keys(here.properties ?? {}).join(", ")}`);
    here = child;
  }
  return here.items ?? here;
}

/**
 * The members of a union, of unions in it too.
 * @param {JsonSchema} schema
 * @returns {JsonSchema[]}
 */
function membersOf(schema) {
  const members = schema.anyOf ?? schema.oneOf;
  return members ? members.flatMap(membersOf) : [schema];
}

/** @param {JsonSchema} schema */
function kindOf(schema) {
  const { kind } = schema.properties ?? {};
  return kind === undefined ? undefined : String(kind.const);
}

/**
 * A heading and a table for each member of a union, in which `kind` tells them apart.
 * @param {JsonSchema[]} members
 * @param {(member: JsonSchema) => Row[]} [rows]
 */
function kindTables(members, rows = (member) => rowsOf(member)) {
  return members
    .map((member) => {
      const words = member.description;
      const head = `**\`${kindOf(member)}\`**${words === undefined ? "" : `: ${words}.`}`;
      const own = rows(member).filter(({ key }) => key !== "kind");
      return own.length === 0 ? head : `${head}\n\n${table(own)}`;
    })
    .join("\n\n");
}

/**
 * @typedef {{ key: string, values: string, usual: string, meaning: string }} Row
 */

/**
 * One row a key, with the keys of objects below it down to `depth` levels.
 * @param {JsonSchema} schema
 * @param {string} prefix
 * @param {number} depth
 * @returns {Row[]}
 */
function rowsOf(schema, prefix = "", depth = 1) {
  return Object.entries(schema.properties ?? {}).flatMap(([name, child]) => {
    const key = prefix + name;
    const inner = child.items?.properties ? child.items : child;
    const row = {
      key,
      values: valuesOf(child),
      usual: usualOf(child, schema.required?.includes(name) === true),
      meaning: described(child, key),
    };
    const nested = depth > 1 || inner !== child;
    const step = inner === child ? "." : "[].";
    return nested ? [row, ...rowsOf(inner, key + step, depth - 1)] : [row];
  });
}

/**
 * What a schema says of itself. A key without words is left to the test, which names it.
 * @param {JsonSchema} schema
 * @param {string} key
 */
function described({ description }, key) {
  if (description === undefined && key !== "kind") undescribed.add(`${part}: ${key}`);
  return description ?? "";
}

/**
 * @param {JsonSchema} schema
 * @param {boolean} required
 */
function usualOf({ default: usual }, required) {
  if (required) return "required";
  if (usual === undefined || (typeof usual === "object" && usual !== null && !Array.isArray(usual)))
    return "";
  if (Array.isArray(usual)) return usual.length === 0 ? "none" : usual.map(code).join(", ");
  return code(usual);
}

/** @param {unknown} value */
function code(value) {
  const small = typeof value === "number" && value > 0 && value < 1e-3;
  return `\`${small ? value.toExponential() : String(value)}\``;
}

/**
 * What a key may hold, in a few words.
 * @param {JsonSchema} schema
 * @returns {string}
 */
function valuesOf(schema) {
  const members = schema.anyOf ?? schema.oneOf;
  if (members) return [...new Set(members.map(valuesOf))].filter(Boolean).join(" or ");
  if (schema.enum) return schema.enum.map(code).join(", ");
  if (schema.const !== undefined) return code(schema.const);
  switch (schema.type) {
    case "integer":
      return `whole number${rangeOf(schema)}`;
    case "number":
      return `number${rangeOf(schema)}`;
    case "boolean":
      return "`true`, `false`";
    case "string":
      return "text";
    case "null":
      return "`null`";
    case "array": {
      if (schema.prefixItems) return `list of ${schema.prefixItems.length}`;
      const item = schema.items ? valuesOf(schema.items) : "";
      return item === "" ? "list" : `list of ${item}`.replace(/object$/, "objects");
    }
    default:
      return "object";
  }
}

/** @param {JsonSchema} schema */
function rangeOf({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }) {
  const bounds = [];
  if (minimum !== undefined && minimum !== Number.MIN_SAFE_INTEGER) bounds.push(`≥ ${minimum}`);
  if (exclusiveMinimum !== undefined) bounds.push(`> ${exclusiveMinimum}`);
  if (maximum !== undefined && maximum !== Number.MAX_SAFE_INTEGER) bounds.push(`≤ ${maximum}`);
  if (exclusiveMaximum !== undefined) bounds.push(`< ${exclusiveMaximum}`);
  return bounds.length === 0 ? "" : ` ${bounds.join(", ")}`;
}

/** @param {Row[]} rows */
function table(rows) {
  const lines = rows.map(
    ({ key, values, usual, meaning }) =>
      `| ${code(key)} | ${values} | ${usual} | ${meaning.replaceAll("|", "\\|")} |`,
  );
  return ["| key | values | default | meaning |", "| - | - | - | - |", ...lines].join("\n");
}

function names() {
  const own = [...smallPairNames, ...Object.keys(smallTextSizes)];
  /** @param {string} name */
  const isPublished = (name) => !own.includes(name);
  return [
    wrapped("**Pairs**", pairNames.filter(isPublished)),
    wrapped("**Image towers**", imageTowerNames.filter(isPublished)),
    wrapped("**Text towers**", textTowerNames.filter(isPublished)),
    wrapped("**Small pairs and image towers** of limn's own", smallPairNames),
    wrapped("**Small text towers** of limn's own", Object.keys(smallTextSizes)),
  ].join("\n\n");
}

/**
 * A paragraph of names in lines of at most 100 characters.
 * @param {string} head
 * @param {readonly string[]} all
 */
function wrapped(head, all) {
  const lines = [`${head}:`];
  for (const [i, name] of all.entries()) {
    const word = `${code(name)}${i === all.length - 1 ? "." : ","}`;
    const last = lines[lines.length - 1] ?? "";
    if (last.length + word.length + 1 > 100) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines.join("\n");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(file, await generate(readFileSync(file, "utf8")));
}
