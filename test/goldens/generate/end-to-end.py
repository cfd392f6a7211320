"""Tiny pairs of every family and layout as people have them, and what their own libraries make of pictures
and texts: processor, tokenizer and model together.

Run:  OPENAI_CLIP=... python -P test/goldens/generate/end-to-end.py [name ...]
Needs transformers 5.23, open_clip_torch 3.3.0, torch, torchvision, sentencepiece, tokenizers, Pillow, ftfy,
and the sources of openai-clip 1.0.1, whose folder `clip` is named by $OPENAI_CLIP.

Writes test/goldens/pictures/, and in test/goldens/models/ a folder of each pair with its weights, its tokenizer
(tiny-tokenizers.py), its preprocessing and end-to-end.json: texts, and for all pictures and texts the unit rows,
the logits, and the probabilities as the family means them. Every weight is random. What others write beside
them (expected.json, limn-config.json) is of the old weights until hugging-face-configs.mjs,
hugging-face-models.py and open-clip-models.py ran again.

transformers prepares pictures by its Pillow backend. Texts that its CLIPTokenizer reads in another way than
OpenAI's code (it repairs no mojibake and no HTML) are given to the other libraries alone.
"""

import base64
import importlib.util
import json
import logging
import math
import os
import pathlib
import sys
import types
import warnings

import numpy as np
import open_clip
import packaging.version
import torch
import transformers
from open_clip.push_to_hf_hub import save_for_hf
from open_clip.tokenizer import HFTokenizer, SimpleTokenizer
from open_clip.transform import PreprocessCfg
from PIL import Image

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)
SEED = 20260402
HERE = pathlib.Path(__file__).resolve().parent
FOLDER = HERE.parent / "models"
PICTURES = HERE.parent / "pictures"
CONTEXT = 24
CLEAN = [
    "a photo of a CAT!",
    "Ein Hund, läuft...  (schnell) über die Straße?",
    "an astronaut 👩🏽‍🚀 & two dogs 🐕🐕; 3.14, don't",
    "",
    "the quick brown fox jumps over the lazy dog on the kitchen table " * 6,
]
# Repaired and unescaped by OpenAI's cleaning alone.
MESSY = [*CLEAN, "cafÃ© &amp;amp; bar â€” <b>open</b>"]


