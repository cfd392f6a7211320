/** What is there of a set, and what is wrong with it: counts against the published ones, without a model. */
import { DecodeCheck } from "../../data/decode-check.ts";
import { MAX_PIXELS } from "../../data/image/index.ts";
import { openSource } from "../../data/sources/open-source.ts";
import { readSamples, readTexts, type SampleText } from "../../data/sources/read-sample.ts";
import type { SourceSpec } from "../../data/sources/source-spec.ts";
import type { Problem, SampleRef } from "../../data/sources/source.ts";
import {
  counted,
  DataError,
  HubError,
  type LimnError,
  sampleIn,
  SettingError,
} from "../../errors.ts";
import { usableCores } from "../../files/cores.ts";
import type { OpenedSet } from "../evaluate-suite.ts";
import type { Suite } from "../run-suite.ts";
import { ClassAnswers } from "../class-answers.ts";
import { readClasses } from "../read-classes.ts";
import { taskKindOf } from "../tasks/index.ts";
import type { SetOutline } from "../tasks/task.ts";
import { openSet, type OpenSuiteOptions } from "./open-set.ts";
import type { SetDefinition } from "./suite.ts";

export interface CheckSetOptions extends OpenSuiteOptions {
  /** Whether every picture is decoded. Default false. */
  readonly decode?: boolean | undefined;
  /** Called as samples are read. */
  readonly onSamples?: ((samples: number) => void) | undefined;
}

export interface CheckedSet {
  readonly name: string;
  readonly title: string;
  readonly state: "there" | "missing" | "damaged";
  /** Why it is not there, or what is wrong with it. */
  readonly problems: readonly string[];
  /** What is unusual and does no harm. */
  readonly notes: readonly string[];
  /** What was found; absent where the set could not be opened. */
  readonly found?: {
    readonly samples: number;
    readonly shards?: number;
    readonly classes?: number;
    readonly templates?: number;
  };
  /** What was published. */
  readonly expected: {
    readonly samples?: number | undefined;
    readonly classes?: number | undefined;
    readonly templates?: number | undefined;
  };
}

/** Samples whose labels and records are looked at. */
const MOST_OUTLINED = 200_000;
/** Problems and classes that are named. */
const SHOWN = 5;
/** Pictures that wait for a decoder at a time. */
const MOST_WAITING = 64;

/** Reads a set once, without its pictures' pixels; nothing about it is thrown. */
export async function checkSet(set: SetDefinition, options: CheckSetOptions): Promise<CheckedSet> {
  const { name, title, samples, classes, templates } = set;
  const head = { name, title, expected: { samples, classes, templates } };
  try {
    const opened = await openSet(set, options);
    if ("missing" in opened) {
      return { ...head, state: "missing", problems: [opened.missing], notes: [] };
    }
    return { ...head, ...(await examined(set, opened, options)) };
  } catch (error) {
    if (!isOfTheSet(error)) throw error;
    const isAway = error instanceof HubError && error.failure === "offline";
    const state = isAway ? "missing" : "damaged";
    return { ...head, state, problems: [error.message], notes: [] };
  }
}

function isOfTheSet(error: unknown): error is LimnError {
  return [DataError, SettingError, HubError].some((kind) => error instanceof kind);
}

async function examined(
  set: SetDefinition,
  { suite, notes = [] }: Exclude<OpenedSet, { missing: string }>,
  options: CheckSetOptions,
): Promise<Omit<CheckedSet, "name" | "title" | "expected">> {
  const found = await lookAt(suite, options);
  const classes = classesOf(suite);
  const templates = templatesOf(suite);
  const templateNotes = differences("template", templates, set.templates);
  const problems = [
    ...found.problems,
    ...differences("sample", found.samples, set.samples),
    ...(classes === undefined ? [] : differences("class", classes.length, set.classes)),
    ...(templates === 0 ? templateNotes : []),
    ...found.mixed,
  ];
  // Without all samples the tasks would only repeat what is wrong with them.
  if (problems.length === 0) problems.push(...(await taskProblems(suite, found.outline)));
  const { source } = suite;
  const shards = source.kind === "webdataset" && Array.isArray(source.shards) ? source.shards : [];
  return {
    state: problems.length > 0 ? "damaged" : "there",
    problems,
    notes: [
      ...notes,
      ...emptyClasses(classes, found.outline),
      // Other templates are another measurement, not a damaged set.
      ...(templates > 0 ? templateNotes : []),
    ],
    found: {
      samples: found.samples,
      ...(shards.length > 0 && { shards: shards.length }),
      ...(classes !== undefined && { classes: classes.length }),
      ...(templates > 0 && { templates }),
    },
  };
}

function differences(what: string, found: number, published: number | undefined): string[] {
  if (published === undefined || found === published) return [];
  const many = what === "class" ? "classes" : `${what}s`;
  return [
    `${counted(found, what, many)} where ${published.toLocaleString("en-US")} ${published === 1 ? "was" : "were"} published`,
  ];
}

