"""CLIP_benchmark measuring zero-shot classification on sets in its own layout, with open_clip and the given weights.

Needs a Python with clip-benchmark 1.6.1 and open_clip beside each other; its accuracy fails with numpy 2.4.
"""

import contextlib
import sys
import time

import open_clip
import torch
from clip_benchmark.datasets.builder import build_dataset
from clip_benchmark.metrics import zeroshot_classification

from answer import serve

state = {}


def prepare(folder, sets, batch_size, threads):
    torch.set_num_threads(threads)
    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    state.update(model=model.eval(), transform=transform, sets=sets, batch_size=batch_size)
    state["tokenizer"] = open_clip.get_tokenizer(f"local-dir:{folder}")
    return {"open_clip": open_clip.__version__, "torch": torch.__version__}


def measure(workers, only=None):
    """Seconds for all sets, and their top-1 accuracies. Nothing is kept between calls: it keeps nothing either."""
    # Its code prints where answers go.
    with contextlib.redirect_stdout(sys.stderr):
        return measured(workers, state["sets"][:only])


def measured(workers, sets):
    start = time.perf_counter()
    found = []
    for root in sets:
        dataset = build_dataset(
            "wds/any", root=root, transform=state["transform"], split="test", task="zeroshot_classification"
        )
        batches = torch.utils.data.DataLoader(
            dataset.batched(state["batch_size"]), batch_size=None, shuffle=False, num_workers=workers
        )
        result = zeroshot_classification.evaluate(
            state["model"],
            batches,
            state["tokenizer"],
            dataset.classes,
            dataset.templates,
            device="cpu",
            amp=False,
        )
        found.append(result["acc1"])
    return {"seconds": time.perf_counter() - start, "top1": found}


serve({"prepare": prepare, "measure": measure})
