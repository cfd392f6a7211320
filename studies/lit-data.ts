/**
 * Three vendors in three roles, as LiT has three kinds of data: the image tower is pretrained on one
 * vendor's pictures and labels, pairs of pictures and captions come from a second, tests from a third.
 */
import path from "node:path";
import { writeShards } from "limn/data";
import type { StudyContext } from "limn/study";

import type { BuiltDataset } from "../examples/emoji/dataset.ts";
import type { WriteShards } from "../examples/emoji/options.ts";
import { buildShards, installEmoji, trainVocabulary } from "../examples/emoji/prepare.ts";
import { emojiSuites, type EmojiSuite, type SuiteSource } from "../examples/emoji/suites.ts";

export interface LitData {
  built: BuiltDataset;
  /** Twitter's pictures with their labels: for pretraining the image tower. */
  labelled: SuiteSource;
  /** Google's pictures with English captions: for contrastive training, and captions alone. */
  pairs: SuiteSource;
  counts: { labelled: number; pairs: number };
  /** `tokenizer.json` of the pairs' captions. */
  tokenizer: string;
  contextLength: number;
  /** OpenMoji's pictures: measured at the end, never looked at while choosing settings. */
  test: EmojiSuite;
  /** Twitter's pictures that no stage trains on: settings were chosen here. */
  validation: EmojiSuite;
  /** Where pictures and features are kept between runs. */
  cacheFolder: string;
  imageSize: number;
  smoke: boolean;
}

const imageSize = 32;
const contextLength = 24;
const vocabSize = 2000;
const vendors = ["google", "twitter"] as const;

/** Builds pictures, shards and vocabulary once in the folder that studies share, or finds them. */
export async function prepareLit(context: StudyContext): Promise<LitData> {
  const { sharedFolder, note } = context;
  const folder = path.resolve(sharedFolder, `emoji-${imageSize}-three-vendors`);
  const directory = path.join(folder, "data");
  return context.exclusively(path.resolve(sharedFolder, "emoji"), async () => {
    const packages = installEmoji(path.resolve(sharedFolder, "packages"), note);
    const built = await buildShards(packages, directory, note, {
      languages: ["en"],
      imageSize,
      validationShare: 0.15,
      samplesPerShard: shardSize,
      writeShards: byVendor,
    });
    const { splits, stamp } = built.dataset;
    const counts = splits.train.styles;
    const [pairs, labelled] = vendors.map((vendor) =>
      vendorSource(directory, vendor, counts[vendor] ?? 0),
    ) as [SuiteSource, SuiteSource];
    const tokenizer = await trainVocabulary({
      folder: path.join(folder, "tokenizer"),
      ...{ source: pairs, stamp, vocabSize, contextLength, note },
    });
    const suites = emojiSuites(directory, built.evaluations, splits);
    const suite = (name: string): EmojiSuite => {
      const { tasks, ...rest } = suites.find((one) => one.name === name)!;
      return { ...rest, tasks: tasks.filter((task) => task.name !== "subcategory") };
    };
    return {
      ...{ built, labelled, pairs, tokenizer, contextLength, imageSize },
      counts: { labelled: counts["twitter"] ?? 0, pairs: counts["google"] ?? 0 },
      test: suite("vendor"),
      validation: suite("validation"),
      cacheFolder: path.join(folder, "cache"),
      smoke: context.smoke,
    };
  });
}

const shardSize = 500;

/** Writes each training vendor's pictures into shards of their own, beside those of the split. */
const byVendor: WriteShards = async (options) => {
  const samples = [...options.samples];
  if (path.basename(options.directory) === "train") {
    for (const vendor of vendors) {
      const chosen = samples.filter(({ meta }) => meta?.["style"] === vendor);
      const directory = path.join(options.directory, "..", vendor);
      await writeShards({ ...options, samples: chosen, directory });
    }
  }
  return writeShards({ ...options, samples });
};

function vendorSource(directory: string, vendor: string, pictures: number): SuiteSource {
  const shards = Array.from({ length: Math.ceil(pictures / shardSize) }, (_, i) =>
    path.join(directory, vendor, `shard-${String(i).padStart(6, "0")}.tar`),
  );
  return { kind: "webdataset", shards };
}
