/** Classes of zero-shot classification by their names. Knows nothing about embeddings. */

/** A class: one name or several that mean the same; the first is shown in results. */
export type ClassEntry = string | readonly string[];

/** Classes in index order, each with one or more names. */
interface ClassList {
  /** First name of every class. */
  readonly labels: readonly string[];
  /** All names of every class. */
  readonly names: readonly (readonly string[])[];
}

/**
 * A class list from entries such as `["cat", ["dog", "hound"]]`.
 *
 * alike   Classes are told apart by their numbers: two may have the same first name, and the only name of one
 *         may be empty, as published sets have them. Default false
 * throws  RangeError for no classes, a class without names, an empty name, or two classes with the
 *         same first name (their results could not be told apart)
 */
export function classList(
  entries: readonly ClassEntry[],
  { alike = false }: { alike?: boolean } = {},
): ClassList {
  if (entries.length === 0) throw new RangeError("Expected at least one class but received none.");
  const names = entries.map((entry) => (typeof entry === "string" ? [entry] : [...entry]));
  const seen = new Map<string, number>();
  const labels = names.map((all, index) => {
    const isUnnamed = alike && all.length === 1 && all[0] === "";
    const blank = !isUnnamed && (all.length === 0 || all.some((name) => name.trim() === ""));
    const label = all[0];
    if (blank || label === undefined) {
      throw new RangeError(
        `Expected names for class ${index} but received ${JSON.stringify(all)}; ` +
          "give every class at least one name and leave none empty.",
      );
    }
    const twin = alike ? undefined : seen.get(label);
    if (twin !== undefined) {
      throw new RangeError(
        `Expected different first names but classes ${twin} and ${index} are both "${label}"; ` +
          "merge them or rename one.",
      );
    }
    seen.set(label, index);
    return label;
  });
  return { labels, names };
}
