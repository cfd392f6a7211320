"""Zero-shot and retrieval goldens from open_clip's own code on random embeddings.

Run:  python -P test/goldens/generate/evaluate.py
Needs open_clip_torch 3.x with its training package, torch, numpy.

The embeddings are stored as float32 bytes in base64, so both sides count on equal numbers.
"""

import base64
import json
import pathlib

import numpy as np
import open_clip
import torch
from open_clip.zero_shot_classifier import build_zero_shot_classifier
from open_clip_train.train import get_clip_metrics

SEED = 20240607


def packed(array):
    return base64.b64encode(np.ascontiguousarray(array, dtype="<f4").tobytes()).decode()


def unit(tensor):
    return torch.nn.functional.normalize(tensor, dim=-1)


def retrieval_case(generator, count, dim, noise):
    """Pairs that are related but not identical, so that every rank occurs."""
    image = torch.randn(count, dim, generator=generator)
    text = image + noise * torch.randn(count, dim, generator=generator)
    image, text = unit(image), unit(text)
    metrics = get_clip_metrics(image, text, torch.tensor(100.0))
    return {
        "count": count,
        "dim": dim,
        "image": packed(image.numpy()),
        "text": packed(text.numpy()),
        "metrics": {key: float(value) for key, value in metrics.items()},
    }


class FakeTextTower:
    """A text tower that looks embeddings up, to run open_clip's ensembling on known numbers."""

    def __init__(self, table):
        self.table = table

    def encode_text(self, rows, normalize):
        embeddings = self.table[rows[:, 0]]
        return unit(embeddings) if normalize else embeddings


def classification_case(generator, classes, templates, images, dim):
    names = [f"class {i}" for i in range(classes)]
    forms = [f"template {j} of {{}}" for j in range(templates)]
    texts = [form.format(name) for name in names for form in forms]
    index = {text: i for i, text in enumerate(texts)}
    table = torch.randn(classes, 1, dim, generator=generator).expand(classes, templates, dim)
    table = table + 0.7 * torch.randn(classes, templates, dim, generator=generator)
    table = table.reshape(classes * templates, dim) * 3.0
    weights = build_zero_shot_classifier(
        FakeTextTower(table),
        tokenizer=lambda batch: torch.tensor([[index[text]] for text in batch]),
        classnames=names,
        templates=forms,
    )
    labels = torch.randint(0, classes, (images,), generator=generator)
    image = unit(weights.T[labels] + 0.35 * torch.randn(images, dim, generator=generator))
    # Not open_clip_train.zero_shot.accuracy: it fails with numpy 2.4. The same top-k, by torch.
    best = (100.0 * image @ weights).topk(5, dim=1).indices == labels[:, None]
    return {
        "classes": names,
        "templates": forms,
        "dim": dim,
        "texts": packed(table.numpy()),
        "weights": packed(weights.T.numpy()),
        "image": packed(image.numpy()),
        "labels": labels.tolist(),
        "top1": best[:, :1].any(1).double().mean().item(),
        "top5": best.any(1).double().mean().item(),
    }


def main():
    generator = torch.Generator().manual_seed(SEED)
    golden = {
        "source": "open_clip_train.train.get_clip_metrics, "
        "open_clip.build_zero_shot_classifier, torch.topk",
        "version": f"open_clip_torch {open_clip.__version__}, torch {torch.__version__}",
        "command": "python -P test/goldens/generate/evaluate.py",
        "seed": SEED,
        "dtype": "float32",
        "rtol": 1e-5,
        "atol": 1e-6,
        "retrieval": [
            retrieval_case(generator, 97, 16, 0.9),
            retrieval_case(generator, 200, 24, 2.0),
        ],
        "classification": classification_case(generator, 23, 4, 150, 24),
    }
    out = pathlib.Path(__file__).parents[1] / "evaluate.json"
    out.write_text(json.dumps(golden, indent=1) + "\n")


main()
