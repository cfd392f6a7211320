/** Captions in ten languages for the pictures of the studies, and what a model knows of each language. */
import { createHash } from "node:crypto";
import path from "node:path";
import { loadModel, type LoadedModel } from "limn";
import { writeShards, type PackSample } from "limn/data";
import { zeroShotClassification } from "limn/evaluate";
import type { ItemScores, StudyContext } from "limn/study";
import { trainTokenizer } from "limn/text";
import * as torch from "limn/torch";

import { addingKeywords, nameWithKeywords } from "../examples/emoji/captions.ts";
import { readEmoji, type Emoji } from "../examples/emoji/sources.ts";
import type { EmojiStudyData } from "./emoji.ts";
import { asSharp, readPictures, type StoredPicture } from "./lit-pictures.ts";

/** Languages with many captions beside English, and such with few. */
export const headLanguages = ["de", "fr", "es", "ja", "zh"] as const;
export const tailLanguages = ["it", "pt", "ko", "ru"] as const;
export const languages: readonly string[] = ["en", ...headLanguages, ...tailLanguages];

const keywordsPerCaption = 4;

/** A name and the name with keywords; English has the four captions of the shared data. */
function captionsIn(emoji: Emoji, language: string): string[] {
  const wording = emoji.wordings[language];
  if (wording === undefined) return [];
  const keywords = addingKeywords(wording).slice(0, keywordsPerCaption);
  return [wording.name, nameWithKeywords(wording, keywords)];
}

/** The one tail language that the captions of an emoji's pictures come in. */
function tailLanguage(emoji: Emoji): string {
  const byte = createHash("sha256").update(`tail ${emoji.hexcode}`).digest()[0] ?? 0;
  return tailLanguages[byte % tailLanguages.length] ?? "it";
}

export type Corpus = "english" | "many" | "texts";

/**
 * The captions that a training picture carries. `many`: English twice, so that it makes up two fifths,
 * every head language, one tail language. `texts`: all languages in full, for vocabularies and text
 * towers, which do not need pictures.
 */
function captionsFor(corpus: Corpus, emoji: Emoji, english: readonly string[]): string[] {
  if (corpus === "english") return [...english];
  if (corpus === "texts") {
    const others = languages.filter((language) => language !== "en");
    return [...english, ...others.flatMap((language) => captionsIn(emoji, language))];
  }
  const chosen = [...headLanguages, tailLanguage(emoji)];
  return [...english, ...english, ...chosen.flatMap((language) => captionsIn(emoji, language))];
}

export interface LanguageData {
  /** All that there are to choose from. */
  emoji: readonly Emoji[];
  /** Those that have training pictures. */
  trained: readonly Emoji[];
  /** Shards of a corpus. */
  folder: (corpus: Corpus) => string;
  test: readonly StoredPicture[];
  /** PNG files of `test`. */
  files: readonly Buffer[];
}

/** Writes the corpora once, or finds them, and reads the test pictures without flags. */
export async function prepareLanguages(
  context: StudyContext,
  data: EmojiStudyData,
): Promise<LanguageData> {
  const { imageSize } = data.built.dataset.options;
  const { stamp } = data.built.dataset;
  const { emoji } = readEmoji(path.resolve(context.sharedFolder, "packages"), languages);
  const byLabel = new Map(emoji.map((one) => [one.label, one]));
  const root = await context.artifact(
    "captions",
    async (directory) => {
      const pictures = await readPictures(data.source(), imageSize);
      for (const corpus of ["english", "many", "texts"] as const) {
        const samples: PackSample[] = [];
        for (const { key, captions, label, pixels } of pictures) {
          const one = byLabel.get(label);
          if (one === undefined) continue;
          const image = await asSharp(pixels, imageSize).png().toBuffer();
          // The shared data repeat the four English captions.
          const english = [...new Set(captions)];
          const chosen = captionsFor(corpus, one, english);
          samples.push({ key, image, extension: "png", captions: chosen, label });
        }
        await writeShards({
          ...{ samples, samplesPerShard: 1000 },
          directory: path.join(directory, corpus),
        });
      }
    },
    { of: { stamp, languages, form: 1 } },
  );
  const all = await readPictures(data.source("test-vendor"), imageSize);
  const test = all.filter(({ isFlag, label }) => !isFlag && byLabel.has(label));
  const files = await Promise.all(
    test.map(({ pixels }) => asSharp(pixels, imageSize).png().toBuffer()),
  );
  const classes = data.built.classes.emoji;
  const choose = (list: typeof classes): Emoji[] =>
    list.flatMap(({ label }) => byLabel.get(label) ?? []);
  return {
    emoji: choose(classes),
    trained: choose(classes.filter(({ isUnseen }) => !isUnseen)),
    folder: (corpus) => path.join(root, corpus),
    test,
    files,
  };
}

export type VocabularyKind = "unigram" | "bpe" | "wordpiece";

