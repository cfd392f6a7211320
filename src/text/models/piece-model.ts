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
