/** SigLIP's spiece.model as transformers reads it, and SigLIP's cleaning. */
import { collapseSpaces, removePunctuation } from "./clean.ts";
import { fallbackIds, once } from "./models/byte-pieces.ts";
import type { PieceEncoder } from "./models/piece-model.ts";
import type { SentencePieceFile } from "./sentence-piece/model-file.ts";
import { spaceMark } from "./sentence-piece/normalizer.ts";
import { openSentencePiece, type Piece } from "./sentence-piece/open-sentence-piece.ts";
import { type TokenizerConfig, tokenName } from "./tokenizer-config.ts";
import { compileAddedTokens } from "./tokenizer-json/added-tokens.ts";

/**
 * SigLIP's cleaning as transformers has it (tokenization_siglip.py `canonicalize_text`): lower
 * case, ASCII punctuation dropped (an underscore too, which leaves no space), white space
 * collapsed.
 */
export function cleanSiglipText(text: string, lowerCase: boolean): string {
  return collapseSpaces(removePunctuation(lowerCase ? text.toLowerCase() : text));
}

/**
 * The `spiece.model` of SigLIP as transformers' SiglipTokenizer reads it: special tokens are
 * looked for in the caption as it is, what lies between is cleaned and cut into pieces behind an
 * unknown token whose pieces are left out again.
 */
export function openSiglip(file: SentencePieceFile, config: TokenizerConfig): PieceEncoder {
  const processor = openSentencePiece(file);
  const special = specialTokens(config, processor.idOf);
  const cut = compileAddedTokens(
    Array.from(special, ([content, id]) => {
      return { id, content, normalized: false, singleWord: false, lstrip: false, rstrip: false };
    }),
  );
  const unknown = tokenName(config.unk_token) ?? "<unk>";
  const skipped = processor.encode(unknown).length;
  const lowerCase = config.do_lower_case !== false;
  const idOf = (name: string): number => special.get(name) ?? processor.idOf(name);
  const encodeSection = (text: string): Piece[] => {
    const pieces = processor.encode(unknown + cleanSiglipText(text, lowerCase));
    return pieces.length >= skipped ? pieces.slice(skipped) : pieces;
  };
  const encode = (text: string): number[] => {
    const sections = cut(spaceMark + text.replaceAll(spaceMark, " "));
    const names = sections.flatMap((section): (Piece & { special?: boolean })[] =>
      section.id === undefined ? encodeSection(section.text) : [{ id: section.id, special: true }],
    );
    const ids = names.map(({ id, surface }) => (surface === undefined ? id : idOf(surface)));
    return names[0]?.id === processor.ids.get(spaceMark) && names[1]?.special ? ids.slice(1) : ids;
  };
  const endId = idOf(tokenName(config.eos_token) ?? "</s>");
  return {
    encode,
    inFront: [],
    behind: [endId],
    endsOnce: true,
    vocabSize: Math.max(processor.vocabSize, ...Array.from(special.values(), (id) => id + 1)),
    padId: idOf(tokenName(config.pad_token) ?? "</s>"),
    // The length of the class where a configuration does not say another.
    contextLength: undefined,
    readInFront: false,
    idOf: (name) => special.get(name) ?? processor.ids.get(name),
    unknownId: file.unknownId,
    byteIds: once(() => fallbackIds(processor.ids)),
  };
}

/** Names that are tokens wherever they stand, with their ids. */
function specialTokens(
  config: TokenizerConfig,
  idOf: (name: string) => number,
): Map<string, number> {
  const names = [
    tokenName(config.eos_token) ?? "</s>",
    tokenName(config.unk_token) ?? "<unk>",
    tokenName(config.pad_token) ?? "</s>",
  ];
  const tokens = new Map(names.map((name) => [name, idOf(name)]));
  for (const [id, token] of Object.entries(config.added_tokens_decoder ?? {})) {
    const content = token?.content;
    if (typeof content === "string" && /^\d{1,9}$/.test(id)) tokens.set(content, Number(id));
  }
  return tokens;
}
