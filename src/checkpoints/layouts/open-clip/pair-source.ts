/**
 * What open_clip's and OpenAI's layouts have in common once the configuration is known, the tokenizer
 * included: CLIP's own, or Hugging Face's with a cleaning before it.
 */
import { join } from "node:path";
import { statSync } from "node:fs";

import type { EvaluationTransform } from "../../../data/image/evaluation-transform.ts";
import type { DualEncoderConfig } from "../../../pair/dual-encoder.ts";
import type { KeyTable } from "../../weights/key-table.ts";
import type { Weights } from "../../weights/weight-file.ts";
import { siglipFamily } from "../hugging-face/siglip-family.ts";
import type { DescribedModel, Family, GivenFacts } from "../../layout.ts";
import type { Place, PlaceFacts } from "../../place.ts";
import {
  createTokenizer,
  familyTokenizer,
  loadTokenizer,
  type OpenClipTokenizerKwargs,
  type Tokenizer,
} from "../../../text/index.ts";
import type { TextTowerConfig } from "../../../towers/index.ts";
import type { StrictFields } from "../strict-fields.ts";
import { checkContextLength, fitting, noTokenizer } from "../tower-tokenizer.ts";

interface PairFacts {
  place: Place;
  given: GivenFacts;
  layout: string;
  config: DualEncoderConfig;
  table: KeyTable;
  wanted: OpenClipTokenizer;
  weights: () => Weights;
  /** Where `given` does not say it. */
  transform: () => EvaluationTransform;
}

export function pairSource(facts: PairFacts): DescribedModel {
  const { place, given, layout, config, table, wanted, weights, transform } = facts;
  return {
    place,
    layout,
    family: familyOf(config),
    contents: { kind: "pair", config },
    table,
    weights,
    evaluationTransform: () => given.evaluationTransform ?? transform(),
    tokenizer: () => openTokenizer(place, given, { text: config.text, wanted }),
  };
}

function familyOf({ text, logitBiasInit }: DualEncoderConfig): Family {
  const siglip =
    logitBiasInit !== undefined && text.kind === "transformer" && text.pooling === "last";
  return siglip ? siglipFamily(text) : "CLIP";
}

/** What `text_cfg` says of the tokenizer. */
interface OpenClipTokenizer {
  readonly contextLength: number;
  /** Hugging Face's, from the folder's files; else CLIP's own. */
  readonly huggingFace: boolean;
  /** The cleaning before the tokenizer's own, and whether BERT's separator is taken out again. */
  readonly kwargs: OpenClipTokenizerKwargs;
}

/** Reads the fields of `text_cfg` that are about the tokenizer (tokenizer.py, `get_tokenizer`). */
export function readTokenizerFields(text: StrictFields): OpenClipTokenizer {
  const huggingFace = (text.text("hf_tokenizer_name") ?? "") !== "";
  text.fixed({ tokenizer_mode: [""] });
  const kwargs = text.section("tokenizer_kwargs");
  // open_clip itself fails on a context_length here, beside that of text_cfg.
  kwargs.only(huggingFace ? ["clean", "strip_sep_token"] : ["clean"]);
  kwargs.fixed({ clean: ["lower", "whitespace", "canonicalize"] });
  const clean = kwargs.text("clean");
  return {
    contextLength: text.integer("context_length", 77),
    huggingFace,
    kwargs: {
      ...(clean === undefined ? {} : { clean }),
      ...(huggingFace ? { strip_sep_token: kwargs.boolean("strip_sep_token", false) } : {}),
    },
  };
}

/** CLIP's own, as every checkpoint without a configuration has it. */
export function clipTokenizer(contextLength: number): OpenClipTokenizer {
  return { contextLength, huggingFace: false, kwargs: {} };
}

/** CLIP's merges under every name they have; open_clip itself carries them and its folders need not. */
const mergesFiles = ["merges.txt", "bpe_simple_vocab_16e6.txt.gz", "bpe_simple_vocab_16e6.txt"];
const vocabularyFiles = ["tokenizer.json", "spiece.model", "tokenizer.model", "vocab.txt"];

/**
 * The tokenizer beside a checkpoint, or the one that is given.
 *
 * throws  UnsettledError where there is neither; CheckpointError where its ids are not the tower's;
 *         DataError for damaged files
 */
async function openTokenizer(
  place: PlaceFacts,
  given: GivenFacts,
  { text, wanted }: { text: TextTowerConfig; wanted: OpenClipTokenizer },
): Promise<Tokenizer> {
  checkContextLength(place, text, given);
  const source = given.tokenizer ?? beside(place, wanted);
  const contextLength = given.contextLength ?? wanted.contextLength;
  const { huggingFace, kwargs } = wanted;
  if (huggingFace) {
    const options = { contextLength, kwargs };
    const description = await familyTokenizer("open-clip-hf", source, options);
    return fitting(place, text, await createTokenizer(description));
  }
  const merges = await mergesOf(source);
  const description = await familyTokenizer("clip-openai", merges, { contextLength, kwargs });
  return fitting(place, text, await createTokenizer(description));
}

/** Of a folder, where its own tokenizer keeps them. */
async function mergesOf(source: string): Promise<string> {
  if (!statSync(source, { throwIfNoEntry: false })?.isDirectory()) return source;
  const { description } = await loadTokenizer(source, { tokenizerClass: "CLIPTokenizer" });
  return description.kind === "clip-bpe" ? description.merges : source;
}

function beside(place: PlaceFacts, { huggingFace }: OpenClipTokenizer): string {
  const files = huggingFace ? vocabularyFiles : [...mergesFiles, "tokenizer.json"];
  const found = files.find((name) => place.names.includes(name));
  if (found === undefined) throw noTokenizer(place, files);
  return huggingFace ? place.folder : join(place.folder, found);
}
