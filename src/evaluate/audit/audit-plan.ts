/** What an audit is asked for, read and checked against the records of a set. Knows no model. */
import { resolveBootstrap, type BootstrapOptions } from "../../arrays/bootstrap.ts";
import { DataError, didYouMean, SettingError } from "../../errors.ts";
import { type TemplateChoice } from "../../text/templates.ts";
import { benchmarkTemplatesOf } from "../benchmark-folder.ts";
import { ClassAnswers } from "../class-answers.ts";
import { readClasses, type ClassDescription, type NamedClass } from "../read-classes.ts";
import { trueClasses, type LeftOut } from "../true-classes.ts";
import {
  faceNames,
  hasObjectives,
  readFaceRecords,
  readObjectives,
  type FaceRecords,
} from "./fairface.ts";
import { checkKey, groupSamples, valueText, type Grouping, type ValueNames } from "./grouping.ts";
import { readIncomes } from "./income-slope.ts";
import { fairFaceObjectives, type Objectives } from "./texts/prompts.ts";

/** What is asked about a set's samples. */
export interface AuditQuestions {
  /**
   * Keys of the samples' records, several of them crossed: `[["region"], ["gender", "race"]]`. FairFace's
   * protocol has race and gender by default.
   */
  groups?: readonly (readonly string[])[] | undefined;
  /** The classes, for accuracy: a list or a file. Names that begin with objectives ask for FairFace's protocol. */
  classes?: string | readonly ClassDescription[] | undefined;
  /** Where a sample keeps its class: `label` (the default), or a key of its record. */
  answer?: string | undefined;
  /** Whether a picture whose class is none of `classes` is an error or left out. Default `fail`. */
  unknownLabels?: "fail" | "skip" | undefined;
  /** Default: the model's own, else those beside the classes, else `photo`. */
  templates?: TemplateChoice | undefined;
  /** Asks what faces are taken for, with DataComp's prompts unless the set has its own. */
  protocol?: "fairface" | undefined;
  /** A class whose rates are compared between groups; of two classes the second by default. */
  positive?: string | undefined;
  /** The key of a sample's income, above 0. */
  income?: string | undefined;
  /** The key of what several samples share, such as a household: drawn as a whole for intervals. */
  cluster?: string | undefined;
  /** A sample without a key is left out and counted, or an error. Default `skip`. */
  unknown?: "skip" | "fail" | undefined;
  /** Words for values of keys: `{ gender: { 0: "man", 1: "woman" } }`. */
  valueNames?: ValueNames | undefined;
  /** Groups of fewer samples are suppressed. Default 30. */
  least?: number | undefined;
  /** Neutral queries: Berg et al.'s about people (the default), others, or none. */
  queries?: "people" | readonly string[] | undefined;
  /** Whether association tests are made. Default true. */
  associations?: boolean | undefined;
  /** Whether texts are debiased by projection, to see what that changes. Default true. */
  debias?: boolean | undefined;
  /** Its clusters are those of `cluster`. */
  bootstrap?: Omit<BootstrapOptions, "clusters"> | undefined;
}

export interface AuditPlan {
  readonly questions: AuditQuestions;
  readonly groups: readonly (readonly string[])[];
  readonly classes?: readonly NamedClass[];
  readonly answer: string;
  /** Templates beside the classes. */
  readonly templatesBeside?: readonly string[] | undefined;
  readonly positive?: number;
  readonly faces?: { readonly objectives: Objectives; readonly from: "set" | "datacomp" };
  readonly valueNames: ValueNames;
  readonly least: number;
  readonly bootstrap: ReturnType<typeof resolveBootstrap>;
}

/**
 * Reads the files that the questions name.
 *
 * throws  DataError for classes that cannot be read; SettingError for neither groups nor FairFace's protocol,
 *         a positive class that is none, and numbers out of range
 */
export function planAudit(questions: AuditQuestions): AuditPlan {
  const { least = 30, valueNames = {} } = questions;
  if (!Number.isInteger(least) || least < 1) {
    throw new SettingError(
      "least",
      `Expected a whole number of 1 or more for least but received ${least}; 30 is usual`,
    );
  }
  const { faces, classes } = classesOf(questions);
  const groups = questions.groups ?? (faces === undefined ? [] : [["race"], ["gender"]]);
  if (groups.length === 0 || groups.some((keys) => keys.length === 0)) {
    throw new SettingError(
      "groups",
      "Expected keys of the samples' records for groups, such as region, but received none; name what " +
        "samples are grouped by",
    );
  }
  const positive = positiveOf(questions.positive, classes);
  return {
    questions,
    groups,
    ...(classes && { classes }),
    // FairFace's faces keep theirs in the record, by number or by name.
    answer: faces === undefined ? (questions.answer ?? "label") : "gender",
    templatesBeside:
      faces === undefined
        ? benchmarkTemplatesOf(questions.classes)
        : faces.objectives.gender.templates,
    ...(positive !== undefined && { positive }),
    ...(faces && { faces }),
    valueNames: { ...(faces && faceNames(faces.objectives)), ...valueNames },
    least,
    bootstrap: resolveBootstrap(questions.bootstrap ?? {}),
  };
}

