/** float16 as bits, for files: Node 20 has no Float16Array. */

/** Nearest float16 of each number, ties to even; what is too large becomes infinity. */
export function toHalf(values: Float32Array): Uint16Array<ArrayBuffer> {
  const out = new Uint16Array(values.length);
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < bits.length; i++) {
    const all = bits[i]!;
    out[i] = ((all >>> 16) & 0x8000) | magnitude(all & 0x7fffffff);
  }
  return out;
}

/**
 * Refuses finite numbers that `toHalf` would make infinite.
 *
 * throws  RangeError naming `what` and the number
 */
export function checkHalf(values: Float32Array, what: string): void {
  const at = values.findIndex((value) => Math.abs(value) >= 65520 && Number.isFinite(value));
  if (at < 0) return;
  throw new RangeError(
    `Expected numbers up to 65504, the largest of float16, for ${what} but received ${values[at]}; ` +
      "choose float32",
  );
}

const scratch = new Float32Array(1);
const scratchBits = new Uint32Array(scratch.buffer);

/** float32 bits without their sign to float16 bits. */
function magnitude(bits: number): number {
  if (bits >= 0x47800000) return bits > 0x7f800000 ? 0x7e00 : 0x7c00;
  if (bits < 0x38800000) {
    // Below 2^-14: adding 0.5 leaves the float32 sum with as many bits as a subnormal has.
    scratchBits[0] = bits;
    scratch[0]! += 0.5;
    return scratchBits[0] - 0x3f000000;
  }
  // The exponent's bias changes from 127 to 15; half a unit less one, and the last bit, round to even.
  return (bits - 0x38000000 + 0xfff + ((bits >>> 13) & 1)) >>> 13;
}

/** The numbers behind float16 bits, exactly. */
export function fromHalf(bits: Uint16Array): Float32Array<ArrayBuffer> {
  return Float32Array.from(bits, (half) => {
    const exponent = (half >>> 10) & 0x1f;
    const fraction = half & 0x3ff;
    const sign = half & 0x8000 ? -1 : 1;
    if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
}
