/** The tokenizers of open_clip's models: CLIP's own, or Hugging Face's with a cleaning before it. */
import { join } from "node:path";
import { statSync } from "node:fs";
import {
  createTokenizer,
  loadTokenizer,
  type Cleaning,
  type Tokenizer,
} from "../../../data/tokenize/index.ts";
import type { GivenFacts, Place } from "../layout.ts";
import type { StrictFields } from "../strict-fields.ts";
import { unsettled } from "../unsettled.ts";

/** What `text_cfg` says of the tokenizer. */
export interface OpenClipTokenizer {
  readonly contextLength: number;
  /** Hugging Face's, from the folder's files; else CLIP's own. */
  readonly huggingFace: boolean;
  /** Of the text, before the tokenizer's own. */
  readonly clean: Cleaning;
  /** BERT's separator is taken out again. */
  readonly stripSeparator: boolean;
}

/** Reads the fields of `text_cfg` that are about the tokenizer (tokenizer.py, `get_tokenizer`). */
export function readTokenizerFields(text: StrictFields): OpenClipTokenizer {
  const name = text.text("hf_tokenizer_name") ?? "";
  const huggingFace = name !== "";
  text.fixed({ tokenizer_mode: [""] });
  const kwargs = text.section("tokenizer_kwargs");
  kwargs.only(huggingFace ? ["clean", "strip_sep_token"] : ["clean", "context_length"]);
  kwargs.fixed({ clean: ["lower", "whitespace", "canonicalize"] });
  return {
    contextLength: text.integer("context_length", 77),
    huggingFace,
    clean: (kwargs.text("clean") ?? (huggingFace ? "whitespace" : "lower")) as Cleaning,
    stripSeparator: huggingFace && kwargs.boolean("strip_sep_token", false),
  };
}

/** CLIP's own, as every checkpoint without a configuration has it. */
export function clipTokenizer(contextLength: number): OpenClipTokenizer {
  return { contextLength, huggingFace: false, clean: "lower", stripSeparator: false };
}

/** CLIP's merges under every name they have; open_clip itself carries them and its folders need not. */
const mergesFiles = ["merges.txt", "bpe_simple_vocab_16e6.txt.gz", "bpe_simple_vocab_16e6.txt"];
const vocabularyFiles = ["tokenizer.json", "spiece.model", "tokenizer.model", "vocab.txt"];

/**
 * The tokenizer beside a checkpoint, or the one that is given.
 *
 * throws  CheckpointError where there is neither; DataError for damaged files
 */
export async function openTokenizer(
  place: Place,
  given: GivenFacts,
  wanted: OpenClipTokenizer,
): Promise<Tokenizer> {
  const source = given.tokenizer ?? beside(place, wanted);
  const { contextLength, clean } = wanted;
  if (statSync(source, { throwIfNoEntry: false })?.isDirectory()) {
    const { description } = await loadTokenizer(source);
    return createTokenizer({ ...description, contextLength, clean });
  }
  return wanted.huggingFace
    ? createTokenizer({ kind: "tokenizer.json", file: source, contextLength, clean })
    : createTokenizer({ kind: "clip-bpe", merges: source, contextLength, clean });
}

function beside(place: Place, { huggingFace }: OpenClipTokenizer): string {
  const files = huggingFace ? vocabularyFiles : [...mergesFiles, "tokenizer.json"];
  const found = files.find((name) => place.names.includes(name));
  if (found === undefined) {
    throw unsettled(
      place.path,
      "tokenizer",
      `the tokenizer's folder or file (${files.join(", ")})`,
    );
  }
  return huggingFace ? place.folder : join(place.folder, found);
}
