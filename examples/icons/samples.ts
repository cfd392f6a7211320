/** One sample of a shard for each icon: its key, captions, and what suites choose it by. */
import type { PlacedIcon } from "./split.ts";

/** What a sample's JSON says beside captions and label. */
export interface SampleMeta extends Record<string, unknown> {
  set: string;
  author: string;
  known: boolean;
  unseen: boolean;
  first: boolean;
  /** A picture that was trained on is nearly the same; false too for pictures that nobody asks about. */
  nearDuplicate: boolean;
}

export interface IconSample {
  key: string;
  image: Uint8Array;
  extension: "png";
  captions: string[];
  label: string;
  meta: SampleMeta;
}

/** Other names of an icon that become captions. */
const mostAliases = 3;

/**
 * Captions to train on: the name, twice as often as others; other names; the name with its category.
 * Whoever is asked is asked by the concept alone.
 */
export function captionsOf({ icon, split, label }: PlacedIcon): string[] {
  if (split !== "train") return [label];
  const name = icon.words.join(" ");
  const others = icon.aliases.slice(0, mostAliases).map((words) => words.join(" "));
  const category = icon.category === undefined ? [] : [`${name}, ${icon.category}`];
  return [name, name, ...others, ...category];
}

export function sampleOf(
  placed: PlacedIcon,
  image: Uint8Array,
  nearDuplicate: boolean,
): IconSample {
  const { icon, label, known, unseen, first } = placed;
  return {
    key: keyOf(placed),
    image,
    extension: "png",
    captions: captionsOf(placed),
    label,
    meta: { set: icon.set, author: icon.author, known, unseen, first, nearDuplicate },
  };
}

export function keyOf({ icon }: PlacedIcon): string {
  return `${icon.set}/${icon.name}`;
}
