"""Parquet files by the programs that people make their sets with, and what each holds.

Run with a Python that has pyarrow, pandas, datasets, Pillow and img2dataset (of which one file is used):
  python -P test/goldens/generate/parquet.py
"""

import datetime
import hashlib
import importlib.util
import io
import json
import os
import pathlib
from decimal import Decimal

import datasets
import pandas
import pyarrow
import pyarrow.compute as compute
import pyarrow.parquet
from PIL import Image

OUT = pathlib.Path(__file__).resolve().parent.parent / "parquet"
N = 7


def picture(i: int, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (4 + i, 3), (i * 37 % 256, 200, 9)).save(out, kind)
    return out.getvalue()


def expected(i, captions, label=None, meta=None, kind="PNG", key=None):
    return {
        "key": key if key is not None else str(i),
        "image": hashlib.sha256(picture(i, kind)).hexdigest()[:16],
        "captions": captions,
        "label": label,
        "meta": meta,
    }


def bad(i, key=None):
    return {"key": key if key is not None else str(i), "bad": True}


def by_datasets():
    """Struct of bytes and path, names of classes in the file's notes, lists of captions."""
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "captions": datasets.Sequence(datasets.Value("string")),
            "label": datasets.ClassLabel(names=["cat", "dog"]),
        }
    )
    rows = {
        "image": [{"bytes": picture(i), "path": f"{i}.png"} for i in range(N)],
        "captions": [[f"caption {i}", "täglich"][: i % 3] for i in range(N)],
        "label": [i % 2 for i in range(N)],
    }
    datasets.Dataset.from_dict(rows, features=features).to_parquet(OUT / "datasets.parquet", batch_size=3)
    return [
        expected(i, rows["captions"][i], ["cat", "dog"][i % 2], {}, key=f"{i}.png") for i in range(N)
    ]


def by_pandas():
    frame = pandas.DataFrame(
        {
            "jpg": [picture(i, "JPEG") if i != 2 else None for i in range(N)],
            "TEXT": [f"caption {i}" if i != 3 else None for i in range(N)],
            "hash": [2**62 + i for i in range(N)],
            "score": [float(i) for i in range(N)],
        }
    )
    frame.to_parquet(OUT / "pandas.parquet")
    meta = [{"hash": str(2**62 + i), "score": i} for i in range(N)]
    return [
        bad(i) if i == 2 else expected(i, [f"caption {i}"] if i != 3 else [], None, meta[i], "JPEG") for i in range(N)
    ]


def by_img2dataset():
    spec = importlib.util.find_spec("img2dataset")
    file = pathlib.Path(spec.submodule_search_locations[0]) / "writer.py"
    module_spec = importlib.util.spec_from_file_location("img2dataset_writer", file)
    writer = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(writer)
    schema = pyarrow.schema(
        [(name, pyarrow.string()) for name in ["key", "caption", "url", "status", "error_message", "sha256"]]
        + [(name, pyarrow.int32()) for name in ["width", "height"]]
    )
    out = writer.ParquetSampleWriter(0, str(OUT), True, 5, schema, "jpg")
    rows = []
    for i in range(N):
        failed = i == 4
        key = f"{i:09d}"
        meta = {
            "url": f"https://example.org/{i}.jpg",
            "status": "failed_to_download" if failed else "success",
            "error_message": "HTTP Error 404" if failed else None,
            "sha256": None if failed else f"{i:064x}",
            "width": None if failed else 4 + i,
            "height": None if failed else 3,
        }
        caption = f"caption {i}"
        out.write(None if failed else picture(i, "JPEG"), key, caption, {"caption": caption, "key": key, **meta})
        rows.append(bad(i, key) if failed else expected(i, [caption], None, meta, "JPEG", key))
    out.close()
    os.rename(OUT / "00000.parquet", OUT / "img2dataset.parquet")
    return rows


def table(bytes_type=pyarrow.binary(), text_type=pyarrow.string()):
    return pyarrow.table(
        {
            "bytes": pyarrow.array([picture(i % 5) for i in range(4 * N)], type=bytes_type),
            "text": pyarrow.array([f"caption {i % 4}" if i % 5 else None for i in range(4 * N)]).cast(text_type),
            "label": pyarrow.array([i % 3 for i in range(4 * N)], type=pyarrow.int64()),
        }
    )


