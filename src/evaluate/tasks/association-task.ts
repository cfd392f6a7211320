/** WinoGAViL: which of a few candidate pictures belong to a cue. */
import { z } from "zod";
import { rowsAt } from "../../arrays/embeddings.ts";
import { counted, DataError, didYouMean } from "../../errors.ts";
import { parseJson } from "../../files/json-text.ts";
import { readJsonFile, readingReason, readTextFile } from "../../files/regular-file.ts";
import { associationMeans, associationScore, candidateGroups } from "../metrics/jaccard.ts";
import {
  column,
  measuredRows,
  pick,
  taskFields,
  type ItemColumns,
  type MeasuredTask,
  type Statistic,
  type TaskFields,
  type TaskKind,
  type TaskMetric,
} from "./task.ts";

/** A cue, its candidate pictures and those of them that belong to it. */
export interface Association {
  readonly cue: string;
  readonly candidates: readonly string[];
  readonly associations: readonly string[];
}

export interface AssociationTask extends TaskFields {
  kind: "association";
  /** What is asked, or a file of it; candidates are named by the keys of the set's samples. */
  instances: string | readonly Association[];
}

type MeasuredAssociation = MeasuredTask<AssociationTask> & { readonly kind: "association" };

const metrics: readonly TaskMetric[] = [
  {
    path: "jaccard",
    unit: "share",
    description: "Chosen and right pictures over chosen or right ones, averaged over the cues.",
  },
  ...candidateGroups.map(({ name }): TaskMetric => ({
    path: `jaccard/${name}`,
    unit: "share",
    description: `The same over cues with ${name} candidates.`,
  })),
];

const instanceSchema = z.object({
  cue: z.string().min(1),
  candidates: z.array(z.string()).min(2),
  associations: z.array(z.string()).min(1),
});

// Pictures are candidates of many cues: there is no source of a cue.
const { cluster: _, ...fields } = taskFields("association");

export const associationTask = {
  kind: "association",
  schema: z
    .strictObject({
      kind: z.literal("association"),
      ...fields,
      instances: z
        .union([z.string(), z.array(instanceSchema).min(1)])
        .describe(
          "cues, each with its candidates and those of them that belong to it; or a file of them, " +
            "JSON or JSON lines",
        ),
    })
    .describe("choosing the pictures that belong to a cue, as in WinoGAViL"),
  captions: false,
  metrics,
  words: { association: "association", jaccard: "Jaccard index" },
  check({ instances }, outline): void {
    if (outline.isWhole) placesOf(readAssociations(instances), outline.keys);
  },
  measure(task, { dataset, embedder, prefix, bootstrap }): MeasuredAssociation {
    const instances = readAssociations(task.instances);
    const places = placesOf(instances, dataset.keys);
    const cues = embedder.embedTexts(instances.map(({ cue }) => promptOf(cue)));
    const score = instances.map(({ candidates, associations }, i) => {
      const truths = candidates.map((name) => +associations.includes(name));
      const images = rowsAt(dataset.imageEmbeddings, places[i] as number[]);
      return associationScore(embedder.similarities(rowsAt(cues, [i]), images), truths);
    });
    const candidates = instances.map((one) => one.candidates.length);
    const columns: ItemColumns = {
      keys: instances.map(({ cue }, i) => `${i}: ${cue}`),
      columns: { score, candidates },
    };
    const guess = instances.map(({ candidates: of, associations }) =>
      guessed(of.length, associations.length),
    );
    const chances = associationMeans(guess, candidates)();
    const counts = [() => true, ...candidateGroups.map(({ holds }) => holds)].map(
      (holds) => candidates.filter(holds).length,
    );
    const at = (path: string): number => metrics.findIndex((metric) => metric.path === path);
    return {
      kind: "association",
      task,
      title: task.title ?? task.name,
      notes: [`${counted(instances.length, "cue")}; prompt "A {cue}" or "An {cue}"`],
      facts: { cues: instances.length },
      rows: measuredRows({
        ...{ metrics, statistic, columns, prefix, bootstrap },
        chance: (path) => chances[at(path)] as number,
        count: (path) => counts[at(path)] as number,
      }),
      columns,
      items: {},
    };
  },
  statistic,
} satisfies TaskKind<AssociationTask, MeasuredAssociation>;

