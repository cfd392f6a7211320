"""Tiny checkpoints of open_clip, OpenAI and timm in their own files, with what those libraries compute.

Run:  python -P test/goldens/generate/open-clip-models.py
Needs open_clip_torch 3.3, timm 1.0.31, torch, safetensors, and the sources of openai-clip 1.0.1, whose
folder `clip` is named by $OPENAI_CLIP (its package does not import under new versions of setuptools).

Writes folders under test/goldens/models/, each with expected.json: pixels, tokens, embeddings, logits.
Every weight is random, norms and biases included, so that no swapped pair of weights can go unseen.
timm has no SigLIP tower this small, so the generator registers one under a name of its own.
And open-clip-names.json.gz: the figures of all of open_clip's models by name that limn knows, read from
the modules that open_clip makes on the meta device.
"""

import base64
import gzip
import importlib.util
import json
import logging
import math
import os
import pathlib
import warnings

import open_clip
import timm
import torch
from open_clip.factory import _MODEL_CONFIGS
from open_clip.model import CLIP, CustomTextCLIP, set_model_preprocess_cfg
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
VISION = {"image_size": 32, "patch_size": 8, "width": 24, "head_width": 8, "layers": 2}


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
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            if not tensor.is_floating_point() or name.endswith("attn_mask"):
                continue
            noise = torch.randn(tensor.shape, generator=generator) * 0.2
            if name.endswith("running_var"):
                tensor.copy_(noise.abs() + 0.6)
            else:
                tensor.copy_(noise + (0.5 if tensor.ndim == 1 else 0))
        if hasattr(model, "logit_scale"):
            model.logit_scale.fill_(2.25)
        if getattr(model, "logit_bias", None) is not None:
            model.logit_bias.fill_(-3.5)
    return model.eval()


def token_rows(generator, end=VOCABULARY - 1):
    rows = torch.zeros(4, CONTEXT, dtype=torch.long)
    for row, length in zip(rows, [3, 5, CONTEXT, 4], strict=True):
        row[:length] = torch.randint(3, VOCABULARY - 2, (length,), generator=generator)
        row[length - 1] = end
    return rows


def write_expected(folder, model, source, generator, side=32):
    pixels = torch.randn(2, 3, side, side, generator=generator)
    golden = {
        "source": source,
        "version": {"open_clip": open_clip.__version__, "timm": timm.__version__, "torch": torch.__version__},
        "command": "python -P test/goldens/generate/open-clip-models.py",
        "seed": SEED,
        "dtype": "float32",
        "rtol": 1e-5,
        "atol": 1e-6,
        "pixels": packed(pixels),
    }
    with torch.no_grad():
        if hasattr(model, "encode_text"):
            tokens = token_rows(generator)
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
    (folder / "expected.json").write_text(json.dumps(golden, indent=1) + "\n")


class NoTokenizer:
    """open_clip has CLIP's vocabulary built in: its folders need no tokenizer."""

    def save_pretrained(self, folder):
        pass


def open_clip_folder(name, config, generator, preprocess=PreprocessCfg(size=32)):
    kwargs = {k: v for k, v in config.items() if k != "custom_text"}
    model = (CustomTextCLIP if config.get("custom_text") else CLIP)(**kwargs)
    set_model_preprocess_cfg(model, vars(preprocess))
    randomize(model, generator)
    save_for_hf(model, NoTokenizer(), config, FOLDER / name, safe_serialization=True)
    write_expected(FOLDER / name, model, f"open_clip {type(model).__name__}, random weights", generator)
    return model


