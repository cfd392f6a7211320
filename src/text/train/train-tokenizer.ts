/** Trains a vocabulary on captions and writes its files. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { DataError, didYouMean, SettingError } from "../../errors.ts";
import { checkFolderTarget, writeFolderAtomically } from "../../files/atomic-folder.ts";
import { readTextFile } from "../../files/regular-file.ts";
import { writeJson } from "../save-tokenizer.ts";
import type { Tokenizer } from "../tokenizer-description.ts";
import { compileNormalizer } from "../tokenizer-json/normalize.ts";
import { compilePreTokenizer } from "../tokenizer-json/pre-tokenize.ts";
import { postProcessor } from "../tokenizer-json/step-config.ts";
import { createVocabularyTokenizer } from "../vocabulary-tokenizer.ts";
import {
  endsOf,
  layouts,
  type TrainedModel,
  trainModel,
  type VocabularyKind,
} from "./train-model.ts";

/** What a vocabulary is trained on, and what comes of it. */
export interface TrainTokenizerOptions {
  /** Captions, read once. */
  texts: AsyncIterable<string> | Iterable<string>;
  /** Ids at most, special tokens included; fewer where the captions hold no more. */
  vocabSize: number;
  /** Where `tokenizer.json` and its companions are written: a new folder, or one of limn's. */
  folder: string;
  /**
   * `bpe`: byte-level as CLIP's, any text has ids. `wordpiece`: BERT's. `unigram`: SentencePiece's,
   * best where languages write without spaces. Default `bpe`.
   */
  kind?: VocabularyKind;
  /** T, ids per row. Default 77. */
  contextLength?: number;
}

const optionNames = ["texts", "vocabSize", "folder", "kind", "contextLength"];

/** Ids that must be there before anything is learnt. */
const leastVocabSize: Readonly<Record<VocabularyKind, number>> = {
  bpe: 2 * 256 + 2,
  wordpiece: 16,
  unigram: 16,
};

/**
 * Trains a vocabulary on captions and writes it as a folder that Hugging Face's `tokenizers` and
 * `PreTrainedTokenizerFast` read to the same ids. The same captions, in any order, give the same
 * files. All kinds lower-case and take any language.
 *
 * throws SettingError for options that cannot be; DataError when there is no caption with text;
 *        StorageError for a folder that holds what limn did not write
 */
export async function trainTokenizer(options: TrainTokenizerOptions): Promise<Tokenizer> {
  checkOptions(options);
  const { texts, vocabSize, folder, kind = "bpe", contextLength = 77 } = options;
  await checkFolderTarget(folder, { isOlder });
  const words = await countWords(texts, kind);
  if (words.size === 0) {
    throw new DataError(
      `Expected captions for the tokenizer but received none with text; check the source.`,
      { source: folder },
    );
  }
  const trained = trainModel(kind, words, vocabSize);
  const { tokens } = layouts[kind];
  const write = (partial: string): void => {
    writeJson(join(partial, fileNames[0]), tokenizerFile(kind, trained));
    writeJson(join(partial, fileNames[1]), tokens);
    writeJson(join(partial, fileNames[2]), {
      tokenizer_class: "PreTrainedTokenizerFast",
      ...tokens,
      model_max_length: contextLength,
      padding_side: "right",
      clean_up_tokenization_spaces: false,
      limn: { kind: "tokenizer.json", pooling: kind === "wordpiece" ? "first" : "endOfText" },
    });
  };
  await writeFolderAtomically(folder, write, { isOlder });
  return createVocabularyTokenizer({ kind: "tokenizer.json", file: join(folder, fileNames[0]) });
}

const fileNames = ["tokenizer.json", "special_tokens_map.json", "tokenizer_config.json"] as const;

/** Whether an earlier version wrote the folder: these files, and limn's settings in the last. */
function isOlder(folder: string): boolean {
  const names = readdirSync(folder);
  if (!names.every((name) => (fileNames as readonly string[]).includes(name))) return false;
  try {
    const text = readTextFile(join(folder, fileNames[2]));
    return (JSON.parse(text) as { limn?: unknown }).limn !== undefined;
  } catch {
    return false;
  }
}

async function countWords(
  texts: TrainTokenizerOptions["texts"],
  kind: VocabularyKind,
): Promise<Map<string, number>> {
  const normalize = compileNormalizer(layouts[kind].normalizer);
  const preTokenize = compilePreTokenizer(layouts[kind].preTokenizer);
  const counts = new Map<string, number>();
  for await (const text of texts) {
    for (const word of preTokenize(normalize(text), true)) {
      counts.set(word, (counts.get(word) ?? 0) + 1);
    }
  }
  return counts;
}

function tokenizerFile(kind: VocabularyKind, { model, ids }: TrainedModel): object {
  const { normalizer, preTokenizer, decoder, special } = layouts[kind];
  const idOf = (token: string): number => ids.get(token) ?? 0;
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: special.names.map((content) => ({
      id: idOf(content),
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer,
    pre_tokenizer: preTokenizer,
    post_processor: postProcessor(endsOf(layouts[kind]), idOf),
    decoder,
    model,
  };
}

function checkOptions(options: TrainTokenizerOptions): void {
  for (const name of Object.keys(options)) {
    if (optionNames.includes(name)) continue;
    const hint = didYouMean(name, optionNames) || " remove it.";
    fail(name, `${optionNames.join(", ")} for training a tokenizer`, `"${name}";${hint}`);
  }
  const { vocabSize, kind = "bpe", contextLength = 77, folder } = options;
  const kinds = Object.keys(layouts);
  if (!kinds.includes(kind)) {
    const hint = didYouMean(kind, kinds) || " choose one of them.";
    fail("kind", `${kinds.join(", ")} for tokenizer.kind`, `${JSON.stringify(kind)};${hint}`);
  }
  const least = leastVocabSize[kind];
  if (!Number.isSafeInteger(vocabSize) || vocabSize < least || vocabSize > 2 ** 23) {
    const expected = `an integer from ${least} to ${2 ** 23} for tokenizer.vocabSize`;
    fail("vocabSize", expected, `${vocabSize}; CLIP's own has 49408 ids.`);
  }
  if (!Number.isSafeInteger(contextLength) || contextLength < 3) {
    const expected = "an integer of at least 3 for tokenizer.contextLength";
    fail("contextLength", expected, `${contextLength}; CLIP's own is 77.`);
  }
  if (typeof folder !== "string" || folder === "") {
    fail(
      "folder",
      "a path for tokenizer.folder",
      `${JSON.stringify(folder)}; give one to write to.`,
    );
  }
}

function fail(name: string, expected: string, received: string): never {
  throw new SettingError(`tokenizer.${name}`, `Expected ${expected} but received ${received}`);
}
