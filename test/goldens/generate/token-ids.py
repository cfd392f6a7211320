"""Token ids and cleaned text of 1,000 difficult captions, from open_clip's tokenizer.

Run from the repository: python test/goldens/generate/tokenize.py
Needs: open_clip_torch 3.3.0, ftfy 6.3.1 (both are written into the file).
"""

import gzip
import html.entities
import importlib.metadata as metadata
import json
import pathlib
import random
import struct
import unicodedata

import ftfy
from open_clip.tokenizer import SimpleTokenizer

SEED = 20250101
COUNT = 1000
random_ = random.Random(SEED)

PAGES = (
    "latin-1 windows-1252 sloppy-windows-1252 sloppy-windows-1251 sloppy-windows-1250 "
    "sloppy-windows-1253 sloppy-windows-1254 sloppy-windows-1257 iso-8859-2 macroman cp437"
).split()

PHRASES = [
    "a photo of a cat", "à la mode", "déjà vu, naïve café", "São Paulo às onze", "Łódź i Kraków",
    "Tiếng Việt có dấu", "İSTANBUL'DA ĞÜŞ ıI", "STRASSE ẞ ß", "ΟΔΟΣ ΣΊΣΥΦΟΣ ΑΣ. Σ", "Русский текст «в кавычках»",
    "Українська ґанок", "日本語のテキスト、句読点。", "简体中文字符，標點", "한국어 문장입니다", "العربية نص مِثال", "עברית טֶקְסְט",
    "فارسی با نیم‌فاصله", "हिन्दी में पाठ", "ภาษาไทยไม่เว้นวรรค", "বাংলা লেখা", "தமிழ் உரை", "ქართული", "Հայերեն", "አማርኛ",
    "👨‍👩‍👧‍👦 family", "👍🏽👩🏿‍🚀", "🇩🇪🇯🇵🇧🇷", "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "❤️‍🔥 ☺️ ☺ 1️⃣",
    "“quoted” and ‘single’ text’s", "it’s… an — em–dash", "€100 £5 ¥7 ½ cup ×3 ±2°", "ﬁne ﬂuﬃ ﬀ ĳ ŉ ǆ ﬆ",
    "ＦＵＬＬ　ｗｉｄｔｈ １２３！", "ｶﾀｶﾅ ﾊﾟ ￦", "e\u0301a\u0300o\u0302\u0323", "z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞a͠l̶g̷o̸", "A\u0345Σ ᾳ",
    "DON'T I'll we've you're he'd I'm 'S 'ſ", "#tag @user_name_x a_b-c/d\\e", "1,234.56 ٣٤٥ ४५६ ①②③ Ⅷ ⅻ 五 ¾ ²³ ፲ 𝟘𝟙", "<b>bold &amp; true</b>",
    "<end_of_text> x <start_of_text>", "<|endoftext|> <|startoftext|>", "\u200b\u200c\u200d\u2060 zero", "\ufeffbom", "\x1b[31mred\x1b[0m", "line\r\nbreak\rs\u2028t\u2029u\x85v",
    "tab\tvt\x0bff\x0cfs\x1cgs\x1d nbsp\xa0thin\u2009", "nul\x00bel\x07del\x7f\x9f\x81", "\u202eright\u202c \u2066iso\u2069", "Ã la carte fÃ cil", "voilÃ le travail â€œ like this â€�",
    "ＲＴ 𝓯𝓪𝓷𝓬𝔂 𝕋𝕖𝕩𝕥 Ⓒⓘⓡ", "http://example.org/?a=1&copy=2&amp=3", "AT&T R&D &notit; &hearts", "100% c++ c# .net ... !!! ?!", "ǅǈǲ Ǆ", "K Å Ω ſ", "ᏣᎳᎩ Ꭰꭰ", "ⅰⅱ Ⅰ", "ᲐᲑ აბ",
]


def cesu8(text):
    """UTF-8 of UTF-16's code units, as Java and old databases write it."""
    out = b""
    for character in text:
        data = character.encode("utf-16-be", "surrogatepass")
        for (unit,) in struct.iter_unpack(">H", data):
            out += b"\xc0\x80" if unit == 0 else chr(unit).encode("utf-8", "surrogatepass")
    return out


