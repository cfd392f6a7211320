/** The templates that a model carries, a file of its folder in every layout; other libraries pass it over. */
import { join } from "node:path";

import { CheckpointError } from "../errors.ts";
import { readingReason, readJsonFile } from "../files/regular-file.ts";
import { withPlace } from "../text/templates.ts";
import type { Place } from "./place.ts";

/** A JSON list of texts with `{}`. */
export const templatesFile = "zero_shot_templates.json";

/** No list of templates is larger. */
const MOST_BYTES = 1 << 20;

/**
 * The templates in a model's folder; undefined where it has none.
 *
 * throws  CheckpointError naming the file: no list of texts with a place for the name of a class
 */
export function folderTemplates(place: Place): readonly string[] | undefined {
  if (place.firstOf([templatesFile]) === undefined) return undefined;
  const file = join(place.folder, templatesFile);
  let value: unknown;
  try {
    value = readJsonFile(file, MOST_BYTES);
  } catch (cause) {
    throw unreadable(file, readingReason(cause), { cause });
  }
  const texts = Array.isArray(value) ? (value as unknown[]) : [];
  const templates = texts.map((text) => (typeof text === "string" ? withPlace(text) : undefined));
  const wrong = templates.indexOf(undefined);
  if (templates.length > 0 && wrong < 0) return templates as string[];
  throw unreadable(
    file,
    `it holds ${JSON.stringify(wrong < 0 ? value : texts[wrong]).slice(0, 80)}`,
  );
}

function unreadable(file: string, reason: string, options?: ErrorOptions): CheckpointError {
  return new CheckpointError(
    file,
    `Expected a JSON list of templates with {} in ${file} but ${reason}; correct the file, or remove it`,
    options,
  );
}

/** The text of the file. */
export function templatesJson(templates: readonly string[]): string {
  return `${JSON.stringify(templates, null, 2)}\n`;
}
