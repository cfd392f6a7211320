"""The multipliers of timm's layer-wise learning-rate decay, for towers that limn has too.

Run:  python -P test/goldens/generate/layer-decay.py
Needs timm 1.0, torch.

Writes test/goldens/layer-decay.json: by tower, the multiplier of every layer under limn's name of it.
"""

import json
import pathlib
import re

import timm
import torch
from timm.optim import param_groups_layer_decay

DECAY = 0.75
OUT = pathlib.Path(__file__).parent.parent / "layer-decay.json"
VIT = {
    r"^(cls_token|pos_embed)": "positionEmbedding",
    r"^patch_embed\.": "patchEmbedding",
    r"^norm_pre\.": "normBefore",
    r"^blocks\.(\d+)\.": r"blocks.\1",
    r"^(norm|fc_norm)\.": "normAfter",
    r"^attn_pool\.": "pooling",
    r"^head\.": "projection",
}
MIXER = {r"^stem\.": "patchEmbedding", **{k: v for k, v in VIT.items() if "embed" not in k}}
BIT = {
    r"^stem\.": "stem",
    r"^stages\.(\d+)\.blocks\.(\d+)\.": r"stages.\1.blocks.\2",
    r"^norm\.": "normAfter",
    r"^head\.": "projection",
}
VIT_SIZES = {"img_size": 32, "patch_size": 16, "embed_dim": 16, "depth": 4, "num_heads": 2}
TOWERS = {
    "clip": ("vit_base_patch32_clip_224", {**VIT_SIZES, "num_classes": 8}, VIT),
    "siglip": ("vit_base_patch16_siglip_224", {**VIT_SIZES, "num_classes": 8}, VIT),
    "headless": ("vit_base_patch16_224", {**VIT_SIZES, "num_classes": 0}, VIT),
    "mixer": ("mixer_s32_224", {"num_classes": 8}, MIXER),
    "bit": ("resnetv2_50x1_bit", {"num_classes": 8}, BIT),
}


def multipliers(name, sizes, table):
    torch.manual_seed(0)
    model = timm.create_model(name, pretrained=False, **sizes)
    groups = param_groups_layer_decay(model, layer_decay=DECAY)
    scales = {id(p): group["lr_scale"] for group in groups for p in group["params"]}
    found = {}
    for path, parameter in model.named_parameters():
        named = [m.expand(new) for old, new in table.items() if (m := re.match(old, path))]
        assert len(named) == 1, path
        assert found.setdefault(named[0], scales[id(parameter)]) == scales[id(parameter)], path
    return found


def main():
    golden = {
        "source": "timm.optim.param_groups_layer_decay",
        "version": f"timm {timm.__version__}",
        "command": "python -P test/goldens/generate/layer-decay.py",
        "decay": DECAY,
        "towers": {key: multipliers(*tower) for key, tower in TOWERS.items()},
    }
    OUT.write_text(json.dumps(golden, indent=1) + "\n")


main()
