"""What tiny checkpoints of open_clip, OpenAI and timm compute of pixels and token rows in their own libraries.

Run:  python -P test/goldens/generate/open-clip-models.py
Needs open_clip_torch 3.3, timm 1.0.31, torch, safetensors, and the sources of openai-clip 1.0.1, whose
folder `clip` is named by $OPENAI_CLIP (its package does not import under new versions of setuptools).

Writes test/goldens/models/<name>/expected.json: pixels, tokens, embeddings, logits. The pairs are those that
end-to-end.py wrote. Towers of timm, and a SigLIP of open_clip with one, are made here; every weight is random, norms
and biases included, so that no swapped pair of weights can go unseen. timm has no SigLIP tower this small, so the
generator registers one under a name of its own.
And open-clip-names.json.gz: the figures of all of open_clip's models by name that limn knows, read from
the modules that open_clip makes on the meta device.
"""

import base64
import gzip
import importlib.util
import json
import logging
import math
import pathlib
import warnings

import open_clip
import timm
import torch
from open_clip.factory import _MODEL_CONFIGS
from open_clip.model import CustomTextCLIP, set_model_preprocess_cfg
from open_clip.push_to_hf_hub import save_for_hf
from open_clip.transform import PreprocessCfg
from timm.models import register_model, save_for_hf as save_timm
from timm.models.vision_transformer import VisionTransformer

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)
SEED = 20240703
GOLDENS = pathlib.Path(__file__).parent.parent
FOLDER = GOLDENS / "models"
CONTEXT, VOCABULARY = 8, 64
TEXT = {"context_length": CONTEXT, "vocab_size": VOCABULARY, "width": 24, "heads": 3, "layers": 2}

spec = importlib.util.spec_from_file_location("end_to_end", GOLDENS / "generate" / "end-to-end.py")
end_to_end = importlib.util.module_from_spec(spec)
spec.loader.exec_module(end_to_end)


@register_model
def vit_limn_patch8_siglip_32(pretrained=False, **kwargs):
    sizes = {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 3}
    kind = {"mlp_ratio": 2.5, "class_token": False, "global_pool": "map", "act_layer": "gelu_tanh"}
    kwargs = {k: v for k, v in kwargs.items() if k not in ("pretrained_cfg", "pretrained_cfg_overlay")}
    kwargs.pop("cache_dir", None)
    return VisionTransformer(**{**sizes, **kind, **kwargs})


def packed(tensor):
    return base64.b64encode(tensor.detach().float().numpy().astype("<f4").tobytes()).decode()


def randomize(model, generator):
    with torch.no_grad():
        for tensor in model.parameters():
            noise = torch.randn(tensor.shape, generator=generator) * 0.2
            tensor.copy_(noise + (0.5 if tensor.ndim == 1 else 0))
        if hasattr(model, "logit_scale"):
            model.logit_scale.fill_(2.25)
            model.logit_bias.fill_(-3.5)
    return model.eval()


def token_rows(generator, width, vocabulary):
    rows = torch.zeros(4, width, dtype=torch.long)
    for row, length in zip(rows, [3, 5, width, 4], strict=True):
        row[:length] = torch.randint(3, vocabulary - 2, (length,), generator=generator)
        row[length - 1] = vocabulary - 1
    return rows


def write_expected(name, model, source, side=32, context=CONTEXT, vocabulary=VOCABULARY):
    generator = torch.Generator().manual_seed(SEED)
    pixels = torch.randn(2, 3, side, side, generator=generator)
    golden = {
        "source": source,
        "version": {"open_clip": open_clip.__version__, "timm": timm.__version__, "torch": torch.__version__},
        "command": "python -P test/goldens/generate/open-clip-models.py",
        "seed": SEED,
        "dtype": "float32",
        "rtol": 1e-5,
        "atol": 1e-6,
        "pixelShape": list(pixels.shape),
        "pixels": packed(pixels),
    }
    with torch.no_grad():
        if hasattr(model, "encode_text"):
            tokens = token_rows(generator, context, vocabulary)
            image = model.encode_image(pixels)
            text = model.encode_text(tokens)
            image, text = (x / x.norm(dim=-1, keepdim=True) for x in (image, text))
            logits = model.logit_scale.exp() * image @ text.T
            if getattr(model, "logit_bias", None) is not None:
                logits = logits + model.logit_bias
            golden |= {"tokens": tokens.tolist(), "imageEmbeddings": packed(image)}
            golden |= {"textEmbeddings": packed(text), "logits": packed(logits)}
        else:
            features = model.forward_head(model.forward_features(pixels), pre_logits=True)
            golden |= {"imageFeatures": packed(features)}
    (FOLDER / name / "expected.json").write_text(json.dumps(golden, indent=1) + "\n")


class NoTokenizer:
    """open_clip has CLIP's vocabulary built in: its folders need no tokenizer."""

    def save_pretrained(self, folder):
        pass


END_TO_END = {"context": end_to_end.CONTEXT, "vocabulary": end_to_end.tokenizers.CLIP_SIZE}


def open_clip_folder(name):
    model, _ = open_clip.create_model_from_pretrained(f"local-dir:{FOLDER / name}")
    write_expected(name, model.eval(), f"open_clip {type(model).__name__}, random weights", **END_TO_END)


def training_checkpoint():
    model = end_to_end.checkpoint_model().eval()
    state = torch.load(FOLDER / "open-clip-checkpoint" / "epoch_3.pt")["state_dict"]
    model.load_state_dict({name.removeprefix("module."): tensor.float() for name, tensor in state.items()})
    source = "open_clip CLIP in a training checkpoint, float16"
    write_expected("open-clip-checkpoint", model, source, side=24, **END_TO_END)


