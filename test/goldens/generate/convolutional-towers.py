"""Goldens of the convolutional image towers and the mixer: outputs, gradients, running statistics.

Run:  python -P test/goldens/generate/convolutional-towers.py
Needs torch, open_clip_torch, timm and transformers. Weights and inputs are not stored: both sides
compute them from a hash of a seed and the position. All numbers are float64.
"""

import gzip
import json
import pathlib
from functools import partial

import numpy as np
import open_clip
import timm
import torch
import transformers
from open_clip.modified_resnet import ModifiedResNet
from timm.layers import GroupNormAct, StdConv2d
from timm.models.mlp_mixer import MlpMixer
from timm.models.resnetv2 import ResNetV2
from torch import nn
from transformers import AlignVisionConfig, AlignVisionModel

SAMPLES = 16


def hashed(shape, seed):
    """Values in [-1, 1) by 32-bit mixing of position and seed; test/support/hashed-values.ts agrees."""
    x = np.arange(int(np.prod(shape)), dtype=np.uint64) + np.uint64(seed * 0x9E3779B9)
    x &= np.uint64(0xFFFFFFFF)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x ^= x >> np.uint64(shift)
        x = (x * np.uint64(factor)) & np.uint64(0xFFFFFFFF)
    x ^= x >> np.uint64(16)
    return torch.from_numpy(x.astype(np.float64) / 2**31 - 1).reshape(shape)


def rounded(values):
    return [float(f"{value:.12g}") for value in values.tolist()]


