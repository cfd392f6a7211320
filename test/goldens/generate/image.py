"""Writes test/goldens/image.json.gz: small encoded pictures of many modes and odd sizes, with hashes
of the pixels that Pillow decodes and that Pillow and torchvision preprocess.

    python -P test/goldens/generate/image.py          needs Pillow 13, torchvision, numpy
"""

import base64, gzip, hashlib, io, json, pathlib, struct, zlib

import numpy as np
import PIL
import torchvision
from PIL import Image, ImageCms, ImageOps
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, Resize

SEED = 7
rng = np.random.default_rng(SEED)
cases = []

TRANSFORMS = {
    "bicubic-shortest-32": Compose([Resize(32, InterpolationMode.BICUBIC), CenterCrop(32)]),
    "bilinear-shortest-33": Compose([Resize(33, InterpolationMode.BILINEAR), CenterCrop(33)]),
    "bicubic-squash-48": Resize((48, 48), InterpolationMode.BICUBIC),
    "bilinear-squash-20": Resize((20, 20), InterpolationMode.BILINEAR),
}
# Arrays in full, to see where a difference lies.
SHOWN = {"png-rgb-5x3", "png-la-7x2", "gif-transparent-9x7"}


def picture(width, height, channels=3, noise=24):
    """A gradient with waves, some noise and hard edges, uint8 [H, W, C]."""
    y, x = np.mgrid[0:height, 0:width].astype(float)
    planes = []
    for c in range(channels):
        wave = 60 * np.sin((x * (c + 1) + y * (3 - c)) / (5 + 3 * c))
        base = 255 * ((x / max(width - 1, 1) + (c + 1) * y / max(height - 1, 1)) % 1)
        edge = 80 * ((x + y * (c + 1)) % 17 < 3)
        planes.append(base * 0.6 + wave + edge)
    grain = rng.integers(-noise, noise + 1, (height, width, channels)) // 8 * 8
    return np.clip(np.stack(planes, -1) + grain, 0, 255).astype(np.uint8)


def sha(array):
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def add(name, data, orientation=False):
    image = Image.open(io.BytesIO(data))
    mode = image.mode
    rgb = image.convert("RGB")
    case = {
        "name": name,
        "mode": mode,
        "bytes": base64.b64encode(data).decode(),
        "width": rgb.width,
        "height": rgb.height,
        "rgb": sha(np.asarray(rgb)),
        "transformed": {key: sha(np.asarray(t(rgb))) for key, t in TRANSFORMS.items()},
    }
    if orientation:
        turned = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
        case["upright"] = {"width": turned.width, "height": turned.height, "rgb": sha(np.asarray(turned))}
    if name in SHOWN:
        case["pixels"] = np.asarray(rgb).ravel().tolist()
    cases.append(case)


def save(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def png(samples, depth, color, interlaced=False, extra=()):
    """A PNG of [H, W, C] samples, for what Pillow cannot write."""
    height, width = samples.shape[:2]
    passes = ADAM7 if interlaced else [(0, 0, 1, 1)]
    raw = b""
    for x0, y0, dx, dy in passes:
        part = samples[y0::dy, x0::dx]
        if part.size == 0:
            continue
        for row in part:
            flat = row.ravel()
            if depth == 16:
                line = flat.astype(">u2").tobytes()
            else:
                bits = "".join(format(int(v), f"0{depth}b") for v in flat)
                bits += "0" * (-len(bits) % 8)
                line = bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
            raw += b"\0" + line
    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, int(interlaced))
    body = b"".join(chunk(kind, data) for kind, data in extra)
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)
    return start + body + chunk(b"IDAT", zlib.compress(raw, 9)) + chunk(b"IEND", b"")


