/**
 * The compiled character map of SentencePiece: a double-array trie over UTF-8 (darts-clone's
 * layout) whose values are offsets of replacement strings, behind it the strings, each ended by a
 * zero byte.
 *
 * throws   TypeError for bytes that are none
 */
export class CharacterMap {
  readonly #units: Uint32Array;
  readonly #strings: Buffer;

  constructor(bytes: Uint8Array) {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const trieBytes = buffer.length < 4 ? 0 : buffer.readUInt32LE(0);
    if (trieBytes % 4 !== 0 || trieBytes === 0 || 4 + trieBytes > buffer.length) {
      throw new TypeError(`${buffer.length} bytes that are no compiled character map`);
    }
    this.#units = Uint32Array.from({ length: trieBytes / 4 }, (_, i) =>
      buffer.readUInt32LE(4 + 4 * i),
    );
    this.#strings = buffer.subarray(4 + trieBytes);
  }

  /** The replacement and the length in bytes of the shortest key at the start of `key`. */
  shortest(key: Uint8Array): { bytes: number; text: string } | undefined {
    let found: { bytes: number; text: string } | undefined;
    this.#walk(key, 0, (bytes, offset) => {
      found = { bytes, text: this.#string(offset) };
      return false;
    });
    return found;
  }

  /** The same of the longest key in `text` from byte `at` on. */
  longest(text: Uint8Array, at: number): { bytes: number; text: string } | undefined {
    let length = 0;
    let value = 0;
    this.#walk(text, at, (bytes, offset) => {
      [length, value] = [bytes, offset];
      return true;
    });
    return length === 0 ? undefined : { bytes: length, text: this.#string(value) };
  }

  #string(offset: number): string {
    const stop = this.#strings.indexOf(0, offset);
    return this.#strings.toString("utf8", offset, stop < 0 ? this.#strings.length : stop);
  }

  /** Calls `visit` for every key, shortest first, until it returns false. */
  #walk(key: Uint8Array, start: number, visit: (bytes: number, value: number) => boolean): void {
    const unit = (index: number): number => this.#units[index] ?? 0;
    let node = offsetOf(unit(0));
    for (let at = start; at < key.length; at++) {
      const byte = key[at] ?? 0;
      if (byte === 0) return;
      node ^= byte;
      const here = unit(node);
      if ((here & 0x800000ff) !== byte) return;
      node ^= offsetOf(here);
      if (((here >>> 8) & 1) === 1 && !visit(at - start + 1, unit(node) & 0x7fffffff)) return;
    }
  }
}

function offsetOf(unit: number): number {
  return (unit >>> 10) << ((unit & 0x200) >>> 6);
}
