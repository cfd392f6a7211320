"""open_clip's loader: webdataset, Pillow and its own training transform."""

import glob
import time
from types import SimpleNamespace

import open_clip
import open_clip_train.data
import PIL
import torch
import webdataset
from open_clip.transform import image_transform

from answer import serve

state = {}

# open_clip 3.3 stumbles over the end-of-shard marker of webdataset 1.0: leave it out.
expand = open_clip_train.data.tar_file_expander
open_clip_train.data.tar_file_expander = lambda *args, **rest: expand(*args, **{**rest, "eof_value": None})


def prepare(shards, batch_size, workers):
    torch.set_num_threads(1)
    files = sorted(glob.glob(shards))
    args = SimpleNamespace(
        train_data="::".join(files),
        train_data_upsampling_factors=None,
        train_num_samples=10_000_000,
        dataset_resampled=True,
        batch_size=batch_size,
        workers=workers,
        world_size=1,
        seed=0,
    )
    transform = image_transform(224, is_train=True)
    tokenizer = open_clip.get_tokenizer("ViT-B-32")
    data = open_clip_train.data.get_wds_dataset(args, transform, is_train=True, tokenizer=tokenizer)
    state["batches"] = iter(data.dataloader)
    next(state["batches"])
    return {"open_clip": open_clip.__version__, "Pillow": PIL.__version__, "webdataset": webdataset.__version__}


def measure(batches):
    start = time.perf_counter()
    count = 0
    for _ in range(batches):
        images, _ = next(state["batches"])
        count += len(images)
    return count / (time.perf_counter() - start)


serve({"prepare": prepare, "measure": measure})
