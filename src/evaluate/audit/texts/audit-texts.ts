/** The parts of an audit that ask a model for texts: neutral queries, word lists, debiased texts. */
import { rowsOf, type Embeddings } from "../../../arrays/embeddings.ts";
import {
  projectionAway,
  type BiasDirections,
  type Projection,
} from "../../../arrays/projection.ts";
import { forEachRow } from "../../../arrays/similarities.ts";
import type { Embedder } from "../../../inference/features/embed-dataset.ts";
import { fillTemplate } from "../../../text/templates.ts";
import { alongRows, associationOf, associationTest, differenceOfMeans } from "../association.ts";
import type { AssociationReport, QuerySkew, SkewReport } from "../audit-card.ts";
import { ends } from "../group-metrics.ts";
import { withoutSmall, type Grouping } from "../grouping.ts";
import { peopleQueries, promptsOfGroup } from "./prompts.ts";
import { mainTop, meanOf, rankingSkew, skewByChance, type RankingSkew } from "../skew.ts";
import { attributePairs, wordTests } from "./word-lists.ts";

/** Sizes of the top of a ranking, of which those are used that leave something below. */
const TOPS = [10, 100, 1000];
/** Queries that a report names. */
const NAMED = 5;
/** Texts of one call. */
const TEXTS_AT_ONCE = 256;
/** Of pictures, whose groups are large; words are tried in all ways where there are eight against eight. */
const PERMUTATIONS = { pictures: 4_999, words: 19_999 };

/** [N, D] rows of texts, in calls of a bounded number. */
export function embedAll(embedder: Embedder, texts: readonly string[]): Embeddings {
  const parts: Float32Array[] = [];
  let dim = 0;
  for (let start = 0; start < texts.length; start += TEXTS_AT_ONCE) {
    const part = embedder.embedTexts(texts.slice(start, start + TEXTS_AT_ONCE));
    parts.push(part.data);
    dim = part.dim;
  }
  const data = new Float32Array(texts.length * dim);
  let at = 0;
  for (const part of parts) {
    data.set(part, at);
    at += part.length;
  }
  return { data, count: texts.length, dim };
}

/** The words of all tests, a line for each list. */
export function wordsAsked(): string[] {
  const lists = [
    ...wordTests.flatMap(({ x, y, a, b }) => [x, y, a, b]),
    ...attributePairs.flatMap(({ a, b }) => [a, b]),
  ];
  return [...new Set(lists.map(({ name, words }) => `${name}: ${words.join(", ")}`))];
}

/** Prompts of queries, those of one query one behind the other. */
export interface Queries {
  readonly names: readonly string[];
  readonly prompts: readonly string[];
  /** [prompts] index of each prompt's query */
  readonly owners: readonly number[];
}

/** Queries from a list, each its own prompt; by default Berg et al.'s concepts in all their templates. */
export function queriesOf(list: readonly string[] | "people"): Queries {
  if (list !== "people") return { names: list, prompts: list, owners: list.map((_, i) => i) };
  const { concepts, templates } = peopleQueries;
  return {
    names: concepts,
    prompts: concepts.flatMap((concept) => templates.map((one) => fillTemplate(one, concept))),
    owners: concepts.flatMap((_, i) => templates.map(() => i)),
  };
}

interface SkewInput {
  readonly images: Embeddings;
  readonly queries: Queries;
  /** [prompts, D] unit rows */
  readonly rows: Embeddings;
  readonly embedder: Pick<Embedder, "similarities">;
  readonly least: number;
  readonly seed: number;
}

/** How the queries rank the groups of each grouping; groupings with fewer than two large groups are left out. */
export function skewReports(
  { images, queries, rows, embedder, least, seed }: SkewInput,
  groupings: readonly Grouping[],
): SkewReport[] {
  const shown = groupings
    .map((grouping) => withoutSmall(grouping, least))
    .filter(({ names }) => names.length >= 2);
  const results: RankingSkew[][] = shown.map(() => []);
  if (shown.length === 0) return [];
  forEachRow(rows, images, { similarities: embedder.similarities }, (_, scores) => {
    for (const [i, { members, names }] of shown.entries()) {
      results[i]!.push(rankingSkew({ scores, members, groupCount: names.length }, TOPS));
    }
  });
  return shown.map((grouping, i) => skewReport(grouping, results[i]!, queries, seed));
}

function skewReport(
  { keys, names, members }: Grouping,
  results: readonly RankingSkew[],
  queries: Queries,
  seed: number,
): SkewReport {
  const chance = skewByChance({ members, groupCount: names.length }, TOPS, { seed });
  const count = members.filter((group) => group >= 0).length;
  return {
    keys,
    groups: names,
    count,
    prompts: results.length,
    atK: chance.atK.map(({ k, maxSkew }, i) => ({
      k,
      maxSkew: meanOf(results.map(({ atK }) => atK[i]!.maxSkew)),
      byChance: maxSkew,
    })),
    ndkl: meanOf(results.map(({ ndkl }) => ndkl)),
    ndklByChance: chance.ndkl,
    worst: worstQueries({ names, count }, results, queries),
  };
}

