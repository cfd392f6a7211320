"""JPEGs decoded by Pillow at a half, a quarter and an eighth of their size: ../reduced-jpegs.json.

The files are those of ../image.json.gz. `draft` is how Pillow asks libjpeg-turbo for a smaller scale.

    python reduced-jpegs.py
"""

import base64
import gzip
import hashlib
import io
import json
from pathlib import Path

import PIL
from PIL import Image, features

folder = Path(__file__).parent.parent
pictures = json.loads(gzip.decompress((folder / "image.json.gz").read_bytes()))["cases"]

cases = []
for picture in pictures:
    if not picture["name"].startswith("jpeg") or picture["mode"] not in ("RGB", "L"):
        continue
    file = base64.b64decode(picture["bytes"])
    for divisor in (2, 4, 8):
        image = Image.open(io.BytesIO(file))
        width, height = image.size
        if min(width, height) < 8:
            continue
        image.draft(image.mode, (width // divisor, height // divisor))
        size = (-(-width // divisor), -(-height // divisor))
        if image.size != size:
            continue
        pixels = image.convert("RGB").tobytes()
        cases.append(
            {
                "name": picture["name"],
                "divisor": divisor,
                "width": size[0],
                "height": size[1],
                "rgb": hashlib.sha256(pixels).hexdigest(),
            }
        )

golden = {
    "source": "Pillow, Image.draft",
    "version": f"Pillow {PIL.__version__}, libjpeg-turbo {features.version('libjpeg_turbo')}",
    "command": "python reduced-jpegs.py",
    "cases": cases,
}
(folder / "reduced-jpegs.json").write_text(json.dumps(golden, indent=1) + "\n")
