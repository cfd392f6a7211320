/**
 * Icons as data to train on and to ask about: drawn, split by author, packed as WebDataset shards,
 * with candidates and a vocabulary.
 *
 *     <directory>/<stamp>/train/all/*.tar           what is trained on
 *     <directory>/<stamp>/validation/<part>/*.tar   authors that settings are chosen by
 *     <directory>/<stamp>/test/<part>/*.tar         authors that only results are measured on
 *     <directory>/<stamp>/classes/*.json            candidates of zero-shot naming
 *     <directory>/<stamp>/concepts.json             by how many authors each concept is trained on
 *     <directory>/<stamp>/tokenizer/                a vocabulary of the training captions
 *     <directory>/<stamp>/dataset.json              what was made of what; written last
 *
 * A part is a set and what its icons can be asked for, such as `lucide-known`.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { trainTokenizer } from "limn/text";

import { drawIcons } from "./draw.ts";
import { conceptCount, packSplit, type SplitSummary } from "./pack.ts";
import { resolveOptions, type IconOptions } from "./options.ts";
import { candidates, findNearDuplicates, trainedAuthors, unseenExamples } from "./questions.ts";
import { readIcons, setInfo, type IconifyJson, type SetInfo } from "./read-set.ts";
import { captionsOf } from "./samples.ts";
import { isPermissive, type Role } from "./sets.ts";
import { placeIcons, type PlacedIcon } from "./split.ts";

/** Raised when the same sets and options would give other bytes. */
const formatVersion = 7;

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

export interface IconDataset {
  stamp: string;
  options: IconOptions;
  sets: UsedSet[];
  splits: Record<Role, SplitSummary>;
  /** Concepts that the test sets show and nobody's drawing of which was trained on. */
  unseenConcepts: number;
  /** Pictures to be asked about that were drawn nearly as one that is trained on. */
  nearDuplicates: number;
  /** Some unseen concepts of several words, see `unseenExamples`. */
  unseenExamples: string[];
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
  const { placed, infos } = readSets(sets, resolved);
  const read = clock();
  const pictures = await drawPlaced(placed, resolved.imageSize, (share) =>
    onProgress("Drawing icons", share),
  );
  const drawn = [...pictures.keys()];
  const draw = clock();
  onProgress("Looking for near-duplicates", 0);
  const nearDuplicates = findNearDuplicates(pictures, resolved.imageSize);
  const compare = clock();
  onProgress("Packing shards", 0);
  const packing = { folder, pictures, nearDuplicates, options: resolved };
  const splits = {
    train: await packSplit("train", packing),
    validation: await packSplit("validation", packing),
    test: await packSplit("test", packing),
  };
  mkdirSync(join(folder, "classes"));
  for (const [name, list] of Object.entries(candidates(drawn))) {
    writeJson(join(folder, "classes", `${name}.json`), list);
  }
  writeJson(join(folder, "concepts.json"), trainedAuthors(drawn));
  const pack = clock();
  onProgress("Training a vocabulary", 0);
  const texts = drawn.filter(({ split }) => split === "train").flatMap(captionsOf);
  const { vocabSize, contextLength } = resolved;
  await trainTokenizer({ texts, vocabSize, contextLength, folder: join(folder, "tokenizer") });
  const dataset: IconDataset = {
    stamp,
    options: resolved,
    sets: infos.map((info) => ({
      ...info,
      pictures: drawn.filter(({ icon }) => icon.set === info.prefix).length,
    })),
    splits,
    unseenConcepts: conceptCount(drawn.filter(({ unseen }) => unseen)),
    unseenExamples: unseenExamples(drawn, texts, resolved.seed),
    nearDuplicates: nearDuplicates.size,
    notDrawn: placed.length - drawn.length,
    captions: new Set(texts).size,
    seconds: { read, draw, compare, pack, vocabulary: clock() },
  };
  writeJson(record, dataset);
  return { folder, dataset };
}

interface ReadSets {
  placed: PlacedIcon[];
  infos: Omit<UsedSet, "pictures">[];
}

function readSets(sets: readonly SetSource[], options: IconOptions): ReadSets {
  const infos: ReadSets["infos"] = [];
  const icons = sets.flatMap(({ read, role, version }) => {
    const json = read();
    infos.push({ ...checkedInfo(json), role, version });
    return readIcons(json);
  });
  const roleOf = new Map(sets.map(({ prefix, role }) => [prefix, role]));
  return { placed: placeIcons(icons, roleOf, options), infos };
}

/** The pixels of those that can be drawn. */
async function drawPlaced(
  placed: readonly PlacedIcon[],
  imageSize: number,
  onShare: (share: number) => void,
): Promise<Map<PlacedIcon, Uint8Array>> {
  const icons = placed.map(({ icon }) => icon);
  const drawings = await drawIcons(icons, { imageSize, onShare });
  return new Map(
    placed.flatMap((each, i) => {
      const drawing = drawings[i];
      return drawing === undefined ? [] : [[each, drawing]];
    }),
  );
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
