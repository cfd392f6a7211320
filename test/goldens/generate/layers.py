"""Layer goldens from torch.nn: outputs and gradients of Linear, LayerNorm, Embedding and Conv2d.

Run:  python -P test/goldens/generate/layers.py
Needs torch 2.x. The gradient is that of sum(output * weights) with random weights.
"""

import json
import pathlib

import torch
from torch import nn

SEED = 5


def entry(tensor):
    return {"shape": list(tensor.shape), "values": tensor.detach().double().flatten().tolist()}


def case(name, options, layer, x, generator):
    for parameter in layer.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator)
    if x.is_floating_point():
        x.requires_grad_(True)
    output = layer(x)
    weights = torch.randn(output.shape, generator=generator)
    (output * weights).sum().backward()
    return {
        "layer": name,
        "options": options,
        "input": entry(x),
        "parameters": {key: entry(p) for key, p in layer.named_parameters()},
        "output": entry(output),
        "outputGradient": entry(weights),
        "inputGradient": None if x.grad is None else entry(x.grad),
        "gradients": {key: entry(p.grad) for key, p in layer.named_parameters()},
    }


def main():
    generator = torch.Generator().manual_seed(SEED)

    def randn(*shape):
        return torch.randn(shape, generator=generator)

    ids = torch.randint(0, 6, (3, 4), generator=generator)
    cases = [
        case("Linear", {"inputs": 5, "outputs": 3}, nn.Linear(5, 3), randn(2, 4, 5), generator),
        case(
            "Linear",
            {"inputs": 4, "outputs": 6, "bias": False},
            nn.Linear(4, 6, bias=False),
            randn(3, 4),
            generator,
        ),
        case("LayerNorm", {"width": 6}, nn.LayerNorm(6), randn(3, 2, 6) * 4 + 1, generator),
        case(
            "LayerNorm",
            {"width": 4, "epsilon": 0.1},
            nn.LayerNorm(4, eps=0.1),
            randn(5, 4),
            generator,
        ),
        case("Embedding", {"count": 6, "width": 3}, nn.Embedding(6, 3), ids, generator),
        case(
            "Conv2d",
            {"inputs": 3, "outputs": 4, "kernel": 2, "stride": 2, "bias": False},
            nn.Conv2d(3, 4, 2, stride=2, bias=False),
            randn(2, 3, 6, 4),
            generator,
        ),
        case(
            "Conv2d",
            {"inputs": 4, "outputs": 4, "kernel": 3, "padding": 1, "groups": 2},
            nn.Conv2d(4, 4, 3, padding=1, groups=2),
            randn(1, 4, 5, 5),
            generator,
        ),
    ]
    golden = {
        "source": "torch.nn.Linear, LayerNorm, Embedding, Conv2d",
        "version": f"torch {torch.__version__.split('+')[0]}",
        "command": "python -P test/goldens/generate/layers.py",
        "seed": SEED,
        "dtype": "float32",
        "rtol": 1e-5,
        "atol": 1e-5,
        "cases": cases,
    }
    out = pathlib.Path(__file__).parent.parent / "layers.json"
    out.write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