interface Look {
  samples: number;
  problems: string[];
  /** What some samples have and others lack. */
  mixed: string[];
  outline: SetOutline;
}

async function lookAt(suite: Suite, options: CheckSetOptions): Promise<Look> {
  const captions = suite.tasks.some((task) => taskKindOf(task).captions);
  const outline = { keys: [], labels: [], metas: [], isWhole: true } as {
    -readonly [Key in keyof SetOutline]: SetOutline[Key];
  };
  const bad: Problem[] = [];
  let [samples, silent, withNumbers] = [0, 0, 0];
  let without: string | undefined;
  for await (const read of options.decode === true ? decoded(suite.source) : texts(suite.source)) {
    options.onSamples?.(samples + bad.length);
    if ("problem" in read) {
      bad.push(read.problem);
      continue;
    }
    samples++;
    const { ref, text } = read;
    if (text.captions.length === 0) silent++;
    if (ref.npy === undefined) without ??= ref.key;
    else withNumbers++;
    if (outline.keys.length === MOST_OUTLINED) {
      outline.isWhole = false;
      continue;
    }
    outline.keys.push(ref.key);
    outline.labels.push(text.label);
    outline.metas.push(text.meta ?? {});
  }
  const lacking = samples - withNumbers;
  const isMixed = withNumbers > 0 && lacking > 0;
  return {
    samples,
    problems: [
      ...badSamples(bad),
      ...(captions && silent > 0 ? [`${counted(silent, "sample")} without a caption`] : []),
    ],
    mixed: isMixed ? [`${counted(lacking, "sample")} without a .npy file, such as ${without}`] : [],
    outline,
  };
}

type Read = { ref: SampleRef; text: SampleText } | { problem: Problem };

async function* texts(spec: SourceSpec): AsyncGenerator<Read> {
  yield* readTexts(await openSource(spec, { records: true }), { pictures: true });
}

async function* decoded(spec: SourceSpec): AsyncGenerator<Read> {
  const check = new DecodeCheck(usableCores());
  const waiting: Promise<Read>[] = [];
  try {
    for await (const sample of readSamples(await openSource(spec, { records: true }))) {
      if ("problem" in sample) waiting.push(Promise.resolve({ problem: sample.problem }));
      else {
        const { ref, text, image } = sample;
        const at = { source: ref.file, key: ref.key };
        const reason = check.check({ image, ...at, maxPixels: MAX_PIXELS });
        const read = reason.then((why): Read => {
          return why === undefined
            ? { ref, text }
            : { problem: { file: ref.file, key: ref.key, reason: why } };
        });
        // It is awaited in its turn; until then a rejection has no listener.
        read.catch(() => undefined);
        waiting.push(read);
      }
      if (waiting.length > MOST_WAITING) yield await waiting.shift()!;
    }
    for (const read of waiting) yield await read;
  } finally {
    await check.close();
  }
}

function badSamples(bad: readonly Problem[]): string[] {
  if (bad.length === 0) return [];
  const shown = bad
    .slice(0, SHOWN)
    .map(({ file, key, reason }) => `${sampleIn(file, key)}: ${reason}`);
  return bad.length > SHOWN ? [...shown, `${bad.length - SHOWN} more bad samples`] : shown;
}

/** Of the first task that names classes. */
function classesOf({ tasks }: Suite): ReturnType<typeof readClasses> | undefined {
  const named = tasks.find((task) => "classes" in task);
  return named && "classes" in named ? readClasses(named.classes) : undefined;
}

/** Of the set itself; 0 where it has none. */
function templatesOf({ tasks }: Suite): number {
  const named = tasks.find((task) => "classes" in task);
  const templates = named && "templates" in named ? named.templates : undefined;
  return typeof templates === "string" ? 1 : (templates?.length ?? 0);
}

async function taskProblems(suite: Suite, outline: SetOutline): Promise<string[]> {
  const problems: string[] = [];
  for (const task of suite.tasks) {
    try {
      await taskKindOf(task).check(task, outline, `${suite.name}/${task.name}`);
    } catch (error) {
      if (!isOfTheSet(error)) throw error;
      problems.push(error.message);
    }
  }
  return problems;
}

function emptyClasses(
  classes: ReturnType<typeof readClasses> | undefined,
  { labels, isWhole }: SetOutline,
): string[] {
  if (classes === undefined || !isWhole || labels.every((label) => label === undefined)) return [];
  const answers = new ClassAnswers(classes);
  const seen = new Set(labels.map((label) => answers.find(label)));
  const empty = classes.filter((_, i) => !seen.has(i)).map(({ label }) => label);
  if (empty.length === 0) return [];
  const more = empty.length > SHOWN ? ` and ${empty.length - SHOWN} more` : "";
  return [
    `${counted(empty.length, "class", "classes")} of ${classes.length} without a sample: ` +
      `${empty.slice(0, SHOWN).join(", ")}${more}`,
  ];
}