/** Trains a vocabulary on the captions of a corpus, or finds it; returns its file. */
export async function vocabulary(
  context: StudyContext,
  data: LanguageData,
  choice: { kind: VocabularyKind; corpus: "english" | "texts"; size: number; stamp: string },
): Promise<string> {
  const { kind, corpus, size, stamp } = choice;
  const folder = await context.artifact(
    `vocabulary-${corpus}-${kind}`,
    async (directory) => {
      const texts = data.trained.flatMap((one) => captionsFor(corpus, one, captionsIn(one, "en")));
      await trainTokenizer({ texts, vocabSize: size, contextLength: 24, kind, folder: directory });
    },
    { of: { kind, size, stamp, languages, form: 1 } },
  );
  return path.join(folder, "tokenizer.json");
}

type Found = { metrics: Record<string, number>; items: Record<string, ItemScores> };

/**
 * Zero-shot among all names of a language, and pictures found by their names, for every language.
 * Metrics: `top1`, `top5` and `recall@10` for `en`, `head` and `tail` with items, `<language>/top5`.
 */
export async function measureLanguages(folder: string, data: LanguageData): Promise<Found> {
  const loaded = await loadModel(folder);
  try {
    const images = await embedImages(loaded, data.files);
    const found = languages.map((language) => measure(loaded, { language, images, data }));
    const groups = { en: ["en"], head: headLanguages, tail: tailLanguages };
    const result: Found = { metrics: {}, items: {} };
    for (const [i, language] of languages.entries()) {
      if (language === "en") continue;
      const right = found[i]?.["top5"] ?? new Uint8Array();
      result.metrics[`${language}/top5`] = right.reduce((a, b) => a + b, 0) / right.length;
    }
    for (const [group, members] of Object.entries(groups)) {
      const rows = members.map((language) => found[languages.indexOf(language)] ?? {});
      for (const metric of ["top1", "top5", "recall@10"]) {
        const all = rows.map((row) => row[metric] ?? new Uint8Array());
        const sums = data.test.map((_, k) => all.reduce((sum, one) => sum + (one[k] ?? 0), 0));
        const counts = new Uint8Array(sums.length).fill(members.length);
        result.items[`${group}/${metric}`] = { sums: Uint8Array.from(sums), counts };
      }
    }
    return result;
  } finally {
    loaded.dispose();
  }
}

interface Rows {
  data: Float32Array;
  count: number;
  dim: number;
}

const rowsOf = (tensor: torch.Tensor): Rows => ({
  data: tensor.toFloat32Array(),
  count: tensor.size(0),
  dim: tensor.size(1),
});

function stack(parts: readonly Rows[]): Rows {
  const [dim, count] = [parts[0]?.dim ?? 0, parts.reduce((sum, one) => sum + one.count, 0)];
  const data = new Float32Array(count * dim);
  let at = 0;
  for (const part of parts) {
    data.set(part.data, at);
    at += part.data.length;
  }
  return { data, count, dim };
}

async function embedImages(loaded: LoadedModel, files: readonly Buffer[]): Promise<Rows> {
  const parts: Rows[] = [];
  for (let start = 0; start < files.length; start += 256) {
    const tensor = await loaded.encodeImages(files.slice(start, start + 256));
    parts.push(rowsOf(tensor));
    tensor.dispose();
  }
  return stack(parts);
}

function embedTexts(loaded: LoadedModel, texts: readonly string[]): Rows {
  const parts: Rows[] = [];
  for (let start = 0; start < texts.length; start += 256) {
    parts.push(torch.scope(() => rowsOf(loaded.encodeTexts(texts.slice(start, start + 256)))));
  }
  return stack(parts);
}

const products = (queries: Rows, candidates: Rows): Float32Array =>
  torch.scope(() => {
    const [q, c] = [queries, candidates].map(({ data, count, dim }) =>
      torch.fromData(data, [count, dim]),
    ) as [torch.Tensor, torch.Tensor];
    return q.mm(c.t()).toFloat32Array();
  });

/** 1 for each test picture that is named right, and that is found by its name. */
function measure(
  loaded: LoadedModel,
  { language, images, data }: { language: string; images: Rows; data: LanguageData },
): Record<string, Uint8Array> {
  const nameOf = new Map(
    data.emoji.map((one) => [one.label, one.wordings[language]?.name.toLowerCase() ?? one.label]),
  );
  // Two emoji of one name are one answer.
  const names = [...new Set(nameOf.values())];
  const place = new Map(names.map((name, i) => [name, i]));
  const classWeights = embedTexts(loaded, names);
  const labels = data.test.map(({ label }) => place.get(nameOf.get(label) ?? "") ?? 0);
  const options = { similarities: products, bootstrap: { resamples: 0 } };
  const { ranks } = zeroShotClassification({
    ...options,
    imageEmbeddings: images,
    labels,
    classWeights,
  });
  const asked = selectRows(classWeights, labels);
  const byName = zeroShotClassification({
    ...options,
    imageEmbeddings: asked,
    labels: labels.map((_, i) => i),
    classWeights: images,
  });
  const within = (all: Int32Array, k: number): Uint8Array =>
    Uint8Array.from(all, (rank) => (rank <= k ? 1 : 0));
  return { top1: within(ranks, 1), top5: within(ranks, 5), "recall@10": within(byName.ranks, 10) };
}

function selectRows({ data, dim }: Rows, rows: readonly number[]): Rows {
  const out = new Float32Array(rows.length * dim);
  for (const [i, row] of rows.entries()) {
    out.set(data.subarray(row * dim, (row + 1) * dim), i * dim);
  }
  return { data: out, count: rows.length, dim };
}
