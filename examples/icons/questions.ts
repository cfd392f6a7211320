/** What can be asked about placed icons: candidates, near-duplicates, which concepts are trained on. */
import { nearestDrawings } from "./near-duplicates.ts";
import { rankedBy, type PlacedIcon } from "./split.ts";
import { singularOf } from "./words.ts";

/** Of the pictures that are asked about. */
export function findNearDuplicates(
  pictures: ReadonlyMap<PlacedIcon, Uint8Array>,
  imageSize: number,
): Set<PlacedIcon> {
  const all = [...pictures.keys()];
  const asked = all.filter((each) => each.split !== "train" && (each.known || each.unseen));
  const named = (each: PlacedIcon) => ({
    pixels: pictures.get(each) as Uint8Array,
    words: [each.icon.words, ...each.icon.aliases].flat().map(singularOf),
  });
  const training = all.filter(({ split }) => split === "train");
  const nearest = nearestDrawings(asked.map(named), training.map(named), imageSize);
  return new Set(asked.filter((_, i) => nearest[i]?.index !== -1));
}

/**
 * Unseen concepts of several words that were all trained on in other names: the one that most test
 * sets draw, and one more. Chosen by names alone, so that a report can show them whatever a model makes
 * of them.
 */
export function unseenExamples(
  icons: readonly PlacedIcon[],
  captions: readonly string[],
  seed: number,
): string[] {
  const words = new Set(captions.flatMap((caption) => caption.split(/[ ,]+/)));
  const sets = new Map<string, Set<string>>();
  for (const { split, unseen, label, icon } of icons) {
    const parts = label.split(" ");
    if (split !== "test" || !unseen || parts.length < 2) continue;
    if (!parts.every((word) => words.has(word))) continue;
    sets.set(label, (sets.get(label) ?? new Set()).add(icon.set));
  }
  const ranked = rankedBy([...sets.keys()], `${seed} example`);
  const count = (label: string): number => sets.get(label)?.size ?? 0;
  const most = Math.max(...ranked.map(count));
  const first = ranked.find((label) => count(label) === most);
  const second = ranked.find((label) => label !== first);
  return [first, second].filter((label) => label !== undefined);
}

/** How many authors' drawings of each concept are trained on: 0 for one never seen. */
export function trainedAuthors(icons: readonly PlacedIcon[]): Record<string, number> {
  const authors = new Map<string, Set<string>>();
  for (const { split, concept, unseen, icon } of icons) {
    if (split === "train")
      authors.set(concept, (authors.get(concept) ?? new Set()).add(icon.author));
    else if (unseen) authors.set(concept, new Set());
  }
  return Object.fromEntries([...authors].map(([concept, { size }]) => [concept, size]));
}

/** Candidates: each held-out set's known names; those of a split; its unseen ones; both together. */
export function candidates(icons: readonly PlacedIcon[]): Record<string, string[]> {
  const held = icons.filter(({ split }) => split !== "train");
  const labels = (chosen: readonly PlacedIcon[]): string[] =>
    [...new Set(chosen.map(({ label }) => label))].sort();
  const lists: Record<string, string[]> = {};
  for (const role of ["validation", "test"] as const) {
    const of = held.filter(({ split }) => split === role);
    lists[role] = labels(of.filter(({ known }) => known));
    lists[`${role}-unseen`] = labels(of.filter(({ unseen }) => unseen));
    lists[`${role}-all`] = labels(of.filter(({ known, unseen }) => known || unseen));
  }
  for (const set of new Set(held.map(({ icon }) => icon.set))) {
    lists[set] = labels(held.filter(({ icon, known }) => known && icon.set === set));
  }
  return lists;
}