def samples(tensor):
    flat = tensor.detach().flatten()
    stride = max(1, flat.numel() // SAMPLES)
    return rounded(flat[::stride][:SAMPLES])


def fill(model):
    """Sets every tensor of the state; returns what the test needs to do the same."""
    state = []
    for seed, (name, tensor) in enumerate(model.state_dict().items(), start=1):
        if not tensor.is_floating_point():
            continue
        if name.endswith("running_var"):
            offset, scale = 1.0, 0.4
        elif tensor.ndim == 1 and name.endswith("weight"):
            offset, scale = 1.0, 0.3
        elif tensor.ndim == 1:
            offset, scale = 0.0, 0.2
        else:
            offset, scale = 0.0, (6 / (tensor.numel() / tensor.shape[0])) ** 0.5
        tensor.copy_(offset + scale * hashed(tensor.shape, seed))
        state.append({"name": name, "shape": list(tensor.shape), "seed": seed})
        state[-1] |= {"offset": offset, "scale": scale}
    return state


def run(model, forward, x, training):
    model.train(training)
    model.zero_grad()
    output = forward(model, x)
    (output * hashed(output.shape, 998)).sum().backward()
    return {
        "output": {"shape": list(output.shape), "values": rounded(output.detach().flatten())},
        "gradients": {name: samples(p.grad) for name, p in model.named_parameters()},
        "running": {name: samples(b) for name, b in model.named_buffers() if "running" in name},
    }


def case(tower, config, embed_dim, model, batch, forward=lambda model, x: model(x)):
    model = model.double()
    state = fill(model)
    shape = [batch, 3, config["imageSize"], config["imageSize"]]
    x = hashed(shape, 999)
    evaluation = run(model, forward, x, False)
    return {
        "tower": tower,
        "config": config,
        "embedDim": embed_dim,
        "state": state,
        "inputShape": shape,
        "evaluation": evaluation,
        "training": run(model, forward, x, True),
    }


def modified_resnet():
    config = {"kind": "modifiedResNet", "imageSize": 64, "width": 4, "heads": 4}
    config["depths"] = [2, 1, 1, 1]
    return case("modifiedResNet", config, 10, ModifiedResNet([2, 1, 1, 1], 10, 4, 64, 4), 3)


def align(image_size, padding, depthwise_padding):
    settings = {
        "width_coefficient": 0.25,
        "depth_coefficient": 1.0,
        "kernel_sizes": [3, 3, 5, 3],
        "in_channels": [32, 32, 64, 96],
        "out_channels": [32, 64, 96, 96],
        "strides": [1, 2, 2, 1],
        "num_block_repeats": [1, 2, 2, 1],
        "expand_ratios": [1, 3, 3, 2],
        "depthwise_padding": depthwise_padding,
        "hidden_dim": 24,
        "drop_connect_rate": 0.0,
        "batch_norm_momentum": 0.1,
        "image_size": image_size,
    }
    rows = zip([3, 3, 5, 3], [8, 16, 24, 24], [1, 2, 2, 1], [1, 2, 2, 1], [1, 3, 3, 2])
    names = ("kernel", "width", "stride", "depth", "expansion")
    config = {
        "kind": "efficientNet",
        "imageSize": image_size,
        "stemWidth": 8,
        "stages": [dict(zip(names, row)) for row in rows],
        "squeezeRatio": 0.25,
        "padding": padding,
        "dropConnect": 0,
        "normEpsilon": 1e-3,
        "normMomentum": 0.1,
    }
    model = AlignVisionModel(AlignVisionConfig(**settings))
    return case("efficientNet", config, None, model, 3, lambda m, x: m(x).pooler_output)


def mixer(activation, layer):
    config = {
        "kind": "mixer",
        "imageSize": 32,
        "patchSize": 8,
        "width": 24,
        "depth": 2,
        "tokenMlpWidth": 12,
        "channelMlpWidth": 96,
        "activation": activation,
        "normEpsilon": 1e-6,
    }
    model = MlpMixer(
        num_classes=0, img_size=32, patch_size=8, num_blocks=2, embed_dim=24, act_layer=layer
    )
    return case("mixer", config, None, model, 2)


BIT = {"stem_type": "fixed", "conv_layer": partial(StdConv2d, eps=1e-8), "num_classes": 0}


def bit_resnet(image_size):
    config = {"kind": "bitResNet", "imageSize": image_size, "width": 8, "groups": 4}
    config["depths"] = [2, 1, 1, 1]
    norm = partial(GroupNormAct, num_groups=4)
    model = ResNetV2([2, 1, 1, 1], (32, 64, 128, 256), stem_chs=8, norm_layer=norm, **BIT)
    return case("bitResNet", config, None, model, 2)


def parameter_counts():
    def count(make):
        with torch.device("meta"):
            return sum(p.numel() for p in make().parameters())

    counts = {}
    for name, embed_dim, size, width, layers in [
        ("RN50", 1024, 224, 64, [3, 4, 6, 3]),
        ("RN101", 512, 224, 64, [3, 4, 23, 3]),
        ("RN50x4", 640, 288, 80, [4, 6, 10, 6]),
        ("RN50x16", 768, 384, 96, [6, 8, 18, 8]),
        ("RN50x64", 1024, 448, 128, [3, 15, 36, 10]),
    ]:
        made = partial(ModifiedResNet, layers, embed_dim, width * 32 // 64, size, width)
        counts[name] = {"embedDim": embed_dim, "count": count(made)}
    factors = [(1.0, 1.0), (1.0, 1.1), (1.1, 1.2), (1.2, 1.4)]
    factors += [(1.4, 1.8), (1.6, 2.2), (1.8, 2.6), (2.0, 3.1)]
    for i, (width, depth) in enumerate(factors):
        config = AlignVisionConfig(width_coefficient=width, depth_coefficient=depth)
        counts[f"EfficientNet-B{i}"] = {"count": count(lambda: AlignVisionModel(config))}
    for name, model in [
        ("Mixer-S/32", "mixer_s32_224"),
        ("Mixer-S/16", "mixer_s16_224"),
        ("Mixer-B/32", "mixer_b32_224"),
        ("Mixer-B/16", "mixer_b16_224"),
        ("Mixer-L/16", "mixer_l16_224"),
        ("BiT-R50x1", "resnetv2_50x1_bit"),
        ("BiT-R101x1", "resnetv2_101x1_bit"),
    ]:
        counts[name] = {"count": count(lambda: timm.create_model(model, num_classes=0))}
    return counts


def main():
    cases = [
        modified_resnet(),
        # sides 22, 22, 11, 11, 6, 6: block 3 halves an odd one
        align(44, "same", [3]),
        align(45, "even", []),
        mixer("gelu", nn.GELU),
        mixer("geluTanh", partial(nn.GELU, approximate="tanh")),
        bit_resnet(32),
        bit_resnet(45),
    ]
    golden = {
        "source": "open_clip ModifiedResNet, transformers AlignVisionModel, timm MlpMixer and ResNetV2",
        "version": f"torch {torch.__version__.split('+')[0]}, open_clip {open_clip.__version__}, "
        f"transformers {transformers.__version__}, timm {timm.__version__}",
        "command": "python -P test/goldens/generate/convolutional-towers.py",
        "seed": 1,
        "dtype": "float64",
        "rtol": 1e-8,
        "atol": 1e-10,
        "cases": cases,
        "parameterCounts": parameter_counts(),
    }
    out = pathlib.Path(__file__).parent.parent / "convolutional-towers.json.gz"
    data = json.dumps(golden, separators=(",", ":")).encode()
    out.write_bytes(gzip.compress(data, 9, mtime=0))
    print(out.stat().st_size, [c["evaluation"]["output"]["shape"] for c in cases])
    print({k: v["count"] for k, v in golden["parameterCounts"].items()})


if __name__ == "__main__":
    with torch.random.fork_rng():
        main()
