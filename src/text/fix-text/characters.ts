/**
 * Which characters occur in mojibake, as bodies of regular-expression classes. The sets are those
 * of ftfy 6.3's documented heuristic; every character is in the Basic Multilingual Plane.
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
export const utf8Clues = {
  leadOf2: "Â-ßĀĂĆČĎĐĒĖĘĚĞĢĪİĶĹĻŁŃŅŇŌŐŘŚŞŠŢŪŮŰŲŹŻŽΒ-ΡΣ-ίВ-Я",
  leadOf3: "à-ïāăąćčďēėęěģīįķĺļŕźΰ-οа-п",
  leadOf4: "ðóđğšπσру",
  /** Those trail characters that seldom stand for themselves beside mojibake. */
  trailStrict: "\x80-¿ÆØæøĄąĽľŁłŒœŖŗŚśŞ-šŤťŸ-žƒˆˇ˘˛-˝΄-ΆΈ-ΊΌΎΏЁ-ЌЎЏё-ќўџҐґ†‡‰‹›€№™",
  /** What a trail character can be besides: a space (for A0), dashes, quotes, bullet, ellipsis. */
  trailExtra: " –—―‘’‚“”„•…",
} as const;
