"""Writes test/goldens/processors-tensorflow.json.gz: what `tf.image.resize` without antialiasing, as
big_vision and LiT call it, makes of the pictures in image.json.gz, sample by sample.

    python -P test/goldens/generate/processors-tensorflow.py     needs tensorflow-cpu 2, Pillow 13

The pixels that go in are Pillow's: TensorFlow's own decoder, by default, rounds JPEG another way.
"""

import base64, gzip, io, json, os, pathlib

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
import PIL
import tensorflow as tf
from PIL import Image

FOLDER = pathlib.Path(__file__).resolve().parent.parent


def cast(image):
    """The end of big_vision's `resize`: back to uint8, clipped and truncated."""
    return tf.cast(tf.clip_by_value(image, 0, 255), tf.uint8)


def squash(size, method):
    return lambda image: cast(tf.image.resize(image, (size, size), method=method, antialias=False))


def small(size, method):
    """big_vision's `resize_small` and LiT's `crop=True`."""

    def resize(image):
        sides = tf.cast(tf.shape(image)[:2], tf.float32)
        factor = tf.cast(size, tf.float32) / tf.reduce_min(sides)
        target = tf.cast(tf.round(sides * factor), tf.int32)
        return cast(tf.image.resize(image, target, method=method, antialias=False))

    return resize


def cropped(resize, size):
    """`central_crop` after a resize."""

    def transform(image):
        image = resize(image)
        top, left = (tf.shape(image)[0] - size) // 2, (tf.shape(image)[1] - size) // 2
        return tf.image.crop_to_bounding_box(image, top, left, size, size)

    return transform


HALF = {"mean": [0.5] * 3, "std": [0.5] * 3, "resampler": "tensorflow"}
CROP = {"crop": "center", "cropRounding": "down"}
CASES = [
    ("squash-bilinear", squash(11, "bilinear"), {"imageSize": 11, "resizeMode": "squash", "crop": "none"}),
    ("squash-bicubic", squash(10, "bicubic"), {"imageSize": 10, "resizeMode": "squash", "crop": "none"}),
    (
        "small-bilinear-cropped",
        cropped(small(12, "bilinear"), 9),
        {"imageSize": 9, "resizeMode": "shortest", "resizeSize": 12, **CROP},
    ),
    (
        "square875-bicubic",
        cropped(squash(11, "bicubic"), 10),
        {"imageSize": 10, "resizeMode": "squash", "resizeSize": 11, **CROP},
    ),
]


def pictures():
    text = gzip.decompress((FOLDER / "image.json.gz").read_bytes())
    for case in json.loads(text)["cases"]:
        image = Image.open(io.BytesIO(base64.b64decode(case["bytes"]))).convert("RGB")
        yield case["name"], np.asarray(image)


def main():
    cases = []
    for name, transform, fields in CASES:
        outputs = {key: transform(tf.constant(pixels)).numpy() for key, pixels in pictures()}
        method = "bicubic" if "bicubic" in name else "bilinear"
        cases.append(
            {
                "name": name,
                "transform": {**HALF, **fields, "interpolation": method},
                "names": list(outputs),
                "pixels": base64.b64encode(b"".join(out.tobytes() for out in outputs.values())).decode(),
            }
        )
    golden = {
        "source": "tf.image.resize(antialias=False), cast to uint8 as big_vision's pp/ops_image.py",
        "version": f"TensorFlow {tf.__version__}, Pillow {PIL.__version__}",
        "command": "python -P test/goldens/generate/processors-tensorflow.py",
        "seed": None,
        "dtype": "uint8",
        "rtol": 0,
        "atol": 1,
        "cases": cases,
    }
    target = FOLDER / "processors-tensorflow.json.gz"
    target.write_bytes(gzip.compress(json.dumps(golden, separators=(",", ":")).encode(), 9, mtime=0))
    print(f"{target.name}: {len(cases)} transforms of {len(cases[0]['names'])} pictures, {target.stat().st_size} bytes")


main()
