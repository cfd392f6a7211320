import { decodeHTMLStrict } from "entities";
import { unescapeHtml } from "./unescape-html.ts";
import { windows1252OfControls } from "./code-pages.ts";
import { fixEncoding } from "./fix-encoding.ts";

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
