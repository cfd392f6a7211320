"""Matrices as numpy.save writes them, float32 and float16.

Run:  python -P test/goldens/generate/npy.py
Needs numpy.

The numbers cover what rounding to float16 can do: ties, subnormals, overflow, signed zeros.
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
        "dtype": "float32 and float16",
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
    }
    path = pathlib.Path(__file__).parent.parent / "npy.json"
    path.write_text(json.dumps(golden, indent=1) + "\n")


main()
