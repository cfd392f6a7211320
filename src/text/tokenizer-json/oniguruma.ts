/**
 * Oniguruma's regular expressions, which a tokenizer.json holds, in JavaScript's dialect with the
 * flag `v`. What has no counterpart is refused, never guessed. Knows nothing about how long a search
 * takes.
 */
import {
  characterAt,
  letter,
  literal,
  matchAt,
  outside,
  readClass,
  readEscape,
} from "./oniguruma-classes.ts";

interface Translation {
  readonly source: string;
  at: number;
  out: string;
  /** Where the last thing starts that a quantifier could follow; -1 where there is none. */
  atom: number;
  /** Whether a quantifier has just been written. */
  quantified: boolean;
  /** Inside `(?i:...)`: letters of ASCII match both cases. */
  fold: boolean;
  /** Per open group: where it starts, and `fold` in front of it. */
  readonly groups: [number, boolean][];
}

/**
 * The source of an expression for `new RegExp(..., "gv")`. Possessive quantifiers and atomic groups
 * become plain ones.
 *
 * throws   SyntaxError for what JavaScript cannot say
 */
export function fromOniguruma(given: string): string {
  // BLOOM's file has a group in a class, whose signs are meant one by one.
  const source = given.replace(/\[\^\(\\s\|\[([^\]]+)\]\)\]/g, "[^()|\\s$1]");
  const groups: [number, boolean][] = [];
  const state = { source, at: 0, out: "", atom: -1, quantified: false, fold: false, groups };
  while (state.at < source.length) step(state);
  return state.out;
}

const anchors = new Map([
  ["^", "(?:(?<![^])|(?<=\\n))"],
  ["$", "(?:(?=\\n)|(?![^]))"],
  [".", "[^\\n]"],
]);

function step(state: Translation): void {
  const { source, at } = state;
  const character = characterAt(source, at);
  const anchor = anchors.get(character);
  if (character === "\\") writeEscape(state);
  else if (character === "[") {
    const { text, end } = readClass(source, at, { fold: state.fold, depth: 1 });
    write(state, text, end);
  } else if (character === "(") openGroup(state);
  else if (character === ")") {
    state.out += character;
    [state.atom, state.fold] = state.groups.pop() ?? [-1, false];
    state.quantified = false;
    state.at++;
  } else if (character === "|") {
    state.out += character;
    state.atom = -1;
    state.quantified = false;
    state.at++;
  } else if ("*+?".includes(character)) {
    // A plus behind another quantifier makes it possessive.
    if (character !== "+" || !state.quantified) state.out += character;
    state.quantified = true;
    state.at++;
  } else if (character === "{") writeBraces(state);
  else write(state, anchor ?? letter(character, state.fold), at + character.length);
}

function write(state: Translation, text: string, end: number): void {
  state.atom = state.out.length;
  state.out += text;
  state.quantified = false;
  state.at = end;
}

function openGroup(state: Translation): void {
  const { source, at, fold } = state;
  const folding = source.startsWith("(?i:", at);
  const prefix = matchAt(/\(\?(?:<[=!]|<[A-Za-z_][A-Za-z0-9_]*>|[:=!>])/y, source, at)?.[0] ?? "(";
  state.groups.push([state.out.length, fold]);
  state.fold ||= folding;
  state.out += folding || prefix === "(?>" ? "(?:" : prefix;
  state.quantified = false;
  state.at += folding ? 4 : prefix.length;
}

/** A repetition, or braces that stand for themselves. */
function writeBraces(state: Translation): void {
  const found = matchAt(/\{(\d+(?:,\d*)?|,\d+)\}/y, state.source, state.at);
  if (found === null || state.atom < 0) {
    write(state, literal("{"), state.at + 1);
    return;
  }
  const counts = `{${found[1]?.startsWith(",") ? "0" : ""}${found[1]}}`;
  state.at += found[0].length;
  const next = state.source.charAt(state.at);
  if (next === "+" || next === "*") {
    // Behind braces these repeat the repetition.
    const [before, atom] = [state.out.slice(0, state.atom), state.out.slice(state.atom)];
    state.out = `${before}(?:${atom}${counts})${next}`;
    state.at++;
  } else state.out += counts;
  state.quantified = true;
}

function writeEscape(state: Translation): void {
  const { source, at, fold } = state;
  if (source.startsWith("\\G", at)) {
    state.at += 2;
    return;
  }
  const { text, end, code = 0 } = readEscape(source, at, outside);
  const folded = fold && code > 0 && code < 128 ? letter(String.fromCharCode(code), fold) : text;
  write(state, folded, end);
}
