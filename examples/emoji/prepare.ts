/**
 * From nothing to data that can be trained on: npm's packages, shards, a vocabulary. Each is made once
 * and found again. Prints only through what it is given.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createLoader, evaluationPreset, writeShards } from "limn/data";
import { trainTokenizer } from "limn/text";

import { installPackages } from "../npm/install-packages.ts";
import { buildEmojiDataset, type BuiltDataset } from "./dataset.ts";
import type { EmojiDatasetOptions } from "./options.ts";
import type { SuiteSource } from "./suites.ts";

/** npm's packages with the pictures and names, in a folder of their own. */
export function installEmoji(folder: string, note: (line: string) => void): string {
  return installPackages({
    manifest: fileURLToPath(new URL("package.json", import.meta.url)),
    folder,
    what: "emoji",
    note,
    announcement: "Fetching pictures and names of emoji from npm (150 MB, once) ...",
  });
}

/** Shards in `directory`, from the packages; `options` as `buildEmojiDataset` takes them. */
export async function buildShards(
  packages: string,
  directory: string,
  note: (line: string) => void,
  options: Partial<Omit<EmojiDatasetOptions, "packages" | "directory">> = {},
): Promise<BuiltDataset> {
  let last = "";
  return buildEmojiDataset({
    packages,
    directory,
    writeShards,
    onProgress: (message) => {
      if (message !== last) note(`${message} ...`);
      last = message;
    },
    ...options,
  });
}

export interface VocabularyOptions {
  folder: string;
  source: SuiteSource;
  /** Of the dataset: another one gets another vocabulary. */
  stamp: string;
  vocabSize: number;
  contextLength: number;
  note: (line: string) => void;
}

/** A vocabulary of the training captions, in all their languages; returns its file. */
export async function trainVocabulary(options: VocabularyOptions): Promise<string> {
  const { folder, source, vocabSize, contextLength, note } = options;
  const file = join(folder, "tokenizer.json");
  const stamp = `${folder}.stamp`;
  const wanted = `${options.stamp} ${vocabSize} ${contextLength}`;
  if (existsSync(file) && existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return file;
  // It was inside in earlier versions.
  rmSync(join(folder, "stamp"), { force: true });
  note("Training a vocabulary on the captions ...");
  await trainTokenizer({ texts: captionsOf(source), vocabSize, contextLength, folder });
  writeFileSync(stamp, wanted);
  return file;
}

async function* captionsOf(source: SuiteSource): AsyncGenerator<string> {
  const transform = evaluationPreset("clip", 8);
  const loader = await createLoader({ source, transform, batchSize: 64, mode: "evaluate" });
  try {
    for await (const batch of loader) yield* batch.captions;
  } finally {
    await loader.close();
  }
}
