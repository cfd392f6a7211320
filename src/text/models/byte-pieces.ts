/** Which pieces of a vocabulary are bytes and no whole character: what is written so, few models read. */
import { byteAlphabet } from "./clip-bpe.ts";

/** Ids of the pieces `<0x00>` to `<0xFF>`, into which SentencePiece falls back. */
export function fallbackIds(ids: ReadonlyMap<string, number>): ReadonlySet<number> {
  return idsWhere(ids, (piece) => /^<0x[0-9A-F]{2}>$/.test(piece));
}

/** What stands around a piece's bytes. */
interface Around {
  readonly prefix?: string;
  readonly suffix?: string;
}

/**
 * Of a vocabulary in the alphabet of bytes, ids of pieces that are not whole characters in UTF-8, such as
 * the first two bytes of three.
 */
export function partialIds(
  ids: ReadonlyMap<string, number>,
  { prefix = "", suffix = "" }: Around,
): ReadonlySet<number> {
  const byteOf = new Map(byteAlphabet.map((character, byte) => [character, byte]));
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const isPartial = (written: string): boolean => {
    try {
      decoder.decode(Uint8Array.from(written, (character) => byteOf.get(character)!));
      return false;
    } catch {
      return true;
    }
  };
  return idsWhere(ids, (piece) => {
    const front = prefix !== "" && piece.startsWith(prefix) ? prefix.length : 0;
    const back = suffix !== "" && piece.endsWith(suffix) ? suffix.length : 0;
    const written = piece.slice(front, piece.length - back);
    // A name that is not in the alphabet is of an added token.
    return Array.from(written).every((character) => byteOf.has(character)) && isPartial(written);
  });
}

function idsWhere(
  ids: ReadonlyMap<string, number>,
  holds: (piece: string) => boolean,
): ReadonlySet<number> {
  return new Set(Array.from(ids).flatMap(([piece, id]) => (holds(piece) ? [id] : [])));
}

/** The value of a function that is called at the first need, and then kept. */
export function once<Value>(make: () => Value): () => Value {
  let made: { value: Value } | undefined;
  return () => (made ??= { value: make() }).value;
}
