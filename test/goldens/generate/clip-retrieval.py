"""Embeddings as clip-retrieval's own writer saves them, and their values.

Writes test/goldens/clip-retrieval/: `both` with texts and records, `images` with neither.
Run:  python -P test/goldens/generate/clip-retrieval.py
Needs clip-retrieval 2.45 (no dependency of it but fsspec, pandas and pyarrow is used).
"""

import importlib.metadata
import importlib.util
import json
import math
import pathlib
import shutil

import numpy
import pandas
import pyarrow.parquet

here = pathlib.Path(__file__).resolve().parent.parent / "clip-retrieval"

# The package's __init__ imports servers and indices that are not needed.
root = pathlib.Path(importlib.util.find_spec("clip_retrieval").origin).parent
spec = importlib.util.spec_from_file_location("writer", root / "clip_inference" / "writer.py")
writer = importlib.util.module_from_spec(spec)
spec.loader.exec_module(writer)


def rows(count, seed, dtype):
    values = numpy.random.default_rng(seed).normal(size=(count, 6)).astype("float32")
    values /= numpy.linalg.norm(values, axis=1, keepdims=True)
    return values.astype(dtype)


def record(i):
    made = {"url": f"https://example.org/{i}.jpg", "hash": 6391326009969271747 + i}
    made |= {"size": {"width": 20 + i, "height": 10}, "similarity": i / 4, "tags": ["a", f"ü{i}"]}
    if i % 2:
        made["license"] = None if i == 1 else "cc0"
        made["safe"] = True
    return made


def write(name, sizes, partitions, dtype, texts, records):
    folder = here / name
    start = 0
    expected = {"images": [], "texts": [], "metadata": []}
    for number, size in enumerate(sizes):
        sink = writer.OutputSink(str(folder), texts, True, records, number, partitions)
        sample = {"image_embs": rows(size, number, dtype)}
        sample["image_filename"] = [f"{i:05}" for i in range(start, start + size)]
        if texts:
            sample["text_embs"] = rows(size, 100 + number, dtype)
            sample["text"] = [f"caption {i} ✓" for i in range(start, start + size)]
            expected["texts"] += sample["text_embs"].astype("float64").tolist()
        if records:
            sample["metadata"] = [json.dumps(record(i)) for i in range(start, start + size)]
        sink.add(sample)
        sink.flush()
        expected["images"] += sample["image_embs"].astype("float64").tolist()
        start += size
    for file in sorted((folder / "metadata").glob("*.parquet")):
        expected["metadata"] += [plain(row) for row in pyarrow.parquet.read_table(file).to_pylist()]
    return expected


def plain(row):
    # JSON has neither NaN, which pandas has for what is missing, nor exact long integers.
    return {key: text(value) for key, value in row.items()}


def text(value):
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**53:
        return {"integer": str(value)}
    return value


shutil.rmtree(here, ignore_errors=True)
here.mkdir()
expected = {
    "both": write("both", [3, 1, 2], 12, "float16", True, True),
    "images": write("images", [4], 1, "float32", False, False),
}
versions = {one: importlib.metadata.version(one) for one in ["clip-retrieval", "pandas", "pyarrow"]}
golden = {"source": "clip-retrieval's OutputSink", "versions": versions, **expected}
(here / "expected.json").write_text(json.dumps(golden, ensure_ascii=False, indent=1) + "\n")