/** Of each query the means over its prompts, at the k of `mainTop`. */
function worstQueries(
  { names: groups, count }: { names: readonly string[]; count: number },
  results: readonly RankingSkew[],
  { names, owners }: Queries,
): QuerySkew[] {
  const tops = results.map(({ atK }) => mainTop(atK, count));
  if (tops[0] === undefined) return [];
  const all = names.map((query, index): QuerySkew => {
    const own = tops.filter((_, prompt) => owners[prompt] === index);
    const mean = (of: (top: NonNullable<(typeof tops)[number]>) => number): number =>
      own.reduce((sum, top) => sum + of(top!), 0) / own.length;
    const skews = groups.map((_, group) => mean(({ skews }) => skews.demographicParity[group]!));
    const [, most] = ends(skews);
    const maxSkew = mean(({ maxSkew: one }) => one.demographicParity);
    return { query, maxSkew, group: groups[most]!, skew: skews[most]! };
  });
  return all.sort((a, b) => b.maxSkew - a.maxSkew).slice(0, NAMED);
}

/** Published tests between words and words. */
export function wordAssociations(embedder: Embedder, seed: number): AssociationReport[] {
  return wordTests.map(({ name, x, y, a, b }) => {
    const [xRows, yRows, aRows, bRows] = [x, y, a, b].map(({ words }) => embedAll(embedder, words));
    const result = associationTest(
      { x: xRows!, y: yRows!, a: aRows!, b: bRows! },
      { seed, permutations: PERMUTATIONS.words },
    );
    return { test: name, x: x.name, y: y.name, a: a.name, b: b.name, ...result };
  });
}

/** Whether the pictures of each group lie elsewhere between attributes than those of the other groups. */
export function pictureAssociations(
  images: Embeddings,
  groupings: readonly Grouping[],
  { embedder, least, seed }: { embedder: Embedder; least: number; seed: number },
): AssociationReport[] {
  // Crossed groups would make many tests of few pictures each.
  const shown = groupings
    .filter(({ keys }) => keys.length === 1)
    .map((grouping) => withoutSmall(grouping, least))
    .filter(({ names }) => names.length >= 2);
  return attributePairs.flatMap(({ name, a, b }) => {
    const towards = differenceOfMeans(embedAll(embedder, a.words), embedAll(embedder, b.words));
    const along = alongRows(images, towards);
    return shown.flatMap(({ keys, names, members }) => {
      const items = Array.from(members.keys()).filter((i) => members[i]! >= 0);
      const associations = Float64Array.from(items, (i) => along[i]!);
      // Of two groups one test says what both would.
      const tested = names.length === 2 ? names.slice(0, 1) : names;
      return tested.map((x, group): AssociationReport => {
        const inX = Uint8Array.from(items, (i) => (members[i] === group ? 1 : 0));
        const options = { seed, permutations: PERMUTATIONS.pictures, sides: "two" } as const;
        const y = names.length === 2 ? names[1]! : "all other groups";
        const at = { test: name, key: keys.join(" × "), x, y, a: a.name, b: b.name };
        return { ...at, ...associationOf(associations, inX, options) };
      });
    });
  });
}

/** Classes whose prompts calibrate a projection; more would say no more. */
const MOST_CLASSES = 50;

export interface GroupDirections {
  readonly project: (kind: Projection) => (texts: Embeddings) => Embeddings;
  /** Those that name groups alone, and those that name them with a class. */
  readonly prompts: readonly string[];
}

/**
 * Projections that take the groups of a key out of texts, from prompts that name them alone and with each of
 * `classes`. Undefined where there are as many prompts as dimensions, so that nothing would be left.
 */
export function groupDirections(
  embedder: Embedder,
  key: string,
  { groups, classes }: { groups: readonly string[]; classes: readonly string[] },
): GroupDirections | undefined {
  const named = classes.slice(0, MOST_CLASSES);
  const alone = groups.flatMap((group) => promptsOfGroup(key, group));
  const both = groups.flatMap((group) => promptsOfGroup(key, group, named));
  const rows = embedAll(embedder, [...alone, ...both]);
  if (alone.length >= rows.dim) return undefined;
  const pairs: [number, number][] = [];
  for (let one = 0; one < groups.length; one++) {
    for (let other = one + 1; other < groups.length; other++) {
      for (let at = 0; at < named.length; at++) {
        pairs.push([one * named.length + at, other * named.length + at]);
      }
    }
  }
  const directions: BiasDirections = {
    spurious: rowsOf(rows, 0, alone.length),
    candidates: rowsOf(rows, alone.length, rows.count),
    pairs,
  };
  return {
    project: (kind) => projectionAway(directions, kind),
    prompts: [...alone, ...both],
  };
}
