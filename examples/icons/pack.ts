/** The shards of a split, one folder for each part that is asked about apart. */
import { basename, join } from "node:path";
import { writeShards } from "limn/data";

import type { IconOptions } from "./options.ts";
import { greyPng } from "./png.ts";
import { keyOf, sampleOf } from "./samples.ts";
import type { Role } from "./sets.ts";
import { rankedBy, type PlacedIcon } from "./split.ts";

export interface SplitSummary {
  pictures: number;
  concepts: number;
  authors: number;
  parts: Part[];
}

/** A folder of shards. */
export interface Part {
  /** Its set; "" for all. */
  set: string;
  kind: "all" | "known" | "unseen" | "other";
  pictures: number;
  concepts: number;
  /** Pictures that are no near-duplicates of training pictures. */
  distinct: number;
  /** Relative to the folder of the dataset. */
  shards: string[];
}

export interface PackOptions {
  /** Of the whole dataset. */
  folder: string;
  /** The pixels of each icon. */
  pictures: ReadonlyMap<PlacedIcon, Uint8Array>;
  nearDuplicates: ReadonlySet<PlacedIcon>;
  options: IconOptions;
}

export async function packSplit(
  role: Role,
  { folder, pictures, nearDuplicates, options }: PackOptions,
): Promise<SplitSummary> {
  const chosen = [...pictures.keys()].filter(({ split }) => split === role);
  const byPart = new Map<string, PlacedIcon[]>();
  for (const placed of chosen) {
    const part = role === "train" ? " all" : `${placed.icon.set} ${kindOf(placed)}`;
    const list = byPart.get(part);
    if (list === undefined) byPart.set(part, [placed]);
    else list.push(placed);
  }
  const parts: Part[] = [];
  for (const [part, members] of byPart) {
    const [set = "", kind = ""] = part.split(" ");
    const byKey = new Map(members.map((each) => [keyOf(each), each]));
    // In an order of the seed every shard is a fair mix.
    const ordered = rankedBy([...byKey.keys()], `${options.seed} order`);
    const samples = function* () {
      for (const key of ordered) {
        const placed = byKey.get(key) as PlacedIcon;
        const pixels = pictures.get(placed) as Uint8Array;
        const nearDuplicate = nearDuplicates.has(placed);
        yield sampleOf(placed, greyPng(pixels, options.imageSize), nearDuplicate);
      }
    };
    const within = join(role, set === "" ? kind : `${set}-${kind}`);
    const { shards } = await writeShards({
      samples: samples(),
      directory: join(folder, within),
      samplesPerShard: options.samplesPerShard,
    });
    parts.push({
      set,
      kind: kind as Part["kind"],
      pictures: members.length,
      concepts: conceptCount(members),
      distinct: members.filter((each) => !nearDuplicates.has(each)).length,
      shards: shards.map((file) => join(within, basename(file))),
    });
  }
  return {
    pictures: chosen.length,
    concepts: conceptCount(chosen),
    authors: new Set(chosen.map(({ icon }) => icon.author)).size,
    parts,
  };
}

function kindOf({ known, unseen }: PlacedIcon): Part["kind"] {
  if (unseen) return "unseen";
  return known ? "known" : "other";
}

export function conceptCount(icons: readonly PlacedIcon[]): number {
  return new Set(icons.map(({ concept }) => concept)).size;
}
