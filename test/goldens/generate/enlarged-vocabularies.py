"""What transformers computes of texts where a vocabulary was enlarged: tokens added to a tokenizer, rows added
to the table of a model.

Run:  python -P test/goldens/generate/enlarged-vocabularies.py
Needs torch, transformers, sentencepiece. Reads the tiny models of test/goldens/models.

Writes test/goldens/enlarged-vocabularies.json.gz: per case the model that it was made from, the files that
differ from the model's own, the rows that were added to the table of tokens (base64 of float32), texts, ids,
and text embeddings as unit rows (base64 of float32 [N, D]). Under `rows` the ids of one text where a tokenizer's files
say in more than one way how long a row is and what fills it.
"""

import base64
import gzip
import json
import pathlib
import tempfile

import torch
import transformers
from transformers import AutoModel, AutoTokenizer, Siglip2Tokenizer

GOLDENS = pathlib.Path(__file__).parent.parent
CONTEXT = 24
TEXTS = [
    "a photo of the cat",
    "a photo of <my-style> cat",
    "Zebra zebras <|special|> <MY-STYLE>",
    "the quick brown fox jumps over the lazy dog and a cat with two dogs on a red table",
    "a photo [PAD] of the cat [PAD]",
    "",
]
TABLES = {
    "clip": "text_model.embeddings.token_embedding.weight",
    "siglip": "text_model.embeddings.token_embedding.weight",
    "siglip2": "text_model.embeddings.token_embedding.weight",
    "align": "text_model.embeddings.word_embeddings.weight",
}


def encoded(array):
    return base64.b64encode(array.detach().contiguous().numpy().tobytes()).decode()


def reader(family):
    """SigLIP 2 was published under Gemma's class, which does not lower-case."""
    return Siglip2Tokenizer if family == "siglip2" else AutoTokenizer


def case(family, *, tokens=("<my-style>", "zebra"), special=("<|special|>",), multiple=None, change=None, older=False):
    """older: the files that version 4 wrote of CLIP's and BERT's tokenizers, without a tokenizer.json."""
    folder = GOLDENS / "models" / family
    tokenizer = reader(family).from_pretrained(folder)
    model = AutoModel.from_pretrained(folder).eval()
    table = TABLES[family]
    before = model.get_parameter(table).shape[0]
    tokenizer.add_tokens(list(tokens))
    tokenizer.add_tokens(list(special), special_tokens=True)
    torch.manual_seed(7)
    size = max(before, len(tokenizer), max(tokenizer.get_vocab().values()) + 1)
    model.text_model.resize_token_embeddings(size, pad_to_multiple_of=multiple, mean_resizing=False)
    model.config.text_config.vocab_size = model.get_parameter(table).shape[0]
    with tempfile.TemporaryDirectory() as made:
        made = pathlib.Path(made)
        model.save_pretrained(made)
        tokenizer.save_pretrained(made)
        config = json.loads((made / "config.json").read_text())
        (change or (lambda _: None))(config)
        (made / "config.json").write_text(json.dumps(config, indent=1))
        if older:
            added = {name: tokenizer.convert_tokens_to_ids(name) for name in [*tokens, *special]}
            (made / "added_tokens.json").write_text(json.dumps(added))
            (made / "tokenizer.json").unlink()
            for name in ("vocab.json", "merges.txt", "vocab.txt"):
                if (folder / name).exists():
                    (made / name).write_bytes((folder / name).read_bytes())
        tokenizer = reader(family).from_pretrained(made)
        model = AutoModel.from_pretrained(made).eval()
        rows = tokenizer(TEXTS, padding="max_length", truncation=True, max_length=CONTEXT, return_tensors="pt")
        with torch.no_grad():
            # SigLIP attends to its padding.
            masked = {} if family.startswith("siglip") else {"attention_mask": rows["attention_mask"]}
            found = model.get_text_features(rows["input_ids"], **masked)
        found = found if isinstance(found, torch.Tensor) else found.pooler_output
        names = ["config.json", "tokenizer.json", "tokenizer_config.json", "added_tokens.json"]
        names += ["vocab.json", "merges.txt", "vocab.txt"] if older else []
        files = {name: (made / name).read_text() for name in names if (made / name).exists()}
    weight = model.get_parameter(table)
    return {
        "model": family,
        "table": table,
        "files": files,
        "removed": ["tokenizer.json"] if older else [],
        "rows": encoded(weight[before:]),
        "ids": rows["input_ids"].tolist(),
        "textEmbeddings": encoded(torch.nn.functional.normalize(found.float(), dim=-1)),
    }


def legacy(config):
    config["text_config"].update(eos_token_id=2, bos_token_id=0, pad_token_id=1)


def without_ids(config):
    for name in ("eos_token_id", "bos_token_id", "pad_token_id"):
        config["text_config"][name] = None


CASES = {
    "clip with the eos_token_id of old files": case("clip", change=legacy),
    "clip padded to a multiple of 64": case("clip", change=legacy, multiple=64),
    "clip with its end of text": case("clip"),
    "clip in files of version 4": case("clip", older=True, special=()),
    "siglip": case("siglip", multiple=64),
    "siglip without special ids": case("siglip", change=without_ids),
    "siglip2": case("siglip2"),
    "align": case("align", multiple=64),
    "align in files of version 4": case("align", older=True, special=()),
}


def row(changes, config):
    """The row that ALIGN's tokenizer makes of a text where its files cut and pad in this way."""
    with tempfile.TemporaryDirectory() as made:
        made = pathlib.Path(made)
        AutoTokenizer.from_pretrained(GOLDENS / "models" / "align").save_pretrained(made)
        for name, new in (("tokenizer.json", changes), ("tokenizer_config.json", config)):
            values = json.loads((made / name).read_text())
            values.update(new)
            (made / name).write_text(json.dumps({key: value for key, value in values.items() if value != "absent"}))
        tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(made)
        ids = tokenizer("a photo of the cat", padding="max_length", truncation=True)["input_ids"]
        files = {path.name: path.read_text() for path in made.iterdir()}
    return {"files": files, "ids": ids}


CUT = {"direction": "Right", "max_length": 8, "strategy": "LongestFirst", "stride": 0}
PADDED = {"strategy": {"Fixed": 10}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 3,
          "pad_type_id": 0, "pad_token": "[SEP]"}  # fmt: skip
ROWS = {
    "a tokenizer.json that cuts sooner": row({"truncation": CUT}, {"model_max_length": 16}),
    "a tokenizer.json that cuts later": row({"truncation": CUT}, {"model_max_length": 6}),
    "a tokenizer.json that pads with another token": row({"padding": PADDED}, {"model_max_length": 16}),
    "a limit under its old name": row({"truncation": CUT}, {"model_max_length": "absent", "max_len": 12}),
}

whole = {
    "source": f"transformers {transformers.__version__}, torch {torch.__version__}",
    "rtol": 1e-4,
    "atol": 1e-5,
    "texts": TEXTS,
    "cases": CASES,
    "rows": ROWS,
}
content = json.dumps(whole, indent=1).encode()
(GOLDENS / "enlarged-vocabularies.json.gz").write_bytes(gzip.compress(content, mtime=0))
