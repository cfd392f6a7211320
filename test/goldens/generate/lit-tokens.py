"""LiT's BERT tokenizer on 1,000 difficult captions.

Run from the repository: python -P test/goldens/generate/lit-tokens.py
Needs: tensorflow_text 2.19, and captions.json.gz and family-tokens.json.gz of family-tokens.py.
The rows are made as vit_jax/preprocess.py of google-research/vision_transformer makes them.
"""

import gzip
import hashlib
import importlib.metadata as metadata
import json
import pathlib
import struct
import tempfile

import tensorflow as tf
import tensorflow_text

GOLDENS = pathlib.Path(__file__).parent.parent
LENGTHS = [16, 300]
SHOWN = 40
TEXTS = json.loads(gzip.decompress((GOLDENS / "captions.json.gz").read_bytes()))["texts"]
FILES = json.loads(gzip.decompress((GOLDENS / "family-tokens.json.gz").read_bytes()))["bert"]["files"]


def rows(path, length):
    tokenizer = tensorflow_text.BertTokenizer(path, token_out_type=tf.int32, lower_case=True)
    tokens, _ = tensorflow_text.pad_model_inputs(tokenizer.tokenize(TEXTS), length - 1)
    start = FILES["vocab.txt"].split("\n").index("[CLS]")
    return [[start, *row] for row in tokens.numpy().tolist()]


def lower():
    """tf.strings.lower, big_vision's; only where it differs from lower-casing A to Z it would be listed."""
    lowered = [t.decode() for t in tf.strings.lower(TEXTS).numpy()]
    ascii_ = [t.encode().lower().decode() for t in TEXTS]
    return sum(a != b for a, b in zip(lowered, ascii_))


def main():
    with tempfile.TemporaryDirectory() as folder:
        path = str(pathlib.Path(folder, "vocab.txt"))
        pathlib.Path(path).write_text(FILES["vocab.txt"].rstrip("\n"))
        lists = list(zip(*[rows(path, length) for length in LENGTHS]))
    assert lower() == 0
    digests = [hashlib.sha256(struct.pack(f"<{sum(LENGTHS)}i", *sum(rows, []))).hexdigest()[:12] for rows in lists]
    golden = {
        "source": "tensorflow_text.BertTokenizer(lower_case=True), pad_model_inputs; captions.json.gz",
        "version": {name: metadata.version(name) for name in ("tensorflow_text", "tensorflow_cpu")},
        "command": "python -P test/goldens/generate/lit-tokens.py",
        "seed": None,
        "rtol": 0,
        "atol": 0,
        "files": {"vocab.txt": FILES["vocab.txt"]},
        "digests": "".join(digests),
        "shown": [list(rows[0]) for rows in lists[:SHOWN]],
    }
    path = GOLDENS / "lit-tokens.json.gz"
    path.write_bytes(gzip.compress(json.dumps(golden, separators=(",", ":")).encode(), 9, mtime=0))
    print(path.stat().st_size, "bytes")


main()