def module(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    found = importlib.util.module_from_spec(spec)
    sys.modules[name] = found
    spec.loader.exec_module(found)
    return found


tokenizers = module("tiny_tokenizers", HERE / "tiny-tokenizers.py")


def pictures():
    """Odd sides, one wide and one high, smaller and larger than what the models see; RGB."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(SEED)
    for name, width, height in [("odd", 47, 31), ("wide", 91, 20), ("high", 13, 53)]:
        x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
        waves = [np.sin(9 * x + 5 * y), np.cos(13 * y - 4 * x), np.sin(20 * x * y)]
        levels = 128 + 90 * np.stack(waves, -1) + random.normal(0, 20, (height, width, 3))
        Image.fromarray(levels.clip(0, 255).astype(np.uint8)).save(PICTURES / f"{name}.png")
    return [Image.open(PICTURES / f"{name}.png").convert("RGB") for name in ("odd", "wide", "high")]


def randomise(model):
    """Norms and biases too, so that no swapped pair of weights can go unseen."""
    generator = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            if not tensor.is_floating_point() or name.endswith("attn_mask"):
                continue
            noise = torch.randn(tensor.shape, generator=generator) * 0.3
            if name.endswith("running_var"):
                # As small as what comes in, which would fade away otherwise.
                tensor.copy_(noise.abs() * 0.1 + 0.02)
            else:
                tensor.copy_(noise + (0.8 if tensor.ndim == 1 and name.endswith("weight") else 0))
        for name, value in [("logit_scale", 2.25), ("logit_bias", -0.75), ("temperature", 0.125)]:
            if getattr(model, name, None) is not None:
                getattr(model, name).fill_(value)
    return model.eval()


def fresh(name):
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.name not in ("expected.json", "limn-config.json"):
            path.unlink()
    return folder


def packed(tensor):
    return base64.b64encode(tensor.detach().float().numpy().astype("<f4").tobytes()).decode()


def write(folder, source, texts, results, kind, given=None):
    images, rows, logits = results
    probabilities = logits.sigmoid() if kind == "sigmoid" else logits.softmax(-1)
    # The command line shows the best label: it must not hang on the last bit.
    best = logits.sort(-1, descending=True).values
    assert (best[:, 0] - best[:, 1]).min() > 0.01, best
    # A picture that the model does not see, or a text, proves nothing.
    for some in (images, rows):
        assert (some @ some.T - torch.eye(len(some))).max() < 0.999, some @ some.T
    best = probabilities.sort(-1, descending=True).values
    golden = {
        "source": source,
        "version": {
            "transformers": transformers.__version__,
            "open_clip": open_clip.__version__,
            "torch": torch.__version__,
        },
        "command": "python -P test/goldens/generate/end-to-end.py",
        "seed": SEED,
        "dtype": "float32",
        "rtol": 1e-5,
        "atol": 2e-6,
        "texts": texts,
        **({} if given is None else {"given": given}),
        "kind": kind,
        "imageEmbeddings": packed(images),
        "textEmbeddings": packed(rows),
        "logits": packed(logits),
        "probabilities": packed(probabilities),
    }
    (folder / "end-to-end.json").write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n")
    for path in folder.iterdir():
        path.chmod(0o644)
    weights = max(path.stat().st_size for path in folder.iterdir())
    # OpenAI's heads are 64 wide, and its archive carries its code.
    assert weights < (450_000 if folder.name == "openai" else 200_000), weights
    print(folder.name, weights, "bytes", [round(float(p), 3) for p in best[:, 0]])


# Hugging Face


def encoder(width=16, mlp=28):
    heads = {"num_hidden_layers": 2, "num_attention_heads": 2}
    return {"hidden_size": width, "intermediate_size": mlp, **heads}


def transformers_results(folder, images, texts):
    """As from_pretrained gives them: nothing but the folder is known."""
    model = transformers.AutoModel.from_pretrained(folder).eval()
    pixels = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    if isinstance(tokenizer, transformers.GemmaTokenizer):
        # Which leaves do_lower_case out, against what SigLIP 2 was trained with (pull request 43101).
        tokenizer = transformers.Siglip2Tokenizer.from_pretrained(folder)
    sizes = {"padding": "max_length", "max_length": CONTEXT, "truncation": True}
    rows = tokenizer(texts, return_tensors="pt", **sizes)
    assert rows["input_ids"].max() < model.config.text_config.vocab_size
    if isinstance(model, transformers.SiglipModel | transformers.Siglip2Model):
        rows.pop("attention_mask", None)
    with torch.no_grad():
        output = model(**pixels(images, return_tensors="pt"), **rows)
    return output.image_embeds, output.text_embeds, output.logits_per_image


def hugging_face(name, model, processor, tokenizer, images, kind="softmax", whole=False):
    folder = fresh(name)
    randomise(model).save_pretrained(folder)
    tokenizer(folder)
    if whole:
        # As transformers 5 saves a processor: all of it in processor_config.json.
        own = transformers.AutoTokenizer.from_pretrained(folder)
        whole(processor, own).save_pretrained(folder)
    else:
        processor.save_pretrained(folder)
    results = transformers_results(folder, images, CLEAN)
    write(folder, f"transformers {type(model).__name__}", CLEAN, results, kind)


def text_config(vocabulary, **more):
    return {**encoder(), "vocab_size": vocabulary, "max_position_embeddings": CONTEXT, **more}


def clip(images):
    ends = {"bos_token_id": tokenizers.CLIP_SIZE - 2, "eos_token_id": tokenizers.CLIP_SIZE - 1}
    config = transformers.CLIPConfig(
        text_config=text_config(tokenizers.CLIP_SIZE, pad_token_id=ends["eos_token_id"], **ends),
        vision_config={**encoder(24, 40), "image_size": 32, "patch_size": 8},
        projection_dim=20,
    )
    processor = transformers.CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=32)
    hugging_face("clip", transformers.CLIPModel(config), processor, tokenizers.clip, images)


def siglip(images):
    """Patches do not fill the picture, as in So400m/14 at 384; the text tower is wider."""
    config = transformers.SiglipConfig(
        text_config=text_config(tokenizers.SIGLIP_SIZE, **encoder(24), projection_size=16),
        vision_config={**encoder(), "image_size": 26, "patch_size": 8},
    )
    processor = transformers.SiglipImageProcessor(size={"height": 26, "width": 26})
    model = transformers.SiglipModel(config)
    whole = transformers.SiglipProcessor
    hugging_face("siglip", model, processor, tokenizers.siglip, images, "sigmoid", whole)


def siglip2(images):
    """At a fixed resolution: the model of SigLIP with the tokenizer of Gemma, as it was published."""
    config = transformers.SiglipConfig(
        text_config=text_config(tokenizers.GEMMA_SIZE),
        vision_config={**encoder(), "image_size": 24, "patch_size": 8},
    )
    processor = transformers.SiglipImageProcessor(size={"height": 24, "width": 24}, resample=2)
    model = transformers.SiglipModel(config)
    hugging_face("siglip2", model, processor, tokenizers.gemma, images, "sigmoid")


def siglip2_naflex(images):
    config = transformers.Siglip2Config(
        text_config=text_config(tokenizers.GEMMA_SIZE),
        vision_config={**encoder(), "num_patches": 16, "patch_size": 4},
    )
    processor = transformers.Siglip2ImageProcessor(patch_size=4, max_num_patches=20)
    model = transformers.Siglip2Model(config)
    hugging_face("siglip2-naflex", model, processor, tokenizers.gemma, images, "sigmoid")


def align(images):
    vision = {
        "image_size": 37,
        "width_coefficient": 0.5,
        "depth_coefficient": 1.5,
        "depth_divisor": 4,
        "kernel_sizes": [3, 5, 3],
        "in_channels": [32, 16, 24],
        "out_channels": [16, 24, 40],
        "strides": [1, 2, 2],
        "num_block_repeats": [1, 1, 1],
        "expand_ratios": [1, 2, 3],
    }
    config = transformers.AlignConfig(
        text_config=text_config(tokenizers.BERT_SIZE), vision_config=vision, projection_dim=20
    )
    processor = transformers.EfficientNetImageProcessor(
        size={"height": 44, "width": 44},
        crop_size={"height": 37, "width": 37},
        do_center_crop=True,
        resample=2,
        rescale_factor=1 / 127.5,
        rescale_offset=True,
        do_normalize=False,
        include_top=False,
    )
    model = transformers.AlignModel(config)
    hugging_face("align", model, processor, tokenizers.bert, images)


# open_clip

TEXT = {"context_length": CONTEXT, "width": 16, "heads": 2, "layers": 2, "mlp_ratio": 2.0}
VISION = {"image_size": 32, "patch_size": 8, "width": 24, "head_width": 8, "layers": 2, "mlp_ratio": 2.5}


def open_clip_results(model, preprocess, tokenizer, images, texts):
    with torch.no_grad():
        image = model.encode_image(torch.stack([preprocess(one) for one in images]), normalize=True)
        text = model.encode_text(tokenizer(texts), normalize=True)
        logits = model.logit_scale.exp() * image @ text.T
        if model.logit_bias is not None:
            logits = logits + model.logit_bias
    return image, text, logits


def open_clip_folder(name, config, images, tokenizer, preprocess=PreprocessCfg(size=32)):
    """As push_to_hf_hub leaves it: CLIP's own tokenizer in the files of Hugging Face's."""
    folder = fresh(name)
    tokenizer(folder)
    arguments = {k: v for k, v in config.items() if k != "custom_text"}
    made = (open_clip.CustomTextCLIP if config.get("custom_text") else open_clip.CLIP)(**arguments)
    open_clip.model.set_model_preprocess_cfg(made, vars(preprocess))
    save_for_hf(randomise(made), HFTokenizer(str(folder)), config, folder, safe_serialization=True)
    model, transform = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
    if config["text_cfg"].get("hf_tokenizer_name"):
        reader = open_clip.get_tokenizer(f"local-dir:{folder}")
    else:
        reader = tokenizers.open_clip_reader(CONTEXT)
    kind = "softmax" if model.logit_bias is None else "sigmoid"
    results = open_clip_results(model.eval(), transform, reader, images, MESSY)
    write(folder, f"open_clip {type(model).__name__}", MESSY, results, kind)


def open_clip_vit(images):
    text = {**TEXT, "vocab_size": tokenizers.CLIP_SIZE}
    config = {"embed_dim": 20, "quick_gelu": True, "vision_cfg": VISION, "text_cfg": text}
    open_clip_folder("open-clip-vit", config, images, tokenizers.clip)


def open_clip_resnet(images):
    text = {**TEXT, "vocab_size": tokenizers.CLIP_SIZE, "layers": 1}
    vision = {"image_size": 32, "layers": [1, 2, 1, 1], "width": 2, "head_width": 16, "patch_size": None}
    config = {"embed_dim": 20, "vision_cfg": vision, "text_cfg": text}
    open_clip_folder("open-clip-resnet", config, images, tokenizers.clip)


def open_clip_siglip(images):
    """SigLIP's text tower, tokenizer, loss and preprocessing; the ViT is open_clip's, as timm's are large."""
    more = {"no_causal_mask": True, "proj_bias": True, "pool_type": "last", "norm_kwargs": {"eps": 1e-6}}
    files = {"hf_tokenizer_name": "tiny/siglip", "tokenizer_kwargs": {"clean": "canonicalize"}}
    text = {**TEXT, "vocab_size": tokenizers.SIGLIP_SIZE, **more, **files}
    config = {"embed_dim": 20, "init_logit_bias": -10, "custom_text": True, "vision_cfg": VISION, "text_cfg": text}
    half = (0.5, 0.5, 0.5)
    squash = PreprocessCfg(size=32, mean=half, std=half, resize_mode="squash")
    open_clip_folder("open-clip-siglip", config, images, tokenizers.siglip_t5, squash)


def checkpoint_model():
    sizes = {"width": 64, "layers": 1, "mlp_ratio": 0.5}
    text = {"context_length": CONTEXT, "vocab_size": tokenizers.CLIP_SIZE, "heads": 1, **sizes}
    return open_clip.CLIP(16, {"image_size": 24, "patch_size": 6, **sizes}, text, quick_gelu=True)


def open_clip_checkpoint(images):
    """What a training run leaves: weights in float16 under DistributedDataParallel's names, nothing else."""
    folder = fresh("open-clip-checkpoint")
    model = randomise(checkpoint_model()).half().float()
    open_clip.model.set_model_preprocess_cfg(model, vars(PreprocessCfg(size=24)))
    state = {f"module.{k}": v.half() for k, v in model.state_dict().items()}
    torch.save({"epoch": 3, "name": "tiny", "state_dict": state}, folder / "epoch_3.pt")
    tokenizers.bpe_file(folder)
    transform = open_clip.transform.image_transform_v2(PreprocessCfg(size=24), is_train=False)
    results = open_clip_results(model, transform, tokenizers.open_clip_reader(CONTEXT), images, MESSY)
    mean, std = map(list, (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD))
    prepared = {"imageSize": 24, "resizeMode": "shortest", "interpolation": "bicubic", "crop": "center"}
    given = {"activation": "quickGelu", "evaluationTransform": {**prepared, "mean": mean, "std": std}}
    write(folder, "open_clip CLIP in a training checkpoint", MESSY, results, "softmax", given)


# OpenAI


def open_ai_library(folder):
    """Its modules `model` and `clip`, with the vocabulary that lies in the folder."""
    # Its package imports a module of old setuptools for this alone.
    sys.modules["pkg_resources"] = types.SimpleNamespace(packaging=packaging)
    source = pathlib.Path(os.environ["OPENAI_CLIP"])
    package = types.ModuleType("openai_clip")
    package.__path__ = [str(source)]
    sys.modules["openai_clip"] = package
    simple = module("openai_clip.simple_tokenizer", source / "simple_tokenizer.py")
    architecture = module("openai_clip.model", source / "model.py")
    library = module("openai_clip.clip", source / "clip.py")
    library._tokenizer = simple.SimpleTokenizer(str(folder / tokenizers.BPE_FILE))
    return architecture, library


def openai(images):
    folder = fresh("openai")
    tokenizers.bpe_file(folder)
    architecture, library = open_ai_library(folder)
    made = randomise(architecture.CLIP(16, 24, 1, 64, 6, CONTEXT, tokenizers.CLIP_SIZE, 64, 1, 1))
    save_archive(architecture, made, folder)
    model, transform = library.load(str(folder / "tiny.pt"), device="cpu")
    with torch.no_grad():
        image = model.encode_image(torch.stack([transform(one) for one in images]))
        text = model.encode_text(library.tokenize(MESSY, CONTEXT, truncate=True))
        logits = model(
            torch.stack([transform(one) for one in images]), library.tokenize(MESSY, CONTEXT, truncate=True)
        )[0]
    unit = [one / one.norm(dim=-1, keepdim=True) for one in (image, text)]
    write(folder, "openai-clip 1.0.1", MESSY, (*unit, logits), "softmax")


def save_archive(architecture, model, folder):
    """A traced module in float16 with the three numbers that OpenAI keeps beside the weights."""
    architecture.convert_weights(model)
    side = model.visual.input_resolution
    for key, value in {"input_resolution": side, "context_length": CONTEXT, "vocab_size": tokenizers.CLIP_SIZE}.items():
        if hasattr(model, key):
            delattr(model, key)
        model.register_buffer(key, torch.tensor(value))
    state = {k: v.clone() for k, v in model.state_dict().items()}
    model.float()
    inputs = (torch.zeros(1, 3, side, side), torch.zeros(1, CONTEXT, dtype=torch.long))
    traced = torch.jit.trace(model, inputs, check_trace=False)
    for name, tensor in [*traced.named_parameters(), *traced.named_buffers()]:
        tensor.data = state[name].to(tensor.device)
    traced.save(str(folder / "traced.pt"))
    # Tables of source files hold paths of the machine that made them.
    made_by_the_writer = ("version", "byteorder", ".data/serialization_id", ".storage_alignment")
    reader = torch._C.PyTorchFileReader(str(folder / "traced.pt"))
    writer = torch._C.PyTorchFileWriter(str(folder / "tiny.pt"))
    for name in reader.get_all_records():
        if not name.endswith(".debug_pkl") and name not in made_by_the_writer:
            record = reader.get_record(name)
            writer.write_record(name, record, len(record))
    writer.write_end_of_file()
    (folder / "traced.pt").unlink()


MODELS = [clip, siglip, siglip2, siglip2_naflex, align]
MODELS += [open_clip_vit, open_clip_resnet, open_clip_siglip, open_clip_checkpoint, openai]


def main():
    images = pictures()
    wanted = sys.argv[1:]
    for make in MODELS:
        if not wanted or make.__name__.replace("_", "-") in wanted:
            torch.manual_seed(SEED)
            make(images)


if __name__ == "__main__":
    main()