def garble(text):
    """Reads the text's UTF-8 in a wrong code page, once to three times, with losses."""
    for _ in range(random_.choice([1, 1, 1, 2, 2, 3])):
        data = cesu8(text) if random_.random() < 0.1 else text.encode("utf-8", "surrogatepass")
        text = data.decode(random_.choice(PAGES), "replace")
        if random_.random() < 0.15:
            text = text.replace("\xa0", " ")
        if random_.random() < 0.05:
            text = text.replace("\ufffd", "?")
    if random_.random() < 0.1 and len(text) > 1:
        cut = random_.randrange(len(text))
        text = text[:cut] + text[cut + 1 :]
    return text


def entity():
    name = random_.choice(sorted(html.entities.html5))
    number = random_.choice([random_.randrange(0x300), random_.randrange(0x1F700)])
    return random_.choice(
        [
            f"&{name}", f"&{name.rstrip(';')}", f"&{name.rstrip(';')}x", f"&amp;{name}", f"&amp;amp;{name}",
            f"&{name.upper()}", f"&#{number};", f"&#{number}", f"&#x{number:x};", f"&#X{number:X} ", "&#;",
            "&#x;", "&;", "& ", "&&amp;", "&#99999999999;", "&#xD800;", "&#128;", "&#x99;", "&lt;i&gt;",
        ]
    )


def bytes_read_wrong():
    size = random_.randrange(1, 24)
    high = [random_.choice([random_.randrange(0x20, 0x7F), random_.randrange(0x80, 0x100)]) for _ in range(size)]
    return bytes(high).decode(random_.choice(PAGES), "replace")


def character():
    low, high = random_.choice(
        [(0x20, 0x7F), (0, 0x100), (0, 0x800), (0x300, 0x370), (0x2000, 0x3000), (0, 0x10000), (0x1F300, 0x1FA00), (0x10000, 0x20000)]
    )
    return chr(random_.randrange(low, high))


def piece():
    kind = random_.randrange(8)
    if kind < 2:
        return random_.choice(PHRASES)
    if kind < 5:
        return garble(random_.choice(PHRASES))
    if kind == 5:
        return entity()
    if kind == 6:
        return bytes_read_wrong()
    return "".join(character() for _ in range(random_.randrange(1, 10)))


def fixed_cases():
    yield from ["", " ", "\t\n\r ", "\u3000\xa0\x1c", "\x00\x01", "&nbsp;&#32;", "\ufeff"]
    yield from PHRASES
    for page in PAGES:
        for phrase in PHRASES[:34]:
            yield phrase.encode("utf-8").decode(page, "replace")
    yield "word " * 2000
    yield "x" * 10000
    yield "".join(random_.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(10000))
    yield "漢" * 10000
    yield "é€™ " * 2500
    yield "👩🏽‍🚀" * 2000
    yield garble("naïve café " * 900)


def stable(text, cleaned):
    """Whether no character is newer than this Python's Unicode: others change with the engine."""
    return all(
        unicodedata.category(c) not in ("Cn", "Cs") or 0xFDD0 <= ord(c) <= 0xFDEF
        for c in text + cleaned
    )


tokenizer = SimpleTokenizer()


def encode(text):
    row = tokenizer([text])[0].tolist()
    return row[: row.index(tokenizer.eot_token_id) + 1] if "of_text>" not in text else row


def main():
    cases = []
    waiting = list(fixed_cases())
    while len(cases) < COUNT:
        text = waiting.pop(0) if waiting else random_.choice(["", " ", "\n"]).join(
            piece() for _ in range(random_.choice([1, 1, 2, 3, 5]))
        )
        cleaned = tokenizer.clean_fn(text)
        if not stable(text, cleaned):
            continue
        long = len(text) > 500
        cases.append({"text": text, "clean": None if long else cleaned, "ids": encode(text)})
    changed = sum(ftfy.fix_text(case["text"]) != case["text"] for case in cases)
    golden = {
        "source": "open_clip.tokenizer.SimpleTokenizer, ftfy.fix_text within",
        "version": {name: metadata.version(name) for name in ("open_clip_torch", "ftfy", "regex")},
        "unicode": unicodedata.unidata_version,
        "command": "python test/goldens/generate/tokenize.py",
        "seed": SEED,
        "rtol": 0,
        "atol": 0,
        "changedByFtfy": changed,
        "cases": cases,
    }
    data = json.dumps(golden, separators=(",", ":")).encode()
    path = pathlib.Path(__file__).parent.parent / "tokenize.json.gz"
    path.write_bytes(gzip.compress(data, 9, mtime=0))
    print(f"{len(cases)} cases, {changed} changed by ftfy, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
