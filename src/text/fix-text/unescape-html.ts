import { decodeHTML } from "entities";

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
