"""A small open_clip model, trained for a moment on drawn pictures, and those pictures.

A random model would give every picture the same answer. This one is right about half of the time, so that every
metric has a value of its own.
"""

import gzip
import json
import pathlib

import open_clip
import torch
from open_clip.push_to_hf_hub import save_for_hf
from PIL import Image, ImageDraw
from sklearn.datasets import load_digits

NAME = "parity-tiny"
STEPS = 100
COLORS = ["red", "green", "blue", "black", "orange"]
SHAPES = ["circle", "square", "line", "cross", "arc", "wedge"]
DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
NAMES = [f"{color} {shape}" for color in COLORS for shape in SHAPES] + DIGITS
CONFIG = {
    "embed_dim": 64,
    "vision_cfg": {"image_size": 64, "patch_size": 8, "width": 96, "head_width": 32, "layers": 2},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}
WRITTEN = load_digits()


def draw(name, rng):
    """A picture of an odd size; digits are scikit-learn's, of other people's hands."""
    size = rng.randint(30, 140), rng.randint(30, 140)
    paper = 255 - rng.randint(0, 60)
    if name in DIGITS:
        places = (WRITTEN.target == DIGITS.index(name)).nonzero()[0]
        ink = WRITTEN.images[rng.choice(list(places))] / 16
        grey = Image.fromarray((paper * (1 - ink)).astype("uint8"))
        return grey.resize(size, Image.Resampling.BICUBIC).convert("RGB")
    color, shape = name.split()
    picture = Image.new("RGB", size, (paper,) * 3)
    pen = ImageDraw.Draw(picture)
    left, top = (rng.randint(0, side // 2) for side in size)
    right, bottom = left + size[0] // 2, top + size[1] // 2
    box = [left, top, right, bottom]
    if shape == "circle":
        pen.ellipse(box, fill=color)
    elif shape == "square":
        pen.rectangle(box, fill=color)
    elif shape == "arc":
        pen.arc(box, 20, 250, fill=color, width=4)
    elif shape == "wedge":
        pen.pieslice(box, 20, 120, fill=color)
    else:
        pen.line(box, fill=color, width=5)
        if shape == "cross":
            pen.line([left, bottom, right, top], fill=color, width=5)
    return picture


def trained(folder, rng):
    """Writes FOLDER/model, an open_clip folder, and FOLDER/model.pt, the weights for DataComp's evaluation."""
    torch.manual_seed(0)
    config = folder / f"{NAME}.json"
    config.write_text(json.dumps(CONFIG))
    open_clip.add_model_config(config)
    model, _, transform = open_clip.create_model_and_transforms(NAME)
    tokenizer = open_clip.get_tokenizer(NAME)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    loss = open_clip.ClipLoss()
    for _ in range(STEPS):
        pixels = torch.stack([transform(draw(name, rng)) for name in NAMES])
        images, texts, scale = model(pixels, tokenizer([f"a {name}" for name in NAMES]))
        optimizer.zero_grad()
        loss(images, texts, scale).backward()
        optimizer.step()
    model.eval()
    save_for_hf(model, Merges(), CONFIG, folder / "model", safe_serialization=True)
    torch.save(model.state_dict(), folder / "model.pt")
    return model, transform, tokenizer


class Merges:
    """Of OpenAI's vocabulary, which open_clip's own tokenizer keeps in its package."""

    def save_pretrained(self, folder):
        file = pathlib.Path(open_clip.__file__).parent / "bpe_simple_vocab_16e6.txt.gz"
        lines = gzip.decompress(file.read_bytes()).decode().split("\n")[1 : 49152 - 256 - 2 + 1]
        (pathlib.Path(folder) / "merges.txt").write_text("#version: 0.2\n" + "\n".join(lines) + "\n")
