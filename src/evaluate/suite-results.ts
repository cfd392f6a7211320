/** What was measured on a suite, as one JSON file: numbers for people and programs, items to compare models by. */
import { z } from "zod";

import { DataError } from "../errors.ts";
import { isJsonObject } from "../files/json-fields.ts";
import { readJsonFile, readingReason } from "../files/regular-file.ts";

const FORMAT = "limn-suite-results";
const VERSION = 1;

/** A number of one metric; JSON has no NaN, so null stands for a number that there is none of. */
const metricSchema = z.looseObject({
  value: z.number().nullable(),
  /** Bootstrap interval; absent where nothing was resampled. */
  low: z.number().nullable().optional(),
  high: z.number().nullable().optional(),
  /** What guessing gives; null where that has no meaning. */
  chance: z.number().nullable(),
  /** (value - chance) / (1 - chance) of shares: 0 is guessing, 1 is perfect. */
  lift: z.number().nullable().optional(),
  /** Items behind the number. */
  count: z.number(),
  unit: z.string(),
  better: z.enum(["larger", "smaller"]),
});

const columnSchema = z.array(z.number().nullable());

const taskSchema = z.looseObject({
  name: z.string(),
  kind: z.string(),
  language: z.string().optional(),
  /** By path behind `<set>/<task>/`, such as `top1`. */
  metrics: z.record(z.string(), metricSchema),
  notes: z.array(z.string()),
  facts: z.record(z.string(), z.unknown()),
  /** See `ItemColumns`; absent where items were not kept. */
  items: z
    .looseObject({
      keys: z.array(z.string()),
      clusters: z.array(z.number()).optional(),
      columns: z.record(z.string(), columnSchema),
    })
    .optional(),
});

const setSchema = z.looseObject({
  name: z.string(),
  title: z.string(),
  state: z.enum(["measured", "missing", "damaged"]),
  /** Why it was not measured. */
  reason: z.string().optional(),
  /** `<task>/<path>` of the number that stands for the set. */
  main: z.string().optional(),
  samples: z.number().optional(),
  tasks: z.array(taskSchema),
});

const averageSchema = z.looseObject({
  name: z.string(),
  title: z.string(),
  /** Mean of the sets' main metrics; null where none of them is there. */
  value: z.number().nullable(),
  low: z.number().nullable().optional(),
  high: z.number().nullable().optional(),
  /** Sets that it is of, and those of them that were measured. */
  of: z.number(),
  measured: z.number(),
});

const languageSchema = z.looseObject({
  set: z.string(),
  kind: z.string(),
  metric: z.string(),
  /** Over languages. */
  mean: z.number(),
  worst: z.object({ language: z.string(), value: z.number() }),
  rows: z.array(z.looseObject({ language: z.string(), value: z.number().nullable().optional() })),
});

const schema = z.looseObject({
  format: z.literal(FORMAT),
  version: z.literal(VERSION),
  suite: z.looseObject({ name: z.string(), title: z.string() }),
  model: z.looseObject({ name: z.string(), fingerprint: z.string(), precision: z.string() }),
  level: z.number(),
  sets: z.array(setSchema),
  averages: z.array(averageSchema),
  /** Of sets with a task for each of several languages. */
  languages: z.array(languageSchema).optional(),
});

export type MetricResult = z.infer<typeof metricSchema>;
export type TaskRecord = z.infer<typeof taskSchema>;
export type SetResult = z.infer<typeof setSchema>;
export type Average = z.infer<typeof averageSchema>;
export type SuiteResults = z.infer<typeof schema>;

/** The head of a file of results. */
export const resultsFormat: { readonly format: typeof FORMAT; readonly version: typeof VERSION } = {
  format: FORMAT,
  version: VERSION,
};

/**
 * The results in a file of `limn suite run --out` or of its `--json`.
 *
 * throws  DataError for a file that cannot be read, or holds something else
 */
export function readSuiteResults(file: string): SuiteResults {
  let value: unknown;
  try {
    value = readJsonFile(file);
  } catch (cause) {
    throw unusable(file, readingReason(cause), cause);
  }
  if (!isJsonObject(value) || value["format"] !== FORMAT)
    throw unusable(file, "it is another file");
  if (value["version"] !== VERSION) {
    throw unusable(file, `it is of version ${JSON.stringify(value["version"])}, not ${VERSION}`);
  }
  const { success, error, data } = schema.safeParse(value);
  if (success) return data;
  const [issue] = error.issues;
  throw unusable(file, `${issue?.path.join(".")}: ${issue?.message}`, error);
}

function unusable(file: string, reason: string, cause?: unknown): DataError {
  return new DataError(
    `Expected results of limn suite run in ${file} but could not read them (${reason}); ` +
      "give the results.json that it writes",
    { source: file },
    { cause },
  );
}
