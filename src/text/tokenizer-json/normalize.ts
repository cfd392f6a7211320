/** The normalizer of a tokenizer.json as a function. */
import { DataError } from "../../errors.ts";
import { CharacterMap } from "../sentence-piece/normalizer.ts";
import { invisible, marks, nonspacingMarks, olderClass } from "./older-unicode.ts";
import { compilePattern } from "./pattern.ts";
import { type StepConfig, stepsOf, textOption, unsupported } from "./step-config.ts";

/** A step that changes the text as a whole. */
type Normalize = (text: string) => string;

/**
 * The normalizer of a tokenizer.json as a function. The kept library's own steps differ from the
 * original's in places (final sigma, white space, CJK beyond the Basic Multilingual Plane,
 * SentencePiece's character maps), hence these.
 */
export function compileNormalizer(config: StepConfig): Normalize {
  switch (config.type) {
    case "Sequence": {
      const steps = stepsOf(config, "normalizers").map(compileNormalizer);
      return (text) => steps.reduce((done, step) => checkGrowth(step(done), text), text);
    }
    case "NFC":
    case "NFD":
    case "NFKC":
    case "NFKD": {
      const form = config.type;
      return (text) => text.normalize(form);
    }
    case "Lowercase":
      return lowerEach;
    case "StripAccents":
      return (text) => text.replace(accents, "");
    case "Strip":
      return strip(config);
    case "Prepend": {
      const prefix = textOption(config, "prepend", "");
      return (text) => (text === "" ? text : prefix + text);
    }
    case "Nmt":
      return nmt;
    case "Replace":
      return replace(config);
    case "Precompiled":
      return compileCharsMap(textOption(config, "precompiled_charsmap", ""));
    case "BertNormalizer":
      return bert(config);
    default:
      return unsupported("normalizer", config.type);
  }
}

/** Replacements in a row could make a short text fill the memory. */
function checkGrowth(text: string, original: string): string {
  if (text.length <= 1_000_000 + 100 * original.length) return text;
  throw new DataError(
    `Expected a normalizer that keeps a text of ${original.length} characters short but it made ` +
      `${text.length} of them; use the tokenizer.json as it was published.`,
    { source: "tokenizer.json" },
  );
}

/** Lower case character by character: a final sigma is not looked for. */
export function lowerEach(text: string): string {
  return text.replaceAll("Σ", "σ").toLowerCase();
}

function strip({ strip_left: left, strip_right: right }: StepConfig): Normalize {
  return (text) => {
    const start = left === true ? text.replace(/^\p{White_Space}+/u, "") : text;
    return right === true ? trimEnd(start) : start;
  };
}

// A search for spaces before the end would be quadratic in runs of them.
function trimEnd(text: string): string {
  let stop = text.length;
  while (stop > 0 && /\p{White_Space}/u.test(text.charAt(stop - 1))) stop--;
  return text.slice(0, stop);
}

/** The first step of SentencePiece's own rule: control characters go, invisible ones are spaces. */
function nmt(text: string): string {
  return text
    .replace(/[\x01-\x08\x0b\x0e-\x1f\x7f\x8f\x9f]/g, "")
    .replace(/[\t\n\f\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]/g, " ");
}

function replace(config: StepConfig): Normalize {
  const pattern = compilePattern(config);
  const content = textOption(config, "content", "");
  return (text) => text.replace(pattern, () => content);
}

const ideograph =
  /[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b920}-\u{2ceaf}\u{2f800}-\u{2fa1f}]/gu;

// These tables are of older versions of Unicode in the original.
const accents = olderClass("\\p{M}", marks);
const bertAccents = olderClass("\\p{Mn}", nonspacingMarks);
const control = olderClass("\\0\\ufffd\\p{Cc}\\p{Cf}\\p{Co}\\p{Cs}", invisible);

function bert(config: StepConfig): Normalize {
  const lowercase = config["lowercase"] !== false;
  const strip = config["strip_accents"] ?? lowercase;
  return (text) => {
    if (config["clean_text"] !== false) {
      text = text
        .replace(control, (character) => (/[\t\n\r]/.test(character) ? character : ""))
        .replace(/\p{White_Space}/gu, " ");
    }
    if (config["handle_chinese_chars"] !== false) text = text.replace(ideograph, " $& ");
    if (strip === true) text = text.normalize("NFD").replace(bertAccents, "");
    return lowercase ? lowerEach(text) : text;
  };
}

/**
 * SentencePiece's compiled normalization as Hugging Face applies it: a grapheme of up to 5 bytes
 * is looked up whole, else character by character.
 */
function compileCharsMap(base64: string): (text: string) => string {
  const map = readMap(base64);
  const find = (key: string): string | undefined => map.shortest(Buffer.from(key, "utf8"))?.text;
  const whole = remember((grapheme) =>
    Buffer.byteLength(grapheme) < 6 ? find(grapheme) : undefined,
  );
  const single = remember(find);
  const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });
  const normalize = (grapheme: string): string =>
    whole(grapheme) ?? Array.from(grapheme, (character) => single(character) ?? character).join("");
  return (text) => {
    let normalized = "";
    // Without carriage returns every ASCII character is a grapheme.
    if (/^[\t\n\x20-\x7e]*$/.test(text)) {
      for (const character of text) normalized += normalize(character);
    } else {
      for (const { segment } of graphemes.segment(text)) normalized += normalize(segment);
    }
    return normalized;
  };
}

function readMap(base64: string): CharacterMap {
  const bytes = Buffer.from(base64, "base64");
  try {
    return new CharacterMap(bytes);
  } catch (cause) {
    throw new DataError(
      `Expected a compiled character map for precompiled_charsmap but received ${bytes.length} ` +
        `bytes that hold no such map; use the tokenizer.json as it was published.`,
      { source: "tokenizer.json" },
      { cause },
    );
  }
}

/** The function with the results for short texts kept. */
function remember(find: (key: string) => string | undefined): typeof find {
  const known = new Map<string, string | undefined>();
  return (key) => {
    if (known.has(key)) return known.get(key);
    const value = find(key);
    if (known.size < 65_536 && key.length < 8) known.set(key, value);
    return value;
  };
}
