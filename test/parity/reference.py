"""A full-size model with random weights in its own layout, and what its reference computes.

Run:  python test/parity/reference.py FAMILY FOLDER               (test/parity/run.mjs does)
      python test/parity/reference.py FAMILY FOLDER --read-back
Needs the environment of bench/peers/requirements.txt.

The first writes FOLDER/model (files as the reference's library saves them), reads them again with that
library, and writes FOLDER/expected.safetensors (prepared pixels, tokens, unit embeddings, logits), the
pictures as encoded files, and FOLDER/about.json with a digest of every weight. The second reads
FOLDER/saved, which limn wrote, with that library, and writes FOLDER/read-back.json: the weights whose bits
differ, and how far its numbers are from the first ones.
"""

import argparse
import hashlib
import io
import json
import pathlib

import open_clip
import timm
import torch
import transformers
from PIL import Image
from references import big_vision, hugging_face, inputs, open_clip_layouts
from safetensors.torch import load_file, save_file

FAMILIES = {
    "clip": hugging_face.clip_l14,
    "siglip": hugging_face.siglip_so400m,
    "siglip2": hugging_face.siglip2_base,
    "siglip2-naflex": hugging_face.siglip2_naflex,
    "align": hugging_face.align,
    "open-clip": lambda: open_clip_layouts.OpenClip("ViT-B-32", inputs.clip_tokens()),
    "open-clip-resnet": lambda: open_clip_layouts.OpenClip("RN50x4", inputs.clip_tokens()),
    "open-clip-siglip": lambda: open_clip_layouts.OpenClip("ViT-B-16-SigLIP", inputs.siglip_tokens()),
    "openai": open_clip_layouts.OpenAi,
    "timm": open_clip_layouts.TimmImage,
    "big-vision-siglip": big_vision.SigLip,
    "big-vision-lit": big_vision.Lit,
}


def digests(state):
    """Of type, shape and bits of each weight."""
    found = {}
    for name, tensor in state.items():
        flat = tensor.detach().contiguous().reshape(-1).view(torch.uint8)
        kind = f"{tensor.dtype} {list(tensor.shape)} "
        found[name] = kind + hashlib.blake2b(flat.numpy(), digest_size=16).hexdigest()
    return found


def computed(family, read, files):
    images = [Image.open(io.BytesIO(data)).convert("RGB") for data in files]
    prepared = {name: plain(tensor) for name, tensor in family.prepare(read, images).items()}
    return {**prepared, **embedded(family, read, prepared)}


def embedded(family, read, prepared):
    with torch.no_grad():
        return {name: plain(tensor) for name, tensor in family.embed(read, prepared).items()}


def plain(tensor):
    return (tensor.float() if tensor.is_floating_point() else tensor.int()).detach().contiguous()


def make(family, folder):
    family.write(folder / "model")
    read = family.read(folder / "model")
    files = list(inputs.pictures())
    for i, data in enumerate(files):
        (folder / f"picture-{i}.png").write_bytes(data)
    found = computed(family, read, files)
    if family.tokens is not None:
        found["tokens"] = family.tokens.int()
    save_file(found, folder / "expected.safetensors")
    libraries = [torch, transformers, open_clip, timm]
    about = {
        "name": family.name,
        "pictures": len(files),
        "hasProcessor": family.has_processor,
        "savedAs": family.saved_as,
        "digests": digests(family.state(read)),
        "versions": {library.__name__: library.__version__ for library in libraries},
    }
    (folder / "about.json").write_text(json.dumps(about))


def read_back(family, folder):
    read = family.read_back(folder / "saved")
    about = json.loads((folder / "about.json").read_text())
    wanted, found = about["digests"], digests(family.state(read))
    differing = [name for name in {**wanted, **found} if wanted.get(name) != found.get(name)]
    expected = load_file(folder / "expected.safetensors")
    if family.has_processor:
        again = computed(family, read, list(inputs.pictures()))
    else:
        again = embedded(family, read, expected)
    differences = {
        name: (tensor.double() - expected[name].double()).abs().max().item() for name, tensor in again.items()
    }
    report = {"weights": len(found), "differing": differing, "differences": differences}
    (folder / "read-back.json").write_text(json.dumps(report))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("family", choices=FAMILIES)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--read-back", action="store_true")
    args = parser.parse_args()
    torch.manual_seed(inputs.SEED)
    family = FAMILIES[args.family]()
    if args.read_back:
        read_back(family, args.folder)
    else:
        args.folder.mkdir(parents=True, exist_ok=True)
        make(family, args.folder)


main()