def open_ai_archive():
    folder = FOLDER / "openai"
    _, library = end_to_end.open_ai_library(folder)
    model, _ = library.load(str(folder / "tiny.pt"), device="cpu")
    source = "openai-clip 1.0.1, float16 weights read as float32"
    write_expected("openai", model, source, side=24, **END_TO_END)


def timm_pair(name):
    tower = {"image_size": 32, "timm_model_name": "vit_limn_patch8_siglip_32", "timm_pool": "map", "timm_proj": "none"}
    text = {**TEXT, "mlp_ratio": 2.0, "no_causal_mask": True, "proj_bias": True, "pool_type": "last", "norm_kwargs": {"eps": 1e-6}}
    model = CustomTextCLIP(embed_dim=24, init_logit_bias=-10, vision_cfg=tower, text_cfg=text)
    half = (0.5, 0.5, 0.5)
    set_model_preprocess_cfg(model, vars(PreprocessCfg(size=32, mean=half, std=half, resize_mode="squash")))
    randomize(model, torch.Generator().manual_seed(SEED))
    config = {"embed_dim": 24, "init_logit_bias": -10, "custom_text": True, "vision_cfg": tower, "text_cfg": text}
    save_for_hf(model, NoTokenizer(), config, FOLDER / name, safe_serialization=True)
    write_expected(name, model, "open_clip CustomTextCLIP, random weights")


def timm_folder(name, architecture, **arguments):
    model = timm.create_model(architecture, img_size=32, patch_size=8, embed_dim=24, depth=2, num_heads=3, **arguments)
    randomize(model, torch.Generator().manual_seed(SEED))
    model.pretrained_cfg.update({"crop_pct": 1.0})
    save_timm(model, FOLDER / name, safe_serialization=True)
    write_expected(name, model, f"timm {architecture}, random weights")


def figures(name, config):
    """What the modules that open_clip makes say of themselves."""
    with torch.device("meta"):
        model = open_clip.create_model(name, load_weights=False, pretrained_text=False, device="meta")
    visual, text = model.visual, getattr(model, "text", model)
    trunk = getattr(visual, "trunk", visual)
    block = text.transformer.resblocks[0]
    shapes = {k: list(v.shape) for k, v in model.state_dict().items()}
    return {
        "text": layers(block.attn.num_heads, block.mlp.c_fc, block.mlp.gelu, text.ln_final),
        "causal": text.attn_mask is not None,
        "pool": getattr(text, "pool_type", None) or model.text_pool_type,
        "end": getattr(text, "eos_id", None) or model.text_eos_id,
        "image": image_figures(visual, trunk),
        "parameters": sum(math.prod(shape) for shape in shapes.values()),
        "shapes": digest(shapes),
    }


def layers(heads, linear, activation, norm):
    kind = type(activation).__name__ + ("Tanh" if getattr(activation, "approximate", "none") == "tanh" else "")
    return {"heads": heads, "width": linear.in_features, "mlp": linear.out_features, "act": kind, "eps": norm.eps}


def image_figures(visual, trunk):
    if hasattr(visual, "attnpool"):
        return {"heads": visual.attnpool.num_heads, "width": visual.conv3.out_channels}
    if hasattr(trunk, "blocks"):
        block = trunk.blocks[0]
        return layers(block.attn.num_heads, block.mlp.fc1, block.mlp.act, trunk.norm) | {"pool": trunk.global_pool}
    block = visual.transformer.resblocks[0]
    return layers(block.attn.num_heads, block.mlp.c_fc, block.mlp.gelu, visual.ln_post) | {"pool": visual.pool_type}


def digest(shapes):
    """Names and shapes with the number of a block left out, as the largest models have hundreds."""
    rows = {}
    for name, shape in shapes.items():
        if name.endswith("num_batches_tracked"):
            continue
        parts = name.split(".")
        pattern = ".".join("#" if part.isdigit() and "blocks" in parts[i - 1] else part for i, part in enumerate(parts))
        count, known = rows.get(pattern, (0, shape))
        assert known == shape
        rows[pattern] = (count + 1, shape)
    return {pattern: [count, *shape] for pattern, (count, shape) in rows.items()}


def write_names():
    known = json.loads((GOLDENS / "generate" / "open-clip-names.json").read_text())
    # The list is limn's: a name that it lacks is one that it must refuse.
    table = {name: figures(name, _MODEL_CONFIGS[name]) for name in known}
    header = {"source": "open_clip's models on the meta device", "command": "python -P test/goldens/generate/open-clip-models.py"}
    header["version"] = {"open_clip": open_clip.__version__, "timm": timm.__version__}
    golden = {**header, "models": table, "refused": {n: c for n, c in _MODEL_CONFIGS.items() if n not in known}}
    with gzip.GzipFile(GOLDENS / "open-clip-names.json.gz", "wb", mtime=0) as file:
        file.write(json.dumps(golden).encode())


def main():
    torch.manual_seed(SEED)
    open_clip_folder("open-clip-vit")
    open_clip_folder("open-clip-resnet")
    training_checkpoint()
    open_ai_archive()
    timm_pair("open-clip-siglip-timm")
    timm_folder("timm-vit", "vit_tiny_patch16_224", num_classes=7)
    timm_folder("timm-map", "vit_base_patch16_siglip_224", num_classes=0)
    timm_folder("timm-clip", "vit_base_patch32_clip_quickgelu_224", num_classes=5)
    write_names()


main()