def swapped_profile():
    """An sRGB profile whose red and blue primaries changed places: applying it would show."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return profile.replace(b"rXYZ", b"tXYZ", 1).replace(b"bXYZ", b"rXYZ", 1).replace(b"tXYZ", b"bXYZ", 1)


def exif(orientation):
    tags = Image.Exif()
    tags[274] = orientation
    return tags.tobytes()


def jpegs():
    sizes = [(1, 1), (1, 9), (9, 1), (2, 3), (8, 8), (17, 31), (33, 64), (65, 33), (48, 48), (47, 100)]
    sizes += [(120, 11), (13, 150), (100, 75), (75, 100), (32, 32), (20, 61)]
    for i, (w, h) in enumerate(sizes):
        image = Image.fromarray(picture(w, h))
        subsampling = ["4:4:4", "4:2:2", "4:2:0"][i % 3]
        add(f"jpeg-{subsampling}-{w}x{h}", save(image, "JPEG", quality=60 + 2 * i, subsampling=subsampling))
        add(f"jpeg-progressive-{w}x{h}", save(image, "JPEG", quality=75, progressive=True))
    for w, h in [(1, 1), (31, 17), (40, 90), (64, 64), (3, 77)]:
        grey = Image.fromarray(picture(w, h, 1)[..., 0])
        add(f"jpeg-grey-{w}x{h}", save(grey, "JPEG", quality=85))
        cmyk = Image.fromarray(picture(w, h, 4), "CMYK")
        data = save(cmyk, "JPEG", quality=85)
        add(f"jpeg-cmyk-{w}x{h}", data)
        at = data.find(b"\xff\xee")
        if at > 0:
            length = struct.unpack(">H", data[at + 2 : at + 4])[0]
            add(f"jpeg-cmyk-plain-{w}x{h}", data[:at] + data[at + 2 + length :])
    for turn in range(1, 9):
        image = Image.fromarray(picture(37, 22))
        add(f"jpeg-exif-{turn}", save(image, "JPEG", quality=80, exif=exif(turn)), orientation=True)
    add("png-exif-6", save(Image.fromarray(picture(19, 30)), "PNG", exif=exif(6)), orientation=True)
    add("webp-exif-8", save(Image.fromarray(picture(19, 30)), "WEBP", exif=exif(8)), orientation=True)
    image = Image.fromarray(picture(40, 40))
    add("jpeg-icc", save(image, "JPEG", quality=90, icc_profile=swapped_profile()))
    add("jpeg-restarts", save(image, "JPEG", quality=90, restart_marker_blocks=2))
    add("jpeg-optimized", save(image, "JPEG", quality=30, optimize=True))
    add("jpeg-rgb", save(image, "JPEG", quality=90, keep_rgb=True))
    add("jpeg-trailing-bytes", save(image, "JPEG", quality=50) + b"after the end")


def pngs():
    for w, h in [(1, 1), (5, 3), (1, 40), (40, 1), (61, 29), (29, 61), (250, 7), (6, 180), (32, 32), (80, 81)]:
        add(f"png-rgb-{w}x{h}", save(Image.fromarray(picture(w, h)), "PNG"))
        add(f"png-rgba-{w}x{h}", save(Image.fromarray(picture(w, h, 4)), "PNG"))
        add(f"png-grey-{w}x{h}", save(Image.fromarray(picture(w, h, 1)[..., 0]), "PNG"))
    for w, h in [(7, 2), (2, 7), (45, 38)]:
        add(f"png-la-{w}x{h}", save(Image.fromarray(picture(w, h, 2), "LA"), "PNG"))
        add(f"png-1-{w}x{h}", save(Image.fromarray(picture(w, h, 1)[..., 0]).convert("1"), "PNG"))
        palette = Image.fromarray(picture(w, h)).quantize(61)
        add(f"png-palette-{w}x{h}", save(palette, "PNG"))
        add(f"png-palette-transparent-{w}x{h}", save(palette, "PNG", transparency=3))
        few = Image.fromarray(picture(w, h)).quantize(4)
        add(f"png-palette-2bit-{w}x{h}", save(few, "PNG", bits=2, transparency=bytes([0, 99, 255, 7])))
        deep = picture(w, h, 4).astype(np.uint16) * 255 + rng.integers(0, 256, (h, w, 4))
        deep = deep.astype(np.uint16)
        add(f"png-16-grey-{w}x{h}", png(deep[..., :1] // 97, 16, 0))
        add(f"png-16-rgb-{w}x{h}", png(deep[..., :3], 16, 2))
        add(f"png-16-grey-alpha-{w}x{h}", png(deep[..., :2], 16, 4))
        add(f"png-16-rgba-{w}x{h}", png(deep, 16, 6))
    for w, h in [(1, 1), (3, 5), (21, 34)]:
        colors = picture(w, h)
        add(f"png-interlaced-rgb-{w}x{h}", png(colors, 8, 2, interlaced=True))
        add(f"png-interlaced-grey-2bit-{w}x{h}", png(colors[..., :1] >> 6, 2, 0, interlaced=True))
        add(f"png-grey-4bit-{w}x{h}", png(colors[..., :1] >> 4, 4, 0))
        add(f"png-grey-2bit-{w}x{h}", png(colors[..., :1] >> 6, 2, 0))
        add(f"png-1bit-transparent-{w}x{h}", png(colors[..., :1] >> 7, 1, 0, extra=[(b"tRNS", b"\0\1")]))
        add(f"png-16-interlaced-{w}x{h}", png(colors.astype(np.uint16) * 256 + 255, 16, 2, interlaced=True))
    colors = picture(30, 20)
    key = b"".join(struct.pack(">H", int(v)) for v in colors[4, 4])
    add("png-rgb-transparent-color", png(colors, 8, 2, extra=[(b"tRNS", key)]))
    add("png-gamma", png(colors, 8, 2, extra=[(b"gAMA", struct.pack(">I", 100000))]))
    profile = b"p\0\0" + zlib.compress(swapped_profile())
    add("png-icc", png(colors, 8, 2, extra=[(b"iCCP", profile)]))
    add("png-srgb-chunk", png(colors, 8, 2, extra=[(b"sRGB", b"\0")]))
    add("png-16-grey-transparent", png(colors[..., :1].astype(np.uint16) * 3, 16, 0, extra=[(b"tRNS", b"\0\3")]))
    add("png-16-grey-icc", png(colors[..., :1].astype(np.uint16) * 3, 16, 0, extra=[(b"gAMA", struct.pack(">I", 100000))]))
    frames = [Image.fromarray(picture(24, 18, 4)) for _ in range(2)]
    add("png-animated", save(frames[0], "PNG", save_all=True, append_images=frames[1:]))


def webps():
    for w, h in [(1, 1), (1, 21), (33, 18), (18, 70), (90, 45)]:
        add(f"webp-lossy-{w}x{h}", save(Image.fromarray(picture(w, h)), "WEBP", quality=70))
        add(f"webp-lossless-{w}x{h}", save(Image.fromarray(picture(w, h)), "WEBP", lossless=True))
        add(f"webp-alpha-{w}x{h}", save(Image.fromarray(picture(w, h, 4)), "WEBP", quality=70))
        add(f"webp-lossless-alpha-{w}x{h}", save(Image.fromarray(picture(w, h, 4)), "WEBP", lossless=True, exact=True))
    frames = [Image.fromarray(picture(26, 26, 4)) for _ in range(2)]
    add("webp-animated", save(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True, exact=True))
    plain = [frame.convert("RGB") for frame in frames]
    add("webp-animated-opaque", save(plain[0], "WEBP", save_all=True, append_images=plain[1:], quality=60))
    add("webp-icc", save(Image.fromarray(picture(26, 26)), "WEBP", lossless=True, icc_profile=swapped_profile()))


def gifs():
    for w, h in [(1, 1), (1, 15), (9, 7), (64, 31), (70, 120)]:
        colors = Image.fromarray(picture(w, h)).quantize(200)
        add(f"gif-{w}x{h}", save(colors, "GIF", interlace=0))
        add(f"gif-interlaced-{w}x{h}", save(colors, "GIF", interlace=1))
        add(f"gif-transparent-{w}x{h}", save(colors, "GIF", transparency=2))
        add(f"gif-grey-{w}x{h}", save(Image.fromarray(picture(w, h, 1)[..., 0]), "GIF"))
        add(f"gif-few-{w}x{h}", save(Image.fromarray(picture(w, h)).quantize(3), "GIF"))
    frames = [Image.fromarray(picture(30, 22)).quantize(50) for _ in range(3)]
    add("gif-animated", save(frames[0], "GIF", save_all=True, append_images=frames[1:], loop=0))
    plain = bytearray(save(Image.fromarray(picture(20, 14)).quantize(16), "GIF"))
    for name, width, height in [("gif-small-frame", 29, 18), ("gif-large-frame", 6, 5)]:
        changed = bytearray(plain)
        changed[6:10] = struct.pack("<HH", width, height)
        add(name, bytes(changed))


def main():
    for group in (jpegs, pngs, webps, gifs):
        group()
    golden = {
        "source": "Pillow Image.open(x).convert('RGB'), torchvision transforms on PIL images",
        "version": f"Pillow {PIL.__version__}, torchvision {torchvision.__version__.split('+')[0]}",
        "command": "python -P test/goldens/generate/image.py",
        "seed": SEED,
        "dtype": "uint8",
        "rtol": 0,
        "atol": 0,
        "cases": cases,
    }
    target = pathlib.Path(__file__).resolve().parent.parent / "image.json.gz"
    text = json.dumps(golden, separators=(",", ":")).encode()
    target.write_bytes(gzip.compress(text, 9, mtime=0))
    print(f"{target.name}: {len(cases)} pictures, {target.stat().st_size} bytes")


main()
