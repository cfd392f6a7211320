"""Writes made-up sets of every kind of task, in the layouts that the references and limn read.

Folders in CLIP_benchmark's layout have the names by which DataComp's evaluation looks for them. Nothing that a metric
ranks together is the same twice: of equal scores a reference takes any.
"""

import io
import json
import tarfile

import numpy as np
from model import COLORS, DIGITS, NAMES, SHAPES, draw
from PIL import Image

PICTURES = 240
SHARDS = 4
TEMPLATES = ["a picture of a {c}.", "{c}", "one {c} on white paper"]
SUGAR_CREPE = ["add_att", "add_obj", "replace_att", "replace_obj", "replace_rel", "swap_att", "swap_obj"]
# Of tasks whose samples carry numbers, how many values each of them has.
METADATA = {
    "wilds/iwildcam": [40, 20, 3, 12, 28, 24, 60, 60, 182],
    "wilds/camelyon17": [3, 8, 2],
    "wilds/fmow": [6, 4, 62],
    "fairness/dollar_street": [4, 900, 4],
    "fairness/geode": [6, 30],
}


def encoded(picture, kind):
    file = io.BytesIO()
    picture.save(file, {"jpg": "jpeg"}.get(kind, kind), **({} if kind == "png" else {"quality": 90}))
    return file.getvalue()


def npy(values):
    file = io.BytesIO()
    np.save(file, np.array(values, dtype=np.int64))
    return file.getvalue()


