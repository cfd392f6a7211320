/**
 * Characters and classes of characters in Oniguruma's expressions, in JavaScript's dialect with the flag
 * `v`. Classes are Unicode's, as `tokenizers` has them.
 */

// Word characters have three more digits outside of classes, as Oniguruma's tables have them.
const word = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}";
const wordOutside = `[${word}\\u00b2\\u00b3\\u00b9\\u00bc-\\u00be]`;
const noWordOutside = `[^${word}\\u00b2\\u00b3\\u00b9\\u00bc-\\u00be]`;
const hexadecimal = "0-9A-Fa-f";

/** Escape sequences that mean something else in a class. */
export const outside: ReadonlyMap<string, string> = new Map([
  ["A", "(?<![^])"],
  ["z", "(?![^])"],
  ["Z", "(?=\\n?(?![^]))"],
  ["w", wordOutside],
  ["W", noWordOutside],
  ["b", `(?:(?<!${wordOutside})(?=${wordOutside})|(?<=${wordOutside})(?!${wordOutside}))`],
  ["B", `(?:(?<!${wordOutside})(?!${wordOutside})|(?<=${wordOutside})(?=${wordOutside}))`],
]);
const inside = new Map([
  ["w", `[${word}]`],
  ["W", `[^${word}]`],
]);
/** Sets of characters, in classes and outside. JavaScript's \s has U+FEFF and lacks U+0085. */
const sets = new Map([
  ["h", `[${hexadecimal}]`],
  ["H", `[^${hexadecimal}]`],
  ["d", "\\p{Nd}"],
  ["D", "\\P{Nd}"],
  ["s", "\\p{White_Space}"],
  ["S", "\\P{White_Space}"],
]);
const controls = new Map([
  ["a", "\\x07"],
  ["e", "\\x1b"],
]);

interface Escape {
  text: string;
  end: number;
  /** Whether it stands for several characters. */
  isSet: boolean;
  /** The code point that a number names. */
  code?: number;
}

/** An escape sequence; `own` has those that mean something else in the other context. */
export function readEscape(source: string, at: number, own: ReadonlyMap<string, string>): Escape {
  const braced = matchAt(/\\([pPxu])\{([^}]*)\}/y, source, at);
  if (braced !== null) {
    const [whole, kind = "", body = ""] = braced;
    const end = at + whole.length;
    if (kind === "u") return { text: whole, end, isSet: false };
    if (kind === "x") {
      const text = `\\u{${body}}`;
      return { text, end, isSet: false, code: Number.parseInt(body, 16) };
    }
    const words = body === "Word" ? own.get(kind === "p" ? "w" : "W") : undefined;
    return { text: words ?? `\\${kind}{${propertyName(body)}}`, end, isSet: true };
  }
  const fixed = matchAt(/\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|c[A-Za-z])/y, source, at);
  if (fixed !== null) {
    const [text] = fixed;
    const end = at + text.length;
    if (text[1] === "c") return { text, end, isSet: false };
    return { text, end, isSet: false, code: Number.parseInt(text.slice(2), 16) };
  }
  const next = source.length > at + 1 ? characterAt(source, at + 1) : "";
  const end = at + 1 + next.length;
  const set = own.get(next) ?? sets.get(next);
  if (set !== undefined) return { text: set, end, isSet: true };
  const named = matchAt(/\\k<\w+>/y, source, at)?.[0];
  if (named !== undefined) return { text: named, end: at + named.length, isSet: false };
  if (/^[A-Za-z0-9]?$/.test(next)) {
    return { text: controls.get(next) ?? `\\${next}`, end, isSet: false };
  }
  return { text: literal(next), end, isSet: false };
}

/** Oniguruma takes a script's name for a property. */
function propertyName(name: string): string {
  if (name.includes("=")) return name;
  try {
    const property = new RegExp(`\\p{${name}}`, "u");
    return property.source.slice(3, -1);
  } catch {
    return `Script=${name}`;
  }
}

const posixClasses = new Map([
  ["alpha", "\\p{Alphabetic}"],
  ["alnum", "\\p{Alphabetic}\\p{Nd}"],
  ["digit", "\\p{Nd}"],
  ["lower", "\\p{Lowercase}"],
  ["upper", "\\p{Uppercase}"],
  ["space", "\\p{White_Space}"],
  ["blank", "\\t\\p{Zs}"],
  ["punct", "\\p{P}\\p{S}"],
  ["cntrl", "\\p{Cc}"],
  ["word", word],
  ["xdigit", hexadecimal],
]);

/** One side of `&&` in a class. */
class Operand {
  items = "";
  /** Whether it has more than single characters and ranges. */
  hasSets = false;
  /** What the last item is: a character, a set, the dash of a range, its second character. */
  last: "nothing" | "character" | "set" | "dash" | "range" = "nothing";

  addCharacter(text: string): void {
    this.items += text;
    this.last = this.last === "dash" ? "range" : "character";
  }

  addSet(text: string, hasSets = true): void {
    if (this.last === "dash") throw unsupported("a range that ends with a set");
    this.items += text;
    this.last = "set";
    this.hasSets ||= hasSets;
  }

