/** Finds 64-bit hashes that differ in few bits without comparing all with all. */

const BANDS = 4;
const BAND_VALUES = 1 << 16;
/** Unrelated pictures start here, and looking so far would cost as much as comparing all. */
export const MOST_DISTANCE = 16;

/**
 * Calls `visit` for each pair i > j whose hashes differ in at most `distance` bits, once, by
 * multi-index hashing (Norouzi et al. 2012, section 2): such hashes agree in one of four bands of 16
 * bits up to distance / 4 bits, so that looking up the neighbours of each band's value finds them.
 *
 * hashes    [2 N] halves of N hashes; 0 <= distance <= 16
 */
export function forEachNearPair(
  hashes: Uint32Array,
  distance: number,
  visit: (i: number, j: number, distance: number) => void,
): void {
  const count = hashes.length / 2;
  const bands = Array.from({ length: BANDS }, (_, band) => new Band(hashes, band));
  const masks = masksUpTo(Math.floor(distance / BANDS));
  // A pair can agree in several bands.
  const seen = new Int32Array(count).fill(-1);
  for (let i = 0; i < count; i++) {
    for (const { values, starts, order } of bands) {
      for (const mask of masks) {
        const value = values[i]! ^ mask;
        for (let at = starts[value]!; at < starts[value + 1]!; at++) {
          const j = order[at]!;
          // Entries of one value are in ascending order.
          if (j >= i) break;
          if (seen[j] === i) continue;
          seen[j] = i;
          const bits = hammingDistance(hashes, i, j);
          if (bits <= distance) visit(i, j, bits);
        }
      }
    }
  }
}

/** Bits in which hashes i and j differ. */
export function hammingDistance(hashes: Uint32Array, i: number, j: number): number {
  return (
    bitCount(hashes[2 * i]! ^ hashes[2 * j]!) + bitCount(hashes[2 * i + 1]! ^ hashes[2 * j + 1]!)
  );
}

function bitCount(value: number): number {
  let x = value - ((value >>> 1) & 0x55555555);
  x = (x & 0x33333333) + ((x >>> 2) & 0x33333333);
  return Math.imul((x + (x >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** Hashes sorted by one of their four 16-bit values. */
class Band {
  /** [N] */
  readonly values: Uint16Array;
  /** Hashes with value v stand in `order` from starts[v] to starts[v + 1]. */
  readonly starts: Int32Array = new Int32Array(BAND_VALUES + 1);
  readonly order: Int32Array;

  constructor(hashes: Uint32Array, band: number) {
    const count = hashes.length / 2;
    const [half, shift] = [band >> 1, (band & 1) * 16];
    this.values = Uint16Array.from({ length: count }, (_, i) => hashes[2 * i + half]! >>> shift);
    this.order = new Int32Array(count);
    for (const value of this.values) this.starts[value + 1]! += 1;
    for (let v = 0; v < BAND_VALUES; v++) this.starts[v + 1]! += this.starts[v]!;
    const next = this.starts.slice();
    this.values.forEach((value, i) => (this.order[next[value]!++] = i));
  }
}

/** All 16-bit numbers with at most so many ones. */
function masksUpTo(ones: number): Uint16Array {
  const all = Uint16Array.from({ length: BAND_VALUES }, (_, i) => i);
  return all.filter((mask) => bitCount(mask) <= ones);
}
