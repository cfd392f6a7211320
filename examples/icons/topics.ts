/**
 * Twenty-one small classification tasks from the held-out sets: a topic, and words of it. An icon belongs to a
 * word if its name holds that word and no other of the topic.
 */
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { writeShards } from "limn/data";

import { drawIcons } from "./draw.ts";
import type { BuiltIcons, SetSource } from "./dataset.ts";
import { greyPng } from "./png.ts";
import { readIcons, type Icon } from "./read-set.ts";
import { rankedBy } from "./split.ts";
import { conceptOf, singularOf } from "./words.ts";

/** The topics of limn's plan for studies on icons, with words that icon sets use. */
export const topics: Readonly<Record<string, readonly string[]>> = {
  weather: words("sun moon cloud rain snow wind fog umbrella thermometer rainbow tornado"),
  arrows: words("left right up down undo redo refresh shuffle expand collapse"),
  food: words("apple cherry coffee beer wine pizza egg fish carrot cookie cake salad milk"),
  vehicles: words("car bus truck bike train plane ship rocket tractor scooter helicopter"),
  medical: words("pill syringe stethoscope heart bandage hospital dna tooth bone microscope"),
  sport: words("football basketball golf tennis dumbbell trophy medal swimming volleyball rugby"),
  buildings: words("home house building church hospital factory warehouse castle tent hotel bank"),
  animals: words("bird cat dog fish bug rabbit snail turtle horse squirrel spider"),
  clothes: words("shirt shoe glasses hat watch dress ring crown umbrella bag"),
  music: words("music piano guitar drum headphones microphone speaker radio disc volume"),
  tools: words("hammer wrench axe saw scissors brush ruler shovel drill key lock magnet"),
  games: words("gamepad dice chess puzzle joystick sword spade club trophy"),
  currency: words("dollar euro pound yen rupee bitcoin ruble coin wallet receipt"),
  devices: words(
    "phone laptop tablet monitor printer camera keyboard mouse tv watch server router",
  ),
  files: words("file folder archive clipboard book notebook page bookmark trash"),
  communication: words("mail phone message chat bell megaphone send inbox voicemail"),
  hands: words(
    "thumb finger grab pointer handshake metal swipe tap pinch wave helping coins platter",
  ),
  faces: words(
    "smile frown meh laugh angry sad happy neutral surprised dead talking look puzzled think",
  ),
  maths: words("divide equal percent pi sigma infinity calculator omega radical cylinder cone"),
  letters: words("bold italic underline text font heading quote list type"),
  nature: words("leaf tree flower mountain flame droplet wave sprout clover wheat"),
};

function words(list: string): readonly string[] {
  return list.split(" ");
}

interface Member {
  icon: Icon;
  word: string;
}

/** Icons of a topic, each with its one word. */
export function membersOf(icons: readonly Icon[], vocabulary: readonly string[]): Member[] {
  const known = new Map(vocabulary.map((word) => [singularOf(word), word]));
  return icons.flatMap((icon) => {
    if (icon.isBrand) return [];
    const found = conceptOf(icon.words)
      .split(" ")
      .flatMap((word) => known.get(word) ?? []);
    const [word] = found;
    return word !== undefined && found.length === 1 ? [{ icon, word }] : [];
  });
}

/** A topic with fewer words is not asked about. */
const leastWords = 4;

/** The folder of a set of all topics' words, which is no topic: for audits, which need many pictures. */
const all = "all";

/**
 * Writes `topics` into the data's folder: in CLIP_benchmark's layout for each topic, and `topics.json`, a suite for
 * `limn suite run`. Samples say author, set and style. Does nothing where it is there. Beside them `all` has
 * the words of all topics at once.
 *
 * returns the file of the suite; undefined where no topic has words enough
 */
export async function buildTopics(
  { folder, dataset }: BuiltIcons,
  sets: readonly SetSource[],
): Promise<string | undefined> {
  const { imageSize } = dataset.options;
  const whole = join(folder, "topics");
  const suite = join(whole, "topics.json");
  if (existsSync(suite)) return suite;
  // Left by a build that did not end.
  const directory = join(folder, "topics-partial");
  rmSync(directory, { recursive: true, force: true });
  const icons = sets.filter(({ role }) => role === "test").flatMap(({ read }) => readIcons(read()));
  const found: string[] = [];
  const everything = [...new Set(Object.values(topics).flat())];
  for (const [topic, vocabulary] of [...Object.entries(topics), [all, everything] as const]) {
    const members = membersOf(icons, vocabulary);
    const drawn = new Set(members.map(({ word }) => word));
    const classes = vocabulary.filter((word) => drawn.has(word));
    if (classes.length < leastWords) continue;
    await writeTopic(join(directory, topic), { members, classes, imageSize });
    if (topic !== all) found.push(topic);
  }
  if (found.length === 0) return undefined;
  writeFileSync(join(directory, "topics.json"), `${JSON.stringify(suiteOf(found), null, 2)}\n`);
  renameSync(directory, whole);
  return suite;
}

async function writeTopic(
  folder: string,
  {
    members,
    classes,
    imageSize,
  }: { members: Member[]; classes: readonly string[]; imageSize: number },
): Promise<void> {
  const pictures = await drawIcons(
    members.map(({ icon }) => icon),
    { imageSize },
  );
  const samples = new Map(
    members.flatMap(({ icon, word }, i) => {
      const pixels = pictures[i];
      if (pixels === undefined) return [];
      const { set, author, style } = icon;
      const key = `${set}/${icon.name}`;
      const sample = {
        key,
        image: greyPng(pixels, imageSize),
        extension: "png" as const,
        captions: [],
        classIndex: String(classes.indexOf(word)),
        meta: { author, set, style: style === "" ? "plain" : style },
      };
      return [[key, sample] as const];
    }),
  );
  mkdirSync(folder, { recursive: true });
  const split = join(folder, "test");
  const { shards } = await writeShards({
    samples: rankedBy([...samples.keys()], "topics").map((key) => samples.get(key)!),
    directory: split,
    samplesPerShard: 10_000,
  });
  for (const [i, shard] of shards.entries()) renameSync(shard, join(split, `${i}.tar`));
  writeFileSync(join(split, "nshards.txt"), `${shards.length}\n`);
  writeFileSync(join(folder, "classnames.txt"), `${classes.join("\n")}\n`);
  writeFileSync(join(folder, "zeroshot_classification_templates.txt"), "{c}\n");
}

function suiteOf(names: readonly string[]): unknown {
  return {
    name: "icon-topics",
    title: `${names.length} topics of held-out icons`,
    sets: names.map((name) => ({
      name,
      title: `${name.charAt(0).toUpperCase()}${name.slice(1)}`,
      source: name,
      main: "zeroShot/top1",
    })),
  };
}
