"""Loaders of shards: open_clip's own (webdataset, Pillow, its training transform), and webdataset with
torchvision's decoders and transforms on uint8 tensors, which is the fastest set-up of Python packages."""

import glob
import multiprocessing
import os
import time
from types import SimpleNamespace

import open_clip
import open_clip_train.data
import PIL
import torch
import torchvision
import webdataset
from open_clip.transform import image_transform
from torchvision.io import ImageReadMode, decode_image
from torchvision.transforms import v2

from answer import serve

state = {}

# open_clip 3.3 stumbles over the end-of-shard marker of webdataset 1.0: leave it out.
expand = open_clip_train.data.tar_file_expander
open_clip_train.data.tar_file_expander = lambda *args, **rest: expand(*args, **{**rest, "eof_value": None})


def open_clip_loader(files, size, batch_size, workers):
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
    transform = image_transform(size, is_train=True)
    tokenizer = open_clip.get_tokenizer("ViT-B-32")
    return open_clip_train.data.get_wds_dataset(args, transform, is_train=True, tokenizer=tokenizer).dataloader


def torchvision_loader(files, size, batch_size, workers):
    crop = v2.RandomResizedCrop(
        size, scale=(0.9, 1), ratio=(3 / 4, 4 / 3), interpolation=v2.InterpolationMode.BICUBIC, antialias=True
    )
    tokenizer = open_clip.get_tokenizer("ViT-B-32")

    def pixels(data):
        return crop(decode_image(torch.frombuffer(bytearray(data), dtype=torch.uint8), mode=ImageReadMode.RGB))

    def batch(samples):
        images, texts = zip(*samples)
        return torch.stack(images), torch.cat(texts)

    data = (
        webdataset.WebDataset(files, resampled=True, shardshuffle=False)
        .shuffle(1000)
        .to_tuple("jpg;png", "txt")
        .map_tuple(pixels, lambda text: tokenizer(text.decode()))
        .batched(batch_size, collation_fn=batch, partial=False)
    )
    return webdataset.WebLoader(data, batch_size=None, num_workers=workers, persistent_workers=True)


def prepare(name, shards, size, batch_size, workers):
    torch.set_num_threads(1)
    files = sorted(glob.glob(shards))
    make = open_clip_loader if name.startswith("open_clip") else torchvision_loader
    state[name] = iter(make(files, size, batch_size, workers))
    next(state[name])


def about():
    return {
        "open_clip": open_clip.__version__,
        "Pillow": PIL.__version__,
        "torchvision": torchvision.__version__,
        "webdataset": webdataset.__version__,
    }


def processor_seconds():
    """Of this process and of its workers."""
    total = sum(os.times()[:2])
    for child in multiprocessing.active_children():
        with open(f"/proc/{child.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def measure(name, batches, ahead):
    """`ahead`: batches that may lie ready, taken before the clock starts."""
    for _ in range(ahead):
        next(state[name])
    start, before = time.perf_counter(), processor_seconds()
    count = 0
    for _ in range(batches):
        images, _ = next(state[name])
        count += len(images)
    seconds = time.perf_counter() - start
    return {"rate": count / seconds, "milliseconds": 1000 * (processor_seconds() - before) / count}


def close(name):
    state.pop(name)


serve({"about": about, "prepare": prepare, "measure": measure, "close": close})
