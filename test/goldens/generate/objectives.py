"""Objective goldens, value and gradient, from open_clip and transformers.

Run:  python -P test/goldens/generate/objectives.py
Needs torch 2.x, open_clip_torch 3.x and transformers 5.x.

Everything is float64. A gradient is that of every input in the order of `inputs`, rows first.
"""

import json
import pathlib

import open_clip
import torch
import transformers
from open_clip.loss import ClipLoss, DistillClipLoss, SigLipLoss
from transformers.models.align.modeling_align import align_loss

SEED = 5
SIZES = [(1, 3), (2, 4), (5, 6)]


def unit(generator, n, dim):
    rows = torch.randn(n, dim, generator=generator, dtype=torch.float64)
    return (rows / rows.norm(dim=1, keepdim=True)).requires_grad_()


def scalar(value):
    return torch.tensor(value, dtype=torch.float64, requires_grad=True)


def case(rows, scalars, loss, **more):
    leaves = [*rows.values(), *scalars.values()]
    gradients = torch.autograd.grad(loss, leaves)
    return {
        "inputs": {
            "rows": {name: value.tolist() for name, value in rows.items()},
            "scalars": {name: value.item() for name, value in scalars.items()},
        },
        **more,
        "loss": loss.item(),
        "gradients": [number for g in gradients for number in g.flatten().tolist()],
    }


def main():
    generator = torch.Generator().manual_seed(SEED)
    found = {"softmax": [], "sigmoid": [], "align": [], "distillation": []}
    for n, dim in SIZES:
        for scale in [1.0, 10.0, 100.0]:
            rows = {"image": unit(generator, n, dim), "text": unit(generator, n, dim)}
            logit_scale = {"logitScale": scalar(scale)}
            loss = ClipLoss()(*rows.values(), *logit_scale.values())
            found["softmax"].append(case(rows, logit_scale, loss))

            biased = {**logit_scale, "logitBias": scalar(-10.0)}
            loss = SigLipLoss()(*rows.values(), *biased.values())
            found["sigmoid"].append(case(rows, biased, loss))

            divided = {"temperature": scalar(1 / scale)}
            similarities = rows["text"] @ rows["image"].t()
            loss = align_loss(similarities / divided["temperature"])
            found["align"].append(case(rows, divided, loss))

            teacher = [unit(generator, n, dim + 2).detach() for _ in range(2)]
            teacher_scale = torch.tensor(14.0, dtype=torch.float64)
            contrastive, distance = DistillClipLoss()(
                *rows.values(), *logit_scale.values(), *teacher, teacher_scale
            )
            more = {
                "teacher": {
                    "image": teacher[0].tolist(),
                    "text": teacher[1].tolist(),
                    "logitScale": teacher_scale.item(),
                },
                "contrastive": contrastive.item(),
                "distance": distance.item(),
            }
            found["distillation"].append(case(rows, logit_scale, contrastive + distance, **more))
    golden = {
        "source": "open_clip ClipLoss, SigLipLoss, DistillClipLoss; transformers align_loss",
        "version": f"open_clip {open_clip.__version__}, transformers {transformers.__version__}, "
        f"torch {torch.__version__.split('+')[0]}",
        "command": "python -P test/goldens/generate/objectives.py",
        "seed": SEED,
        "dtype": "float64",
        "rtol": 1e-9,
        "atol": 1e-11,
        **found,
    }
    out = pathlib.Path(__file__).parent.parent / "objectives.json"
    out.write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
