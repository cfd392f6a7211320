"""A small open_clip model, two sets in CLIP_benchmark's format, and what CLIP_benchmark measures with them.

Run:  python test/parity/clip-benchmark/reference.py FOLDER     (compare.mjs does)

Writes FOLDER/model, an open_clip folder with OpenAI's merges; FOLDER/wds_shapes, to classify, and
FOLDER/wds_captions, for retrieval, of 300 drawn pictures each; FOLDER/results.json. The model is trained on
other pictures for a moment: a random one would give every picture the same answer.

Needs the environment of bench/peers/requirements.txt with clip-benchmark 1.6.1 and what it imports: cloudpickle,
requests, scikit-learn 1.9.1 and numpy 2.3 (its accuracy fails with 2.4).
"""

import gzip
import json
import pathlib
import random
import sys

import open_clip
import torch
import webdataset
from clip_benchmark.datasets.builder import build_dataset
from clip_benchmark.metrics import zeroshot_classification, zeroshot_retrieval
from open_clip.push_to_hf_hub import save_for_hf
from PIL import Image, ImageDraw

PICTURES = 300
STEPS = 80
CLASSES = [
    f"{color} {shape}"
    for color in ["red", "green", "blue", "black", "orange"]
    for shape in ["circle", "square", "line", "cross", "arc", "wedge"]
]
TEMPLATES = ["a picture of a {c}.", "{c}", "one {c} on white paper"]
CONFIG = {
    "embed_dim": 64,
    "vision_cfg": {"image_size": 64, "patch_size": 8, "width": 96, "head_width": 32, "layers": 2},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}


def draw(name, rng):
    """A picture of an odd size."""
    color, shape = name.split()
    size = rng.randint(30, 140), rng.randint(30, 140)
    picture = Image.new("RGB", size, (255 - rng.randint(0, 60),) * 3)
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


def train(model, transform, tokenizer, rng):
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    loss = open_clip.ClipLoss()
    for _ in range(STEPS):
        pixels = torch.stack([transform(draw(name, rng)) for name in CLASSES])
        images, texts, scale = model(pixels, tokenizer([f"a {name}" for name in CLASSES]))
        optimizer.zero_grad()
        loss(images, texts, scale).backward()
        optimizer.step()


class Merges:
    """Of OpenAI's vocabulary, which open_clip's own tokenizer keeps in its package."""

    def save_pretrained(self, folder):
        file = pathlib.Path(open_clip.__file__).parent / "bpe_simple_vocab_16e6.txt.gz"
        lines = gzip.decompress(file.read_bytes()).decode().split("\n")[1 : 49152 - 256 - 2 + 1]
        (pathlib.Path(folder) / "merges.txt").write_text("#version: 0.2\n" + "\n".join(lines) + "\n")


def write_set(folder, kind, rng):
    """Two shards, as clip_benchmark_export_wds lays them out."""
    (folder / "test").mkdir(parents=True)
    (folder / "dataset_type.txt").write_text(kind)
    (folder / "test" / "nshards.txt").write_text("2")
    if kind == "classification":
        (folder / "classnames.txt").write_text("\n".join(CLASSES))
        (folder / "zeroshot_classification_templates.txt").write_text("\n".join(TEMPLATES))
    for shard in range(2):
        with webdataset.TarWriter(str(folder / "test" / f"{shard}.tar")) as sink:
            for at in range(PICTURES // 2):
                answer = rng.randrange(len(CLASSES))
                name = CLASSES[answer]
                # No two are the same: of equal scores CLIP_benchmark takes any.
                own = f"{name} {shard}-{at}"
                captions = [f"a {own}", f"number {at}, {own}", f"{own} IN  a frame"][: 1 + at % 3]
                truth = {"cls": answer} if kind == "classification" else {"txt": "\n".join(captions)}
                picture = {"jpg" if at % 2 else "png": draw(name, rng)}
                sink.write({"__key__": f"s{shard}-{at:04d}", **picture, **truth})


def measure(folder, model, transform, tokenizer):
    def opened(name, task):
        where = {"root": str(folder / name), "split": "test", "task": task}
        dataset = build_dataset(f"wds/{name}", transform=transform, **where)
        return dataset, torch.utils.data.DataLoader(dataset.batched(64), batch_size=None)

    options = {"device": "cpu", "amp": False}
    dataset, batches = opened("wds_shapes", "zeroshot_classification")
    names = dataset.classes, dataset.templates
    results = zeroshot_classification.evaluate(model, batches, tokenizer, *names, **options)
    _, batches = opened("wds_captions", "zeroshot_retrieval")
    ranks = zeroshot_retrieval.evaluate(model, batches, tokenizer, recall_k_list=[1, 5, 10], **options)
    return results | ranks


def main(folder):
    rng = random.Random(0)
    torch.manual_seed(0)
    config = folder / "tiny.json"
    config.write_text(json.dumps(CONFIG))
    open_clip.add_model_config(config)
    model, _, transform = open_clip.create_model_and_transforms("tiny")
    tokenizer = open_clip.get_tokenizer("tiny")
    train(model, transform, tokenizer, rng)
    save_for_hf(model, Merges(), CONFIG, folder / "model", safe_serialization=True)
    write_set(folder / "wds_shapes", "classification", rng)
    write_set(folder / "wds_captions", "retrieval", rng)
    results = measure(folder, model.eval(), transform, tokenizer)
    (folder / "results.json").write_text(json.dumps(results))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
