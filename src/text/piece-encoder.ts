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
}

/** The greatest of many ids and one more; a spread of 256,000 arguments would overflow the stack. */
export function sizeOf(...all: Iterable<number>[]): number {
  let greatest = -1;
  for (const ids of all) for (const id of ids) greatest = Math.max(greatest, id);
  return greatest + 1;
}