  /** `final`: nothing follows it, so that it stands for itself. */
  addDash(final: boolean): void {
    if (this.last === "set" && !final) throw unsupported("a range that starts with a set");
    if (final || this.last !== "character") this.addCharacter("\\-");
    else {
      this.items += "-";
      this.last = "dash";
    }
  }
}

interface CharacterClass {
  text: string;
  end: number;
  negated: boolean;
  hasSets: boolean;
  /** Whether a class inside it, at any depth, is negated and has sets. */
  negatesSets: boolean;
}

const deepest = 256;

/** The class that starts at `start`; letters of ASCII are folded in outermost classes only. */
export function readClass(
  source: string,
  start: number,
  { fold, depth }: { fold: boolean; depth: number },
): CharacterClass {
  if (depth > deepest) throw unsupported(`classes more than ${deepest} deep`);
  const negated = source[start + 1] === "^";
  const first = start + (negated ? 2 : 1);
  const operands = [new Operand()];
  let negatesSets = false;
  let at = first;
  while (at < source.length) {
    const operand = operands.at(-1)!;
    const character = characterAt(source, at);
    if (character === "]" && at > first) {
      if (operand.last === "nothing") throw unsupported("an empty class");
      if (negated && operands.length > 1 && negatesSets) {
        throw unsupported("a negated intersection with a negated set");
      }
      const hasSets = operands.some((one) => one.hasSets);
      const text = classText(operands, { negated, fold: fold && depth === 1 });
      return { text, end: at + 1, negated, hasSets, negatesSets };
    }
    if (character === "\\") {
      if (at + 1 >= source.length) break;
      const { text, end, isSet } = readEscape(source, at, inside);
      if (isSet) operand.addSet(text);
      else operand.addCharacter(text);
      at = end;
    } else if (source.startsWith("&&", at)) {
      if (operand.last === "nothing") throw unsupported("an intersection with nothing");
      operands.push(new Operand());
      at += 2;
    } else if (character === "[") {
      const posix = readPosixClass(source, at, fold);
      if (posix !== undefined) {
        operand.addSet(posix.text);
        at = posix.end;
        continue;
      }
      const nested = readClass(source, at, { fold, depth: depth + 1 });
      operand.addSet(nested.text, nested.hasSets);
      negatesSets ||= nested.negatesSets || (nested.negated && nested.hasSets);
      at = nested.end;
    } else if (character === "-") {
      operand.addDash(source[at + 1] === "]" || source.startsWith("&&", at + 1));
      at++;
    } else {
      operand.addCharacter(literal(character));
      at += character.length;
    }
  }
  throw unsupported("a class without an end");
}

function classText(
  operands: readonly Operand[],
  { negated, fold }: { negated: boolean; fold: boolean },
): string {
  const parts = operands.map(({ items }) => `[${items}]`);
  let text = parts.length === 1 ? (parts[0] ?? "") : `[${parts.join("&&")}]`;
  if (fold) text = `[${text}${otherCases(text)}]`;
  return negated ? `[^${text}]` : text;
}

/** Letters of ASCII of which the class has the other case only. */
function otherCases(text: string): string {
  const member = new RegExp(`^${text}$`, "v");
  return Array.from("abcdefghijklmnopqrstuvwxyz", (lower) => {
    const upper = lower.toUpperCase();
    const [hasLower, hasUpper] = [member.test(lower), member.test(upper)];
    return hasLower === hasUpper ? "" : hasUpper ? lower : upper;
  }).join("");
}

function readPosixClass(
  source: string,
  at: number,
  fold: boolean,
): { text: string; end: number } | undefined {
  const found = matchAt(/\[:(\^?)(\p{Alphabetic}+):\]/uy, source, at);
  if (found === null) {
    if (/^\[(?::\^:|\.[^\]]*\.|=[^\]]*=)\]/.test(source.slice(at))) {
      throw unsupported("a POSIX bracket that is no class");
    }
    return undefined;
  }
  const [whole, not, name = ""] = found;
  const set = posixClasses.get(name);
  if (set === undefined) throw unsupported(`the POSIX class ${name}`);
  if (fold && not !== "" && (name === "lower" || name === "upper")) {
    throw unsupported(`the class [:^${name}:] without regard to case`);
  }
  return { text: `[${not}${set}]`, end: at + whole.length };
}

export function characterAt(source: string, at: number): string {
  return String.fromCodePoint(source.codePointAt(at) ?? 0);
}

export function matchAt(expression: RegExp, source: string, at: number): RegExpExecArray | null {
  expression.lastIndex = at;
  return expression.exec(source);
}

/** A character that stands for itself, whatever it means to JavaScript. */
export function literal(character: string): string {
  return /^[!-/:-@[-`{-~]$/.test(character)
    ? `\\x${(character.codePointAt(0) ?? 0).toString(16)}`
    : character;
}

/** The same without regard to case, where that is asked for. */
export function letter(character: string, fold: boolean): string {
  if (!fold || !/^[A-Za-z]$/.test(character)) return literal(character);
  return `[${character.toLowerCase()}${character.toUpperCase()}]`;
}

function unsupported(what: string): SyntaxError {
  return new SyntaxError(`a pattern with ${what}`);
}