def write_shards(folder, samples, texts):
    """Samples are pairs of a key and the bytes by their ending."""
    split = folder / "test"
    split.mkdir(parents=True)
    for name, lines in texts.items():
        (folder / name).write_text("\n".join(lines))
    (split / "nshards.txt").write_text(str(SHARDS))
    each = -(-len(samples) // SHARDS)
    for shard in range(SHARDS):
        with tarfile.open(split / f"{shard}.tar", "w") as tar:
            for key, files in samples[shard * each : (shard + 1) * each]:
                for ending, data in files.items():
                    entry = tarfile.TarInfo(f"{key}.{ending}")
                    entry.size = len(data)
                    tar.addfile(entry, io.BytesIO(data))


def pictured(name, at, rng):
    """DataComp's sets are in WebP; CLIP_benchmark reads PNG and JPEG as well."""
    kind = ["webp", "png", "jpg"][at % 3]
    return {kind: encoded(draw(name, rng), kind)}


def classification(folder, classes, shown, rng, metadata=None):
    """`shown` are the classes that have samples. Of a blank class the pictures are of names that no class has."""
    left = [name for name in NAMES if name not in classes]
    samples = []
    for at in range(PICTURES):
        answer = rng.choice(shown)
        name = classes[answer] or rng.choice(left)
        numbers = [rng.randrange(count) for count in metadata or [1]]
        # In the last of the first groups (FMoW's "Other" region) half of the pictures are not what they should be.
        if metadata is not None and numbers[0] == metadata[0] - 1 and at % 2 == 0:
            name = rng.choice(NAMES)
        files = pictured(name, at, rng) | {"cls": str(answer).encode()}
        if metadata is not None:
            files["npy"] = npy(numbers)
        samples.append((f"s{at:07d}", files))
    write_shards(folder, samples, {"classnames.txt": classes, "zeroshot_classification_templates.txt": TEMPLATES})


def retrieval(folder, rng):
    """Returns the same as a list of pictures with captions."""
    samples, instances = [], []
    for at in range(PICTURES):
        name = rng.choice(NAMES)
        # No two captions are the same.
        own = f"{name} {at // 60}-{at % 60}"
        captions = [f"a {own}", f"number {at}, {own}", f"{own} IN  a frame"][: 1 + at % 3]
        picture = pictured(name, at, rng)
        (data,) = picture.values()
        instances.append({"image": Image.open(io.BytesIO(data)), "caption": captions})
        samples.append((f"s{at:07d}", picture | {"txt": "\n".join(captions).encode()}))
    write_shards(folder, samples, {"dataset_type.txt": ["retrieval"]})
    return instances


def multilabel(folder, rng):
    """Colors and shapes are the labels, and one that no picture has."""
    classes = COLORS + SHAPES + ["triangle"]
    samples = []
    for at in range(PICTURES):
        name = rng.choice(NAMES[:30])
        labels = [int(one in name.split()) for one in classes]
        samples.append((f"s{at:07d}", pictured(name, at, rng) | {"npy": npy(labels)}))
    texts = {"classnames.txt": classes, "zeroshot_classification_templates.txt": TEMPLATES}
    write_shards(folder, samples, texts | {"dataset_type.txt": ["multilabel"]})


def sugar_crepe(folder, rng):
    """SugarCrepe's files, and limn's: the values of each alone. Pictures occur in several lines."""
    (folder / "val2017").mkdir(parents=True)
    names = [rng.choice(NAMES) for _ in range(PICTURES)]
    for at, name in enumerate(names):
        (folder / "val2017" / f"{at:012d}.jpg").write_bytes(encoded(draw(name, rng), "jpg"))
    for kind in SUGAR_CREPE:
        entries = []
        for _ in range(PICTURES):
            at = rng.randrange(PICTURES)
            # Of the same color or shape, where there is one.
            near = [name for name in NAMES if name != names[at] and set(name.split()) & set(names[at].split())]
            wrong = rng.choice(near or [name for name in DIGITS if name != names[at]])
            captions = {"caption": f"a {names[at]}", "negative_caption": f"a {wrong}"}
            entries.append({"filename": f"{at:012d}.jpg"} | captions)
        # Its indices have gaps.
        own = {str(2 * i): entry for i, entry in enumerate(entries)}
        (folder / f"{kind}.json").write_text(json.dumps(own))
        (folder / f"{kind}.jsonl").write_text("\n".join(json.dumps(entry) for entry in entries))


def winoground(folder, rng):
    """Instances of two pictures and two captions, as the reference gets them; limn gets lines with an id."""
    (folder / "images").mkdir(parents=True)
    instances, lines = [], []
    for at in range(PICTURES):
        instance = {}
        color = rng.choice(COLORS)
        for i, shape in enumerate(rng.sample(SHAPES, 2)):
            name = f"{color} {shape}"
            picture, file = draw(name, rng), f"ex_{at}_img_{i}.png"
            picture.save(folder / "images" / file)
            instance |= {f"image_{i}": picture, f"caption_{i}": f"a {name}"}
            lines.append(json.dumps({"image": file, "caption": f"a {name}", "id": at}))
        instances.append(instance)
    (folder / "test.jsonl").write_text("\n".join(lines))
    return instances


def winogavil(folder, rng):
    """Cues are colors and shapes, of which candidates are or are not; with vowels, and in capitals."""
    (folder / "images").mkdir(parents=True)
    pictures = [(f"p{at:04d}", name, draw(name, rng)) for at, name in enumerate(NAMES[:30] * 6)]
    for key, _, picture in pictures:
        picture.save(folder / "images" / f"{key}.png")
    instances = []
    for at in range(PICTURES):
        cue = rng.choice(COLORS + SHAPES)
        count = [5, 6, 10, 12][at % 4]
        right = rng.sample([one for one in pictures if cue in one[1].split()], rng.randint(1, 4))
        wrong = rng.sample([one for one in pictures if cue not in one[1].split()], count - len(right))
        candidates = rng.sample(right + wrong, count)
        instances.append(
            {
                "cue": cue.upper() if at % 5 == 0 else cue,
                "candidates": [key for key, _, _ in candidates],
                "associations": [key for key, _, _ in right],
                "candidate_images": [picture for _, _, picture in candidates],
            }
        )
    lines = [json.dumps({k: v for k, v in one.items() if k != "candidate_images"}) for one in instances]
    (folder / "test.jsonl").write_text("\n".join(lines))
    return instances
