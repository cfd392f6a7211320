/**
 * Prompt templates and class lists for zero-shot classification: which texts stand for a class.
 * Knows nothing about embeddings.
 */
import { didYouMean } from "../errors.ts";

/**
 * Named template sets; `{}` is replaced by the name of a class.
 *
 * - `bare`    the name alone
 * - `photo`   the single prompt of CLIP, arXiv:2103.00020, section 3.1.4
 * - `simple`  seven templates that CLIP's authors selected for ImageNet (their prompt-engineering
 *             notebook); nearly as good as the eighty
 */
export const promptTemplates: Readonly<Record<"bare" | "photo" | "simple", readonly string[]>> = {
  bare: ["{}"],
  photo: ["a photo of a {}."],
  simple: [
    "itap of a {}.",
    "a bad photo of the {}.",
    "a origami {}.",
    "a photo of the large {}.",
    "a {} in a video game.",
    "art of the {}.",
    "a photo of the small {}.",
  ],
};

/** The name of a built-in template set, or one's own templates. */
export type TemplateChoice = keyof typeof promptTemplates | readonly string[];

/** What Python's `str.format` and published sets call the place of the class. */
const places = /\{(?:c|0|cls|class|class_?name|label|name)\}/g;

/** A template with `{}` where the name of the class goes; undefined for one without such a place. */
export function withPlace(template: string): string | undefined {
  const plain = template.replaceAll(places, "{}");
  return plain.includes("{}") ? plain : undefined;
}

/**
 * The templates behind a choice, the place of the class as `{}`: `{c}`, `{0}`, `{label}` and others stand for
 * it too.
 *
 * throws  RangeError for an unknown set, an empty list, or a template without a place
 */
export function resolveTemplates(choice: TemplateChoice): readonly string[] {
  if (typeof choice === "string") {
    if (Object.hasOwn(promptTemplates, choice)) return promptTemplates[choice];
    const names = Object.keys(promptTemplates);
    throw new RangeError(
      `Expected one of ${names.join(", ")} for templates but received "${choice as string}"; ` +
        `name a set or pass a list of templates.${didYouMean(choice, names)}`,
    );
  }
  if (choice.length === 0) {
    throw new RangeError('Expected at least one template but received none; ["{}"] is the name.');
  }
  return choice.map((template) => {
    const placed = withPlace(template);
    if (placed !== undefined) return placed;
    throw new RangeError(
      `Expected "{}" in every template but received "${template}"; ` +
        "mark the place where the name of the class goes.",
    );
  });
}

/** `template` with every `{}` replaced by `name`, taken literally. */
export function fillTemplate(template: string, name: string): string {
  return template.replaceAll("{}", () => name);
}

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
 * alike   Two classes may have the same first name: they are told apart by their numbers. Default false
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
    const blank = all.length === 0 || all.some((name) => name.trim() === "");
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
