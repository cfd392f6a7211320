"""Files of torch.save with objects of other libraries beside the weights, and with the names that training
puts around a module's.

Run:  python -P test/goldens/generate/objects-beside-weights.py
Needs torch, numpy.

Writes test/goldens/weights/beside.zip: one file per object, {"epoch": 3, "extra": the object, "state_dict":
{"a.weight": [[0, 1, 2], [3, 4, 5]], "a.bias": [6, 7]}}; `mixed.pt`, a state dict with a number of numpy and an
epoch among its weights; `nested.pt`, a state dict deep in other dicts; and names.json, what torch's own wrappers call the same weights.
"""

import argparse
import collections
import dataclasses
import datetime
import decimal
import enum
import functools
import io
import json
import pathlib
import random
import types
import uuid
import zipfile

import numpy
import torch

OUT = pathlib.Path(__file__).parent.parent / "weights" / "beside.zip"
WHEN = (2026, 1, 1, 0, 0, 0)


@dataclasses.dataclass
class Settings:
    rate: float = 0.1


class Kind(enum.Enum):
    FIRST = 1


Point = collections.namedtuple("Point", "x y")


class Tagged(torch.Tensor):
    pass


def weights():
    return {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.tensor([6.0, 7.0])}


def tagged():
    made = torch.ones(2)
    made.note = "with an attribute"
    return made


def optimizer():
    layer = torch.nn.Linear(3, 2)
    made = torch.optim.AdamW(layer.parameters())
    layer(torch.ones(1, 3)).sum().backward()
    made.step()
    return made.state_dict()


random.seed(1)
OBJECTS = {
    "numpy-scalar": numpy.float64(0.5),
    "numpy-array": numpy.arange(3),
    "numpy-state": numpy.random.RandomState(1).get_state(),
    "numpy-generator": numpy.random.default_rng(1),
    "random-state": random.getstate(),
    "set": {1, 2},
    "frozenset": frozenset({"a"}),
    "namespace": argparse.Namespace(lr=0.1, path=pathlib.PurePosixPath("a/b"), betas=(0.9, 0.98)),
    "simple-namespace": types.SimpleNamespace(a=1),
    "dataclass": Settings(),
    "enum": Kind.FIRST,
    "enum-key": {Kind.FIRST: 1, (1, 2): 3},
    "set-key": {frozenset({1}): 1, pathlib.PurePosixPath("a"): 2, b"a": 3, None: 4, 1.5: 5},
    "namedtuple": Point(1, 2),
    "datetime": datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc),
    "timedelta": datetime.timedelta(seconds=3),
    "path": pathlib.PurePosixPath("a/b"),
    "partial": functools.partial(max, 1),
    "defaultdict": collections.defaultdict(list, {"a": [1]}),
    "deque": collections.deque([1, 2], maxlen=3),
    "counter": collections.Counter("aab"),
    "decimal": decimal.Decimal("1.5"),
    "uuid": uuid.UUID(int=1),
    "complex": 1 + 2j,
    "range": range(3),
    "slice": slice(1, 2),
    "bytes": bytearray(b"abc"),
    "function": max,
    "method": Settings().__repr__,
    "exception": ValueError("x"),
    "module": torch.nn.Linear(3, 2),
    "dtype": torch.float16,
    "layout": torch.strided,
    "tagged-tensor": tagged(),
    "tensor-subclass": torch.ones(2).as_subclass(Tagged),
    "quantized": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8),
    "sparse": torch.eye(2).to_sparse(),
    "optimizer": optimizer(),
    "random-tensors": {"cpu": torch.zeros(4, dtype=torch.uint8), "numpy": numpy.random.RandomState(2)},
}


def saved(value, **options):
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


def averaged():
    return torch.optim.swa_utils.AveragedModel(module()).state_dict()


def module():
    return torch.nn.ModuleDict({"a": torch.nn.Linear(3, 2)})


def compiled(inner):
    return torch.compile(inner)


def inside():
    made = module()
    made["a"] = torch.compile(made["a"])
    return made


class Parallel(torch.nn.Module):
    """As DistributedDataParallel and DataParallel hold a model."""

    def __init__(self, inner):
        super().__init__()
        self.module = inner


NAMES = {
    "averaged": list(averaged()),
    "compiled": list(compiled(module()).state_dict()),
    "compiled parallel": list(compiled(Parallel(module())).state_dict()),
    "parallel compiled": list(Parallel(compiled(module())).state_dict()),
    "compiled twice, parallel twice": list(compiled(Parallel(compiled(Parallel(module())))).state_dict()),
    "compiled inside": list(inside().state_dict()),
    "averaged compiled": list(torch.optim.swa_utils.AveragedModel(inside()).state_dict()),
}

files = {
    f"{name}{suffix}.pt": saved({"epoch": 3, "extra": value, "state_dict": weights()}, **options)
    for suffix, options in (("", {}), ("-protocol-4", {"pickle_protocol": 4}))
    for name, value in OBJECTS.items()
}
files["nested.pt"] = saved({"epoch": 3, "checkpoint": {"rng": torch.zeros(4), "model": {"state_dict": weights()}}})
files["mixed.pt"] = saved({**weights(), "epoch": 3, "best": numpy.float32(0.5), "args": OBJECTS["namespace"]})
files["names.json"] = json.dumps({"torch": torch.__version__, "names": NAMES}, indent=1).encode()
with zipfile.ZipFile(OUT, "w", zipfile.ZIP_DEFLATED) as archive:
    for name, content in sorted(files.items()):
        archive.writestr(zipfile.ZipInfo(name, WHEN), content, zipfile.ZIP_DEFLATED)
print(len(files), OUT.stat().st_size)
