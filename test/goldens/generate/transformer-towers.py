"""Tiny transformer towers of other libraries with random weights: outputs and some gradients.

Run:  python -P test/goldens/generate/transformer-towers.py
Needs transformers 5.x, timm 1.x, torch. Writes test/goldens/transformer-towers.json.gz, weights under
limn's names. The gradient is that of sum(output * weights) with random weights. Every parameter is
random, norms and biases included, so that no swapped pair can go unseen.
"""

import base64
import gzip
import json
import pathlib

import timm
import torch
import transformers
from timm.models.vision_transformer import VisionTransformer
from torch import nn
from transformers import BertConfig, BertModel, SiglipTextConfig, SiglipTextModel
from transformers import SiglipVisionConfig, SiglipVisionModel

SEED = 31
W, DEPTH, HEADS, MLP, EMBED = 16, 2, 4, 24, 12
LAYERS = {"width": W, "depth": DEPTH, "heads": HEADS, "mlpWidth": MLP}
HUGGING_FACE = {
    "hidden_size": W,
    "num_hidden_layers": DEPTH,
    "num_attention_heads": HEADS,
    "intermediate_size": MLP,
    "attn_implementation": "eager",
}
TANH = "gelu_pytorch_tanh"


def entry(tensor):
    data = tensor.detach().float().contiguous().numpy().astype("<f4").tobytes()
    return {"shape": list(tensor.shape), "data": base64.b64encode(data).decode()}


def pair(ours, theirs):
    return {f"{ours}.{end}": [f"{theirs}.{end}"] for end in ("weight", "bias")}


def stacked(ours, theirs, names):
    return {f"{ours}.{end}": [f"{theirs}.{name}.{end}" for name in names] for end in ("weight", "bias")}


def siglip_blocks(prefix):
    names = {}
    for i in range(DEPTH):
        ours, theirs = f"blocks.{i}", f"{prefix}encoder.layers.{i}"
        names |= pair(f"{ours}.norm1", f"{theirs}.layer_norm1")
        names |= stacked(
            f"{ours}.attention.input", f"{theirs}.self_attn", ("q_proj", "k_proj", "v_proj")
        )
        names |= pair(f"{ours}.attention.output", f"{theirs}.self_attn.out_proj")
        names |= pair(f"{ours}.norm2", f"{theirs}.layer_norm2")
        names |= pair(f"{ours}.mlp.up", f"{theirs}.mlp.fc1")
        names |= pair(f"{ours}.mlp.down", f"{theirs}.mlp.fc2")
    return names


def timm_blocks():
    names = {}
    for i in range(DEPTH):
        block = f"blocks.{i}"
        names |= pair(f"{block}.norm1", f"{block}.norm1") | pair(f"{block}.norm2", f"{block}.norm2")
        names |= pair(f"{block}.attention.input", f"{block}.attn.qkv")
        names |= pair(f"{block}.attention.output", f"{block}.attn.proj")
        names |= pair(f"{block}.mlp.up", f"{block}.mlp.fc1")
        names |= pair(f"{block}.mlp.down", f"{block}.mlp.fc2")
    return names


def bert_blocks():
    names = {}
    for i in range(DEPTH):
        ours, theirs = f"blocks.{i}", f"trunk.encoder.layer.{i}"
        names |= stacked(
            f"{ours}.attention.input", f"{theirs}.attention.self", ("query", "key", "value")
        )
        names |= pair(f"{ours}.attention.output", f"{theirs}.attention.output.dense")
        names |= pair(f"{ours}.norm1", f"{theirs}.attention.output.LayerNorm")
        names |= pair(f"{ours}.mlp.up", f"{theirs}.intermediate.dense")
        names |= pair(f"{ours}.mlp.down", f"{theirs}.output.dense")
        names |= pair(f"{ours}.norm2", f"{theirs}.output.LayerNorm")
    return names


