"""Tokenizer files of every family, tiny, and what its reference makes of 1,000 difficult captions.

Run from the repository: python -P test/goldens/generate/family-tokens.py
Needs: transformers 5.23.0, open_clip_torch 3.3.0, sentencepiece 0.2.3, tokenizers 0.23.3, protobuf.
Of the rows of ids of every caption a digest is kept; of the first captions the ids.
"""

import base64
import gzip
import hashlib
import importlib.metadata as metadata
import importlib.util
import io
import json
import pathlib
import random
import string
import struct
import tempfile

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from open_clip.tokenizer import HFTokenizer, SimpleTokenizer, canonicalize_text, default_bpe
from tokenizers import AddedToken, Tokenizer, models, trainers
from tokenizers import normalizers as n
from tokenizers import pre_tokenizers as p
from transformers import BertTokenizer, CLIPTokenizer, GemmaTokenizer, Siglip2Tokenizer, SiglipTokenizer, T5Tokenizer
from transformers.tokenization_utils_base import generate_merges

GOLDENS = pathlib.Path(__file__).parent.parent
COUNT = 1000
LENGTHS = [16, 300]
SHOWN = 40

spec = importlib.util.spec_from_file_location("captions", pathlib.Path(__file__).parent / "token-ids.py")
captions = importlib.util.module_from_spec(spec)
spec.loader.exec_module(captions)
random_ = random.Random(20260301)

SPECIAL = ["</s>", "<s>", "<pad>", "<unk>", "<eos>", "<bos>", "<mask>", "[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]",
           "<|endoftext|>", "<|startoftext|>", "<end_of_text>", "<start_of_turn>", "<0x41>", "<unused1>", "##s", "[unused1]"]
MORE = [
    *SPECIAL, "A </s> b", "a</s>", "</s></s>", "</S>", "<EOS>", " [SEP] ", "[sep]", "a[CLS]b", "x<eos>y <bos>z", "<pad><pad>",
    "snake_case_name", "__init__", "_ _ _", "a_b", "▁", "▁▁ a ▁", "a▁b", "1234567890", "3.14", "٣٤٥", "²³", "①②③",
    *string.punctuation, "!!!", "...", "?!?!", string.punctuation, "e\u0301", "é", "가", "\u1100\u1161", "Å", "A\u030a", "\u212b",
    "\ufffd", "a\ufffdb", "\u200b", "\u00ad", "a\u00adb", "\ufeff", "İ", "ı", "ſ", "ẞ", "ß", "ΑΣ", "Σ", "ΣΑΣ", "ŉ", "ᾳ", "K", "ﬁ", "ǅ",
    " leading", "trailing ", "  double  space  ", "a\tb", "a\nb", "a\r\nb", "\n\n", "\n\n\n\n", "a\x0bb", "a\x1cb", "a\x85b", "a\xa0b",
    "a\u3000b", "a\u2028b", "a\x00b", "\x01\x02", "a" * 99, "a" * 100, "a" * 101, "é" * 100, "Donaudampfschifffahrt " * 30,
    "＜／ｓ＞", "＜unk＞", "[ CLS ]", "a photo of a cat.", "A Photo Of A CAT!", "it's John's cat, isn't it?", "&amp; &lt;b&gt;", "don’t",
]


def texts():
    """Every kind of the captions that CLIP's tokenizer is tested with, and names of special tokens in text."""
    found = list(dict.fromkeys([*MORE, "", " ", *captions.PHRASES]))
    while len(found) < COUNT - 6:
        parts = [captions.piece() for _ in range(random_.choice([1, 1, 2, 3]))]
        if random_.random() < 0.3:
            parts.insert(random_.randrange(len(parts) + 1), random_.choice(MORE))
        text = random_.choice(["", " ", "  ", "\n", "_"]).join(parts)
        if captions.stable(text, ""):
            found.append(text)
    found += ["word " * 400, "x" * 2000, "漢" * 1500, "é€™ " * 300, "👩🏽‍🚀" * 200, "naïve café " * 200]
    return found


TEXTS = texts()
ENGLISH = """a photo picture of the cat dog man woman riding standing on in with red green blue house street bicycle
table plate food pizza train bus sitting young old two three group people playing tennis ball water beach surfboard sky
kite flying large small giraffe elephant zebra field grass kitchen bathroom mirror window laptop phone""".split()
CORPUS = [" ".join(random_.choice(ENGLISH) for _ in range(random_.randrange(3, 12))) for _ in range(1500)]
CORPUS += [t for t in captions.PHRASES if "<" not in t and t.isprintable()] * 3


def rows(encode):
    """One digest per caption, of its rows at every length, and the first captions' ids in rows of 16."""
    lists = [[list(map(int, encode(text, length))) for length in LENGTHS] for text in TEXTS]
    assert all([len(row) for row in rows] == LENGTHS for rows in lists)
    return {
        "digests": "".join(hashlib.sha256(struct.pack(f"<{sum(LENGTHS)}i", *sum(rows, []))).hexdigest()[:12] for rows in lists),
        "shown": [rows[LENGTHS.index(16)] for rows in lists[:SHOWN]],
    }


