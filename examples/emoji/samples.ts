/** One sample per picture: its split, its captions, and what the evaluations need to know. */
import { captionsByLanguage, testCaptions, trainingCaptions } from "./captions.ts";
import { isFlag } from "./classes.ts";
import type { ResolvedOptions, ShardSample } from "./options.ts";
import type { EvaluatedSample } from "./evaluation.ts";
import type { Pictures } from "./render.ts";
import { styles, type Categories, type Emoji, type Style } from "./sources.ts";
import { rankedBy, splitOf, type SplitChoice } from "./split.ts";

export interface EmojiSample extends EvaluatedSample {
  packed: ShardSample;
  /** Language of each of the packed captions. */
  captionLanguages: string[];
}

export interface SampleSource {
  emoji: readonly Emoji[];
  categories: Categories;
  concepts: ReadonlyMap<string, string>;
  choice: SplitChoice;
  pictures: Pictures;
  /** Emoji whose line drawing equals another's. */
  sameLines: ReadonlySet<string>;
}

/** All samples in an order drawn from the seed, so that every shard is a fair mix. */
export function makeSamples(source: SampleSource, options: ResolvedOptions): EmojiSample[] {
  const samples = source.emoji.flatMap((emoji) =>
    styles.flatMap((style) => makeSample(emoji, style, source, options) ?? []),
  );
  const byKey = new Map(samples.map((sample) => [sample.packed.key, sample]));
  const order = rankedBy([...byKey.keys()], `${options.seed} order`);
  return order.flatMap((key) => byKey.get(key) ?? []);
}

function makeSample(
  emoji: Emoji,
  style: Style,
  source: SampleSource,
  options: ResolvedOptions,
): EmojiSample | undefined {
  const { hexcode, label, group, subgroup } = emoji;
  const split = splitOf(hexcode, style, source.choice, !source.sameLines.has(hexcode));
  const picture = source.pictures[style].get(hexcode);
  if (split === undefined || picture === undefined) return undefined;
  const byLanguage = captionsByLanguage(emoji, source.categories, options);
  const isTraining = split === "train";
  const captions = isTraining
    ? trainingCaptions(byLanguage, options)
    : testCaptions(emoji, options);
  const languages = Object.entries(byLanguage).flatMap(([language, some]) =>
    some.flatMap(() => Array<string>(language === "en" ? options.englishWeight : 1).fill(language)),
  );
  const flag = isFlag(subgroup);
  const meta = {
    hexcode,
    emoji: emoji.emoji,
    style,
    group,
    subgroup,
    concept: source.concepts.get(hexcode) ?? hexcode,
    isFlag: flag,
    isUnseen: source.choice.unseen.has(hexcode),
    captionsByLanguage: byLanguage,
  };
  return {
    split,
    style,
    isFlag: flag,
    label,
    group,
    subgroup,
    captions,
    captionLanguages: isTraining ? languages : captions.map(() => "en"),
    packed: {
      key: `${hexcode.toLowerCase()}_${style.toLowerCase()}`,
      image: picture.png,
      extension: "png",
      captions,
      label,
      meta,
    },
  };
}
