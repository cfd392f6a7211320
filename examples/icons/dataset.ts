/**
 * Icons as data to train on and to ask about: drawn, split by author, packed as WebDataset shards,
 * with candidates and a vocabulary.
 *
 *     <directory>/<stamp>/train/*.tar        what is trained on
 *     <directory>/<stamp>/validation/*.tar   authors that settings are chosen by
 *     <directory>/<stamp>/test/*.tar         authors that only results are measured on
 *     <directory>/<stamp>/classes/*.json     candidates of zero-shot naming
 *     <directory>/<stamp>/tokenizer/         a vocabulary of the training captions
 *     <directory>/<stamp>/dataset.json       what was made of what; written last
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { writeShards } from "limn/data";
import { trainTokenizer } from "limn/text";

import { drawIcons } from "./draw.ts";
import { nearestDrawings } from "./near-duplicates.ts";
import { resolveOptions, type IconOptions } from "./options.ts";
import { greyPng } from "./png.ts";
import { readIcons, setInfo, type IconifyJson, type SetInfo } from "./read-set.ts";
import { captionsOf, keyOf, sampleOf } from "./samples.ts";
import { isPermissive, type Role } from "./sets.ts";
import { placeIcons, rankedBy, type PlacedIcon } from "./split.ts";
import { singularOf } from "./words.ts";

/** Raised when the same sets and options would give other bytes. */
const formatVersion = 1;

export const roles: readonly Role[] = ["train", "validation", "test"];

/** A set to be read when its turn comes. */
export interface SetSource {
  prefix: string;
  role: Role;
  version: string;
  read: () => IconifyJson;
}

export interface UsedSet extends SetInfo {
  role: Role;
  version: string;
  /** Packed. */
  pictures: number;
}

export interface SplitSummary {
  pictures: number;
  concepts: number;
  authors: number;
  /** Names of the shards in the split's folder. */
  shards: string[];
}

export interface IconDataset {
  stamp: string;
  options: IconOptions;
  sets: UsedSet[];
  splits: Record<Role, SplitSummary>;
  /** Concepts that the test sets show and nobody's drawing of which was trained on. */
  unseenConcepts: number;
  /** Pictures to be asked about that were drawn nearly as one that is trained on. */
  nearDuplicates: number;
  /** Drawings that could not be read, or show nothing. */
  notDrawn: number;
  /** Distinct training captions. */
  captions: number;
  /** Seconds that each part took. */
  seconds: Record<"read" | "draw" | "compare" | "pack" | "vocabulary", number>;
}

export interface BuiltIcons {
  /** Holds shards, classes and the vocabulary. */
  folder: string;
  dataset: IconDataset;
}

export interface BuildOptions extends Partial<IconOptions> {
  sets: readonly SetSource[];
  /** Each build has its own folder in here. */
  directory: string;
  /** Told what happens, with the share of it that is done, in [0, 1]. */
  onProgress?: (message: string, share: number) => void;
}

/**
 * Makes the data, or finds it made of the same versions with the same options.
 *
 * throws  Error naming a set that is missing or not permissively licensed, or an unknown option
 */