def table_rows():
    return [
        {**expected(i % 5, [f"caption {i % 4}"] if i % 5 else [], str(i % 3), {}), "key": str(i)} for i in range(4 * N)
    ]


def by_pyarrow():
    """Codecs, pages and encodings."""
    ways = {
        codec: {"compression": codec} for codec in ["none", "snappy", "gzip", "zstd", "brotli", "lz4"]
    } | {
        "version-2": {"data_page_version": "2.0", "version": "2.6"},
        "small-pages": {"data_page_size": 64, "write_batch_size": 3, "use_dictionary": ["text"]},
        "version-2-small-pages": {"data_page_version": "2.0", "data_page_size": 64, "write_batch_size": 3},
        "delta": {
            "use_dictionary": False,
            "column_encoding": {
                "bytes": "DELTA_LENGTH_BYTE_ARRAY",
                "text": "DELTA_LENGTH_BYTE_ARRAY",
                "label": "DELTA_BINARY_PACKED",
            },
        },
        "page-index": {"write_page_index": True, "write_page_checksum": True},
    }
    for name, options in ways.items():
        pyarrow.parquet.write_table(table(), OUT / f"{name}.parquet", row_group_size=10, **options)
    large = table(pyarrow.large_binary(), pyarrow.large_string())
    pyarrow.parquet.write_table(large, OUT / "large-types.parquet")
    classes = table(text_type=pyarrow.dictionary(pyarrow.int32(), pyarrow.string()))
    pyarrow.parquet.write_table(classes, OUT / "dictionary-type.parquet")
    return [*ways, "large-types", "dictionary-type"]


def by_types():
    """Values that a double or a JavaScript Date would round, as pyarrow's own text has them."""
    column = pyarrow.array
    stamp = 1_700_000_000_123_456_789
    decimal = [Decimal("12345678901234567890.12"), Decimal("-0.10"), None]
    columns = {
        "price": column([Decimal("1.10"), Decimal("-0.01"), None], pyarrow.decimal128(10, 2)),
        "wide": column(decimal, pyarrow.decimal128(38, 2)),
        "whole": column([Decimal("123456789012345678901"), Decimal(-1), None], pyarrow.decimal128(25, 0)),
        "ms": column([stamp // 10**6, -1, None], pyarrow.timestamp("ms")),
        "us": column([stamp // 10**3, -1, None], pyarrow.timestamp("us")),
        "ns": column([stamp, -1, None], pyarrow.timestamp("ns")),
        "day": column([datetime.date(2020, 1, 2), datetime.date(1900, 1, 1), None]),
        "__proto__": column([1, 2, None]),
    }
    pictures = {"image": column([picture(i) for i in range(3)]), "text": column(["a", "b", "c"])}
    unread = {"tags": column([["a"], [], None]), "hash": column([b"\xff", b"", None])}
    pyarrow.parquet.write_table(pyarrow.table(pictures | columns | unread), OUT / "types.parquet")
    texts = {name: column([str(one) if one is not None else None for one in values.to_pylist()])
             for name, values in columns.items() if name in ("wide", "day")}
    for name in ("ms", "us", "ns"):
        texts[name] = compute.strftime(columns[name], format="%Y-%m-%dT%H:%M:%SZ")
    values = {name: texts.get(name, columns[name]).to_pylist() for name in columns}
    values["price"] = [1.1, -0.01, None]
    values["whole"] = ["123456789012345678901", "-1", None]
    values["__proto__"] = ["1", "2", None]
    return [
        expected(i, ["abc"[i]], None, {name: one[i] for name, one in values.items()}) for i in range(3)
    ]


def by_path():
    frame = pandas.DataFrame(
        {
            "file_name": [f"{i % 3}.png" for i in range(N)],
            "text": [f"caption {i}" for i in range(N)],
        }
    )
    frame.to_parquet(OUT / "paths.parquet")
    return [{"key": f"{k}.png", "captions": [f"caption {i}" for i in range(k, N, 3)]} for k in range(3)]


def main():
    OUT.mkdir(exist_ok=True)
    alike = by_pyarrow()
    files = {
        "datasets": by_datasets(),
        "pandas": by_pandas(),
        "img2dataset": by_img2dataset(),
        "paths": by_path(),
        "types": by_types(),
    }
    found = {"files": files, "alike": alike, "rows": table_rows()}
    (OUT / "expected.json").write_text(json.dumps(found, ensure_ascii=False, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
