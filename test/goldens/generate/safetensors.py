"""A safetensors file of the reference writer with every element type that limn reads.

Run:  python test/goldens/generate/safetensors.py
Needs safetensors, torch.

Each type has [[0, 1, 2], [3, 4, 5]] (booleans: odd or not), a tensor without elements and one
without dimensions. Where the file came from stands in its own metadata.
"""

import importlib.metadata
import pathlib
import sys

# The script's folder comes first on the path, and files in it have the names of libraries.
sys.path.pop(0)
import safetensors.torch
import torch

TYPES = "float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool".split()


def main():
    tensors = {}
    for name in TYPES:
        dtype = getattr(torch, name)
        counts = torch.arange(6).reshape(2, 3)
        tensors[f"{name}.matrix"] = (counts % 2 == 1) if name == "bool" else counts.to(dtype)
        tensors[f"{name}.empty"] = torch.zeros(0, 4, dtype=dtype)
        tensors[f"{name}.scalar"] = torch.ones((), dtype=dtype)
    metadata = {
        "source": "safetensors.torch.save_file",
        "version": importlib.metadata.version("safetensors"),
        "command": "python test/goldens/generate/safetensors.py",
        "format": "pt",
    }
    file = pathlib.Path(__file__).parent.parent / "dtypes.safetensors"
    safetensors.torch.save_file(tensors, file, metadata)


main()
