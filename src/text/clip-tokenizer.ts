/** CLIP's tokenizer: rows of ids from OpenAI's merges or Hugging Face's vocab.json. */
import { DataError } from "../errors.ts";
import { readingReason, readJsonFile } from "../files/regular-file.ts";
import { clean } from "./clean.ts";
import {
  type ClipBpeDescription,
  huggingFaceSpecialTokens,
  openClipSpecialTokens,
  rowEncoders,
  type Tokenizer,
} from "./tokenizer-description.ts";
import { ClipBpe, type ClipVocabulary, vocabularyOf } from "./models/clip-bpe.ts";
import { once, partialIds } from "./models/byte-pieces.ts";
import { cutAtTokens, readAddedTokens } from "./tokenizer-json/added-tokens.ts";
import { readMerges } from "./tokenizer-json/clip-files.ts";

/** CLIP's tokenizer with what saving it needs. */
export interface ClipTokenizer extends Tokenizer {
  readonly description: Required<Omit<ClipBpeDescription, "vocab" | "addedTokens">> &
    ClipBpeDescription;
  readonly merges: readonly string[];
  readonly vocabulary: ClipVocabulary;
}

/**
 * CLIP's tokenizer: [start] ids [end] in rows of `contextLength`, a longer caption cut with the
 * end of text in the last place (openai/CLIP, clip.py `tokenize` with `truncate`).
 *
 * padToken   name of the token that fills rows where the description gives no id
 */
export async function createClipTokenizer(
  description: ClipBpeDescription,
  padToken?: string,
): Promise<ClipTokenizer> {
  const { contextLength = 77, clean: cleaning = "lower" } = description;
  const merges = await readMerges(description.merges);
  const { vocabulary, specialTokens, vocab } = resolveVocabulary(description, merges);
  const bpe = new ClipBpe(merges, vocabulary, specialTokens);
  const { startId, endId, size } = vocabulary;
  const { addedTokens = [] } = description;
  const added = readAddedTokens(addedTokens);
  const addedPad = added.find(({ content }) => content === padToken)?.id;
  const padId = description.padId ?? addedPad ?? idOfPad(padToken, vocabulary, specialTokens);
  const cut = cutAtTokens(added, (part) => clean(part, cleaning));
  const fill = (text: string, row: Int32Array, from: number): number => {
    let stop = from;
    for (const part of cut(text)) {
      if (part.id === undefined) stop = bpe.write(part.text, row, stop);
      else if (stop < row.length) row[stop++] = part.id;
    }
    return stop;
  };
  const write = (text: string, row: Int32Array): number => {
    row[0] = startId;
    const stop = fill(text, row, 1);
    const length = Math.min(stop + 1, contextLength);
    row[length - 1] = endId;
    return length;
  };
  return {
    vocabSize: added.reduce((most, { id }) => Math.max(most, id + 1), size),
    contextLength,
    padId,
    endId,
    pooling: "endOfText",
    ...rowEncoders(contextLength, padId, write),
    pieces: {
      encode: (text) => wholeRow((row) => fill(text, row, 0), text.length),
      room: contextLength - 2,
      unknownId: undefined,
      byteIds: once(() => partialIds(vocabulary.ids, { suffix: "</w>" })),
    },
    merges,
    vocabulary,
    description: {
      kind: "clip-bpe",
      merges: description.merges,
      ...(vocab !== undefined && { vocab }),
      contextLength,
      clean: cleaning,
      padId,
      specialTokens,
      ...(addedTokens.length > 0 && { addedTokens }),
    },
  };
}

/** What is written to a row, in one that is long enough. */
function wholeRow(write: (row: Int32Array) => number, characters: number): Int32Array {
  for (let size = 2 * characters + 16; ; size *= 2) {
    const row = new Int32Array(size);
    const stop = write(row);
    if (stop < size) return row.subarray(0, stop);
  }
}

/** The ends of text may go by other names in the vocabulary. */
function idOfPad(
  name: string | undefined,
  { ids, startId, endId }: ClipVocabulary,
  [start, end]: readonly [string, string],
): number {
  if (name === undefined) return 0;
  return name === start ? startId : name === end ? endId : (ids.get(name) ?? 0);
}

interface ResolvedVocabulary {
  vocabulary: ClipVocabulary;
  specialTokens: [string, string];
  vocab?: string;
}

function resolveVocabulary(
  { merges: source, vocab, specialTokens = openClipSpecialTokens }: ClipBpeDescription,
  merges: readonly string[],
): ResolvedVocabulary {
  if (vocab === undefined) {
    return { vocabulary: vocabularyOf(merges, specialTokens), specialTokens };
  }
  const ids = readVocabulary(vocab);
  const [startId, endId] = specialTokens.map(
    (name, i) => ids.get(name) ?? ids.get(huggingFaceSpecialTokens[i] ?? ""),
  );
  if (startId === undefined || endId === undefined) {
    throw new DataError(
      `Expected ${specialTokens.join(" and ")} in ${vocab} but at least one is missing; set ` +
        `tokenizer.specialTokens to the names that the file uses.`,
      { source: vocab },
    );
  }
  const size = [...ids.values()].reduce((most, id) => Math.max(most, id + 1), 0);
  const vocabulary = { ids, startId, endId, size };
  checkAgainstMerges(vocabulary, merges, { vocab, source });
  return { vocabulary, specialTokens, vocab };
}

function readVocabulary(file: string): Map<string, number> {
  try {
    const entries = Object.entries(readJsonFile(file) as object);
    const ids = entries.filter((entry): entry is [string, number] =>
      Number.isSafeInteger(entry[1]),
    );
    if (ids.length !== entries.length || ids.length === 0) throw new TypeError("not a vocabulary");
    return new Map(ids);
  } catch (cause) {
    throw new DataError(
      `Expected a JSON object of symbols and ids in ${file} but could not read one ` +
        `(${readingReason(cause)}); use the ` +
        `vocab.json of a CLIP model.`,
      { source: file },
      { cause },
    );
  }
}

/** Both files of one model: each merge has an id, and no symbol has been left over. */
function checkAgainstMerges(
  { ids }: ClipVocabulary,
  merges: readonly string[],
  { vocab, source }: { vocab: string; source: string },
): void {
  const lost = merges.find((merge) => !ids.has(merge.replace(" ", "")));
  const expected = 512 + merges.length + 2;
  // What was added behind the vocabulary has ids behind it.
  const own = [...ids.values()].filter((id) => id < expected).length;
  if (lost === undefined && own === expected) return;
  throw new DataError(
    `Expected ${expected} symbols for the ${merges.length} merges of ${source} but received ` +
      `${ids.size} in ${vocab}${lost === undefined ? "" : `, without "${lost.replace(" ", "")}"`}; ` +
      `use vocab.json and merges.txt of the same model.`,
    { source: vocab },
  );
}
