"""Tokenizers of a few hundred tokens in the files of every family, for models whose tables are as small.

Imported by end-to-end.py. Each function writes into a folder; SIZE is how many ids there are. Vocabularies
are learned from sentences that are made here, so that the same files come out every time.
"""

import functools
import gzip
import io
import json
import pathlib
import random
import tempfile

import sentencepiece
from open_clip.tokenizer import SimpleTokenizer, default_bpe
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Tokenizer, models, trainers
from tokenizers import normalizers as n
from tokenizers import pre_tokenizers as p
from transformers import BertTokenizer, CLIPTokenizer, GemmaTokenizer, SiglipTokenizer, T5Tokenizer
from transformers.tokenization_utils_base import generate_merges

CONTEXT = 24
MERGES = 40
CLIP_SIZE, SIGLIP_SIZE, GEMMA_SIZE, BERT_SIZE = 512 + MERGES + 2, 120, 330, 160
BPE_FILE = "bpe_simple_vocab_16e6.txt.gz"
WORDS = "a photo of the cat dog fox quick brown lazy table kitchen two astronaut on over jumps and with red".split()


@functools.cache
def corpus():
    chosen = random.Random(20260402)
    sentences = [" ".join(chosen.choice(WORDS) for _ in range(chosen.randrange(3, 9))) for _ in range(400)]
    return [*sentences, "the Straße über läuft, schnell!", "3.14 don't (two) cats; dogs?"]


def merge_lines():
    """The head of OpenAI's file with its first merges."""
    return gzip.open(default_bpe()).read().decode().split("\n")[: MERGES + 1]


def bpe_file(folder):
    (folder / BPE_FILE).write_bytes(gzip.compress("\n".join(merge_lines()).encode(), mtime=0))
    return folder / BPE_FILE


@functools.cache
def open_clip_reader(context):
    with tempfile.TemporaryDirectory() as folder:
        return SimpleTokenizer(str(bpe_file(pathlib.Path(folder))), context_length=context)


def clip(folder):
    names = [*list(open_clip_reader(CONTEXT).encoder)[:-2], "<|startoftext|>", "<|endoftext|>"]
    assert len(names) == CLIP_SIZE
    vocab = {name: i for i, name in enumerate(names)}
    lines = merge_lines()[1:]
    merges = [tuple(line.split()) for line in lines]
    CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=CONTEXT).save_pretrained(folder)
    # Published folders have these two too.
    (folder / "vocab.json").write_text(json.dumps(vocab))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(lines) + "\n")


def sentence_piece(size, **options):
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus()), model_writer=out, minloglevel=2, vocab_size=size, hard_vocab_limit=False, **options
    )
    model = sentencepiece_model_pb2.ModelProto.FromString(out.getvalue())
    assert len(model.pieces) <= size, len(model.pieces)
    return out.getvalue(), model


@functools.cache
def c4():
    """As SigLIP's c4_en: <pad> 0, </s> 1, <unk> 2; a few rules stand for the 200 kB of nmt_nfkc."""
    rules = [("\uff21", "A"), ("\ufb01", "fi"), ("\u2026", "..."), ("\t", " "), ("\u200b", "")]
    points = [[" ".join(f"{ord(c):X}" for c in side) for side in rule] for rule in rules]
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as file:
        file.write("".join(f"{source}\t{target}\n" for source, target in points))
        file.flush()
        ids = {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1}
        return sentence_piece(SIGLIP_SIZE, normalization_rule_tsv=file.name, **ids)


def siglip(folder):
    (folder / "spiece.model").write_bytes(c4()[0])
    SiglipTokenizer(str(folder / "spiece.model"), model_max_length=CONTEXT).save_pretrained(folder)


def siglip_t5(folder):
    """The same vocabulary as timm publishes it for open_clip."""
    model = c4()[1]
    T5Tokenizer(
        vocab=[(x.piece, x.score) for x in model.pieces],
        extra_ids=0,
        pad_token="</s>",
        _spm_precompiled_charsmap=model.normalizer_spec.precompiled_charsmap,
    ).save_pretrained(folder)


def gemma(folder):
    """Bytes for what has no piece; the class that Google's folders of SigLIP 2 name."""
    _, model = sentence_piece(
        GEMMA_SIZE,
        model_type="bpe",
        normalization_rule_name="identity",
        byte_fallback=True,
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        pad_id=0,
        eos_id=1,
        bos_id=2,
        unk_id=3,
        pad_piece="<pad>",
        eos_piece="<eos>",
        bos_piece="<bos>",
        character_coverage=0.99,
        user_defined_symbols=["<mask>"],
    )
    vocab = {x.piece: i for i, x in enumerate(model.pieces)}
    merges = generate_merges(vocab, {x.piece: x.score for x in model.pieces})
    GemmaTokenizer(
        vocab=vocab, merges=merges, add_bos_token=False, add_eos_token=True, padding_side="right",
        model_max_length=CONTEXT, do_lower_case=True,
    ).save_pretrained(folder)  # fmt: skip


def bert(folder):
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = n.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = p.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=BERT_SIZE, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(corpus(), trainer)
    vocab = tokenizer.get_vocab()
    (folder / "vocab.txt").write_text("\n".join(sorted(vocab, key=vocab.get)) + "\n")
    BertTokenizer(str(folder / "vocab.txt"), model_max_length=CONTEXT).save_pretrained(folder)
