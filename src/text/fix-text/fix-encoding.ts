/** Repairs mojibake, and the code pages that it comes from. Byte strings hold one byte per character. */
import { isBad, utf8Lookalikes } from "./badness.ts";
import {
  decodeUtf8,
  decodeUtf8Variants,
  replaceLossySequences,
  restoreNoBreakSpaces,
} from "./utf8.ts";

/**
 * Repairs text that was written in one encoding and read in another, however many times over.
 * Text that does not look broken is returned unchanged.
 */
export function fixEncoding(text: string): string {
  for (;;) {
    const fixed = fixOnce(text);
    if (fixed === text) return fixed;
    text = fixed;
  }
}

function fixOnce(text: string): string {
  if (/^\p{ASCII}*$/u.test(text) || !isBad(text)) return text;
  for (const page of codePages) {
    if (!page.covers(text)) continue;
    let bytes = page.encode(text);
    // MacRoman writes an en dash as D0, which before a space would be a false positive.
    if (page.name !== "macroman") bytes = restoreNoBreakSpaces(bytes);
    if (page.sloppy) bytes = replaceLossySequences(bytes);
    const decoded = /[\xc0\xed]/.test(bytes) ? decodeUtf8Variants(bytes) : decodeUtf8(bytes);
    if (decoded !== undefined) return decoded;
  }
  const mended = fixEmbedded(text);
  if (mended !== text) return mended;
  // What is left are mixed-up code pages, of which only C1 controls have one likely reading.
  return windows1252OfControls(text);
}

/** Repairs the parts that look like mojibake where the whole is in no single encoding. */
function fixEmbedded(text: string): string {
  return text.replace(utf8Lookalikes, (part) =>
    // The whole text again would never end.
    part.length < text.length && isBad(part) ? fixEncoding(part) : part,
  );
}

/**
 * The one-byte code pages that text is wrongly read in, in the order in which repairs try them.
 * Bytes are held as strings of characters U+0000 to U+00FF ("byte strings"), so that regular
 * expressions apply to them.
 */
interface CodePage {
  readonly name: string;
  /**
   * Whether unassigned bytes stand for the C1 control of the same number, as browsers read them,
   * and byte 1A for U+FFFD, whose byte is lost.
   */
  readonly sloppy: boolean;
  /** Whether every character of `text` has a byte. */
  covers(text: string): boolean;
  /** The byte string of a text that is covered. */
  encode(text: string): string;
}

const latin1Upper =
  "¡¢£¤¥¦§¨©ª«¬\xad®¯°±²³´µ¶·¸¹º»¼½¾¿ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖ×ØÙÚÛÜÝÞßàáâãäåæçèéêëìíîïðñòóôõö÷øùúûüýþÿ";
const latin1Controls =
  "\x80\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f" +
  "\x90\x91\x92\x93\x94\x95\x96\x97\x98\x99\x9a\x9b\x9c\x9d\x9e\x9f";
const windows1252 = "€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ\xa0" + latin1Upper;

