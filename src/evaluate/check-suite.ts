/**
 * Looks at a suite before anything is trained or embedded: its set is there, its samples have what its
 * tasks ask for, and what the tasks name can be read. Decodes no picture and needs no model.
 */
import { lookThrough } from "../data/look-through.ts";
import { atPath, DataError } from "../errors.ts";
import { formatJson } from "../files/json-text.ts";
import { fitsWhere } from "../inference/features/fits-where.ts";
import type { Suite } from "./run-suite.ts";
import { taskKindOf } from "./tasks/index.ts";
import type { SetOutline } from "./tasks/task.ts";

const ONLY_LABEL =
  ", only a label: retrieval asks for captions, classification for labels " +
  "(--classes <file>, or a task of kind zeroShot)";

/** Values of a condition's key that a message names. */
const SHOWN = 5;

/**
 * path     of the suite in its recipe, for messages: `evaluate.suites.0`; without one a task is called as its
 *          metrics are, `birds/zeroShot`
 * throws   DataError or SettingError that names the place in the recipe: for a source that cannot be opened, a
 *          sample that cannot be used, conditions that none fulfils, classes that cannot be read, labels
 *          that are none of them
 */
export async function checkSuite(suite: Suite, path?: string): Promise<void> {
  const values = new Map(Object.keys(suite.where ?? {}).map((key) => [key, new Set<string>()]));
  const outline = await (path === undefined
    ? outlineOf(suite, values)
    : atPath(`${path}.source`, () => outlineOf(suite, values)));
  if (outline.keys.length === 0 && outline.isWhole) {
    throw nothingFits(suite, values, path ?? suite.name);
  }
  for (const [i, task] of suite.tasks.entries()) {
    const place = path === undefined ? `${suite.name}/${task.name}` : `${path}.tasks.${i}`;
    await atPath(place, () => taskKindOf(task).check(task, outline, place));
  }
}

/** By the key of a condition, the first values that samples have there, as JSON. */
type Values = ReadonlyMap<string, Set<string>>;

async function outlineOf({ source, where, tasks }: Suite, values: Values): Promise<SetOutline> {
  const [keys, labels, metas]: [string[], (string | undefined)[], Record<string, unknown>[]] = [
    [],
    [],
    [],
  ];
  const isWhole = await lookThrough(source, {
    captions: tasks.some((task) => taskKindOf(task).captions),
    onlyLabel: ONLY_LABEL,
    // Evaluation reads all samples, and ends at a bad one.
    onError: "fail",
    each: ({ key, label, meta }) => {
      for (const [name, found] of values) {
        const value = meta?.[name];
        if (found.size < SHOWN && value !== undefined) found.add(formatJson(value).slice(0, 60));
      }
      if (!fitsWhere(meta, where)) return;
      keys.push(key);
      labels.push(label);
      metas.push(meta ?? {});
    },
  });
  return { keys, labels, metas, isWhole };
}

function nothingFits({ source, where }: Suite, values: Values, path: string): DataError {
  const found = [...values].map(([name, some]) =>
    some.size === 0 ? `none has ${name}` : `${name} is ${[...some].join(", ")}`,
  );
  return new DataError(
    `Expected samples with ${JSON.stringify(where)} for ${path}.where but found none in ` +
      `${JSON.stringify(source)} (${found.join("; ")}); check the source and the conditions`,
    { source: JSON.stringify(source) },
  );
}
