"""Reads what limn writes with the libraries that limn writes it for. Writes no golden.

Run, after npm run build:  OPENAI_CLIP=... python -P test/goldens/generate/read-back.py
Needs what end-to-end.py needs, and node.

Every pair of end-to-end.py goes through `limn convert`. Saved in its own layout, its library has to
read the same weights, bit for bit, and give the embeddings of end-to-end.json from its own preprocessing and
tokenizer. In another layout, that layout's library has to give the embeddings from the same pixels, and
the way back the same weights. A SigLIP with timm's ViT-B/16, the smallest that there is, goes to open_clip and back.
"""

import base64
import importlib.util
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import open_clip
import safetensors.torch
import torch
import transformers
from PIL import Image

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
spec = importlib.util.spec_from_file_location("end_to_end", HERE / "end-to-end.py")
made = importlib.util.module_from_spec(spec)
spec.loader.exec_module(made)
IMAGES = [Image.open(made.PICTURES / f"{name}.png").convert("RGB") for name in ("odd", "wide", "high")]


def convert(source, target, layout, *flags):
    command = ["node", str(ROOT / "bin" / "limn.mjs"), "convert", str(source), str(target), "--to", layout, *flags]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return target


def golden(name):
    json_ = json.loads((made.FOLDER / name / "end-to-end.json").read_text())
    for key in ("imageEmbeddings", "textEmbeddings", "logits"):
        rows = len(IMAGES) if key != "textEmbeddings" else len(json_["texts"])
        flat = np.frombuffer(base64.b64decode(json_[key]), "<f4").copy()
        json_[key] = torch.from_numpy(flat).reshape(rows, -1)
    return json_


def weights(folder):
    return safetensors.torch.load_file(next(pathlib.Path(folder).glob("*.safetensors")))


def same_state(one, other, name):
    assert set(one) == set(other), (name, set(one) ^ set(other))
    for key, tensor in one.items():
        assert tensor.dtype == other[key].dtype and torch.equal(tensor, other[key]), (name, key)
    return len(one)


def close(found, expected, name):
    gap = (found - expected).abs().max().item()
    assert gap < 1e-5, (name, gap)
    return gap


def open_clip_model(folder):
    model, transform = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
    config = json.loads((pathlib.Path(folder) / "open_clip_config.json").read_text())["model_cfg"]
    if config["text_cfg"].get("hf_tokenizer_name"):
        return model.eval(), transform, open_clip.get_tokenizer(f"local-dir:{folder}")
    return model.eval(), transform, made.tokenizers.open_clip_reader(made.CONTEXT)


def results(folder, layout, texts):
    if layout == "hugging-face":
        return made.transformers_results(folder, IMAGES, texts)
    return made.open_clip_results(*open_clip_model(folder), IMAGES, texts)


def state(folder, layout):
    model = transformers.AutoModel.from_pretrained(folder) if layout == "hugging-face" else open_clip_model(folder)[0]
    return model.state_dict()


def own_layout(name, layout, temporary):
    folder = convert(made.FOLDER / name, temporary / name, layout)
    expected = golden(name)
    count = same_state(state(folder, layout), state(made.FOLDER / name, layout), name)
    same_state(weights(folder), weights(made.FOLDER / name), name)
    found = results(folder, layout, expected["texts"])
    gaps = [close(*pair, name) for pair in zip(found, [expected[k] for k in KEYS], strict=True)]
    print(f"{name}: {count} weights are the same, embeddings and logits within {max(gaps):.1e}")


KEYS = ["imageEmbeddings", "textEmbeddings", "logits"]
OTHER = {"hugging-face": "open-clip", "open-clip": "hugging-face"}


