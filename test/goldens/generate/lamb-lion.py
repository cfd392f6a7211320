"""LAMB and Lion goldens from timm.

Run:  python -P test/goldens/generate/lamb-lion.py
Needs torch 2.x and timm 1.x.

Eight steps over two groups whose learning rates and weight decays differ. One weight starts at zero,
where LAMB's ratio of norms is 1. The float32 numbers are written as decimals that name them exactly.
"""

import json
import pathlib

import timm
import torch
from timm.optim import Lamb, Lion

SEED = 12
STEPS = 8
RATE = 1e-2
GROUPS = [
    {"names": ["imageTower.weight", "imageTower.zero"], "factor": 0.5, "weightDecay": 0.2},
    {"names": ["textTower.bias", "temperature"], "factor": 1.0, "weightDecay": 0.0},
]
SHAPES = {
    "imageTower.weight": [5, 7],
    "imageTower.zero": [4, 3],
    "textTower.bias": [9],
    "temperature": [],
}


def numbers(tensor):
    return tensor.detach().double().flatten().tolist()


def entry(tensor):
    return {"shape": list(tensor.shape), "values": numbers(tensor)}


def run(make, options):
    generator = torch.Generator().manual_seed(SEED)
    parameters = {
        name: torch.nn.Parameter(
            torch.zeros(shape) if name.endswith("zero") else torch.randn(shape, generator=generator)
        )
        for name, shape in SHAPES.items()
    }
    optimizer = make(
        [
            {
                "params": [parameters[name] for name in group["names"]],
                "weight_decay": group["weightDecay"],
            }
            for group in GROUPS
        ]
    )
    initial = {name: entry(p) for name, p in parameters.items()}
    steps = []
    for step in range(STEPS):
        rate = RATE * (step + 1) / STEPS
        gradients = {}
        for name, parameter in parameters.items():
            scale = 10.0 ** torch.randint(-6, 2, parameter.shape, generator=generator)
            parameter.grad = torch.randn(parameter.shape, generator=generator) * scale
            gradients[name] = numbers(parameter.grad)
        for group, described in zip(optimizer.param_groups, GROUPS):
            group["lr"] = rate * described["factor"]
        optimizer.step()
        after = {name: numbers(p) for name, p in parameters.items()}
        steps.append({"learningRate": rate, "gradients": gradients, "parameters": after})
    return {"options": options, "groups": GROUPS, "initial": initial, "steps": steps}


def main():
    golden = {
        "source": "timm.optim.Lamb without its clipping of gradients, timm.optim.Lion",
        "version": f"timm {timm.__version__}, torch {torch.__version__.split('+')[0]}",
        "command": "python -P test/goldens/generate/lamb-lion.py",
        "seed": SEED,
        "dtype": "float32",
        "rtol": 1e-6,
        "atol": 1e-7,
        "lamb": run(
            lambda groups: Lamb(groups, betas=(0.9, 0.98), eps=1e-6, max_grad_norm=None, foreach=False),
            {"beta1": 0.9, "beta2": 0.98, "epsilon": 1e-6},
        ),
        "lion": run(
            lambda groups: Lion(groups, betas=(0.8, 0.95), foreach=False),
            {"beta1": 0.8, "beta2": 0.95},
        ),
    }
    out = pathlib.Path(__file__).parent.parent / "lamb-lion.json"
    out.write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
