"""Small sets as CLIP_benchmark's webdataset_builder writes them, and what its own reader gives of them.

Run:  python -P test/goldens/generate/benchmark-sets.py
Needs clip-benchmark and webdataset.

Classes named by numbers, one without a name, captions of several lines, labels of several classes, and metadata
beside labels as DataComp's WILDS sets have it.
"""

import contextlib
import importlib.metadata
import io
import json
import pathlib
import shutil

import numpy
import webdataset
from clip_benchmark.datasets.builder import build_wds_dataset
from clip_benchmark.webdataset_builder import PIL_to_bytes, convert_dataset, convert_retrieval_dataset
from PIL import Image

OUT = pathlib.Path(__file__).parent.parent / "benchmark-sets"


class Pairs(list):
    """A list of pictures and what belongs to each, with classes and templates."""

    classes = None
    templates = None


def pictures(count):
    for i in range(count):
        yield Image.new("RGB", (8, 8), (40 * i % 256, 90, 200 - 20 * i))


def pairs(outputs, classes=None, templates=None):
    to_bytes = PIL_to_bytes("webp")
    made = Pairs((to_bytes(picture), output) for picture, output in zip(pictures(len(outputs)), outputs))
    made.classes, made.templates = classes, templates
    return made


def classification():
    # As smallNORB's and CLEVR's: the names are no labels, and one is blank.
    names = ["10", "20", "0", "", "1"]
    dataset = pairs([0, 1, 2, 3, 4, 1, 0], names, ["a photo of {c} objects.", "{c}"])
    convert_dataset(dataset, "test", str(OUT / "wds_classes"), max_count=3, verbose=False)


def retrieval():
    captions = [["a red square", " a square "], ["one"], ["two", "zwei", "deux\nthird line"]]
    convert_retrieval_dataset(pairs(captions), "test", str(OUT / "wds_captions"), max_count=2, verbose=False)


def multilabel():
    labels = [numpy.array(row) for row in ([1, 0, 0], [0, 1, 1], [1, 1, 1])]
    dataset = pairs(labels, ["cat", "dog", "sheep"], ["a photo of a {c}."])
    convert_dataset(dataset, "test", str(OUT / "wds_labels"), multilabel=True, verbose=False)


def metadata():
    folder = OUT / "wds_metadata"
    (folder / "test").mkdir(parents=True)
    (folder / "classnames.txt").write_text("airport\nharbour\n")
    (folder / "zeroshot_classification_templates.txt").write_text("satellite imagery of {c}.\n")
    (folder / "test" / "nshards.txt").write_text("1\n")
    to_bytes = PIL_to_bytes("png")
    sink = webdataset.TarWriter(str(folder / "test" / "0.tar"), mtime=1)
    for i, picture in enumerate(pictures(4)):
        row = numpy.array([i % 3, 16, i % 2])
        sink.write({"__key__": f"s{i:07d}", "png": to_bytes(picture), "cls": i % 2, "npy": row})
    sink.close()


def plain(value):
    return value.tolist() if isinstance(value, numpy.ndarray) else value


def read(name):
    dataset = build_wds_dataset("wds", lambda picture: picture.size, "test", str(OUT / name))
    return {
        "classes": getattr(dataset, "classes", None),
        "templates": getattr(dataset, "templates", None),
        "outputs": [plain(output) for _, output in dataset],
    }


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        classification()
        retrieval()
        multilabel()
        metadata()
    reader = webdataset.WebDataset(str(OUT / "wds_metadata" / "test" / "0.tar"), shardshuffle=False)
    golden = {
        "source": "clip_benchmark.webdataset_builder and clip_benchmark.datasets.builder.build_wds_dataset",
        "version": f"clip_benchmark {importlib.metadata.version('clip-benchmark')}, webdataset {webdataset.__version__}",
        "command": "python -P test/goldens/generate/benchmark-sets.py",
        "seed": None,
        "rtol": 0,
        "atol": 0,
        "sets": {name: read(name) for name in ("wds_classes", "wds_captions", "wds_labels", "wds_metadata")},
        "metadata": [row.tolist() for (row,) in reader.decode().to_tuple("npy")],
    }
    (OUT / "read.json").write_text(json.dumps(golden, indent=1) + "\n")


# A guard: the builder's loader has workers that may import this file again.
if __name__ == "__main__":
    main()
