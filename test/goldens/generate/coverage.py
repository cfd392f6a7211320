"""How many tokens, unknown ones and bytes of characters the reference tokenizers give in four languages.

Run from the repository, after family-tokens.py: python -P test/goldens/generate/coverage.py
Needs: transformers, tokenizers, sentencepiece, open_clip_torch.

The tokenizers are those of family-tokens.json.gz, tiny, and OpenAI's own. A token counts as bytes when its
name is one of <0x00> to <0xFF>, or when its bytes alone are no UTF-8.
"""

import base64
import gzip
import importlib.metadata as metadata
import json
import pathlib
import tempfile

from open_clip.tokenizer import SimpleTokenizer, bytes_to_unicode
from transformers import BertTokenizer, CLIPTokenizer, Siglip2Tokenizer, SiglipTokenizer

GOLDENS = pathlib.Path(__file__).parent.parent
TEXTS = {
    "en": [
        "a photo of a cat on the table",
        "two women riding bicycles in the rain",
        "The quick brown fox jumps over the lazy dog.",
        "an old train, seen from the window",
        "don't stop! it's 5 pm",
    ],
    "de": [
        "ein Foto von einer Katze auf dem Tisch",
        "zwei Frauen fahren bei Regen Fahrrad",
        "Der schnelle braune Fuchs springt über den faulen Hund.",
        "ein alter Zug, vom Fenster aus gesehen, größer als üblich",
        "Donaudampfschifffahrtsgesellschaftskapitän",
    ],
    "ja": ["テーブルの上の猫の写真", "雨の中を自転車で走る二人の女性", "素早い茶色の狐が怠け者の犬を飛び越える。", "窓から見た古い電車", "これはペンです"],
    "ar": [
        "صورة قطة على الطاولة",
        "امرأتان تركبان الدراجات تحت المطر",
        "الثعلب البني السريع يقفز فوق الكلب الكسول.",
        "قطار قديم يُرى من النافذة",
        "هذا كتاب",
    ],
}
BYTE_OF = {character: byte for byte, character in bytes_to_unicode().items()}


def is_bytes(name, byte_level):
    if not byte_level:
        return len(name) == 6 and name.startswith("<0x") and name.endswith(">")
    try:
        bytes(BYTE_OF[character] for character in name.removesuffix("</w>")).decode()
    except UnicodeDecodeError:
        return True
    return False


def counted(names_of, unknown=None, byte_level=False):
    """Of every text: tokens, unknown ones, bytes."""
    return {
        language: [
            [len(names), sum(n == unknown for n in names), sum(is_bytes(n, byte_level) for n in names)]
            for names in map(names_of, texts)
        ]
        for language, texts in TEXTS.items()
    }


def unpacked(folder, files):
    folder.mkdir()
    for name, content in files.items():
        data = content.encode() if isinstance(content, str) else base64.b64decode(content["base64"])
        (folder / name).write_bytes(data)
    return folder


def main():
    families = json.loads(gzip.open(GOLDENS / "family-tokens.json.gz").read())
    open_ai = SimpleTokenizer()
    names = {id: name for name, id in open_ai.encoder.items()}
    with tempfile.TemporaryDirectory() as temporary:
        place = pathlib.Path(temporary)

        def loaded(kind, family):
            return kind.from_pretrained(unpacked(place / family, families[family]["files"]))

        clip, siglip = loaded(CLIPTokenizer, "clip"), loaded(SiglipTokenizer, "siglip")
        siglip2, bert = loaded(Siglip2Tokenizer, "siglip2"), loaded(BertTokenizer, "bert")

        def of(tokenizer):
            return lambda text: tokenizer.convert_ids_to_tokens(tokenizer(text, add_special_tokens=False).input_ids)

        golden = {
            "version": {
                name: metadata.version(name) for name in ("transformers", "tokenizers", "sentencepiece", "open_clip_torch")
            },
            "command": "python -P test/goldens/generate/coverage.py",
            "texts": TEXTS,
            "counts": {
                "openai": counted(lambda text: [names[id] for id in open_ai.encode(text)], byte_level=True),
                "clip": counted(of(clip), byte_level=True),
                "siglip": counted(of(siglip), unknown="<unk>"),
                "siglip2": counted(of(siglip2), unknown="<unk>"),
                "bert": counted(of(bert), unknown="[UNK]"),
            },
        }
    (GOLDENS / "coverage.json").write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n")


main()