function statistic(items: ItemColumns, paths: readonly string[]): Statistic {
  return pick(
    metrics,
    paths,
    associationMeans(column(items, "score"), column(items, "candidates")),
  );
}

/** As WinoGAViL's own evaluation and DataComp's write it. */
function promptOf(cue: string): string {
  const lower = cue.toLowerCase();
  return `${/^[aeiou]/.test(lower) ? "An" : "A"} ${lower}`;
}

/** Candidates' places among the samples, whose keys may have folders before the name. */
function placesOf(instances: readonly Association[], keys: readonly string[]): number[][] {
  const places = new Map<string, number>();
  for (const [i, key] of keys.entries()) {
    places.set(key.slice(key.lastIndexOf("/") + 1), i);
  }
  for (const [i, key] of keys.entries()) places.set(key, i);
  return instances.map(({ cue, candidates }) =>
    candidates.map((name) => {
      const place = places.get(name);
      if (place !== undefined) return place;
      throw new DataError(
        `Expected a picture for candidate "${name}" of the cue "${cue}" but found none` +
          `${didYouMean(name, [...places.keys()].slice(0, 5000))}; name candidates by the keys of the set's samples`,
        { source: name, key: cue },
      );
    }),
  );
}

/**
 * Instances from a list, or from a file: a JSON list or JSON lines of `{ cue, candidates, associations }`; other keys
 * are not read.
 *
 * throws  DataError for a file that cannot be read, or an instance that is none
 */
function readAssociations(given: string | readonly Association[]): readonly Association[] {
  if (typeof given !== "string") return given.map((one, i) => checked(one, i, "instances"));
  const refuse = (reason: string, cause?: unknown): DataError =>
    new DataError(
      `Expected cues with candidates and associations in ${given} but could not read them ` +
        `(${reason}); write JSON lines of { "cue", "candidates", "associations" }`,
      { source: given },
      { cause },
    );
  let list: unknown;
  try {
    list = /\.json$/i.test(given)
      ? readJsonFile(given)
      : readTextFile(given)
          .split("\n")
          .filter((line) => line.trim() !== "")
          .map((line) => parseJson(line));
  } catch (cause) {
    throw refuse(readingReason(cause), cause);
  }
  if (!Array.isArray(list) || list.length === 0) throw refuse("it holds no list");
  return list.map((one, i) => checked(one, i, given));
}

function checked(value: unknown, index: number, source: string): Association {
  const { success, data, error } = instanceSchema.safeParse(value);
  const stray = data?.associations.find((name) => !data.candidates.includes(name));
  if (success && stray === undefined) return data;
  const reason =
    stray === undefined
      ? `${error?.issues[0]?.path.join(".")}: ${error?.issues[0]?.message}`
      : `"${stray}" is none of its candidates`;
  throw new DataError(
    `Expected { cue, candidates, associations } for instance ${index} of ${source} but received ` +
      `another value (${reason}); correct it`,
    { source, key: String(index) },
  );
}

/** The expected Jaccard index where as many of `all` are chosen at random as are right: hypergeometric. */
function guessed(all: number, right: number): number {
  let expected = 0;
  for (let both = 0; both <= right; both++) {
    const ways = choose(right, both) * choose(all - right, right - both);
    expected += ((ways / choose(all, right)) * both) / (2 * right - both);
  }
  return expected;
}

function choose(n: number, k: number): number {
  if (k > n) return 0;
  let product = 1;
  for (let i = 0; i < k; i++) product *= (n - i) / (k - i);
  return product;
}