SIGLIP_IMAGE = {
    **pair("patchEmbedding", "embeddings.patch_embedding"),
    "positionEmbedding": ["embeddings.position_embedding.weight"],
    **siglip_blocks(""),
    **pair("normAfter", "post_layernorm"),
    "pooling.probe": ["head.probe"],
    "pooling.attention.input.weight": ["head.attention.in_proj_weight"],
    "pooling.attention.input.bias": ["head.attention.in_proj_bias"],
    **pair("pooling.attention.output", "head.attention.out_proj"),
    **pair("pooling.norm", "head.layernorm"),
    **pair("pooling.mlp.up", "head.mlp.fc1"),
    **pair("pooling.mlp.down", "head.mlp.fc2"),
}
SIGLIP_TEXT = {
    "tokenEmbedding.weight": ["embeddings.token_embedding.weight"],
    "positionEmbedding": ["embeddings.position_embedding.weight"],
    **siglip_blocks(""),
    **pair("normAfter", "final_layer_norm"),
    **pair("projection", "head"),
}
AUGREG = {
    **pair("patchEmbedding", "patch_embed.proj"),
    "classEmbedding": ["cls_token"],
    "positionEmbedding": ["pos_embed"],
    **timm_blocks(),
    **pair("normAfter", "norm"),
    **pair("projection", "head"),
}
TIMM_SIGLIP = {
    **pair("patchEmbedding", "patch_embed.proj"),
    "positionEmbedding": ["pos_embed"],
    **timm_blocks(),
    **pair("normAfter", "norm"),
    "pooling.probe": ["attn_pool.latent"],
    **{
        f"pooling.attention.input.{end}": [f"attn_pool.q.{end}", f"attn_pool.kv.{end}"]
        for end in ("weight", "bias")
    },
    **pair("pooling.attention.output", "attn_pool.proj"),
    **pair("pooling.norm", "attn_pool.norm"),
    **pair("pooling.mlp.up", "attn_pool.mlp.fc1"),
    **pair("pooling.mlp.down", "attn_pool.mlp.fc2"),
}
BERT = {
    "tokenEmbedding.weight": ["trunk.embeddings.word_embeddings.weight"],
    "positionEmbedding": ["trunk.embeddings.position_embeddings.weight"],
    "typeEmbedding": ["trunk.embeddings.token_type_embeddings.weight"],
    **pair("normBefore", "trunk.embeddings.LayerNorm"),
    **bert_blocks(),
    **pair("projection", "projection"),
}