/** The characters of bytes 80 to FF. */
const upperHalves: readonly (readonly [name: string, characters: string])[] = [
  ["latin-1", latin1Controls + "\xa0" + latin1Upper],
  ["sloppy-windows-1252", windows1252],
  [
    "sloppy-windows-1251",
    "ЂЃ‚ѓ„…†‡€‰Љ‹ЊЌЋЏђ‘’“”•–—\x98™љ›њќћџ\xa0ЎўЈ¤Ґ¦§Ё©Є«¬\xad®Ї°±Ііґµ¶·ё№є»јЅѕї" +
      "АБВГДЕЖЗИЙКЛМНОПРСТУФХЦЧШЩЪЫЬЭЮЯабвгдежзийклмнопрстуфхцчшщъыьэюя",
  ],
  [
    "sloppy-windows-1250",
    "€\x81‚\x83„…†‡\x88‰Š‹ŚŤŽŹ\x90‘’“”•–—\x98™š›śťžź\xa0ˇ˘Ł¤Ą¦§¨©Ş«¬\xad®Ż°±˛ł´µ¶·¸ąş»Ľ˝ľż" +
      "ŔÁÂĂÄĹĆÇČÉĘËĚÍÎĎĐŃŇÓÔŐÖ×ŘŮÚŰÜÝŢßŕáâăäĺćçčéęëěíîďđńňóôőö÷řůúűüýţ˙",
  ],
  [
    "sloppy-windows-1253",
    "€\x81‚ƒ„…†‡\x88‰\x8a‹\x8c\x8d\x8e\x8f\x90‘’“”•–—\x98™\x9a›\x9c\x9d\x9e\x9f\xa0΅Ά£¤¥¦§¨©ª«¬\xad®―" +
      "°±²³΄µ¶·ΈΉΊ»Ό½ΎΏΐΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡÒΣΤΥΦΧΨΩΪΫάέήίΰαβγδεζηθικλμνξοπρςστυφχψωϊϋόύώÿ",
  ],
  [
    "sloppy-windows-1254",
    "€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8d\x8e\x8f\x90‘’“”•–—˜™š›œ\x9d\x9eŸ\xa0¡¢£¤¥¦§¨©ª«¬\xad®¯°±²³´µ¶·¸¹º»¼½¾¿" +
      "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏĞÑÒÓÔÕÖ×ØÙÚÛÜİŞßàáâãäåæçèéêëìíîïğñòóôõö÷øùúûüışÿ",
  ],
  [
    "sloppy-windows-1257",
    "€\x81‚\x83„…†‡\x88‰\x8a‹\x8c¨ˇ¸\x90‘’“”•–—\x98™\x9a›\x9c¯˛\x9f\xa0¡¢£¤¥¦§Ø©Ŗ«¬\xad®Æ°±²³´µ¶·ø¹ŗ»¼½¾æ" +
      "ĄĮĀĆÄÅĘĒČÉŹĖĢĶĪĻŠŃŅÓŌÕÖ×ŲŁŚŪÜŻŽßąįāćäåęēčéźėģķīļšńņóōõö÷ųłśūüżž˙",
  ],
  [
    "iso-8859-2",
    latin1Controls +
      "\xa0Ą˘Ł¤ĽŚ§¨ŠŞŤŹ\xadŽŻ°ą˛ł´ľśˇ¸šşťź˝žż" +
      "ŔÁÂĂÄĹĆÇČÉĘËĚÍÎĎĐŃŇÓÔŐÖ×ŘŮÚŰÜÝŢßŕáâăäĺćçčéęëěíîďđńňóôőö÷řůúűüýţ˙",
  ],
  [
    "macroman",
    "ÄÅÇÉÑÖÜáàâäãåçéèêëíìîïñóòôöõúùûü†°¢£§•¶ß®©™´¨≠ÆØ∞±≤≥¥µ∂∑∏π∫ªºΩæø" +
      "¿¡¬√ƒ≈∆«»…\xa0ÀÃÕŒœ–—“”‘’÷◊ÿŸ⁄€‹›ﬁﬂ‡·‚„‰ÂÊÁËÈÍÎÏÌÓÔ\uf8ffÒÚÛÙıˆ˜¯˘˙˚¸˝˛ˇ",
  ],
  [
    "cp437",
    "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐" +
      "└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\xa0",
  ],
];

function codePage(name: string, characters: string): CodePage {
  const sloppy = name.startsWith("sloppy");
  const substitute = sloppy ? "\ufffd" : "\x1a";
  const bytes = new Map<string, string>();
  for (let i = 0; i < 128; i++) bytes.set(characters[i] ?? "", String.fromCharCode(128 + i));
  bytes.set(substitute, "\x1a");
  const known = new RegExp(`^[\\x00-\\x19\\x1b-\\x7f${substitute}${characters}]*$`, "u");
  return {
    name,
    sloppy,
    covers: (text) => known.test(text),
    encode: (text) => text.replace(/\P{ASCII}/gu, (character) => bytes.get(character) ?? ""),
  };
}

/** Every code page, most likely first. */
const codePages: readonly CodePage[] = upperHalves.map(([name, characters]) =>
  codePage(name, characters),
);

/** C1 controls as the Windows-1252 characters of the same byte, where there is one. */
export function windows1252OfControls(text: string): string {
  return text.replace(/[\x80-\x9f]/g, (control) => windows1252[control.charCodeAt(0) - 128] ?? "");
}
