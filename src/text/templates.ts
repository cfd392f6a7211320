/**
 * Prompt templates: the sentences that the names of classes are put into. A model carries those that it was
 * trained for. Knows nothing about models and embeddings.
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

type SetName = keyof typeof promptTemplates;

/** The name of a built-in set, one template, or a list of templates. */
export type TemplateChoice = SetName | (string & {}) | readonly string[];

/** Where templates come from: who asked, the model's folder, the data set's folder, or nobody (`photo`). */
export type TemplateOrigin = "given" | "model" | "data" | "default";

/** Templates with `{}` as the place of the name, and where they come from. */
export interface ChosenTemplates {
  readonly templates: readonly string[];
  readonly templatesFrom: TemplateOrigin;
}

/** What Python's `str.format` and published sets call the place of the class. */
const places = /\{(?:c|0|cls|class|class_?name|label|name)\}/g;

/** A template with `{}` where the name of the class goes; undefined for one without such a place. */
export function withPlace(template: string): string | undefined {
  const plain = template.replaceAll(places, "{}");
  return plain.includes("{}") ? plain : undefined;
}

/** Those of the built-in set of that name, or the one that the text is; undefined where it is neither. */
export function templatesCalled(choice: string): readonly string[] | undefined {
  if (Object.hasOwn(promptTemplates, choice)) return promptTemplates[choice as SetName];
  const placed = withPlace(choice);
  return placed === undefined ? undefined : [placed];
}

/**
 * The templates behind a choice, the place of the class as `{}`: `{c}`, `{0}`, `{label}` and others stand for
 * it too.
 *
 * throws  RangeError for a text that is neither a set nor a template, an empty list, or a template without
 *         a place
 */
export function resolveTemplates(choice: TemplateChoice): readonly string[] {
  if (typeof choice === "string") {
    const called = templatesCalled(choice);
    if (called !== undefined) return called;
    const names = Object.keys(promptTemplates);
    throw new RangeError(
      `Expected one of ${names.join(", ")}, or a text with {}, for templates but received "${choice}"; ` +
        `name a set, or mark the place where the name of the class goes.${didYouMean(choice, names)}`,
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

/**
 * The templates to use: what was asked for, else the model's own, else the data set's, else `photo`.
 *
 * throws  RangeError as `resolveTemplates`, for what was asked for
 */
export function chooseTemplates({
  given,
  model,
  data,
}: {
  given?: TemplateChoice | undefined;
  model?: readonly string[] | undefined;
  data?: readonly string[] | undefined;
}): ChosenTemplates {
  if (given !== undefined) return { templates: resolveTemplates(given), templatesFrom: "given" };
  if (model !== undefined) return { templates: model, templatesFrom: "model" };
  if (data !== undefined) return { templates: data, templatesFrom: "data" };
  return { templates: promptTemplates.photo, templatesFrom: "default" };
}

const origins: Readonly<Record<TemplateOrigin, string>> = {
  given: "",
  model: ", the model's own",
  data: ", the data set's, as the model has none of its own",
  default: ", the default, as the model has none of its own",
};

/** The templates in use in words: `bare ("{}"), the model's own`. */
export function describeTemplates({ templates, templatesFrom }: ChosenTemplates): string {
  return `${templatesText(templates)}${origins[templatesFrom]}`;
}

/** `bare ("{}")`, `"an icon of {}"`, `simple ("itap of a {}." and 6 more)`. */
export function templatesText(templates: readonly string[]): string {
  const key = JSON.stringify(templates);
  const name = Object.entries(promptTemplates).find(([, set]) => JSON.stringify(set) === key)?.[0];
  const first = JSON.stringify(templates[0] ?? "");
  const all = templates.length > 1 ? `${first} and ${templates.length - 1} more` : first;
  return name === undefined ? all : `${name} (${all})`;
}

/** `template` with every `{}` replaced by `name`, taken literally. */
export function fillTemplate(template: string, name: string): string {
  return template.replaceAll("{}", () => name);
}
