"""Matrices and small vectors as numpy.save writes them.

Run:  python -P test/goldens/generate/npy.py
Needs numpy.

The numbers of matrices cover what rounding to float16 can do: ties, subnormals, overflow, signed zeros. Vectors
have every type of integer and float at its ends.
"""

import base64
import io
import json
import pathlib

import numpy


def saved(matrix):
    file = io.BytesIO()
    numpy.save(file, matrix)
    return base64.b64encode(file.getvalue()).decode()


def vector(dtype, shape=None):
    """A vector's file, and its elements as Python has them."""
    kind = numpy.dtype(dtype)
    if kind.kind in "iu":
        ends = numpy.iinfo(kind)
        top = min(ends.max, 2**53 - 1)
        numbers = [max(ends.min, -(2**53) + 1), 0, 1, top]
    else:
        numbers = [0, 1, 1, 0] if kind.kind == "b" else [-1.5, 0, 0.1, 3]
    array = numpy.array(numbers, dtype=kind)
    values = [float(x) if kind.kind == "f" else int(x) for x in array]
    return {"file": saved(array.reshape(shape) if shape else array), "numbers": values, "floats": kind.kind == "f"}


def vectors():
    names = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
    names += ["float16", "float32", "float64"]
    return {
        **{name: vector(name) for name in names},
        "row": vector("int64", (1, 4)),
        "column": vector("int64", (4, 1)),
        "scalar": {"file": saved(numpy.int64(7)), "numbers": [7], "floats": False},
        "empty": {"file": saved(numpy.zeros(0, numpy.float32)), "numbers": [], "floats": True},
    }


def no_vectors():
    return {
        "matrix": saved(numpy.zeros((2, 3), numpy.int64)),
        "none": saved(numpy.zeros((0, 3), numpy.int64)),
        "long": saved(numpy.zeros(10_001, numpy.int8)),
        "huge": saved(numpy.array([2**53 + 1], numpy.int64)),
        "unsigned": saved(numpy.array([2**64 - 1], numpy.uint64)),
        "bigEndian": saved(numpy.array([1, 2], ">i8")),
        "text": saved(numpy.array(["a", "bc"])),
        "complex": saved(numpy.array([1j])),
        "fields": saved(numpy.array([(1, 2)], [("a", "<i4"), ("b", "<i4")])),
        "objects": saved(numpy.array([None, {}], dtype=object)),
    }


def main():
    generator = numpy.random.default_rng(7)
    special = [0, -0.0, 1, -1, 65504, 65519, 65520, 1e9, -1e9, numpy.inf, -numpy.inf, 2**-14]
    special += [2**-24, 2**-25, 3 * 2**-26, 2**-26, -(2**-24), 1 + 2**-11, 1 + 3 * 2**-11, 2**-15 * 1.3]
    scales = 2.0 ** generator.integers(-30, 18, 380)
    numbers = numpy.concatenate([special, generator.standard_normal(380) * scales])
    matrix = numbers.astype(numpy.float32).reshape(100, 4)
    with numpy.errstate(over="ignore"):
        half = matrix.astype(numpy.float16)
    golden = {
        "source": "numpy.save",
        "version": {"numpy": numpy.__version__},
        "command": "python -P test/goldens/generate/npy.py",
        "seed": 7,
        "dtype": "float32 and float16; of vectors all",
        "rtol": 0,
        "atol": 0,
        "shape": list(matrix.shape),
        "float32": saved(matrix),
        "float16": saved(half),
        "widened": saved(half.astype(numpy.float32)),
        "refused": {
            "float64": saved(matrix.astype(numpy.float64)),
            "fortran": saved(numpy.asfortranarray(matrix)),
            "vector": saved(matrix[0]),
            "bigEndian": saved(matrix.astype(">f4")),
        },
        "vectors": vectors(),
        "noVectors": no_vectors(),
    }
    path = pathlib.Path(__file__).parent.parent / "npy.json"
    path.write_text(json.dumps(golden, indent=1) + "\n")


main()
