"""Vocabularies in other files than tokenizer.json, rarer steps, and what limn's own training writes.

Run from the repository, built: python test/goldens/generate/vocabularies.py
Needs: tokenizers 0.23.3, sentencepiece 0.2.3, protobuf, Node.js for bin/limn.mjs.
"""

import base64
import gzip
import importlib.metadata as metadata
import io
import json
import pathlib
import subprocess
import tempfile

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Regex, Tokenizer, models, processors, trainers
from tokenizers import normalizers as n
from tokenizers import pre_tokenizers as p

GOLDENS = pathlib.Path(__file__).parent.parent
TEXTS = json.loads(gzip.decompress((GOLDENS / "tokenize-json.json.gz").read_bytes()))["texts"]
# Symbols of the models themselves, and marks that Hugging Face joins to their letters before it looks
# characters up, which SentencePiece does not; and two segmentations of one probability.
PLAIN = [t for t in TEXTS if not any(s in t for s in ("<", "▁", "ﾞ", "\u0301", "①"))]


def sentence_piece(**options):
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([" ".join(t.split()) for t in TEXTS if t.strip()]), model_writer=out, minloglevel=2,
        hard_vocab_limit=False, **options)
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(out.getvalue())
    return out.getvalue(), proto


def bert():
    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer = n.BertNormalizer(lowercase=True)
    t.pre_tokenizer = p.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    t.train_from_iterator(TEXTS, trainers.WordPieceTrainer(vocab_size=500, special_tokens=special, show_progress=False))
    t.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    vocab = t.get_vocab()
    return {"vocab": sorted(vocab, key=vocab.get), "ids": [e.ids for e in t.encode_batch(TEXTS)]}


def model_file():
    # As the vocabularies of T5 and SigLIP: <pad> 0, </s> 1, <unk> 2.
    data, _ = sentence_piece(vocab_size=400, normalization_rule_name="nmt_nfkc", pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
    processor = sentencepiece.SentencePieceProcessor(model_proto=data)
    ids = [processor.encode(text, out_type=int, add_eos=True) for text in PLAIN]
    return {"model": base64.b64encode(data).decode(), "texts": PLAIN, "ids": ids}


def bytes_fallback():
    _, proto = sentence_piece(vocab_size=450, normalization_rule_name="identity", byte_fallback=True,
                              character_coverage=0.98)
    t = Tokenizer(models.Unigram([(x.piece, x.score) for x in proto.pieces], 0, True))
    t.pre_tokenizer = p.Metaspace(prepend_scheme="first")
    return {"file": json.loads(t.to_str()), "ids": [e.ids for e in t.encode_batch(TEXTS)]}


def nmt():
    t = Tokenizer(models.Unigram())
    t.normalizer = n.Sequence([n.Nmt(), n.NFKC(), n.Replace(Regex(" {2,}"), " ")])
    t.pre_tokenizer = p.Metaspace()
    t.train_from_iterator(TEXTS, trainers.UnigramTrainer(
        vocab_size=300, special_tokens=["<unk>"], unk_token="<unk>", show_progress=False))
    return {"file": json.loads(t.to_str()), "ids": [e.ids for e in t.encode_batch(TEXTS)]}


def trained(kind, vocab_size):
    """What limn learns from the texts, read and used by Hugging Face's tokenizers."""
    with tempfile.TemporaryDirectory() as folder:
        table = pathlib.Path(folder, "captions.jsonl")
        table.write_text("\n".join(json.dumps({"image": f"{i}.png", "caption": t}) for i, t in enumerate(TEXTS)))
        subprocess.run(["node", "bin/limn.mjs", "tokenizer", "train", str(table), folder, "--kind", kind,
                        "--vocab-size", str(vocab_size)], check=True, capture_output=True)
        path = pathlib.Path(folder, "tokenizer.json")
        t = Tokenizer.from_file(str(path))
        return {"kind": kind, "vocabSize": vocab_size, "file": json.loads(path.read_text()),
                "ids": [e.ids for e in t.encode_batch(TEXTS)]}


golden = {
    "source": "tokenizers.Tokenizer.encode; sentencepiece.SentencePieceProcessor.encode",
    "version": {name: metadata.version(name) for name in ("tokenizers", "sentencepiece")},
    "command": "python test/goldens/generate/vocabularies.py",
    "seed": None,
    "rtol": 0,
    "atol": 0,
    "texts": TEXTS,
    "bert": bert(),
    "sentencePiece": model_file(),
    "steps": {"bytes": bytes_fallback(), "nmt": nmt()},
    "trained": [trained("bpe", 700), trained("wordpiece", 600), trained("unigram", 600)],
}
path = GOLDENS / "vocabularies.json.gz"
path.write_bytes(gzip.compress(json.dumps(golden, separators=(",", ":")).encode(), 9, mtime=0))
print(f"{len(TEXTS)} texts, {path.stat().st_size} bytes")