/** FairFace's protocol has classes of its own: the accuracy of gender by group. */
function classesOf({ classes: given, protocol }: AuditQuestions): {
  faces?: NonNullable<AuditPlan["faces"]>;
  classes?: readonly NamedClass[];
} {
  const classes = given === undefined ? undefined : readClasses(given);
  const names = classes?.map((one) => one.names[0] ?? "") ?? [];
  if (hasObjectives(names)) {
    const source = typeof given === "string" ? given : "classes";
    const objectives = readObjectives(names, benchmarkTemplatesOf(given) ?? [], source);
    return { faces: { objectives, from: "set" }, classes: readClasses(objectives.gender.classes) };
  }
  if (protocol === "fairface") {
    const objectives = fairFaceObjectives;
    return {
      faces: { objectives, from: "datacomp" },
      classes: readClasses(objectives.gender.classes),
    };
  }
  return classes === undefined ? {} : { classes };
}

function positiveOf(
  name: string | undefined,
  classes: readonly NamedClass[] | undefined,
): number | undefined {
  if (name === undefined) return classes?.length === 2 ? 1 : undefined;
  const place = classes && new ClassAnswers(classes).find(name);
  if (place !== undefined) return place;
  const labels = classes?.map(({ label }) => label) ?? [];
  throw new SettingError(
    "positive",
    `Expected one of ${labels.length === 0 ? "the classes" : `${labels.length} classes`} for positive but ` +
      `received "${name}"; name a class, and where the classes are.${didYouMean(name, labels)}`,
  );
}

/** What is known of the samples of a set. */
export interface SetRecords {
  readonly keys: string[];
  readonly labels: (string | undefined)[];
  readonly metas: Record<string, unknown>[];
}

/** The samples that are measured, and what their records say. */
export interface Subject {
  /** [N] places in the set */
  readonly picked: Int32Array;
  /** [N] index of the class of each; absent without classes */
  readonly truths?: Int32Array;
  readonly leftOut: LeftOut;
  readonly groupings: readonly Grouping[];
  /** [N] */
  readonly clusters?: Int32Array;
  readonly incomes?: readonly (number | undefined)[];
  readonly faces?: FaceRecords;
}

const noneLeftOut: LeftOut = { count: 0, withoutLabel: 0, labels: [] };

/**
 * The groups, classes, clusters and incomes of samples.
 *
 * throws  DataError as groupSamples, trueClasses, readFaceRecords and readIncomes
 */
export function subjectOf(set: SetRecords, plan: AuditPlan): Subject {
  const { questions, classes } = plan;
  const { unknown = "skip", income, cluster } = questions;
  const faces = plan.faces && readFaceRecords(set.keys, set.metas, plan.faces.objectives);
  const truth =
    faces === undefined ? truthsOf(set, plan) : { truths: faces.gender, picked: undefined };
  const picked = truth?.picked ?? Int32Array.from(set.keys.keys());
  const keys = Array.from(picked, (i) => set.keys[i]!);
  const metas = Array.from(picked, (i) => set.metas[i]!);
  const records = { keys, metas };
  const groupings = plan.groups.map((group) =>
    groupSamples(records, group, { unknown, valueNames: plan.valueNames }),
  );
  if (income !== undefined) checkKey(records, income);
  const clusters = cluster === undefined ? undefined : clustersOf(records, cluster, unknown);
  return {
    picked,
    ...(classes && truth && { truths: truth.truths }),
    leftOut: truth !== undefined && "leftOut" in truth ? truth.leftOut : noneLeftOut,
    groupings,
    ...(clusters && { clusters }),
    ...(income !== undefined && { incomes: readIncomes(keys, metas, income, unknown) }),
    ...(faces && { faces }),
  };
}

function truthsOf(
  set: SetRecords,
  { classes, answer, questions }: AuditPlan,
): { picked: Int32Array; truths: Int32Array; leftOut: LeftOut } | undefined {
  if (classes === undefined) return undefined;
  const { unknownLabels = "fail" } = questions;
  const { images, truths, leftOut } = trueClasses(set, { classes, answer, unknownLabels });
  return { picked: images, truths, leftOut };
}

/** A sample without a cluster is one of its own. */
function clustersOf(
  records: Pick<SetRecords, "keys" | "metas">,
  key: string,
  unknown: "skip" | "fail",
): Int32Array {
  checkKey(records, key);
  const places = new Map<string, number>();
  let count = 0;
  return Int32Array.from(records.metas, (meta, sample) => {
    const text = valueText(meta[key]);
    if (text === undefined && unknown === "fail") {
      const sampleKey = records.keys[sample] ?? "";
      throw new DataError(
        `Expected ${key} in the metadata of sample ${sampleKey} but it has none; let such samples stand for ` +
          "themselves with --unknown skip",
        { source: sampleKey, key: sampleKey },
      );
    }
    const found = text === undefined ? undefined : places.get(text);
    if (found !== undefined) return found;
    if (text !== undefined) places.set(text, count);
    return count++;
  });
}