class BertTower(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.trunk = BertModel(config, add_pooling_layer=False)
        self.projection = nn.Linear(W, EMBED)

    def forward(self, tokens):
        hidden = self.trunk(tokens, attention_mask=(tokens != 0).long()).last_hidden_state
        return self.projection(hidden[:, 0])


# Gradients of these are in the file: one of each kind of parameter, so that it stays small.
CHOSEN = (
    "patchEmbedding.bias",
    "classEmbedding",
    "positionEmbedding",
    "typeEmbedding",
    "tokenEmbedding.weight",
    "normBefore.weight",
    "blocks.0.attention.input.weight",
    "blocks.0.norm1.bias",
    "blocks.1.attention.input.weight",
    "blocks.1.mlp.up.bias",
    "blocks.1.norm2.weight",
    "pooling.probe",
    "pooling.attention.input.weight",
    "pooling.norm.weight",
    "projection.bias",
)


def case(name, config, model, names, inputs, generator, output=lambda x: x):
    tower = model.eval()
    parameters = dict(tower.named_parameters())
    with torch.no_grad():
        for parameter in parameters.values():
            values = torch.randn(parameter.shape, generator=generator) * 0.2
            parameter.copy_(values + (0.5 if parameter.ndim == 1 else 0))
    used = [one for theirs in names.values() for one in theirs]
    assert sorted(used) == sorted(parameters), set(used) ^ set(parameters)
    result = output(tower(inputs))
    weights = torch.randn(result.shape, generator=generator)
    (result * weights).sum().backward()

    def joined(theirs, value):
        return torch.cat([value(parameters[one]) for one in theirs])

    return {
        "name": name,
        "config": config,
        "embedDim": result.shape[1] if "projection.weight" in names else None,
        "input": inputs.tolist() if inputs.dtype == torch.long else entry(inputs),
        "weights": {ours: entry(joined(theirs, lambda p: p)) for ours, theirs in names.items()},
        "output": entry(result),
        "outputGradient": entry(weights),
        "gradients": {
            ours: entry(joined(theirs, lambda p: p.grad))
            for ours, theirs in names.items()
            if ours in CHOSEN
        },
    }


def token_rows(generator, length):
    rows = torch.zeros(4, length, dtype=torch.long)
    for row, count in zip(rows, [3, length, 5, 1], strict=True):
        row[:count] = torch.randint(1, 40, (count,), generator=generator)
    return rows


def main():
    generator = torch.Generator().manual_seed(SEED)
    pixels = torch.randn(2, 3, 24, 24, generator=generator)
    vit = {"kind": "vit", "imageSize": 24, "patchSize": 8, **LAYERS, "activation": "geluTanh"}
    vit |= {"normEpsilon": 1e-6, "patchBias": True, "normBefore": False}
    without = {**vit, "classToken": False, "pooling": "map"}
    text = {"vocabSize": 40, **LAYERS, "padTokenId": 0}
    siglip_text = {"kind": "transformer", "contextLength": 9, **text, "activation": "geluTanh"}
    siglip_text |= {"normEpsilon": 1e-6, "eotTokenId": 1, "attention": "bidirectional"}
    siglip_text |= {"pooling": "last", "projectionBias": True}
    timm_layers = {
        "img_size": 24,
        "patch_size": 8,
        "embed_dim": W,
        "depth": DEPTH,
        "num_heads": HEADS,
        "mlp_ratio": MLP / W,
        "act_layer": "gelu_tanh",
    }
    cases = [
        case(
            "SigLIP image tower, transformers",
            without,
            SiglipVisionModel(
                SiglipVisionConfig(**HUGGING_FACE, image_size=24, patch_size=8, hidden_act=TANH)
            ),
            SIGLIP_IMAGE,
            pixels,
            generator,
            lambda x: x.pooler_output,
        ),
        case(
            "SigLIP image tower, timm",
            without,
            VisionTransformer(**timm_layers, num_classes=0, global_pool="map", class_token=False),
            TIMM_SIGLIP,
            pixels,
            generator,
        ),
        case(
            "AugReg image tower with head, timm",
            {**vit, "projectionBias": True},
            VisionTransformer(**timm_layers, num_classes=EMBED, global_pool="token"),
            AUGREG,
            pixels,
            generator,
        ),
        case(
            "SigLIP text tower, transformers",
            siglip_text,
            SiglipTextModel(
                SiglipTextConfig(
                    **HUGGING_FACE,
                    vocab_size=40,
                    max_position_embeddings=9,
                    projection_size=EMBED,
                    hidden_act=TANH,
                )
            ),
            SIGLIP_TEXT,
            token_rows(generator, 9),
            generator,
            lambda x: x.pooler_output,
        ),
    ]
    for activation, theirs in (("gelu", "gelu"), ("geluTanh", TANH)):
        bert = {"kind": "bert", "contextLength": 11, **text, "activation": activation}
        model = BertTower(
            BertConfig(**HUGGING_FACE, vocab_size=40, max_position_embeddings=11, hidden_act=theirs)
        )
        rows = token_rows(generator, 8)
        cases.append(
            case(f"BERT, {activation}", {**bert, "normEpsilon": 1e-12}, model, BERT, rows, generator)
        )
    write(cases, resized(generator))


IMAGE_COUNTS = {
    "augreg-Ti/16": "vit_tiny_patch16_224",
    "augreg-S/32": "vit_small_patch32_224",
    "augreg-S/16": "vit_small_patch16_224",
    "augreg-B/32": "vit_base_patch32_224",
    "augreg-B/16": "vit_base_patch16_224",
    "augreg-L/16": "vit_large_patch16_224",
    "siglip-B/16": "vit_base_patch16_siglip_224",
    "siglip-L/16": "vit_large_patch16_siglip_256",
    "siglip-So400m/14": "vit_so400m_patch14_siglip_224",
    "siglip-So400m/16": "vit_so400m_patch16_siglip_256",
    "siglip-g-opt/16": "vit_giantopt_patch16_siglip_256",
}
BERT_COUNTS = {
    "bert-tiny": (128, 2),
    "bert-mini": (256, 4),
    "bert-small": (512, 4),
    "bert-medium": (512, 8),
    "bert-base": (768, 12),
    "bert-large": (1024, 24),
}
TEXT_COUNTS = {
    "siglip-B": (768, 12, 3072, 12),
    "siglip-L": (1024, 24, 4096, 16),
    "siglip-So400m": (1152, 27, 4304, 16),
}


def parameter_counts():
    """Of towers without projection; SigLIP's text towers have one of their own width."""

    def layers(width, depth, mlp, heads):
        return {
            "hidden_size": width,
            "num_hidden_layers": depth,
            "intermediate_size": mlp,
            "num_attention_heads": heads,
        }

    models = {}
    with torch.device("meta"):
        for ours, theirs in IMAGE_COUNTS.items():
            models[ours] = timm.create_model(theirs, num_classes=0)
        for ours, (width, depth) in BERT_COUNTS.items():
            config = BertConfig(**layers(width, depth, 4 * width, width // 64))
            models[ours] = BertModel(config, add_pooling_layer=False)
        for ours, sizes in TEXT_COUNTS.items():
            special = {"vocab_size": 32000, "max_position_embeddings": 64}
            config = SiglipTextConfig(**layers(*sizes), **special, projection_size=sizes[0])
            models[ours] = SiglipTextModel(config)
    return {ours: sum(p.numel() for p in one.parameters()) for ours, one in models.items()}


def resized(generator):
    """Positions at other sizes, by the calls of open_clip's resize_pos_embed and its text sibling."""
    cases = []
    for old, new, leading in ((3, 5, 1), (5, 3, 1), (4, 7, 0), (7, 7, 1), (6, 4, 0)):
        table = torch.randn(leading + old * old, 5, generator=generator)
        grid = table[leading:].reshape(1, old, old, 5).permute(0, 3, 1, 2)
        grid = nn.functional.interpolate(
            grid, size=(new, new), mode="bicubic", antialias=True, align_corners=False
        )
        flat = grid.permute(0, 2, 3, 1).reshape(new * new, 5)
        result = torch.cat([table[:leading], flat])
        cases.append(
            {"side": new, "leading": leading, "table": entry(table), "result": entry(result)}
        )
    for old, new in ((8, 13), (13, 8), (1, 4)):
        table = torch.randn(old, 5, generator=generator)
        line = nn.functional.interpolate(
            table.reshape(1, old, 5).permute(0, 2, 1), size=new, mode="linear", align_corners=False
        )
        result = line.permute(0, 2, 1)[0]
        cases.append({"contextLength": new, "table": entry(table), "result": entry(result)})
    return cases


def write(cases, positions):
    golden = {
        "source": "transformers SiglipVisionModel, SiglipTextModel, BertModel; timm VisionTransformer;"
        " torch.nn.functional.interpolate",
        "version": {
            "transformers": transformers.__version__,
            "timm": timm.__version__,
            "torch": torch.__version__.split("+")[0],
        },
        "command": "python -P test/goldens/generate/transformer-towers.py",
        "seed": SEED,
        "dtype": "float32",
        "rtol": 1e-4,
        "atol": 1e-5,
        "cases": cases,
        "positions": positions,
        "parameterCounts": parameter_counts(),
    }
    out = pathlib.Path(__file__).parent.parent / "transformer-towers.json.gz"
    out.write_bytes(gzip.compress(json.dumps(golden).encode(), mtime=0))


main()
