/** SentencePiece's model file (a protocol buffer, sentencepiece_model.proto) as a tokenizer.json. */
import { postProcessor } from "../train/layouts.ts";
import type { StepConfig } from "./step-config.ts";
import type { TokenizerFile } from "./tokenizer-file.ts";

/** Field numbers of the messages. */
const MODEL = { pieces: 1, trainer: 2, normalizer: 3 } as const;
const PIECE = { text: 1, score: 2, type: 3 } as const;
const TRAINER = { type: 3, byteFallback: 35, unknown: 40, end: 42, padding: 43 } as const;
const NORMALIZER = { charsMap: 2, dummyPrefix: 3, removeSpaces: 4 } as const;

const UNIGRAM = 1;
/** Types of pieces that are looked for in texts as they are. */
const USER_DEFINED = 4;

/**
 * Pieces, scores and the normalizer's character map; rows are pieces and the end of text, if the
 * model has one. Control symbols written in a text are symbols, as for transformers.
 *
 * throws   TypeError for bytes that are no model of the unigram kind
 */
export function fromSentencePiece(bytes: Uint8Array): TokenizerFile {
  const model = readMessage(bytes);
  const pieces = all(model, MODEL.pieces).map((piece) => readPiece(asBytes(piece)));
  if (pieces.length === 0) throw new TypeError("no pieces in it");
  const settings = last(model, MODEL.trainer);
  if (settings === undefined) throw new TypeError("it is cut");
  const trainer = readMessage(asBytes(settings));
  if (integer(trainer, TRAINER.type, UNIGRAM) !== UNIGRAM) {
    throw new TypeError("its model is not of the unigram kind; convert it to a tokenizer.json");
  }
  const unknown = integer(trainer, TRAINER.unknown, 0);
  const padding = integer(trainer, TRAINER.padding, -1);
  const end = pieces[integer(trainer, TRAINER.end, 2)]?.text;
  const normalizer = readMessage(asBytes(last(model, MODEL.normalizer) ?? new Uint8Array()));
  const idOf = (name: string): number => pieces.findIndex(({ text }) => text === name);
  return {
    version: "1.0",
    truncation: null,
    padding: padding < 0 ? null : { pad_id: padding },
    added_tokens: pieces.flatMap(({ text, type }, id) =>
      type === USER_DEFINED || id === padding || text === end ? [addedToken(id, text)] : [],
    ),
    ...steps(normalizer),
    post_processor: end === undefined ? null : postProcessor([end], idOf),
    model: {
      type: "Unigram",
      unk_id: unknown,
      vocab: pieces.map(({ text, score }) => [text, score]),
      byte_fallback: integer(trainer, TRAINER.byteFallback, 0) === 1,
    } as NonNullable<TokenizerFile["model"]>,
  };
}

function addedToken(id: number, content: string): { content: string; [key: string]: unknown } {
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false };
  return { id, content, ...flags, special: true };
}

function steps(normalizer: Message): Pick<TokenizerFile, "normalizer" | "pre_tokenizer"> {
  const charsMap = Buffer.from(asBytes(last(normalizer, NORMALIZER.charsMap) ?? new Uint8Array()));
  const map: StepConfig[] =
    charsMap.length === 0
      ? []
      : [{ type: "Precompiled", precompiled_charsmap: charsMap.toString("base64") }];
  const spaces: StepConfig[] = integer(normalizer, NORMALIZER.removeSpaces, 1)
    ? [
        { type: "Replace", pattern: { Regex: "^ +| +$" }, content: "" },
        { type: "Replace", pattern: { Regex: " {2,}" }, content: " " },
      ]
    : [];
  const prefix = integer(normalizer, NORMALIZER.dummyPrefix, 1) ? "always" : "never";
  return {
    normalizer: { type: "Sequence", normalizers: [...map, ...spaces] },
    pre_tokenizer: {
      type: "Metaspace",
      replacement: "▁",
      prepend_scheme: prefix,
      split: true,
    },
  };
}

function readPiece(bytes: Uint8Array): { text: string; score: number; type: number } {
  const piece = readMessage(bytes);
  const score = last(piece, PIECE.score);
  return {
    text: new TextDecoder().decode(asBytes(last(piece, PIECE.text) ?? new Uint8Array())),
    score: typeof score === "number" ? score : 0,
    type: integer(piece, PIECE.type, 1),
  };
}

type Value = number | Uint8Array;
type Message = Map<number, Value[]>;

/** Fields of a message: varints and 32-bit floats as numbers, all else as bytes. */
function readMessage(bytes: Uint8Array): Message {
  const fields: Message = new Map();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = view.getUint8(at++);
      // Numbers below zero have ten bytes; only the lower 32 bits are of interest.
      if (shift < 35) value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
    throw new TypeError("not a SentencePiece model");
  };
  const take = (length: number): Uint8Array => {
    if (at + length > bytes.length) throw new TypeError("it is cut");
    return bytes.subarray(at, (at += length));
  };
  while (at < bytes.length) {
    const tag = varint();
    const value = readValue(tag & 7, { varint, take });
    const number = Math.floor(tag / 8);
    const values = fields.get(number);
    if (values === undefined) fields.set(number, [value]);
    else values.push(value);
  }
  return fields;
}

function readValue(
  kind: number,
  { varint, take }: { varint: () => number; take: (length: number) => Uint8Array },
): Value {
  if (kind === 0) return varint() | 0;
  if (kind === 1) return take(8);
  if (kind === 2) return take(varint());
  if (kind !== 5) throw new TypeError("not a SentencePiece model");
  const four = take(4);
  return new DataView(four.buffer, four.byteOffset, 4).getFloat32(0, true);
}

function all(message: Message, field: number): Value[] {
  return message.get(field) ?? [];
}

function last(message: Message, field: number): Value | undefined {
  return message.get(field)?.at(-1);
}

function integer(message: Message, field: number, otherwise: number): number {
  const value = last(message, field);
  return typeof value === "number" ? value : otherwise;
}

function asBytes(value: Value): Uint8Array {
  if (typeof value === "number") throw new TypeError("not a SentencePiece model");
  return value;
}
