/**
 * JSON as people's programs write it: with a byte order mark, with Python's NaN and Infinity, with
 * integers that a double cannot hold. What `JSON.parse` reads alike it reads, as that is fast.
 */
import { types } from "node:util";

/** Objects and lists in each other; JSON that people write has less than twenty. */
const MOST_DEPTH = 500;
/** Python's own limit, for the same reason: the cost grows faster than the length. */
const MOST_DIGITS = 4300;

export interface ParseOptions {
  /**
   * What becomes of integers beyond 2^53: `exact` (the default) are bigint, `rounded` are numbers, as
   * `JSON.parse` has them. Settings are read rounded: transformers writes 10^30 for "no limit".
   */
  readonly integers?: "exact" | "rounded";
  /**
   * `marked`: a whole number that the text has with a point or an exponent, as Python writes floats
   * (1.0), is a Number object, which survives `formatJson` and the way between threads. By default it
   * is a number like any other.
   */
  readonly floats?: "plain" | "marked";
}

/**
 * The value of a JSON text. NaN, Infinity and -Infinity are null. A key `__proto__` is a key like any
 * other.
 *
 * throws   SyntaxError saying what is wrong and where, also for more than 500 objects and lists in
 *          each other and for integers of more than 4300 digits
 */
export function parseJson(text: string, options: ParseOptions = {}): unknown {
  const json = text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  checkDepth(json);
  const exact = options.integers !== "rounded" && /(?<![\d.])\d{16}/.test(json);
  const marked = options.floats === "marked" && /\d[.eE]/.test(json);
  if (exact || marked) return new Parser(json, options).parse();
  try {
    return JSON.parse(json);
  } catch (error) {
    if (!/NaN|Infinity/.test(json)) throw error;
    return new Parser(json, options).parse();
  }
}

function checkDepth(json: string): void {
  if (json.length <= MOST_DEPTH) return;
  let depth = 0;
  for (let at = 0; at < json.length; at++) {
    const unit = json.charCodeAt(at);
    if (unit === QUOTE) at = endOfString(json, at);
    else if (unit === OPEN_LIST || unit === OPEN_OBJECT) {
      if (++depth > MOST_DEPTH) {
        throw new SyntaxError(`More than ${MOST_DEPTH} objects and lists in each other in JSON`);
      }
    } else if (unit === CLOSE_LIST || unit === CLOSE_OBJECT) depth -= 1;
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const COMMA = 0x2c;
const COLON = 0x3a;

/** The place of the quote that ends the string whose first quote is at `start`; else the length. */
function endOfString(json: string, start: number): number {
  for (let at = json.indexOf('"', start + 1); at >= 0; at = json.indexOf('"', at + 1)) {
    let before = at - 1;
    while (json.charCodeAt(before) === BACKSLASH) before -= 1;
    if ((at - before) % 2 === 1) return at;
  }
  return json.length;
}

const number = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y;
const word = /true|false|null|NaN|-?Infinity/y;
const words: Readonly<Record<string, boolean>> = { true: true, false: false };

/** Reads what `JSON.parse` would refuse or round. The depth was looked at before. */
class Parser {
  readonly #json: string;
  readonly #options: ParseOptions;
  #at = 0;

  constructor(json: string, options: ParseOptions) {
    this.#json = json;
    this.#options = options;
  }

  parse(): unknown {
    const value = this.#value();
    this.#skipSpace();
    return this.#at === this.#json.length ? value : this.#fail();
  }

  #value(): unknown {
    this.#skipSpace();
    const unit = this.#json.charCodeAt(this.#at);
    if (unit === OPEN_OBJECT) return this.#object();
    if (unit === OPEN_LIST) return this.#list();
    if (unit === QUOTE) return this.#string();
    const name = this.#match(word)?.[0];
    if (name !== undefined) return words[name] ?? null;
    return this.#number();
  }

  #object(): Record<string, unknown> {
    const entries: [string, unknown][] = [];
    this.#at += 1;
    if (this.#take(CLOSE_OBJECT)) return {};
    do {
      this.#skipSpace();
      if (this.#json.charCodeAt(this.#at) !== QUOTE) this.#fail();
      const key = this.#string();
      if (!this.#take(COLON)) this.#fail();
      entries.push([key, this.#value()]);
    } while (this.#take(COMMA));
    if (!this.#take(CLOSE_OBJECT)) this.#fail();
    // Defines the keys; an assignment of `__proto__` would change what the object inherits.
    return Object.fromEntries(entries);
  }

  #list(): unknown[] {
    const items: unknown[] = [];
    this.#at += 1;
    if (this.#take(CLOSE_LIST)) return items;
    do items.push(this.#value());
    while (this.#take(COMMA));
    return this.#take(CLOSE_LIST) ? items : this.#fail();
  }

  #string(): string {
    const start = this.#at;
    const end = endOfString(this.#json, start);
    this.#at = end + 1;
    try {
      return JSON.parse(this.#json.slice(start, end + 1)) as string;
    } catch (cause) {
      throw new SyntaxError(`Bad string in JSON at position ${start}`, { cause });
    }
  }

  #number(): unknown {
    const match = this.#match(number);
    if (match === undefined) return this.#fail();
    const [text, fraction, exponent] = match;
    const value = Number(text);
    const float = fraction !== undefined || exponent !== undefined;
    if (float) {
      const whole = this.#options.floats === "marked" && Number.isInteger(value);
      return whole ? Object(value) : value;
    }
    if (Number.isSafeInteger(value) || this.#options.integers === "rounded") return value;
    if (text.length <= MOST_DIGITS) return BigInt(text);
    const start = this.#at - text.length;
    throw new SyntaxError(`More than ${MOST_DIGITS} digits in JSON at position ${start}`);
  }

  #match(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#json);
    if (match === null) return undefined;
    this.#at = pattern.lastIndex;
    return match;
  }

  #take(unit: number): boolean {
    this.#skipSpace();
    if (this.#json.charCodeAt(this.#at) !== unit) return false;
    this.#at += 1;
    return true;
  }

  #skipSpace(): void {
    while (" \t\n\r".includes(this.#json[this.#at] ?? "x")) this.#at += 1;
  }

  #fail(): never {
    const found = this.#json[this.#at];
    throw new SyntaxError(
      found === undefined
        ? "Unexpected end of JSON input"
        : `Unexpected token ${JSON.stringify(found)} in JSON at position ${this.#at}`,
    );
  }
}

/**
 * One line of JSON. A bigint becomes the digits of an integer, a Number object (`floats: "marked"`) a
 * number with a point, NaN and infinities null; everything else is as `JSON.stringify` has it.
 */
export function formatJson(value: unknown): string {
  return format(value) ?? "null";
}

/** Undefined for what has no JSON: a function, undefined. */
function format(value: unknown): string | undefined {
  if (typeof value === "bigint") return String(value);
  if (types.isNumberObject(value)) return formatFloat(Number(value));
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map((item) => format(item) ?? "null").join(",")}]`;
  const { toJSON } = value as { toJSON?: unknown };
  if (typeof toJSON === "function") return JSON.stringify(value);
  const members = Object.entries(value).flatMap(([key, member]) => {
    const text = format(member);
    return text === undefined ? [] : [`${JSON.stringify(key)}:${text}`];
  });
  return `{${members.join(",")}}`;
}

/** As Python's `repr` reads it back: never an integer. */
function formatFloat(value: number): string {
  if (!Number.isFinite(value)) return "null";
  const text = Object.is(value, -0) ? "-0" : String(value);
  return /[.e]/.test(text) ? text : `${text}.0`;
}
