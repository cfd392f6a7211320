/**
 * Looks at a suite before anything is trained or embedded: its set is there, its samples have what its
 * tasks ask for, and what the tasks name can be read. Decodes no picture and needs no model.
 */
import { lookThrough } from "../data/look-through.ts";
import { atPath, DataError } from "../errors.ts";
import { fitsWhere } from "../inference/embed-dataset.ts";
import type { Suite } from "./run-suite.ts";
import { taskKindOf } from "./tasks/index.ts";
import type { SetOutline } from "./tasks/task.ts";

const ONLY_LABEL =
  ", only a label: for classification name the classes (--classes <file>, or a task of kind zeroShot)";

/**
 * path     of the suite in its recipe, for messages: `evaluate.suites.0`; without one a task is called as its
 *          metrics are, `birds/zeroShot`
 * throws   DataError or SettingError that names the place in the recipe: for a source that cannot be opened, a
 *          sample that cannot be used, conditions that none fulfils, classes that cannot be read, labels
 *          that are none of them
 */
export async function checkSuite(suite: Suite, path?: string): Promise<void> {
  const outline = await (path === undefined
    ? outlineOf(suite)
    : atPath(`${path}.source`, () => outlineOf(suite)));
  if (outline.keys.length === 0 && outline.isWhole) throw nothingFits(suite, path ?? suite.name);
  for (const [i, task] of suite.tasks.entries()) {
    const place = path === undefined ? `${suite.name}/${task.name}` : `${path}.tasks.${i}`;
    await atPath(place, () => taskKindOf(task).check(task, outline, place));
  }
}

async function outlineOf({ source, where, tasks }: Suite): Promise<SetOutline> {
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
      if (!fitsWhere(meta, where)) return;
      keys.push(key);
      labels.push(label);
      metas.push(meta ?? {});
    },
  });
  return { keys, labels, metas, isWhole };
}

function nothingFits({ source, where }: Suite, path: string): DataError {
  return new DataError(
    `Expected samples with ${JSON.stringify(where)} for ${path}.where but found none in ` +
      `${JSON.stringify(source)}; check the source and the conditions`,
    { source: JSON.stringify(source) },
  );
}
