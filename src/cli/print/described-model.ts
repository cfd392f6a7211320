/** What `limn info` shows of a model. */
import type { ModelDescription } from "../../checkpoints/describe-model.ts";
import { templatesText } from "../../text/templates.ts";

function forPeople(description: ModelDescription): object {
  const { templates, holds } = description;
  if (holds !== "pair") return description;
  const shown = templates === null ? "none of its own: photo is used" : templatesText(templates);
  return { ...description, templates: shown };
}

/** A line for each fact, by its path. */
export function describedModel(description: ModelDescription): string {
  return flatten(forPeople(description))
    .map(([key, value]) => `${key.padEnd(34)} ${value}`)
    .join("\n");
}

function flatten(value: object, prefix = ""): [string, string][] {
  return Object.entries(value).flatMap(([key, inner]): [string, string][] => {
    const path = prefix === "" ? key : `${prefix}.${key}`;
    if (Number.isInteger(inner)) return [[path, (inner as number).toLocaleString("en-US")]];
    if (inner === null) return [[path, "none"]];
    if (Array.isArray(inner) && !inner.some(isObject)) return [[path, inner.join(", ")]];
    if (isObject(inner)) return flatten(inner, path);
    return [[path, String(inner)]];
  });
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