def transformers(tokenizer):
    return rows(lambda t, n: tokenizer(t, padding="max_length", truncation=True, max_length=n, padding_side="right").input_ids)


def open_clip(folder, **kwargs):
    tokenizer = HFTokenizer(str(folder), **kwargs)
    return rows(lambda t, n: tokenizer([t], n)[0].tolist())


def sticky(processor, clean, end, pad):
    """big_vision's pp/ops_text.py with eos="sticky", LiT's SentencepieceTokenizer alike."""
    def encode(text, length):
        ids = [*processor.encode(clean(text)), end]
        return [*ids[: length - 1], end] if len(ids) >= length else ids + [pad] * (length - len(ids))
    return rows(encode)


def ascii_lower(text):
    """tf.strings.lower of text in its default encoding."""
    return text.encode("utf-8").lower().decode("utf-8")


def sentence_piece(**options):
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([" ".join(t.split()) for t in CORPUS]), model_writer=out, minloglevel=2,
        hard_vocab_limit=False, **options)
    return out.getvalue()


def saved(folder):
    """Files as text or, if they are none, in base64."""
    files = {}
    for path in sorted(pathlib.Path(folder).iterdir()):
        data = path.read_bytes()
        files[path.name] = {"base64": base64.b64encode(data).decode()} if path.suffix == ".model" else data.decode()
    return files


def clip(folder):
    lines = gzip.open(default_bpe()).read().decode().split("\n")[:701]
    path = folder / "bpe.txt.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))
    names = list(SimpleTokenizer(str(path)).encoder)[:-2] + ["<|startoftext|>", "<|endoftext|>"]
    vocab = {name: i for i, name in enumerate(names)}
    merges = [tuple(line.split()) for line in lines[1:]]
    hugging_face = CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=77)
    target = folder / "clip"
    hugging_face.save_pretrained(target)
    (target / "vocab.json").write_text(json.dumps(vocab))
    (target / "merges.txt").write_text("#version: 0.2\n" + "\n".join(lines[1:]) + "\n")
    cases = {"transformers": transformers(CLIPTokenizer.from_pretrained(target))}
    for clean in ("lower", "whitespace", "canonicalize"):
        tokenizer = SimpleTokenizer(str(path), clean=clean)
        cases[clean] = rows(lambda t, n: tokenizer([t], n)[0].tolist())
    return {"files": saved(target), "cases": cases}


