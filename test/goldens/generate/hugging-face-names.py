"""Names and shapes of all weights of Hugging Face's models at their published sizes.

Run:  python -P test/goldens/generate/hugging-face-names.py
Needs transformers 5.x and torch; takes no memory, as the models are made on the meta device.

Writes test/goldens/hugging-face-names.json.gz: of every model its configuration as transformers saves
it, the number of its parameters, and one line "name shape" for each weight, as save_pretrained names it.
"""

import gzip
import json
import pathlib

import torch
import transformers
from transformers import (
    AlignConfig,
    AlignModel,
    BertConfig,
    BertForPreTraining,
    BertModel,
    Siglip2Config,
    Siglip2Model,
    SiglipConfig,
    SiglipModel,
    ViTConfig,
    ViTForImageClassification,
    ViTModel,
)
from transformers.core_model_loading import revert_weight_conversion

TARGET = pathlib.Path(__file__).parent.parent / "hugging-face-names.json.gz"


def layers(width, depth, mlp, heads):
    counts = {"num_hidden_layers": depth, "num_attention_heads": heads}
    return {"hidden_size": width, "intermediate_size": mlp, **counts}


BASE = layers(768, 12, 3072, 12)
LARGE = layers(1024, 24, 4096, 16)
SO400M = layers(1152, 27, 4304, 16)
GIANT = layers(1536, 40, 6144, 16)


def siglip(sizes, image, patch, text=None, vocabulary=32000, **more):
    text = {**(text or sizes), "vocab_size": vocabulary, **more}
    vision = {**sizes, "image_size": image, "patch_size": patch}
    return SiglipModel, SiglipConfig(text_config=text, vision_config=vision)


def siglip2(*arguments, **more):
    return siglip(*arguments, vocabulary=256000, **more)


def naflex(sizes):
    text = {**sizes, "vocab_size": 256000}
    return Siglip2Model, Siglip2Config(text_config=text, vision_config=sizes)


def align():
    config = AlignConfig(text_config={}, vision_config={"image_size": 289})
    return AlignModel, config


# By limn's names of pairs and towers where it has them.
MODELS = {
    "SigLIP-B/16": siglip(BASE, 224, 16),
    "SigLIP-B/16-256": siglip(BASE, 256, 16),
    "SigLIP-B/16-384": siglip(BASE, 384, 16),
    "SigLIP-B/16-512": siglip(BASE, 512, 16),
    "SigLIP-L/16": siglip(LARGE, 256, 16),
    "SigLIP-L/16-384": siglip(LARGE, 384, 16),
    "SigLIP-So400m/14": siglip(SO400M, 224, 14, max_position_embeddings=16),
    "SigLIP-So400m/14-384": siglip(SO400M, 384, 14),
    "SigLIP2-B/32": siglip2(BASE, 256, 32),
    "SigLIP2-B/16": siglip2(BASE, 224, 16),
    "SigLIP2-B/16-256": siglip2(BASE, 256, 16),
    "SigLIP2-B/16-384": siglip2(BASE, 384, 16),
    "SigLIP2-B/16-512": siglip2(BASE, 512, 16),
    "SigLIP2-L/16": siglip2(LARGE, 256, 16),
    "SigLIP2-L/16-384": siglip2(LARGE, 384, 16),
    "SigLIP2-L/16-512": siglip2(LARGE, 512, 16),
    "SigLIP2-So400m/14": siglip2(SO400M, 224, 14),
    "SigLIP2-So400m/14-384": siglip2(SO400M, 384, 14),
    "SigLIP2-So400m/16": siglip2(SO400M, 256, 16),
    "SigLIP2-So400m/16-384": siglip2(SO400M, 384, 16),
    "SigLIP2-So400m/16-512": siglip2(SO400M, 512, 16),
    "SigLIP2-g-opt/16": siglip2(GIANT, 256, 16, text=SO400M, projection_size=1536),
    "SigLIP2-g-opt/16-384": siglip2(GIANT, 384, 16, text=SO400M, projection_size=1536),
    "SigLIP2-NaFlex-B/16": naflex(BASE),
    "SigLIP2-NaFlex-So400m/16": naflex(SO400M),
    "ALIGN": align(),
    "ViT-B/16": (ViTModel, ViTConfig()),
    "ViT-B/16 with a classifier": (ViTForImageClassification, ViTConfig(num_labels=1000)),
    "BERT-base": (BertModel, BertConfig()),
    "BERT-base with its heads": (BertForPreTraining, BertConfig()),
}


def described(make, config):
    with torch.device("meta"):
        model = make(config)
    # Of weights that share memory, as those of BERT's decoder and embedding, the first is saved.
    state = {
        name: tensor
        for name, tensor in model.state_dict().items()
        if name not in getattr(model, "all_tied_weights_keys", {})
    }
    saved = revert_weight_conversion(model, state)
    lines = sorted(f"{name} {'x'.join(map(str, tensor.shape))}" for name, tensor in saved.items())
    json_config = json.loads(model.config.to_json_string(use_diff=False))
    json_config["architectures"] = [make.__name__]
    return {
        "class": make.__name__,
        "config": json_config,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "weights": "\n".join(lines),
    }


def main():
    golden = {
        "source": "transformers, models on the meta device",
        "version": {"transformers": transformers.__version__, "torch": torch.__version__},
        "command": "python -P test/goldens/generate/hugging-face-names.py",
        "models": {name: described(*model) for name, model in MODELS.items()},
    }
    text = json.dumps(golden)
    TARGET.write_bytes(gzip.compress(text.encode(), mtime=0))
    for name, model in golden["models"].items():
        print(name, model["parameters"], model["weights"].count("\n") + 1)


main()
