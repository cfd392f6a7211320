"""A full-size model with random weights in its own layout, and what its reference computes.

Run:  python -P test/parity/reference.py FAMILY FOLDER   (test/parity/run.mjs does)
Needs the environment of bench/peers/requirements.txt.

Writes FOLDER/model (files as the reference saves them), FOLDER/inputs.safetensors (pixels, tokens,
pictures as encoded files beside), FOLDER/expected.safetensors (unit embeddings, logits, prepared
pixels) and FOLDER/about.json. One seed; every weight random, norms, biases and statistics included.
"""

import argparse
import io
import json
import pathlib

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

SEED = 20261128
PICTURES, TEXTS = 4, 8


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


def unit(features):
    pooled = getattr(features, "pooler_output", features)
    return pooled / pooled.norm(dim=-1, keepdim=True)


def pictures():
    """Smooth random pictures of odd sizes as PNG bytes: what any decoder reads alike."""
    random = np.random.default_rng(SEED)
    for width, height in [(640, 427), (333, 500), (224, 224), (1021, 77)][:PICTURES]:
        coarse = random.integers(0, 256, (7, 9, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        noisy = np.asarray(image).astype(int) + random.integers(-20, 21, (height, width, 3))
        buffer = io.BytesIO()
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(buffer, "png")
        yield buffer.getvalue()


def opened(files):
    return [Image.open(io.BytesIO(data)).convert("RGB") for data in files]


def clip_tokens(length, vocabulary, start, end):
    generator = torch.Generator().manual_seed(SEED)
    rows = torch.zeros(TEXTS, length, dtype=torch.long)
    for i, row in enumerate(rows):
        count = min(length, 3 + 9 * i)
        row[:count] = torch.randint(1, min(start, vocabulary), (count,), generator=generator)
        row[0], row[count - 1] = start, end
    return rows


def padded_tokens(length, vocabulary, end, pad, first=None):
    generator = torch.Generator().manual_seed(SEED)
    rows = torch.full((TEXTS, length), pad, dtype=torch.long)
    for i, row in enumerate(rows):
        count = min(length, 3 + 9 * i)
        row[:count] = torch.randint(5, vocabulary, (count,), generator=generator)
        row[count - 1] = end
        if first is not None:
            row[0] = first
    return rows


def hugging_face(model, processor, tokens, folder, **inputs):
    randomize(model).save_pretrained(folder)
    processor.save_pretrained(folder)
    files = list(pictures())
    prepared = processor(images=opened(files), return_tensors="pt")
    pixels = prepared["pixel_values"]
    with torch.no_grad():
        image = unit(model.get_image_features(**prepared))
        text = unit(model.get_text_features(input_ids=tokens, **inputs))
        logits = model(input_ids=tokens, **prepared, **inputs).logits_per_image
    return dict(files=files, pixels=pixels, tokens=tokens, image=image, text=text, logits=logits)


def clip_l14(folder):
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel

    text = dict(hidden_size=768, intermediate_size=3072, num_attention_heads=12, eos_token_id=49407)
    vision = dict(hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16, patch_size=14)
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=768)
    tokens = clip_tokens(77, 49408, 49406, 49407)
    return hugging_face(CLIPModel(config), CLIPImageProcessorPil(), tokens, folder)


def siglip_so400m(folder):
    from transformers import SiglipConfig, SiglipImageProcessorPil, SiglipModel

    size = dict(hidden_size=1152, intermediate_size=4304, num_hidden_layers=27, num_attention_heads=16)
    config = SiglipConfig(
        text_config=dict(**size, max_position_embeddings=16), vision_config=dict(**size, image_size=224, patch_size=14)
    )
    processor = SiglipImageProcessorPil(size={"height": 224, "width": 224})
    return hugging_face(SiglipModel(config), processor, padded_tokens(16, 32000, 1, 1), folder)


def siglip2_base(folder):
    from transformers import SiglipConfig, SiglipImageProcessorPil, SiglipModel

    config = SiglipConfig(text_config=dict(vocab_size=256000), vision_config=dict(image_size=256, patch_size=16))
    processor = SiglipImageProcessorPil(size={"height": 256, "width": 256}, resample=2)
    return hugging_face(SiglipModel(config), processor, padded_tokens(64, 256000, 1, 0), folder)


def align(folder):
    from transformers import AlignConfig, AlignModel, EfficientNetImageProcessorPil

    config = AlignConfig(vision_config=dict(image_size=289), projection_dim=640)
    processor = EfficientNetImageProcessorPil(
        size={"height": 346, "width": 346},
        resample=2,
        do_center_crop=True,
        crop_size={"height": 289, "width": 289},
        rescale_factor=1 / 127.5,
        rescale_offset=True,
        do_normalize=False,
        include_top=False,
    )
    tokens = padded_tokens(64, 30522, 102, 0, first=101)
    return hugging_face(AlignModel(config), processor, tokens, folder, attention_mask=(tokens != 0).long())


def open_clip_model(name, tokens, folder):
    import open_clip
    from open_clip.transform import PreprocessCfg, image_transform_v2

    model = randomize(open_clip.create_model(name, force_quick_gelu=False))
    config = open_clip.get_model_config(name)
    preprocess = open_clip.get_model_preprocess_cfg(model)
    save_open_clip(model, config, preprocess, folder)
    files = list(pictures())
    transform = image_transform_v2(PreprocessCfg(**preprocess), is_train=False)
    pixels = torch.stack([transform(image) for image in opened(files)])
    with torch.no_grad():
        image = model.encode_image(pixels, normalize=True)
        text = model.encode_text(tokens, normalize=True)
        logits = model.logit_scale.exp() * image @ text.T
        if model.logit_bias is not None:
            logits = logits + model.logit_bias
    return dict(files=files, pixels=pixels, tokens=tokens, image=image, text=text, logits=logits)


def save_open_clip(model, config, preprocess, folder):
    """The two files of `open_clip.push_to_hf_hub.save_for_hf`, whose tokenizer needs the hub."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, folder / "open_clip_model.safetensors", metadata={"format": "pt"})
    text = json.dumps({"model_cfg": config, "preprocess_cfg": preprocess}, indent=2)
    (folder / "open_clip_config.json").write_text(text)


def open_clip_rn50x4(folder):
    return open_clip_model("RN50x4", clip_tokens(77, 49408, 49406, 49407), folder)


def open_clip_b32(folder):
    return open_clip_model("ViT-B-32", clip_tokens(77, 49408, 49406, 49407), folder)


def open_clip_siglip(folder):
    return open_clip_model("ViT-B-16-SigLIP", padded_tokens(64, 32000, 1, 1), folder)


FAMILIES = {
    "clip": ("ViT-L/14", clip_l14),
    "siglip": ("So400m/14-224", siglip_so400m),
    "siglip2": ("B/16-256", siglip2_base),
    "align": ("EfficientNet-B7, BERT-base", align),
    "open-clip": ("ViT-B-32", open_clip_b32),
    "open-clip-resnet": ("RN50x4", open_clip_rn50x4),
    "open-clip-siglip": ("ViT-B-16-SigLIP", open_clip_siglip),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("family", choices=FAMILIES)
    parser.add_argument("folder", type=pathlib.Path)
    args = parser.parse_args()
    torch.manual_seed(SEED)
    args.folder.mkdir(parents=True, exist_ok=True)
    name, make = FAMILIES[args.family]
    found = make(args.folder / "model")
    for i, data in enumerate(found["files"]):
        (args.folder / f"picture-{i}.png").write_bytes(data)
    packed = {key: found[key].detach().float().contiguous() for key in ("pixels", "image", "text", "logits")}
    save_file({**packed, "tokens": found["tokens"].to(torch.int32)}, args.folder / "expected.safetensors")
    import open_clip
    import timm
    import transformers

    versions = {lib.__name__: lib.__version__ for lib in (torch, transformers, open_clip, timm)}
    about = {"name": name, "versions": versions, "pictures": len(found["files"]), **found.get("about", {})}
    (args.folder / "about.json").write_text(json.dumps(about))


main()