def training_checkpoint(generator):
    sizes = {"width": 64, "layers": 1, "mlp_ratio": 0.5}
    text = {"context_length": CONTEXT, "vocab_size": VOCABULARY, "heads": 1, **sizes}
    model = CLIP(16, {"image_size": 32, "patch_size": 8, **sizes}, text, quick_gelu=True)
    randomize(model, generator)
    model.half().float()
    folder = FOLDER / "open-clip-checkpoint"
    folder.mkdir(parents=True, exist_ok=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    state = {f"module.{k}": v.half() for k, v in model.state_dict().items()}
    contents = {"epoch": 3, "name": "tiny", "state_dict": state, "optimizer": optimizer.state_dict()}
    torch.save(contents, folder / "epoch_3.pt")
    write_expected(folder, model, "open_clip CLIP in a training checkpoint, float16", generator)


def open_ai_archive(generator):
    path = pathlib.Path(os.environ["OPENAI_CLIP"]) / "model.py"
    spec = importlib.util.spec_from_file_location("openai_clip_model", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model = module.CLIP(16, 32, 1, 64, 8, CONTEXT, VOCABULARY, 64, 1, 1)
    randomize(model, generator)
    module.convert_weights(model)
    folder = FOLDER / "openai"
    folder.mkdir(parents=True, exist_ok=True)
    # OpenAI's archives hold three numbers beside the weights; tracing needs float32 on the CPU.
    for key, value in {"input_resolution": 32, "context_length": CONTEXT, "vocab_size": VOCABULARY}.items():
        if hasattr(model, key):
            delattr(model, key)
        model.register_buffer(key, torch.tensor(value))
    state = {k: v.clone() for k, v in model.state_dict().items()}
    model.float()
    inputs = (torch.zeros(1, 3, 32, 32), torch.zeros(1, CONTEXT, dtype=torch.long))
    traced = torch.jit.trace(model, inputs, check_trace=False)
    for name, tensor in [*traced.named_parameters(), *traced.named_buffers()]:
        tensor.data = state[name].to(tensor.device)
    traced.save(str(folder / "traced.pt"))
    without_sources(folder / "traced.pt", folder / "tiny.pt")
    # The traced module shares its weights with the model, which is to compute in float32.
    model.float()
    write_expected(folder, model, "openai-clip 1.0.1, float16 weights read as float32", generator)


def without_sources(saved, target):
    """The archive without the tables of source files, which hold paths of the machine it was made on."""
    made_by_the_writer = ("version", "byteorder", ".data/serialization_id", ".storage_alignment")
    reader = torch._C.PyTorchFileReader(str(saved))
    writer = torch._C.PyTorchFileWriter(str(target))
    for name in reader.get_all_records():
        if name.endswith(".debug_pkl") or name in made_by_the_writer:
            continue
        record = reader.get_record(name)
        writer.write_record(name, record, len(record))
    writer.write_end_of_file()
    saved.unlink()


def timm_folder(name, architecture, generator, **arguments):
    model = timm.create_model(architecture, img_size=32, patch_size=8, embed_dim=24, depth=2, num_heads=3, **arguments)
    randomize(model, generator)
    model.pretrained_cfg.update({"crop_pct": 1.0})
    save_timm(model, FOLDER / name, safe_serialization=True)
    write_expected(FOLDER / name, model, f"timm {architecture}, random weights", generator)


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
    generator = torch.Generator().manual_seed(SEED)
    torch.manual_seed(SEED)
    open_clip_folder("open-clip-vit", {"embed_dim": 20, "vision_cfg": {**VISION, "mlp_ratio": 2.5}, "text_cfg": {**TEXT, "mlp_ratio": 2.0}, "quick_gelu": True}, generator)
    resnet = {"image_size": 32, "layers": [1, 2, 1, 1], "width": 2, "head_width": 16, "patch_size": None}
    open_clip_folder("open-clip-resnet", {"embed_dim": 20, "vision_cfg": resnet, "text_cfg": {**TEXT, "layers": 1, "mlp_ratio": 2.0}}, generator)
    tower = {"image_size": 32, "timm_model_name": "vit_limn_patch8_siglip_32", "timm_pool": "map", "timm_proj": "none"}
    text = {**TEXT, "mlp_ratio": 2.0, "no_causal_mask": True, "proj_bias": True, "pool_type": "last", "norm_kwargs": {"eps": 1e-6}}
    siglip = {"embed_dim": 24, "init_logit_bias": -10, "custom_text": True, "vision_cfg": tower, "text_cfg": text}
    squash = PreprocessCfg(size=32, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), resize_mode="squash")
    open_clip_folder("open-clip-siglip", siglip, generator, squash)
    training_checkpoint(generator)
    open_ai_archive(generator)
    timm_folder("timm-vit", "vit_tiny_patch16_224", generator, num_classes=7)
    timm_folder("timm-map", "vit_base_patch16_siglip_224", generator, num_classes=0)
    timm_folder("timm-clip", "vit_base_patch32_clip_quickgelu_224", generator, num_classes=5)
    write_names()


main()