def other_layout(name, layout, temporary, *flags, source=None, pixels=None):
    """Texts that every tokenizer reads alike, and the pixels of the pair's own library."""
    expected = golden(name)
    folder = convert(source or made.FOLDER / name, temporary / f"{name}-{layout}", layout, *flags)
    clean = made.CLEAN
    with torch.no_grad():
        if layout == "hugging-face":
            model = transformers.AutoModel.from_pretrained(folder).eval()
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
            rows = tokenizer(clean, padding="max_length", max_length=made.CONTEXT, truncation=True, return_tensors="pt")
            output = model(pixel_values=pixels, **rows)
            image, text = output.image_embeds, output.text_embeds
        else:
            model, _, tokenizer = open_clip_model(folder)
            image = model.encode_image(pixels, normalize=True)
            text = model.encode_text(tokenizer(clean), normalize=True)
    gaps = [close(image, expected["imageEmbeddings"], name), close(text, expected["textEmbeddings"][: len(clean)], name)]
    back = ""
    if source is None:
        again = convert(folder, temporary / f"{name}-{layout}-back", OTHER[layout])
        count = same_state(weights(again), weights(made.FOLDER / name), name)
        back = f"; {count} weights are the same on the way back"
    print(f"{name} as {layout}: embeddings within {max(gaps):.1e}{back}")


def siglip_of_timm(temporary):
    torch.manual_seed(made.SEED)
    text = made.text_config(made.tokenizers.SIGLIP_SIZE, hidden_size=768, intermediate_size=800)
    config = transformers.SiglipConfig(text_config=text, vision_config={"hidden_act": "gelu"})
    model = transformers.SiglipModel(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.02)
    folder = temporary / "siglip-b16"
    folder.mkdir()
    model.eval().save_pretrained(folder)
    made.tokenizers.siglip(folder)
    transformers.SiglipImageProcessor(size={"height": 224, "width": 224}).save_pretrained(folder)
    expected = made.transformers_results(folder, IMAGES, made.CLEAN)
    written = convert(folder, temporary / "siglip-b16-open-clip", "open-clip")
    found = results(written, "open-clip", made.CLEAN)
    gaps = [close(*pair, "siglip-b16") for pair in zip(found, expected, strict=True)]
    again = convert(written, temporary / "siglip-b16-back", "hugging-face")
    count = same_state(weights(again), weights(folder), "siglip-b16")
    print(f"SigLIP-B/16 as open-clip: within {max(gaps):.1e}; {count} weights are the same on the way back")


def main():
    with tempfile.TemporaryDirectory() as path:
        temporary = pathlib.Path(path)
        siglip_of_timm(temporary)
        for name in ["clip", "siglip", "siglip2", "siglip2-naflex", "align"]:
            own_layout(name, "hugging-face", temporary)
        for name in ["open-clip-vit", "open-clip-resnet", "open-clip-siglip"]:
            own_layout(name, "open-clip", temporary)
        processor = transformers.AutoImageProcessor.from_pretrained(made.FOLDER / "clip", backend="pil")
        pixels = processor(IMAGES, return_tensors="pt").pixel_values
        other_layout("clip", "open-clip", temporary, pixels=pixels)
        transform = open_clip_model(made.FOLDER / "open-clip-vit")[1]
        pixels = torch.stack([transform(image) for image in IMAGES])
        other_layout("open-clip-vit", "hugging-face", temporary, pixels=pixels)
        small = open_clip.transform.image_transform_v2(open_clip.transform.PreprocessCfg(size=24), is_train=False)
        pixels = torch.stack([small(image) for image in IMAGES])
        prepared = temporary / "preprocessing.json"
        given = golden("open-clip-checkpoint")["given"]
        prepared.write_text(json.dumps(given["evaluationTransform"]))
        flags = ["--activation", given["activation"], "--preprocessing", str(prepared)]
        for layout in OTHER:
            source = made.FOLDER / "open-clip-checkpoint" / "epoch_3.pt"
            other_layout("open-clip-checkpoint", layout, temporary, *flags, source=source, pixels=pixels)
            source = made.FOLDER / "openai" / "tiny.pt"
            other_layout("openai", layout, temporary, source=source, pixels=pixels)


if __name__ == "__main__":
    main()
