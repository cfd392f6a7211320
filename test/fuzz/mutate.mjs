/** Damage to valid files: bits, lengths, blocks, ends, and parts of two files in one. */

/** @typedef {import("./random.mjs").Random} Random */
/** @typedef {(bytes: Buffer, random: Random, others: readonly Buffer[]) => Buffer} Mutation */

const bytesOfInterest = [0, 1, 2, 0x20, 0x28, 0x2e, 0x30, 0x39, 0x7b, 0x7f, 0x80, 0xfe, 0xff];
const numbersOfInterest = [
  0n,
  1n,
  0x7fn,
  0xffn,
  0x7fffn,
  0xffffn,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  0x100000000n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n,
];
const digitsOfInterest = ["0", "-1", "1.5", "1e9", "255", "4294967296", "9007199254740993", "99"];

/** @type {Mutation} */
function flipBit(bytes, random) {
  const made = Buffer.from(bytes);
  const at = random.below(made.length);
  made[at] = (made[at] ?? 0) ^ (1 << random.below(8));
  return made;
}

/** @type {Mutation} */
function setByte(bytes, random) {
  const made = Buffer.from(bytes);
  const value = random.below(2) ? random.pick(bytesOfInterest) : random.below(256);
  made[random.below(made.length)] = value;
  return made;
}

/** A field of 2, 4 or 8 bytes: at the edge of its range, or a little off. @type {Mutation} */
function editLength(bytes, random) {
  const made = Buffer.from(bytes);
  const size = random.pick([2, 4, 8]);
  if (made.length < size) return made;
  const at = random.below(made.length - size + 1);
  const field = made.subarray(at, at + size);
  let old = 0n;
  for (let i = size - 1; i >= 0; i--) old = (old << 8n) | BigInt(field[i] ?? 0);
  const near = BigInt.asUintN(64, old + BigInt(random.below(65) - 32));
  let value = random.below(2) ? near : random.pick(numbersOfInterest);
  for (let i = 0; i < size; i++, value >>= 8n) field[i] = Number(value & 0xffn);
  return made;
}

/** A number that is written in digits. @type {Mutation} */
function editDigits(bytes, random) {
  const text = bytes.toString("latin1");
  const runs = [...text.matchAll(/\d+/g)];
  if (runs.length === 0) return Buffer.from(bytes);
  const run = random.pick(runs);
  const value = random.below(2)
    ? random.pick(digitsOfInterest)
    : String(Number(run[0].slice(0, 15)) + random.below(17) - 8);
  return Buffer.from(
    text.slice(0, run.index) + value + text.slice(run.index + run[0].length),
    "latin1",
  );
}

/** @type {Mutation} */
function truncate(bytes, random) {
  const cut = random.below(4);
  if (cut === 0) return bytes.subarray(random.below(Math.min(64, bytes.length)));
  const most = cut === 1 ? bytes.length : Math.min(64, bytes.length);
  return bytes.subarray(0, bytes.length - random.below(most + 1));
}

/** @param {Buffer} bytes @param {Random} random */
function block(bytes, random) {
  const length = 1 + random.below(random.pick([4, 32, 512]));
  const at = random.below(bytes.length);
  return { at, end: Math.min(bytes.length, at + length) };
}

/** Over another place, or between two bytes. @type {Mutation} */
function copyBlock(bytes, random) {
  const { at, end } = block(bytes, random);
  const to = random.below(bytes.length);
  const rest = random.below(2)
    ? bytes.subarray(to)
    : bytes.subarray(Math.min(bytes.length, to + end - at));
  return Buffer.concat([bytes.subarray(0, to), bytes.subarray(at, end), rest]);
}

/** @type {Mutation} */
function removeBlock(bytes, random) {
  const { at, end } = block(bytes, random);
  return Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)]);
}

/** @type {Mutation} */
function insertNoise(bytes, random) {
  const at = random.below(bytes.length + 1);
  const noise = Uint8Array.from({ length: 1 + random.below(16) }, () => random.below(256));
  return Buffer.concat([bytes.subarray(0, at), noise, bytes.subarray(at)]);
}

/** The beginning of one file and the end of another. @type {Mutation} */
function splice(bytes, random, others) {
  const other = random.pick(others);
  const from = random.below(other.length);
  return Buffer.concat([bytes.subarray(0, random.below(bytes.length)), other.subarray(from)]);
}

/** @type {readonly Mutation[]} */
const mutations = [
  flipBit,
  setByte,
  setByte,
  editLength,
  editLength,
  editDigits,
  truncate,
  copyBlock,
  removeBlock,
  insertNoise,
  splice,
];

/**
 * A damaged copy of one of `files`, by one to six mutations.
 * @param {readonly Buffer[]} files
 * @param {Random} random
 */
export function mutate(files, random) {
  let bytes = random.pick(files);
  // Most inputs are damaged once: a reader gets far before it meets the damage.
  const times = random.below(2) ? 1 : 1 + random.below(6);
  for (let i = 0; i < times; i++) {
    if (bytes.length === 0) break;
    bytes = random.pick(mutations)(bytes, random, files);
  }
  return bytes.subarray(0, 1 << 19);
}
