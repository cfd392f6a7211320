/** Pictures by a value of their record, such as a region. */
import { DataError, didYouMean } from "../../errors.ts";
import { formatJson } from "../../files/json-text.ts";
import type { EmbeddedDataset } from "../../inference/features/embed-dataset.ts";
import { answerText } from "../class-answers.ts";

/** Which groups a task tells apart. */
export interface GroupsAsked {
  readonly key: string;
  /** Values that are no group. */
  readonly ignore?: readonly string[] | undefined;
}

export interface Groups {
  /** [N] place of each picture's group in `names`, -1 for one that is ignored */
  readonly codes: Int32Array;
  readonly names: readonly string[];
}

/** throws  DataError for a picture without a value, and where all are ignored */
export function groupsOf(
  { keys, metas }: Pick<EmbeddedDataset, "keys" | "metas">,
  { key, ignore = [] }: GroupsAsked,
  images: Int32Array,
): Groups {
  const values = Array.from(images, (image) => {
    const value = metas[image]?.[key];
    if (!isAbsent(value)) return answerText(value) ?? formatJson(value);
    const sample = keys[image] ?? "";
    throw new DataError(
      `Expected a value of ${key} for the groups but sample ${sample} has none` +
        `${didYouMean(key, Object.keys(metas[image] ?? {}))}; name a key that all samples have`,
      { source: sample, key: sample },
    );
  });
  const names = [...new Set(values)].filter((name) => !ignore.includes(name)).sort(byName);
  if (names.length === 0) {
    throw new DataError(
      `Expected pictures of a group by ${key} but received only ${ignore.join(", ")}, which are ` +
        "ignored; name another key",
      { source: key },
    );
  }
  return { codes: Int32Array.from(values, (value) => names.indexOf(value)), names };
}

/** Whether a record says nothing: NaN is what pandas writes for that. */
export function isAbsent(value: unknown): boolean {
  return value === undefined || value === null || Number.isNaN(value);
}

const byName = (a: string, b: string): number => a.localeCompare(b, "en", { numeric: true });

export function groupFacts(
  { codes, names }: Groups,
  asked: GroupsAsked | undefined,
  ranks: Int32Array,
): Record<string, unknown> {
  const rows = names.map((name, code) => {
    const own = ranks.filter((_, i) => codes[i] === code);
    const share = (k: number): number => own.filter((rank) => rank <= k).length / own.length;
    return { name, count: own.length, top1: share(1), top5: share(5) };
  });
  return { ...asked, rows };
}