export async function buildIcons(options: BuildOptions): Promise<BuiltIcons> {
  const { sets, directory, onProgress = () => {}, ...given } = options;
  const resolved = resolveOptions(given);
  const stamp = stampOf(sets, resolved);
  const folder = join(directory, stamp);
  const record = join(folder, "dataset.json");
  if (existsSync(record)) {
    return { folder, dataset: JSON.parse(readFileSync(record, "utf8")) as IconDataset };
  }
  // Left by a build that did not end.
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });

  const clock = stopwatch();
  onProgress("Reading icon sets", 0);
  const infos: SetInfo[] = [];
  const icons = sets.flatMap((set) => {
    const json = set.read();
    infos.push(checkedInfo(json));
    return readIcons(json);
  });
  const placed = placeIcons(
    icons,
    new Map(sets.map(({ prefix, role }) => [prefix, role])),
    resolved,
  );
  const read = clock();
  const drawings = await drawIcons(
    placed.map(({ icon }) => icon),
    { imageSize: resolved.imageSize, onShare: (share) => onProgress("Drawing icons", share) },
  );
  const pictures = new Map<PlacedIcon, Uint8Array>();
  placed.forEach((each, i) => {
    const drawing = drawings[i];
    if (drawing !== undefined) pictures.set(each, drawing);
  });
  const draw = clock();
  onProgress("Looking for near-duplicates", 0);
  const drawn = [...pictures.keys()];
  const nearDuplicates = findNearDuplicates(pictures, resolved.imageSize);
  const compare = clock();
  onProgress("Packing shards", 0);
  const splits = {} as Record<Role, SplitSummary>;
  for (const role of roles)
    splits[role] = await packSplit(role, pictures, nearDuplicates, folder, resolved);
  writeClasses(drawn, join(folder, "classes"));
  const pack = clock();
  onProgress("Training a vocabulary", 0);
  const training = drawn.filter(({ split }) => split === "train");
  const texts = training.flatMap(captionsOf);
  const { vocabSize, contextLength } = resolved;
  await trainTokenizer({ texts, vocabSize, contextLength, folder: join(folder, "tokenizer") });
  const dataset: IconDataset = {
    stamp,
    options: resolved,
    sets: infos.map((info, i) => ({
      ...info,
      role: sets[i]?.role ?? "train",
      version: sets[i]?.version ?? "",
      pictures: drawn.filter(({ icon }) => icon.set === info.prefix).length,
    })),
    splits,
    unseenConcepts: conceptCount(drawn.filter(({ unseen }) => unseen)),
    nearDuplicates: nearDuplicates.size,
    notDrawn: placed.length - drawn.length,
    captions: new Set(texts).size,
    seconds: { read, draw, compare, pack, vocabulary: clock() },
  };
  writeJson(record, dataset);
  return { folder, dataset };
}

/** The data ends in a folder that others may use: what they may do with it must be known. */
function checkedInfo(json: IconifyJson): SetInfo {
  const info = setInfo(json);
  if (isPermissive(info.licence)) return info;
  throw new Error(
    `Expected a permissive licence for the icon set ${info.prefix} but received ${info.licence}; ` +
      "leave the set out",
  );
}

/** Of the pictures that are asked about. */
function findNearDuplicates(
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

async function packSplit(
  role: Role,
  pictures: ReadonlyMap<PlacedIcon, Uint8Array>,
  nearDuplicates: ReadonlySet<PlacedIcon>,
  folder: string,
  options: IconOptions,
): Promise<SplitSummary> {
  const chosen = [...pictures.keys()].filter(({ split }) => split === role);
  const byKey = new Map(chosen.map((each) => [keyOf(each), each]));
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
  const { samplesPerShard } = options;
  const directory = join(folder, role);
  const written = await writeShards({ samples: samples(), directory, samplesPerShard });
  return {
    pictures: chosen.length,
    concepts: conceptCount(chosen),
    authors: new Set(chosen.map(({ icon }) => icon.author)).size,
    shards: written.shards.map((file) => basename(file)),
  };
}

function conceptCount(icons: readonly PlacedIcon[]): number {
  return new Set(icons.map(({ concept }) => concept)).size;
}

/** Candidates: each held-out set's known names, all of them, and the unseen ones. */
function writeClasses(icons: readonly PlacedIcon[], folder: string): void {
  mkdirSync(folder, { recursive: true });
  const held = icons.filter(({ split }) => split !== "train");
  const write = (name: string, chosen: readonly PlacedIcon[]): void =>
    writeJson(join(folder, `${name}.json`), [...new Set(chosen.map(({ label }) => label))].sort());
  const known = held.filter((each) => each.known);
  for (const role of ["validation", "test"] as const) {
    const of = held.filter(({ split }) => split === role);
    write(
      role,
      of.filter((each) => each.known),
    );
    write(
      `${role}-unseen`,
      of.filter((each) => each.unseen),
    );
    write(
      `${role}-all`,
      of.filter((each) => each.known || each.unseen),
    );
  }
  for (const set of new Set(held.map(({ icon }) => icon.set))) {
    write(
      set,
      known.filter(({ icon }) => icon.set === set),
    );
  }
}

function stampOf(sets: readonly SetSource[], options: IconOptions): string {
  const versions = sets.map(({ prefix, role, version }) => [prefix, role, version]);
  const text = JSON.stringify([formatVersion, options, versions]);
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

function writeJson(file: string, value: unknown): void {
  const partial = `${file}.partial`;
  writeFileSync(partial, `${JSON.stringify(value, null, 1)}\n`);
  renameSync(partial, file);
}

/** Seconds since the last call. */
function stopwatch(): () => number {
  let last = performance.now();
  return () => {
    const [before, now] = [last, performance.now()];
    last = now;
    return Number(((now - before) / 1000).toFixed(1));
  };
}
