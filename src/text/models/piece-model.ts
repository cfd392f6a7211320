/**
 * What the kinds of vocabulary have in common: a model of words, and a whole file that turns captions
 * into ids.
 */

/** A vocabulary with its rule: words to ids. */
export interface PieceModel {
  /** Ids of one word, each word for itself. */
  encode(word: string): readonly number[];
  readonly ids: ReadonlyMap<string, number>;
}

const rememberedWords = 65_536;
const rememberedLength = 64;

/** The model with the ids of short words kept: most words of a caption were seen before. */
export function rememberWords(model: PieceModel): PieceModel {
  const known = new Map<string, readonly number[]>();
  return {
    ids: model.ids,
    encode(word) {
      const remembered = known.get(word);
      if (remembered !== undefined) return remembered;
      const pieces = model.encode(word);
      if (known.size >= rememberedWords) known.clear();
      if (word.length <= rememberedLength) known.set(word, pieces);
      return pieces;
    },
  };
}

/** The ids of the pieces `<0x00>` to `<0xFF>`, or undefined where one of them is missing. */
export function bytePieces(
  text: string,
  ids: ReadonlyMap<string, number>,
): readonly number[] | undefined {
  const pieces: number[] = [];
  for (const byte of Buffer.from(text, "utf8")) {
    const id = ids.get(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`);
    if (id === undefined) return undefined;
    pieces.push(id);
  }
  return pieces;
}

/** A vocabulary file as something that turns a caption into ids; rows are made elsewhere. */
export interface PieceEncoder {
  /** Ids of a caption without those that stand around every one. */
  encode(text: string): number[];
  /** What stands around them. */
  readonly inFront: readonly number[];
  readonly behind: readonly number[];
  /** A text that ends with the id that rows end with gets no second one. */
  readonly endsOnce: boolean;
  /** The greatest id and one more, added tokens included. */
  readonly vocabSize: number;
  /** The id that the file itself fills rows with. */
  readonly padId: number | undefined;
  /** T, as far as the file itself says it. */
  readonly contextLength: number | undefined;
  /** Whether rows are read at the symbol in front, as BERT's are. */
  readonly readInFront: boolean;
  idOf(token: string): number | undefined;
  /** The id of what the vocabulary lacks. */
  readonly unknownId: number | undefined;
  /** Ids of bytes that are no whole character. */
  readonly byteIds: () => ReadonlySet<number>;
}

/** The greatest of many ids and one more; a spread of 256,000 arguments would overflow the stack. */
export function sizeOf(...all: Iterable<number>[]): number {
  let greatest = -1;
  for (const ids of all) for (const id of ids) greatest = Math.max(greatest, id);
  return greatest + 1;
}
