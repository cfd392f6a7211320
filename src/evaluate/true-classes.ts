/** The class that every picture of a set belongs to, and the pictures that are of none. */
import { counted, DataError, didYouMean } from "../errors.ts";
import { formatJson } from "../files/json-text.ts";
import type { EmbeddedDataset } from "../inference/features/embed-dataset.ts";
import { answerText, ClassAnswers } from "./class-answers.ts";
import type { NamedClass } from "./read-classes.ts";

/** Pictures whose label is none of the classes. */
export interface LeftOut {
  readonly count: number;
  /** Those of them that have no label at all. */
  readonly withoutLabel: number;
  /** The first labels that no class has, each once. */
  readonly labels: readonly string[];
}

export interface TrueClasses {
  /** [N] place in the data set of each picture that belongs to a class */
  readonly images: Int32Array;
  /** [N] index of its class */
  readonly truths: Int32Array;
  readonly leftOut: LeftOut;
}

interface Asked {
  readonly classes: readonly NamedClass[];
  /** Where a sample keeps its class: `label`, or a key of its JSON. */
  readonly answer: string;
  /** Default `fail`. */
  readonly unknownLabels?: "fail" | "skip" | undefined;
}

/** Labels that a message or a result names. */
const SHOWN = 5;

/**
 * Finds the classes of a set's pictures, by name or number.
 *
 * throws  DataError for a picture of none, unless these are left out; where all would be; and for a name that
 *         several classes have
 */
export function trueClasses(
  dataset: Pick<EmbeddedDataset, "keys" | "labels" | "metas">,
  { classes, answer, unknownLabels = "fail" }: Asked,
): TrueClasses {
  const index = new ClassAnswers(classes);
  const answers = dataset.keys.map((_, i) =>
    answer === "label" ? dataset.labels[i] : dataset.metas[i]?.[answer],
  );
  const found = answers.map((one) => index.find(one));
  const images = found.flatMap((place, i) => (place === undefined ? [] : [i]));
  const unknown = answers.filter((_, i) => found[i] === undefined);
  // A name of several classes is a mistake of the list, and not left out.
  const canSkip = unknownLabels === "skip" && images.length > 0;
  const first = found.findIndex(
    (place, i) => place === undefined && (!canSkip || index.isShared(answers[i])),
  );
  if (first >= 0) {
    const canLeaveOut = images.length > 0 && !index.isShared(answers[first]);
    const meta = dataset.metas[first] ?? {};
    throw noClass(
      { key: dataset.keys[first] ?? "", answer, value: answers[first], meta },
      { index, all: found.length, without: unknown.length, classes: classes.length, canLeaveOut },
    );
  }
  const labels = [...new Set(unknown.filter((one) => one !== undefined).map(text))];
  return {
    images: Int32Array.from(images),
    truths: Int32Array.from(images, (i) => found[i] as number),
    leftOut: {
      count: unknown.length,
      withoutLabel: unknown.filter((one) => one === undefined).length,
      labels: labels.slice(0, SHOWN),
    },
  };
}

interface Unplaced {
  key: string;
  answer: string;
  value: unknown;
  meta: Record<string, unknown>;
}

interface Surroundings {
  index: ClassAnswers;
  classes: number;
  /** Samples, and those of them that are of no class. */
  all: number;
  without: number;
  canLeaveOut: boolean;
}

function noClass(
  { key, answer, value, meta }: Unplaced,
  { index, classes, all, without, canLeaveOut }: Surroundings,
): DataError {
  const isMissing = value === undefined;
  const received = isMissing
    ? `nothing: it has no ${answer}`
    : `${formatJson(value)}: ${index.problem(value)}`;
  const many = without > 1 ? ` (of no class: ${without} of ${counted(all, "sample")})` : "";
  const add = isMissing ? "label it" : "add the class";
  const cure = canLeaveOut
    ? `${add}, name another key as answer, or leave such pictures out with --unknown-labels skip ` +
      '(unknownLabels: "skip" in a task)'
    : `${add}, or name another key as answer`;
  const hint = isMissing ? didYouMean(answer, Object.keys(meta)) : "";
  return new DataError(
    `Expected one of ${counted(classes, "class", "classes")} for ${answer} of sample ${key} but ` +
      `received ${received}${many}; ${cure}${hint === "" ? "" : `.${hint}`}`,
    { source: key, key },
  );
}

/** What was left out of so many pictures, as a sentence. */
export function leftOutText({ count, withoutLabel, labels }: LeftOut, all: number): string {
  const reasons = [
    ...(labels.length > 0
      ? [
          `their labels are none of the classes, such as ${labels.map((one) => JSON.stringify(one)).join(", ")}`,
        ]
      : []),
    ...(withoutLabel > 0 ? [`${withoutLabel.toLocaleString("en-US")} without a label`] : []),
  ];
  const whole = counted(all, "picture");
  return `${count.toLocaleString("en-US")} of ${whole} left out: ${reasons.join("; ")}`;
}

function text(answer: unknown): string {
  return answerText(answer) ?? formatJson(answer);
}
