/** SentencePiece's model file: a protocol buffer, sentencepiece_model.proto. */
import { asBytes, integer, last, readMessage, type Message } from "../../files/protobuf.ts";

/** Field numbers of the messages. */
const MODEL = { pieces: 1, trainer: 2, normalizer: 3 } as const;
const PIECE = { text: 1, score: 2, type: 3 } as const;
const TRAINER = { type: 3, spaceAsSuffix: 24, byteFallback: 35, unknown: 40, end: 42, padding: 43 };
const NORMALIZER = { charsMap: 2, dummyPrefix: 3, removeSpaces: 4, escapeSpaces: 5 } as const;

const modelTypes = ["unigram", "bpe", "word", "char"] as const;

/** What a piece is for: only the first, fourth and fifth kind are looked for in texts. */
export const pieceTypes = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 };

export interface SentencePiece {
  text: string;
  /** Log probability, or minus the rank of the merge that made it. */
  score: number;
  type: number;
}

export interface SentencePieceFile {
  type: "unigram" | "bpe";
  pieces: readonly SentencePiece[];
  byteFallback: boolean;
  unknownId: number;
  /** Undefined where the model has none. */
  endId: number | undefined;
  padId: number | undefined;
  normalizer: {
    charsMap: Uint8Array;
    /** A space in front of every text (or behind it). */
    dummyPrefix: boolean;
    spaceAsSuffix: boolean;
    removeSpaces: boolean;
    escapeSpaces: boolean;
  };
}

/** throws   TypeError for bytes that are no model of the unigram or the BPE kind */
export function readSentencePieceFile(bytes: Uint8Array): SentencePieceFile {
  const model = readMessage(bytes);
  const pieces = (model.get(MODEL.pieces) ?? []).map((piece) => readPiece(asBytes(piece)));
  if (pieces.length === 0) throw new TypeError("no pieces in it");
  const settings = last(model, MODEL.trainer);
  if (settings === undefined) throw new TypeError("it is cut");
  const trainer = readMessage(asBytes(settings));
  const number = integer(trainer, TRAINER.type, 1);
  const type = modelTypes[number - 1] ?? `number ${number}`;
  if (type !== "unigram" && type !== "bpe") {
    throw new TypeError(`its model is of the kind "${type}"; convert it to a tokenizer.json`);
  }
  const idAt = (field: number, otherwise: number): number | undefined => {
    const id = integer(trainer, field, otherwise);
    return pieces[id] === undefined ? undefined : id;
  };
  const unknownId = idAt(TRAINER.unknown, 0);
  if (unknownId === undefined) throw new TypeError("no unknown piece in it");
  return {
    type,
    pieces,
    byteFallback: integer(trainer, TRAINER.byteFallback, 0) === 1,
    unknownId,
    endId: idAt(TRAINER.end, 2),
    padId: idAt(TRAINER.padding, -1),
    normalizer: readNormalizer(model, integer(trainer, TRAINER.spaceAsSuffix, 0) === 1),
  };
}

function readNormalizer(model: Message, spaceAsSuffix: boolean): SentencePieceFile["normalizer"] {
  const settings = readMessage(asBytes(last(model, MODEL.normalizer) ?? new Uint8Array()));
  return {
    charsMap: asBytes(last(settings, NORMALIZER.charsMap) ?? new Uint8Array()),
    dummyPrefix: integer(settings, NORMALIZER.dummyPrefix, 1) === 1,
    spaceAsSuffix,
    removeSpaces: integer(settings, NORMALIZER.removeSpaces, 1) === 1,
    escapeSpaces: integer(settings, NORMALIZER.escapeSpaces, 1) === 1,
  };
}

function readPiece(bytes: Uint8Array): SentencePiece {
  const piece = readMessage(bytes);
  const score = last(piece, PIECE.score);
  if (typeof score === "number" && !Number.isFinite(score)) throw new TypeError("a score of NaN");
  return {
    text: new TextDecoder("utf-8", { ignoreBOM: true }).decode(
      asBytes(last(piece, PIECE.text) ?? new Uint8Array()),
    ),
    score: typeof score === "number" ? score : 0,
    type: integer(piece, PIECE.type, 1),
  };
}
