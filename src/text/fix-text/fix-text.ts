/** Repairs text as ftfy does, and unescapes HTML as Python does. */
import { decodeHTML, decodeHTMLStrict } from "entities";
import { fixEncoding, windows1252OfControls } from "./fix-encoding.ts";

/**
 * Repairs text as ftfy 6.3's `fix_text` does with its default options: mojibake, HTML entities,
 * typographic ligatures, full and half width, curly quotes, line breaks, surrogates, terminal
 * escapes and control characters; the result is in normal form NFC. Written anew from the
 * documented behaviour of ftfy (https://ftfy.readthedocs.io), and compared with it by goldens.
 */
export function fixText(text: string): string {
  if (untouched.test(text)) return text;
  let fixed = "";
  // `<` says that the text is HTML itself, whose entities are meant; it holds for later lines too.
  let entities = true;
  for (const segment of segments(text)) {
    if (segment.includes("<")) entities = false;
    fixed += fixSegment(segment, entities);
  }
  return fixed;
}

// Printable ASCII without an ampersand: no repair applies.
const untouched = /^[\t\n\f\x20-\x25\x27-\x7e]*$/;

const segmentLimit = 1_000_000;

/** Lines with their newline, cut at a million code points. */
function* segments(text: string): Generator<string> {
  for (let start = 0; start < text.length;) {
    const newline = text.indexOf("\n", start);
    let stop = newline < 0 ? text.length : newline + 1;
    if (stop - start > segmentLimit) {
      const points = Array.from(text.slice(start, stop)).slice(0, segmentLimit);
      stop = start + points.join("").length;
    }
    yield text.slice(start, stop);
    start = stop;
  }
}

function fixSegment(text: string, entities: boolean): string {
  for (;;) {
    const before = text;
    if (entities) text = unescapeStrict(text);
    text = fixEncoding(text);
    text = windows1252OfControls(text);
    text = text.replace(ligature, (character) => ligatures.get(character) ?? character);
    text = text.replace(/[\u3000\uff01-\uffef]/g, standardWidth);
    text = text.replace(/[\u201c-\u201f]/g, '"').replace(/[\u02bc\u2018-\u201b]/g, "'");
    text = text.replace(/\r\n|[\r\u2028\u2029\x85]/g, "\n");
    text = text.replace(/\p{Surrogate}/gu, "\ufffd");
    text = text.replace(terminalEscape, "");
    text = text.replace(controls, "");
    text = text.normalize("NFC");
    if (text === before) return text;
  }
}

// oxlint-disable-next-line no-control-regex -- an escape sequence starts with a control
const terminalEscape = /\x1b\[[\p{Nd};]*[a-zA-Z]/gu;

// Not the controls that are white space, nor C1, which tell of mojibake.
const controls = /(?![\t\n\f\r\x80-\x9f])\p{Cc}|[\u206a-\u206f\ufeff\ufff9-\ufffc]/gu;

/** Entities that end in a semicolon, and those of one case also in capitals: `&EACUTE;`. */
function unescapeStrict(text: string): string {
  return text.replace(/&#?[0-9A-Za-z]{1,24};/g, (entity) => {
    if (entity.startsWith("&#")) {
      const character = unescapeHtml(entity);
      return character.includes(";") ? entity : character;
    }
    const character = decodeHTMLStrict(entity);
    if (character !== entity) return character;
    const lower = entity.toLowerCase();
    if (entity !== lower.toUpperCase() || unescapeHtml(entity) !== entity) return entity;
    const lowerCharacter = decodeHTMLStrict(lower);
    return lowerCharacter === lower ? entity : lowerCharacter.toUpperCase();
  });
}

/** U+3000 is a wide space, though no wide form of one. */
function standardWidth(character: string): string {
  return character === "\u3000" ? " " : character.normalize("NFKC");
}

const ligatures: ReadonlyMap<string, string> = new Map([
  ["\u0132", "IJ"],
  ["\u0133", "ij"],
  ["\u0149", "\u02bcn"],
  ["\u01f1", "DZ"],
  ["\u01f2", "Dz"],
  ["\u01f3", "dz"],
  ["\u01c4", "D\u017d"],
  ["\u01c5", "D\u017e"],
  ["\u01c6", "d\u017e"],
  ["\u01c7", "LJ"],
  ["\u01c8", "Lj"],
  ["\u01c9", "lj"],
  ["\u01ca", "NJ"],
  ["\u01cb", "Nj"],
  ["\u01cc", "nj"],
  ["\ufb00", "ff"],
  ["\ufb01", "fi"],
  ["\ufb02", "fl"],
  ["\ufb03", "ffi"],
  ["\ufb04", "ffl"],
  ["\ufb05", "\u017ft"],
  ["\ufb06", "st"],
]);
const ligature = new RegExp(`[${[...ligatures.keys()].join("")}]`, "g");

const reference = /&(#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[^\t\n\f <&#;]{1,32};?)/gu;

/**
 * Python's `html.unescape`: named references by their longest known prefix, with or without a
 * semicolon, and numeric ones by HTML 5's table (80-9F as Windows-1252; forbidden ones vanish).
 */
export function unescapeHtml(text: string): string {
  if (!text.includes("&")) return text;
  return text.replace(reference, (whole, name: string) => {
    if (!name.startsWith("#")) return decodeHTML(whole);
    const hexadecimal = /^#[xX]/.test(name);
    const digits = name.slice(hexadecimal ? 2 : 1).replace(";", "");
    return characterOf(Number.parseInt(digits, hexadecimal ? 16 : 10));
  });
}

const windows1252Controls = "€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ";

function characterOf(code: number): string {
  if (code === 0 || (code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff) return "\ufffd";
  if (code >= 0x80 && code <= 0x9f) return windows1252Controls[code - 0x80] ?? "";
  if (isForbidden(code)) return "";
  return String.fromCodePoint(code);
}

/** Controls other than tab, newline, form feed and return, and the non-characters. */
function isForbidden(code: number): boolean {
  if (code < 0x20) return ![0x09, 0x0a, 0x0c, 0x0d].includes(code);
  return code === 0x7f || (code >= 0xfdd0 && code <= 0xfdef) || (code & 0xfffe) === 0xfffe;
}
