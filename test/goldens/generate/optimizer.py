"""Optimizer, clipping and schedule goldens from torch and open_clip.

Run:  python -P test/goldens/generate/optimizer.py
Needs torch 2.x and open_clip_torch 3.x with its training package.

Ten AdamW steps over two groups whose learning rates and weight decays differ; one parameter has no
gradient in every third step, so that step counts part. The float32 numbers are written as decimals
that name them exactly.
"""

import json
import pathlib

import torch
from open_clip_train.scheduler import const_lr, const_lr_cooldown, cosine_lr

SEED = 11
STEPS = 10
RATE = 1e-2
BETAS = (0.9, 0.98)
EPSILON = 1e-6
GROUPS = [
    {"names": ["imageTower.weight", "imageTower.kernel"], "factor": 0.5, "weightDecay": 0.2},
    {"names": ["textTower.bias", "logitScaleLog"], "factor": 1.0, "weightDecay": 0.0},
]
SHAPES = {
    "imageTower.weight": [5, 7],
    "imageTower.kernel": [4, 3, 2, 2],
    "textTower.bias": [9],
    "logitScaleLog": [],
}
SKIPS = "textTower.bias"


def numbers(tensor):
    return tensor.detach().double().flatten().tolist()


def entry(tensor):
    return {"shape": list(tensor.shape), "values": numbers(tensor)}


def adamw(generator):
    parameters = {
        name: torch.nn.Parameter(torch.randn(shape, generator=generator))
        for name, shape in SHAPES.items()
    }
    optimizer = torch.optim.AdamW(
        [
            {
                "params": [parameters[name] for name in group["names"]],
                "weight_decay": group["weightDecay"],
            }
            for group in GROUPS
        ],
        betas=BETAS,
        eps=EPSILON,
        foreach=False,
        fused=False,
    )
    initial = {name: entry(p) for name, p in parameters.items()}
    steps = []
    for step in range(STEPS):
        rate = RATE * (step + 1) / STEPS
        gradients = {}
        for name, parameter in parameters.items():
            parameter.grad = None
            if name == SKIPS and step % 3 == 2:
                continue
            # From tiny to large, so that epsilon counts in some elements and not in others.
            scale = 10.0 ** torch.randint(-6, 2, parameter.shape, generator=generator)
            parameter.grad = torch.randn(parameter.shape, generator=generator) * scale
            gradients[name] = numbers(parameter.grad)
        for group, described in zip(optimizer.param_groups, GROUPS):
            group["lr"] = rate * described["factor"]
        optimizer.step()
        after = {name: numbers(p) for name, p in parameters.items()}
        steps.append({"learningRate": rate, "gradients": gradients, "parameters": after})
    state = {
        name: {
            "step": int(optimizer.state[p]["step"].item()),
            "exp_avg": numbers(optimizer.state[p]["exp_avg"]),
            "exp_avg_sq": numbers(optimizer.state[p]["exp_avg_sq"]),
        }
        for name, p in parameters.items()
    }
    return {
        "beta1": BETAS[0],
        "beta2": BETAS[1],
        "epsilon": EPSILON,
        "groups": GROUPS,
        "initial": initial,
        "steps": steps,
        "state": state,
    }


def clipping(generator):
    cases = []
    for scale, limit in [(1.0, 0.5), (1e-3, 1.0), (30.0, 1.0), (1.0, 1e9)]:
        parameters = [torch.nn.Parameter(torch.zeros(s)) for s in ([6, 5], [8], [])]
        for parameter in parameters:
            parameter.grad = torch.randn(parameter.shape, generator=generator) * scale
        before = [entry(p.grad) for p in parameters]
        norm = torch.nn.utils.clip_grad_norm_(parameters, limit)
        after = [numbers(p.grad) for p in parameters]
        cases.append({"maxNorm": limit, "before": before, "norm": norm.item(), "after": after})
    return cases


class Rates:
    param_groups = ()


def schedules():
    rate = 5e-4
    cases = []

    def add(description, function):
        rates = [function(step) for step in range(description["steps"])]
        cases.append({"description": {**description, "learningRate": rate}, "rates": rates})

    for warmup, steps in [(0, 20), (7, 40), (40, 41)]:
        common = {"warmupSteps": warmup, "steps": steps}
        add({"kind": "cosine", **common}, cosine_lr(Rates, rate, warmup, steps))
        add({"kind": "constant", **common}, const_lr(Rates, rate, warmup, steps))
    for power, end in [(1.0, 0.0), (2.0, 0.1), (0.5, 0.02)]:
        description = {
            "kind": "constant",
            "warmupSteps": 5,
            "steps": 50,
            "cooldownSteps": 20,
            "cooldownPower": power,
            "endFactor": end,
        }
        add(description, const_lr_cooldown(Rates, rate, 5, 50, 20, power, end * rate))
    return cases


def main():
    generator = torch.Generator().manual_seed(SEED)
    golden = {
        "source": "torch.optim.AdamW, torch.nn.utils.clip_grad_norm_, open_clip_train.scheduler",
        "version": f"torch {torch.__version__.split('+')[0]}",
        "command": "python -P test/goldens/generate/optimizer.py",
        "seed": SEED,
        "dtype": "float32",
        "rtol": 1e-6,
        "atol": 1e-7,
        "adamw": adamw(generator),
        "clipping": clipping(generator),
        "schedules": schedules(),
    }
    out = pathlib.Path(__file__).parent.parent / "optimizer.json"
    out.write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
