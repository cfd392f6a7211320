/**
 * Recognises mojibake: which characters and neighbours occur in text that was read in the wrong encoding.
 * The sets are those of ftfy 6.3's documented heuristic; every character is in the Basic Multilingual Plane.
 */

/** Characters by the role that they play in accidental sequences. */
export const roles = {
  /** Ordinary in many contexts; no evidence alone. */
  common: "\xa0\xad´·–-―’…",
  /** C1 controls: nothing writes them on purpose. */
  control: "\x80-\x9f",
  /** Hardly ever meant. */
  bad: "¤¦¨ª¬¯¸ºƒˆˇ˘˛˜†‡‰⌐◊\ufffd",
  law: "§¶",
  currency: "¢£¥₧€",
  opening: "¡©«¿΄΅‘‚“„•‹\uf8ff",
  closing: "®»˝”›™",
  numeric: "±-³µ¹¼-¾×÷⁄№∂∆∏∑√∞∩∫≈≠≡≤≥",
  /** Letters of text faces, which stand beside odd neighbours on purpose. */
  faces: "°Ò-ÖÙ-Üò-öø-üŌŐŪŲ",
  upperAccented: "À-ÑØÜÝĀĂĄĆČĎĐĒĖĘĚĞĢĪİĶĹĻĽŁŃŅŇŒŘŚŞŠŢŤŮŰŸŹŻŽҐ",
  lowerAccented: "ß-ñüāăąćčďđēėęěğģīįķĺļľłœŕśşšťźżžґﬁﬂ",
  upperCommon: "ÞΆΈ-ΊΌΎΏΑ-ΫЁ-Я",
  lowerCommon: "ά-ωа-џ",
  box: "│┌┐┘├┤┬┼═-╬▀▄█▌▐-▓",
} as const;

/**
 * Characters that bytes of UTF-8 turn into when they are read in one of the code pages:
 * `leadOf2` from bytes C2-DF, `leadOf3` from E0-EF, `leadOf4` from F0 and F3, `trail` from 80-BF.
 */
const utf8Clues = {
  leadOf2: "Â-ßĀĂĆČĎĐĒĖĘĚĞĢĪİĶĹĻŁŃŅŇŌŐŘŚŞŠŢŪŮŰŲŹŻŽΒ-ΡΣ-ίВ-Я",
  leadOf3: "à-ïāăąćčďēėęěģīįķĺļŕźΰ-οа-п",
  leadOf4: "ðóđğšπσру",
  /** Those trail characters that seldom stand for themselves beside mojibake. */
  trailStrict: "\x80-¿ÆØæøĄąĽľŁłŒœŖŗŚśŞ-šŤťŸ-žƒˆˇ˘˛-˝΄-ΆΈ-ΊΌΎΏЁ-ЌЎЏё-ќўџҐґ†‡‰‹›€№™",
  /** What a trail character can be besides: a space (for A0), dashes, quotes, bullet, ellipsis. */
  trailExtra: " –—―‘’‚“”„•…",
} as const;

const { common, control, bad, law, currency, opening, closing, numeric, faces, box } = roles;
const { upperAccented, lowerAccented, upperCommon, lowerCommon } = roles;
const accented = lowerAccented + upperAccented;
const symbols = box + opening + closing + currency + numeric + law;

/** One class per argument, in sequence: `sequence("a-z", bad)` is `[a-z][...]`. */
function sequence(...classes: string[]): string {
  return classes.map((body) => `[${body}]`).join("");
}

// The classes that Python's `\s` and `\w` stand for; JavaScript's differ from both.
const whitespace =
  "[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";
const word = "\\p{L}\\p{N}_";

const arabicTail = common + currency + bad + numeric + opening + "ŸŠ®°µ»";
const capitalTail = control + bad + opening + closing + currency + "°";

const unlikely: readonly string[] = [
  sequence(control),
  // Neighbours of two roles that do not meet in real text.
  sequence(bad + accented + symbols, bad),
  sequence("a-zA-Z", lowerCommon + upperCommon, bad),
  sequence(bad, accented + symbols),
  sequence(lowerAccented + lowerCommon + box + closing + currency + numeric, upperAccented),
  sequence(box + closing + currency + numeric, lowerAccented),
  sequence(lowerAccented + box + closing, currency),
  whitespace + sequence(upperAccented, currency),
  sequence(upperAccented + box, numeric + law),
  sequence(accented + box + currency + closing, opening, numeric),
  sequence(accented + currency + numeric + box + law, closing, opening),
  sequence(currency + numeric + box, opening),
  sequence("a-z", upperAccented, opening + currency),
  sequence(box, faces),
  sequence(accented + currency + numeric + opening + closing + law, box),
  sequence(box, closing),
  sequence(accented, opening + closing, word),
  // Windows-1252: oe ligatures, degree signs after capitals, frequent pairs, multiplied powers.
  "[Œœ][^A-Za-z]",
  sequence(upperAccented, "°"),
  sequence("ÂÃÎÐ", "€œŠš¢£Ÿž\\xa0\\xad®©°·»" + opening + closing + "–—´"),
  "×[²³]",
  // Arabic in Windows-1252; its letters are common, so two pairs are asked for.
  sequence("ØÙ", arabicTail, "ØÙ", arabicTail),
  // South Asian scripts in Windows-1252.
  "à[²µ¹¼½¾]",
  // MacRoman.
  "√[±∂†≠®™´≤≥¥µø]",
  "≈[°¢]",
  "‚Ä[ìîïòôúùû†°¢π]",
  "‚[âó][àä°ê]",
  // Windows-1251: the U+2000 block, Latin-1 or Cyrillic letters, and one double encoding.
  "вЂ",
  sequence("ВГРС", capitalTail + "µ", "ВГРС"),
  "ГўВЂВ[^\\n][A-Za-z ]",
  // A with a tilde or circumflex for `à`, `á` or a space that cannot break.
  "Ã[\\xa0¡]",
  `[a-z]${whitespace}?[ÃÂ] `,
  "^[ÃÂ] ",
  sequence("a-z.,?!" + closing, "Â", " " + opening + closing),
  // Windows-1253 and Windows-1257.
  "β€[™\\xa0Ά\\xad®°]",
  sequence("ΒΓΞΟ", capitalTail, "ΒΓΞΟ"),
  "ā€",
];

const badness = new RegExp(unlikely.join("|"), "u");

/** Whether some characters of `text` stand side by side as only mojibake puts them. */
export function isBad(text: string): boolean {
  return badness.test(text);
}

const { leadOf2, leadOf3, leadOf4, trailStrict } = utf8Clues;
const trail = trailStrict + utf8Clues.trailExtra;

/**
 * Runs of what looks like UTF-8 read in some code page, as a global expression. A run does not
 * start behind another trail character: half of a garble would be repaired and the rest made worse.
 */
export const utf8Lookalikes: RegExp = new RegExp(
  `(?<![${trailStrict}])(?:[${leadOf2}][${trail}]|[${leadOf3}][${trail}]{2}|[${leadOf4}][${trail}]{3})+`,
  "gu",
);
