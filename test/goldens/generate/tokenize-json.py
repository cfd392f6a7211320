"""Small tokenizer.json files of every model type, and the ids that Hugging Face's tokenizers gives.

Run from the repository: python test/goldens/generate/tokenize-json.py
Needs: tokenizers 0.23.3, sentencepiece 0.2.3, protobuf.
"""

import gzip
import importlib.metadata as metadata
import json
import pathlib
import random
import tempfile

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Regex, Tokenizer, decoders, models, processors, trainers
from tokenizers import normalizers as n
from tokenizers import pre_tokenizers as p

SEED = 7
random_ = random.Random(SEED)
ENGLISH = """a photo picture of the cat dog man woman riding standing on in with red green blue house street bicycle
table plate food pizza train bus sitting young old two three group people playing tennis ball water beach surfboard sky
kite flying large small giraffe elephant zebra field grass kitchen bathroom mirror window laptop phone""".split()
OTHER = [
    "ein Foto von einer Katze", "une photo d'un chien brun", "ΦΩΤΟΓΡΑΦΙΑ ΜΙΑΣ ΓΑΤΑΣ", "фотография кошки на столе",
    "猫の写真です", "一只猫在桌子上", "𠀋𠂢 𡈽 漢字", "고양이 사진", "صورة قطة على الطاولة", "תמונה של חתול",
    "बिल्ली की एक तस्वीर", "ภาพถ่ายของแมว", "kedinin FOTOĞRAFI İstanbul ılık", "ảnh một con mèo", "😀 smiling 👍🏽 👨‍👩‍👧",
    "naïve café déjà vu", "e\u0301a\u0300 combining", "ＦＵＬＬ　ｗｉｄｔｈ ｶﾞｷﾞ", "１２３ ٣٤٥ ①② Ⅷ ½ 2024-12-31", "tabs\tand\nlines\r\n  spaces  ",
    "nbsp\xa0thin\u2009zero\u200bwidth\ufeffbom\x85next", "DON'T we've I'll it's 'quoted'", "a_b-c/d\\e (f) [g] {h} “i” «j» …", "http://x.org/?a=1&b=2",
    "<s> </s> [CLS] <|endoftext|> <|startoftext|>", "", " ", "word" * 60, "ﬁne ﬂuﬀ ｶﾀｶﾅ ㍿ ™ ½ ﷺ", "\u0000nul\u0007bel\u001besc \ufffd",
    "trailing space ", " leading", "ΑΣ ΣΑΣ. Σ", "▁already ▁marked", "a  b   c    d",
]


def caption():
    if random_.random() < 0.6:
        return " ".join(random_.choice(ENGLISH) for _ in range(random_.randrange(3, 12)))
    return " ".join(random_.choice(OTHER[:24]) for _ in range(random_.randrange(1, 3)))


TEXTS = [caption() for _ in range(1500)]


def clip_bpe():
    t = Tokenizer(models.BPE(end_of_word_suffix="</w>", unk_token="<|endoftext|>"))
    t.normalizer = n.Sequence([n.NFC(), n.Replace(Regex(r"\s+"), " "), n.Lowercase()])
    words = Regex(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+")
    t.pre_tokenizer = p.Sequence([p.Split(words, "removed", True), p.ByteLevel(add_prefix_space=False)])
    special = ["<|startoftext|>", "<|endoftext|>"]
    t.train_from_iterator(TEXTS, trainers.BpeTrainer(
        vocab_size=800, special_tokens=special, initial_alphabet=p.ByteLevel.alphabet(),
        end_of_word_suffix="</w>", show_progress=False))
    t.post_processor = processors.RobertaProcessing(("<|endoftext|>", 1), ("<|startoftext|>", 0), False, False)
    t.decoder = decoders.ByteLevel()
    return t


def byte_level():
    t = Tokenizer(models.BPE())
    t.normalizer = n.Sequence([n.Strip(), n.Prepend(">")])
    t.pre_tokenizer = p.ByteLevel(add_prefix_space=True)
    t.train_from_iterator(TEXTS, trainers.BpeTrainer(
        vocab_size=700, special_tokens=["<s>", "</s>"], initial_alphabet=p.ByteLevel.alphabet(), show_progress=False))
    t.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)])
    return t


def word_piece():
    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer = n.BertNormalizer(lowercase=True)
    t.pre_tokenizer = p.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    t.train_from_iterator(TEXTS, trainers.WordPieceTrainer(vocab_size=700, special_tokens=special, show_progress=False))
    t.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return t


def unigram():
    t = Tokenizer(models.Unigram())
    t.normalizer = n.Sequence([n.NFKC(), n.Replace(Regex(r"\s+"), " "), n.Lowercase()])
    t.pre_tokenizer = p.Metaspace()
    special = ["<pad>", "</s>", "<unk>"]
    t.train_from_iterator(TEXTS, trainers.UnigramTrainer(
        vocab_size=700, special_tokens=special, unk_token="<unk>", show_progress=False))
    t.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return t


def whitespace():
    t = Tokenizer(models.BPE(unk_token="[UNK]"))
    t.normalizer = n.Sequence([n.NFD(), n.StripAccents(), n.Lowercase()])
    t.pre_tokenizer = p.Sequence([p.Whitespace(), p.Digits(individual_digits=True), p.Punctuation("merged_with_previous")])
    t.train_from_iterator(TEXTS, trainers.BpeTrainer(
        vocab_size=600, special_tokens=["[UNK]", "[PAD]"], limit_alphabet=200, show_progress=False))
    return t


def sentence_piece():
    with tempfile.TemporaryDirectory() as folder:
        text = pathlib.Path(folder, "text")
        text.write_text("\n".join(" ".join(t.split()) for t in TEXTS))
        sentencepiece.SentencePieceTrainer.train(
            input=str(text), model_prefix=f"{folder}/m", vocab_size=300, hard_vocab_limit=False,
            normalization_rule_name="nmt_nfkc_cf", minloglevel=2)
        proto = sentencepiece_model_pb2.ModelProto()
        proto.ParseFromString(pathlib.Path(folder, "m.model").read_bytes())
    t = Tokenizer(models.Unigram([(x.piece, x.score) for x in proto.pieces], 0, False))
    t.normalizer = n.Sequence([n.Precompiled(proto.normalizer_spec.precompiled_charsmap), n.Replace(Regex(" {2,}"), " ")])
    t.pre_tokenizer = p.Metaspace(prepend_scheme="first")
    t.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 2)])
    return t


def main():
    texts = OTHER + [caption() for _ in range(60)]
    cases = []
    for make in (clip_bpe, byte_level, word_piece, unigram, whitespace, sentence_piece):
        t = make()
        cases.append({"name": make.__name__, "file": json.loads(t.to_str()), "ids": [e.ids for e in t.encode_batch(texts)]})
    golden = {
        "source": "tokenizers.Tokenizer.encode",
        "version": {name: metadata.version(name) for name in ("tokenizers", "sentencepiece")},
        "command": "python test/goldens/generate/tokenize-json.py",
        "seed": SEED,
        "rtol": 0,
        "atol": 0,
        "texts": texts,
        "cases": cases,
    }
    data = json.dumps(golden, separators=(",", ":")).encode()
    path = pathlib.Path(__file__).parent.parent / "tokenize-json.json.gz"
    path.write_bytes(gzip.compress(data, 9, mtime=0))
    print(f"{len(cases)} files, {len(texts)} texts, {path.stat().st_size} bytes")


main()
