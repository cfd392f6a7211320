"""Pictures in the modes that files have, and what open_clip's own `preprocess(Image.open(file))` makes of them:
it resizes in the file's mode and converts to RGB last.

Run:  python -P test/goldens/generate/unconverted-pictures.py
Needs open_clip_torch, Pillow 13, numpy.

Writes test/goldens/unconverted-pictures.json.gz: per picture its mode and bytes (base64), and per transform
the SHA-256 of the pixels [3, S, S] uint8; `first` where it was converted to RGB before, as open_clip's loader
of shards does.
"""

import base64
import gzip
import hashlib
import io
import json
import pathlib

import numpy
import open_clip
import PIL
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image

OUT = pathlib.Path(__file__).parent.parent / "unconverted-pictures.json.gz"
rng = numpy.random.default_rng(11)
SETTINGS = {
    "shortest": {"size": 32, "resize_mode": "shortest", "interpolation": "bicubic"},
    "squash": {"size": 20, "resize_mode": "squash", "interpolation": "bilinear"},
    "longest": {"size": 24, "resize_mode": "longest", "interpolation": "bicubic", "fill_color": 0},
    "longest-grey": {"size": 24, "resize_mode": "longest", "interpolation": "bilinear", "fill_color": 3},
    "larger": {"size": 96, "resize_mode": "shortest", "interpolation": "bicubic"},
}


def waves(width, height, channels):
    y, x = numpy.mgrid[0:height, 0:width].astype(float)
    planes = []
    for c in range(channels):
        base = 255 * ((x / width + (c + 1) * y / height) % 1)
        planes.append(base * 0.7 + 60 * numpy.sin((x * (c + 1) + y) / 5) + 70 * ((x + y * (c + 1)) % 13 < 3))
    grain = rng.integers(-9, 10, (height, width, channels)) // 9 * 9
    return numpy.clip(numpy.stack(planes, -1) + grain, 0, 255).astype(numpy.uint8)


def encoded(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def pictures():
    for width, height in ((41, 29), (23, 52)):
        rgb = Image.fromarray(waves(width, height, 3))
        rgba = Image.fromarray(waves(width, height, 4))
        yield "rgb", encoded(rgb, "PNG")
        yield "l", encoded(rgb.convert("L"), "PNG")
        yield "1", encoded(rgb.convert("1"), "PNG")
        yield "p", encoded(rgb.convert("P", palette=Image.Palette.ADAPTIVE, colors=37), "PNG")
        clear = rgb.convert("P", palette=Image.Palette.ADAPTIVE, colors=20)
        yield "p-transparent", encoded(clear, "PNG", transparency=3)
        yield "p-alpha", encoded(clear, "PNG", transparency=bytes(range(0, 200, 10)))
        yield "la", encoded(rgba.convert("LA"), "PNG")
        yield "rgba", encoded(rgba, "PNG")
        yield "rgb-transparent", encoded(rgb, "PNG", transparency=(10, 20, 30))
        yield "grey-16", encoded(Image.fromarray(waves(width, height, 1)[..., 0].astype(numpy.uint16) * 2), "PNG")
        great = (waves(width, height, 1)[..., 0].astype(numpy.uint16) << 8) | 200
        yield "grey-16-great", encoded(Image.fromarray(great), "PNG")
        yield "webp-rgba", encoded(rgba, "WEBP", lossless=True)
        yield "webp-rgb", encoded(rgb, "WEBP", lossless=True)
        yield "gif", encoded(rgb, "GIF")
        yield "gif-transparent", encoded(clear, "GIF", transparency=2)
        yield "gif-grey", encoded(rgb.convert("L"), "GIF")
        yield "cmyk", encoded(rgb.convert("CMYK"), "JPEG", quality=90)
        yield "jpeg-grey", encoded(rgb.convert("L"), "JPEG", quality=90)
    yield "rgba-same-size", encoded(Image.fromarray(waves(20, 20, 4)), "PNG")


def pixels(image, settings):
    cfg = PreprocessCfg(mean=(0, 0, 0), std=(1, 1, 1), **settings)
    tensor = image_transform_v2(cfg, is_train=False)(image)
    return (tensor.numpy() * 255).round().astype(numpy.uint8)


def sha(array):
    return hashlib.sha256(numpy.ascontiguousarray(array).tobytes()).hexdigest()[:16]


cases = []
for name, data in pictures():
    image = Image.open(io.BytesIO(data))
    cases.append({
        "name": f"{name} {image.width} x {image.height}",
        "mode": image.mode,
        "bytes": base64.b64encode(data).decode(),
        "last": {key: sha(pixels(Image.open(io.BytesIO(data)), one)) for key, one in SETTINGS.items()},
        "first": {key: sha(pixels(Image.open(io.BytesIO(data)).convert("RGB"), one)) for key, one in SETTINGS.items()},
    })  # fmt: skip
whole = {
    "source": f"open_clip {open_clip.__version__}, Pillow {PIL.__version__}",
    "settings": SETTINGS,
    "pictures": cases,
}
OUT.write_bytes(gzip.compress(json.dumps(whole, indent=1).encode(), mtime=0))
print(len(cases), OUT.stat().st_size, sorted({case["mode"] for case in cases}))
