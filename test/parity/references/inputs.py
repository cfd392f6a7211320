"""Random weights, pictures and tokens, the same in every run."""

import io

import numpy as np
import torch
from PIL import Image

SEED = 20261128
SIZES = [(640, 427), (333, 500), (224, 224), (1021, 77)]
TEXTS = 8


def randomize(model):
    """Moves every vector off its initial value, so that no swapped or skipped weight goes unseen."""
    generator = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            if not tensor.is_floating_point() or tensor.ndim > 1:
                continue
            noise = torch.randn(tensor.shape, generator=generator) * 0.05
            if name.endswith("running_var"):
                tensor.mul_(1 + noise.abs())
            else:
                tensor.add_(noise)
    return model.eval()


def pictures():
    """Smooth random pictures of odd sizes as PNG bytes: what any decoder reads alike."""
    random = np.random.default_rng(SEED)
    for width, height in SIZES:
        coarse = random.integers(0, 256, (7, 9, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        noisy = np.asarray(image).astype(int) + random.integers(-20, 21, (height, width, 3))
        buffer = io.BytesIO()
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(buffer, "png")
        yield buffer.getvalue()


def token_rows(length, vocabulary, end, *, pad=0, first=None):
    """Rows of growing length that end in `end`, the last one full; long [TEXTS, length]."""
    generator = torch.Generator().manual_seed(SEED)
    rows = torch.full((TEXTS, length), pad, dtype=torch.long)
    for i, row in enumerate(rows):
        count = length if i == TEXTS - 1 else min(length, 3 + 9 * i)
        row[:count] = torch.randint(5, vocabulary, (count,), generator=generator)
        row[count - 1] = end
        if first is not None:
            row[0] = first
    return rows


def clip_tokens():
    return token_rows(77, 49406, 49407, first=49406)


def siglip_tokens(length=64):
    return token_rows(length, 32000, 1, pad=1)


def siglip2_tokens():
    return token_rows(64, 256000, 1)


def bert_tokens(length=64, end=102):
    return token_rows(length, 30522, end, first=101)