def siglip(folder):
    # As c4_en, SigLIP's: <pad> 0, </s> 1, <unk> 2.
    data = sentence_piece(vocab_size=700, normalization_rule_name="nmt_nfkc", pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
    target, t5 = folder / "siglip", folder / "siglip-t5"
    target.mkdir()
    (target / "spiece.model").write_bytes(data)
    tokenizer = SiglipTokenizer(str(target / "spiece.model"), model_max_length=64)
    tokenizer.save_pretrained(target)
    proto = sentencepiece_model_pb2.ModelProto.FromString(data)
    T5Tokenizer(vocab=[(x.piece, x.score) for x in proto.pieces], extra_ids=0, pad_token="</s>",
                _spm_precompiled_charsmap=proto.normalizer_spec.precompiled_charsmap).save_pretrained(t5)
    # The map is in the other file too.
    file = json.loads((t5 / "tokenizer.json").read_text())
    maps = [file["normalizer"], *file["normalizer"].get("normalizers", [])]
    reloaded = open_clip(t5, clean="canonicalize")
    for step in maps:
        if step["type"] == "Precompiled":
            step["precompiled_charsmap"] = "spiece.model"
    (t5 / "tokenizer.json").write_text(json.dumps(file))
    processor = sentencepiece.SentencePieceProcessor(model_proto=data)
    return {
        "files": saved(target),
        "t5": saved(t5),
        "cases": {
            "transformers": transformers(SiglipTokenizer.from_pretrained(target)),
            "open_clip": reloaded,
            "big-vision-lower": sticky(processor, ascii_lower, 1, 1),
            "big-vision-canonicalize": sticky(processor, canonicalize_text, 1, 1),
            "lit": sticky(processor, lambda t: t, 1, 1),
        },
    }


def siglip2(folder):
    # As Gemma's: bytes for what has no piece, spaces kept, runs of line ends and marks as symbols.
    data = sentence_piece(
        model_type="bpe", vocab_size=1100, normalization_rule_name="identity", byte_fallback=True, split_digits=True,
        add_dummy_prefix=False, remove_extra_whitespaces=False, allow_whitespace_only_pieces=True, pad_id=0, eos_id=1,
        bos_id=2, unk_id=3, pad_piece="<pad>", eos_piece="<eos>", bos_piece="<bos>", character_coverage=0.99,
        user_defined_symbols=["<mask>", "[unused1]", "<start_of_turn>", "\n\n", "\n\n\n", "▁▁", "▁▁▁", "<b>"])
    target, published = folder / "siglip2", folder / "siglip2-published"
    target.mkdir()
    (target / "tokenizer.model").write_bytes(data)
    vocab, merges = extract(data)
    options = dict(vocab=vocab, merges=merges, add_bos_token=False, add_eos_token=True, padding_side="right",
                   model_max_length=64)
    Siglip2Tokenizer(**options).save_pretrained(target)
    GemmaTokenizer(**options, do_lower_case=True).save_pretrained(published)
    processor = sentencepiece.SentencePieceProcessor(model_proto=data)
    return {
        "files": saved(target),
        "published": saved(published),
        "cases": {
            "transformers": transformers(Siglip2Tokenizer.from_pretrained(target)),
            "siglip2-of-gemma": transformers(Siglip2Tokenizer.from_pretrained(published)),
            "open_clip": open_clip(published, clean="canonicalize"),
            "big-vision-lower": sticky(processor, ascii_lower, 1, 0),
            "big-vision-canonicalize": sticky(processor, canonicalize_text, 1, 0),
            "raw": sticky(processor, lambda t: t, 1, 0),
        },
    }


def extract(data):
    """Vocabulary and merges as transformers' converters make them: by the score of the result."""
    proto = sentencepiece_model_pb2.ModelProto.FromString(data)
    vocab = {x.piece: i for i, x in enumerate(proto.pieces)}
    return vocab, generate_merges(vocab, {x.piece: x.score for x in proto.pieces})


def bert(folder):
    special = ["[PAD]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer = n.BertNormalizer(lowercase=True)
    t.pre_tokenizer = p.BertPreTokenizer()
    t.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=900, special_tokens=special, show_progress=False))
    vocab = t.get_vocab()
    target, cased = folder / "bert", folder / "bert-cased"
    target.mkdir()
    (target / "vocab.txt").write_text("\n".join(sorted(vocab, key=vocab.get)) + "\n")
    BertTokenizer(str(target / "vocab.txt"), model_max_length=64).save_pretrained(target)
    BertTokenizer(str(target / "vocab.txt"), model_max_length=64, do_lower_case=False,
                  tokenize_chinese_chars=False).save_pretrained(cased)
    return {
        "files": saved(target),
        "cased": {k: v for k, v in saved(cased).items() if k != "tokenizer.json"},
        "cases": {
            "transformers": transformers(BertTokenizer.from_pretrained(target)),
            "cased": transformers(BertTokenizer.from_pretrained(cased)),
            "strip_sep_token": open_clip(target, strip_sep_token=True),
        },
    }


def added_tokens():
    """Tokens that are looked for in texts, with every flag, in front of and behind a normalizer."""
    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer = n.BertNormalizer(lowercase=True)
    t.pre_tokenizer = p.BertPreTokenizer()
    t.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=300, special_tokens=["[PAD]", "[UNK]"], show_progress=False))
    t.add_special_tokens([AddedToken("</s>", lstrip=True), AddedToken("<s>", rstrip=True), AddedToken("a b", single_word=True)])
    t.add_tokens([AddedToken("CAT", normalized=True), AddedToken("a", normalized=True, single_word=True), AddedToken("É", lstrip=True, rstrip=True),
                  AddedToken("photo of", normalized=False), AddedToken("_", normalized=False, single_word=True, lstrip=True)])
    t.add_tokens([AddedToken("2", normalized=False, single_word=True), AddedToken("the", normalized=True, rstrip=True, lstrip=True)])
    def encode(text, length):
        ids = t.encode(text).ids[:length]
        return ids + [0] * (length - len(ids))
    return {"files": {"tokenizer.json": t.to_str()}, "cases": {"tokenizers": rows(encode)}}


def write(name, value):
    path = GOLDENS / name
    path.write_bytes(gzip.compress(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(), 9, mtime=0))
    print(name, path.stat().st_size, "bytes")


def main():
    write("captions.json.gz", {"source": "family-tokens.py, token-ids.py", "texts": TEXTS})
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        write("family-tokens.json.gz", {
            "source": "transformers, open_clip.tokenizer, sentencepiece on the files herein; captions.json.gz",
            "version": {name: metadata.version(name) for name in
                        ("transformers", "open_clip_torch", "sentencepiece", "tokenizers", "ftfy")},
            "command": "python -P test/goldens/generate/family-tokens.py",
            "seed": [captions.SEED, 20260301],
            "digest": "12 hexadecimal digits per caption: the start of the SHA-256 of its rows of 16 and 300 ids in little-endian int32",
            "rtol": 0,
            "atol": 0,
            "clip": clip(folder),
            "siglip": siglip(folder),
            "siglip2": siglip2(folder),
            "bert": bert(folder),
            "added": added_tokens(),
        })


main()
