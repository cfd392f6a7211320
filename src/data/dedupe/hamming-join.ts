/** All pairs of 64-bit hashes that differ in few bits, exactly, and without comparing all with all. */

const BITS = 64;
/** Buckets of a band: 4 million, whose starts take 16 MB. */
const MOST_KEY_BITS = 22;
/** Buckets whose hashes fit in a core's cache together, so that they are looked through side by side. */
const REGION_BYTES = 1 << 18;
/** Visiting a pair of buckets costs as much as comparing so many hashes. */
const VISIT_COST = 2;

/** Some bits of the hashes, by whose values they are put into buckets. */
interface Band {
  /** The bits in use as a key, of those that are the band's own. */
  positions: number[];
  /** Bits in which the keys of a pair may differ. */
  radius: number;
}

/**
 * Calls `visit` for each pair i > j whose hashes differ in at most `distance` bits, once, in no
 * particular order, by multi-index hashing (Norouzi et al. 2012, arXiv:1307.2982, section 2): the bits
 * are split into m bands with radii that sum to distance - m + 1, so that a near pair is within the
 * radius in at least one band. Bands are wider the more hashes there are.
 *
 * hashes    [2 N] halves of N hashes, best all different; 0 <= distance <= 64
 * memory    28 bytes a hash and 16 MB
 */
