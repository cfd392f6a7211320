/** Round numbers for axes, and numbers in few characters. */

/**
 * About `count` multiples of 1, 2 or 5 times a power of ten that lie within [low, high].
 *
 * throws  RangeError unless low < high, both finite
 */
export function niceTicks(low: number, high: number, count = 5): number[] {
  if (!(Number.isFinite(low) && Number.isFinite(high) && low < high)) {
    throw new RangeError(`Expected low < high for ticks but received ${low} and ${high}.`);
  }
  const rough = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const excess = rough / power;
  // The nearest of 1, 2, 5 and 10, by ratio.
  const factor = excess < Math.SQRT2 ? 1 : excess < Math.sqrt(10) ? 2 : excess < 7.07 ? 5 : 10;
  const step = factor * power;
  const ticks: number[] = [];
  // Multiples of the step, not sums of it: sums drift off round numbers.
  for (let i = Math.ceil(low / step - 1e-9); i <= Math.floor(high / step + 1e-9); i++) {
    ticks.push(i === 0 ? 0 : Number((i * step).toPrecision(12)));
  }
  return ticks;
}

/** A number in at most about six characters: `0.05`, `1,250`, `12k`, `3.2M`, `5e-7`. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "inf" : "-inf";
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size < 1e-3) return trimExponent(value.toExponential(2));
  if (size >= 1e9) return trimExponent(value.toExponential(2));
  if (size >= 1e6) return `${trim((value / 1e6).toFixed(2))}M`;
  if (size >= 1e4) return `${trim((value / 1e3).toFixed(1))}k`;
  if (size >= 1e3) return Math.round(value).toLocaleString("en-US");
  return trim(value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 4));
}

function trim(text: string): string {
  return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
}

function trimExponent(text: string): string {
  const [mantissa = "", exponent = ""] = text.split("e");
  return `${trim(mantissa)}e${exponent.replace("+", "")}`;
}