export function forEachNearPair(
  hashes: Uint32Array,
  distance: number,
  visit: (i: number, j: number, distance: number) => void,
): void {
  const bands = planBands(hashes.length / 2, distance);
  for (const [number, band] of bands.entries()) {
    const earlier = bands.slice(0, number).map(({ positions, radius }) => ({
      ...maskOf(positions),
      radius,
    }));
    const buckets = new Buckets(hashes, band);
    joinBuckets(buckets, band, distance, (i, j, bits) => {
      // A pair that is near in several bands belongs to the first of them.
      const [x, y] = [hashes[2 * i]! ^ hashes[2 * j]!, hashes[2 * i + 1]! ^ hashes[2 * j + 1]!];
      const known = earlier.some(
        ({ low, high, radius }) => bitCount(x & low) + bitCount(y & high) <= radius,
      );
      if (known) return;
      if (i > j) visit(i, j, bits);
      else visit(j, i, bits);
    });
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

/** The cheapest bands for so many hashes that are spread evenly. */
export function planBands(count: number, distance: number): Band[] {
  let best: { cost: number; bands: Band[] } = { cost: Infinity, bands: [] };
  for (let bands = 1; bands <= Math.min(distance + 1, BITS); bands++) {
    for (let keyBits = 0; keyBits <= Math.min(MOST_KEY_BITS, BITS / bands); keyBits++) {
      const plan = splitBits(bands, keyBits, distance);
      const cost = plan.reduce((sum, band) => sum + costOf(band, count), 0);
      if (cost < best.cost) best = { cost, bands: plan };
    }
  }
  return best.bands;
}

/** Each band takes every m-th bit: neighbouring frequencies are alike, and must not fill one band. */
function splitBits(bands: number, keyBits: number, distance: number): Band[] {
  const budget = distance - bands + 1;
  return Array.from({ length: bands }, (_, band) => ({
    positions: Array.from({ length: keyBits }, (__, k) => band + k * bands),
    radius: Math.min(keyBits, Math.floor(budget / bands) + (band < budget % bands ? 1 : 0)),
  }));
}

/** In comparisons: of hashes in buckets that are near, of buckets, and to put them there. */
function costOf({ positions: { length }, radius }: Band, count: number): number {
  const neighbours = ballSize(length, radius);
  const buckets = 2 ** length;
  return (neighbours / 2) * (VISIT_COST * buckets + (count * count) / buckets) + 30 * count;
}

/** Numbers of so many bits with at most `radius` ones. */
function ballSize(bits: number, radius: number): number {
  let [sum, choose] = [0, 1];
  for (let ones = 0; ones <= Math.min(bits, radius); ones++) {
    sum += choose;
    choose = (choose * (bits - ones)) / (ones + 1);
  }
  return sum;
}

function maskOf(positions: readonly number[]): { low: number; high: number } {
  let [low, high] = [0, 0];
  for (const position of positions) {
    if (position < 32) low |= 1 << position;
    else high |= 1 << (position - 32);
  }
  return { low, high };
}

/** Hashes sorted by a band's key, their bits in another order: the key last, as it says least. */
class Buckets {
  /** Hashes with key k stand from starts[k] to starts[k + 1]. */
  readonly starts: Int32Array;
  /** [N] the hashes' numbers. */
  readonly order: Int32Array;
  /** [N] bits that are not of the key, and the rest with the key in its low bits. */
  readonly first: Int32Array;
  readonly second: Int32Array;

  constructor(hashes: Uint32Array, { positions }: Band) {
    const count = hashes.length / 2;
    const tables = permutation(positions);
    const mask = 2 ** positions.length - 1;
    this.starts = new Int32Array(mask + 2);
    this.order = new Int32Array(count);
    this.first = new Int32Array(count);
    this.second = new Int32Array(count);
    const keyed = new Int32Array(count);
    for (let i = 0; i < count; i++) {
      keyed[i] = permuted(hashes[2 * i]!, hashes[2 * i + 1]!, tables.second);
      this.starts[(keyed[i]! & mask) + 1]! += 1;
    }
    for (let key = 0; key <= mask; key++) this.starts[key + 1]! += this.starts[key]!;
    const next = this.starts.slice();
    for (let i = 0; i < count; i++) {
      const at = next[keyed[i]! & mask]!++;
      this.order[at] = i;
      this.second[at] = keyed[i]!;
      this.first[at] = permuted(hashes[2 * i]!, hashes[2 * i + 1]!, tables.first);
    }
  }
}

/** For each byte of a hash and each of its values, what it gives of the two new halves: [8 x 256]. */
function permutation(key: readonly number[]): { first: Int32Array; second: Int32Array } {
  const own = new Set(key);
  const rest = Array.from({ length: BITS }, (_, i) => i).filter((i) => !own.has(i));
  const targets = [...key, ...rest];
  const tables = { first: new Int32Array(8 * 256), second: new Int32Array(8 * 256) };
  for (const [to, from] of targets.entries()) {
    const table = to < 32 ? tables.second : tables.first;
    for (let value = 0; value < 256; value++) {
      if (((value >> (from & 7)) & 1) === 1) table[(from >> 3) * 256 + value]! |= 1 << (to & 31);
    }
  }
  return tables;
}

function permuted(low: number, high: number, table: Int32Array): number {
  return (
    table[low & 255]! |
    table[256 + ((low >>> 8) & 255)]! |
    table[512 + ((low >>> 16) & 255)]! |
    table[768 + (low >>> 24)]! |
    table[1024 + (high & 255)]! |
    table[1280 + ((high >>> 8) & 255)]! |
    table[1536 + ((high >>> 16) & 255)]! |
    table[1792 + (high >>> 24)]!
  );
}

/**
 * Compares the hashes of all pairs of buckets whose keys differ in at most `radius` bits, once. The
 * high bits of the keys choose two regions that fit in the cache, the low bits go through them.
 */
function joinBuckets(
  buckets: Buckets,
  { positions, radius }: Band,
  distance: number,
  found: (i: number, j: number, distance: number) => void,
): void {
  const bits = positions.length;
  const regions = Math.ceil(Math.log2(Math.max(1, (8 * buckets.order.length) / REGION_BYTES)));
  const lowBits = Math.max(0, bits - regions);
  const highMasks = masksUpTo(bits - lowBits, radius);
  const lowMasks = masksUpTo(lowBits, radius);
  const [highs, lows] = [2 ** (bits - lowBits), 2 ** lowBits];
  const { starts } = buckets;
  for (const highMask of highMasks) {
    const most = radius - bitCount(highMask);
    for (let high = 0; high < highs; high++) {
      const other = high ^ highMask;
      if (other < high) continue;
      const [base, otherBase] = [high * lows, other * lows];
      for (const lowMask of lowMasks) {
        if (bitCount(lowMask) > most) continue;
        for (let low = 0; low < lows; low++) {
          const key = base + low;
          const near = otherBase + (low ^ lowMask);
          const [from, to] = [starts[key]!, starts[key + 1]!];
          if (near < key || from === to) continue;
          const [nearFrom, nearTo] = [starts[near]!, starts[near + 1]!];
          if (nearFrom === nearTo) continue;
          compare(buckets, { from, to, nearFrom, nearTo }, distance, found);
        }
      }
    }
  }
}

interface Ranges {
  from: number;
  to: number;
  nearFrom: number;
  nearTo: number;
}

/** All of one bucket with all of another, or each pair of one bucket. */
function compare(
  { first, second, order }: Buckets,
  { from, to, nearFrom, nearTo }: Ranges,
  distance: number,
  found: (i: number, j: number, distance: number) => void,
): void {
  const same = from === nearFrom;
  for (let a = from; a < to; a++) {
    const [one, two] = [first[a]!, second[a]!];
    for (let b = same ? a + 1 : nearFrom; b < nearTo; b++) {
      const bits = bitCount(one ^ first[b]!);
      if (bits > distance) continue;
      const all = bits + bitCount(two ^ second[b]!);
      if (all <= distance) found(order[a]!, order[b]!, all);
    }
  }
}

/** All numbers of so many bits with at most so many ones. */
function masksUpTo(bits: number, ones: number): Int32Array {
  const masks: number[] = [];
  for (let mask = 0; mask < 2 ** bits; mask++) if (bitCount(mask) <= ones) masks.push(mask);
  return Int32Array.from(masks);
}
