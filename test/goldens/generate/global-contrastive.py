"""Goldens of the global contrastive family from LibAUC, and from equations in float64.

Run:  python -P test/goldens/generate/global-contrastive.py
Needs torch 2.x and libauc 2.0.1 (only its file losses/contrastive.py is loaded).

SogCLR, its cosine schedule (FastCLIP v1's) and iSogCLR come from LibAUC's GCLoss_v2, whose loss is
(N - 1) times RGCL's: it multiplies by the temperature and sums over the negatives. What it has not
(FastCLIP v0, v2, v3; the pair itself in g) is written here from the equations, in linear space.
"""

import contextlib
import importlib.util
import io
import json
import math
import pathlib

import torch

SEED = 5
SAMPLES, BATCH, DIM, EPOCHS = 8, 4, 3, 3
TAU = 0.2


def libauc_losses():
    """The one file, without the package's other dependencies."""
    package = importlib.util.find_spec("libauc")
    folder = pathlib.Path(package.submodule_search_locations[0])
    spec = importlib.util.spec_from_file_location("contrastive", folder / "losses/contrastive.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def batches():
    """Two disjoint batches an epoch, in another order each time; embeddings change every step."""
    generator = torch.Generator().manual_seed(SEED)
    for epoch in range(EPOCHS):
        order = torch.randperm(SAMPLES, generator=generator)
        for ids in order.split(BATCH):
            rows = torch.randn(2, BATCH, DIM, generator=generator)
            rows = torch.nn.functional.normalize(rows, dim=-1)
            image, text = (side.double().requires_grad_(True) for side in rows)
            yield epoch, ids, image, text


def numbers(tensor):
    return [float(f"{value:.9g}") for value in tensor.detach().double().flatten().tolist()]


def record(epoch, ids, image, text, **more):
    return {
        "epoch": epoch,
        "ids": ids.tolist(),
        "image": numbers(image),
        "text": numbers(text),
        "gradImage": numbers(image.grad),
        "gradText": numbers(text.grad),
        **{name: numbers(value) for name, value in more.items()},
    }


def with_libauc(module, **options):
    with contextlib.redirect_stdout(io.StringIO()):
        loss = module.GCLoss_v2(N=SAMPLES, tau=TAU, **options)
    for name, value in vars(loss).items():
        if isinstance(value, torch.Tensor):
            setattr(loss, name, value.double())
    steps = []
    for epoch, ids, image, text in batches():
        with contextlib.redirect_stdout(io.StringIO()):
            loss.adjust_gamma(epoch)
        value, _ = loss(image, text, ids)
        (value / (BATCH - 1)).backward()
        more = {
            "logU1": (loss.u1.log() + loss.b1)[ids],
            "logU2": (loss.u2.log() + loss.b2)[ids],
        }
        if options.get("temperature_scheme") == "individual_learnable":
            more["tau1"] = loss.learnable_tau_img[ids]
            more["tau2"] = loss.learnable_tau_txt[ids]
        steps.append(record(epoch, ids, image, text, **more))
    return steps


def cosine(epoch, end, low):
    return low if epoch >= end else 0.5 * (1 + math.cos(math.pi * epoch / end)) * (1 - low) + low


def from_equations(gamma_of, version=None, include_positive=False, epsilon=1e-14, individual=None):
    """u in linear space, autograd through g / u; `individual` has FastCLIP v2's settings."""
    u = torch.zeros(2, SAMPLES, dtype=torch.double)
    tau = torch.full((2, SAMPLES), individual["init"] if individual else TAU, dtype=torch.double)
    first, second = torch.zeros_like(tau), torch.zeros_like(tau)
    off = 1 - torch.eye(BATCH, dtype=torch.double)
    kept = torch.ones_like(off) if include_positive else off
    steps = []
    for epoch, ids, image, text in batches():
        scale = torch.tensor(1 / TAU, dtype=torch.double, requires_grad=True)
        terms, logs = [], []
        for k, logits in enumerate([image @ text.T, text @ image.T]):
            h = logits - logits.diagonal()[:, None]
            scaled = h / tau[k, ids][:, None] if individual else h * scale
            g = (scaled.exp() * kept).sum(1) / (BATCH - 1)
            seen = u[k, ids] > 0
            gamma = torch.where(seen, gamma_of(epoch), 1.0)
            u[k, ids] = (1 - gamma) * u[k, ids] + gamma * g.detach()
            now = u[k, ids].clone()
            terms.append((g / (now + epsilon)).mean())
            logs.append(now.log().mean())
            if individual:
                weights = scaled.detach().exp() * kept / (BATCH - 1) / (now + epsilon)[:, None]
                slope = (now + epsilon).log() + individual["rho"]
                slope = (slope - (weights * scaled.detach()).sum(1)).clamp(-5, 5)
                beta1, beta2 = (0.0, 0.0) if epoch == 0 else individual["betas"]
                first[k, ids] = beta1 * first[k, ids] + (1 - beta1) * slope
                second[k, ids] = beta2 * second[k, ids] + (1 - beta2) * slope**2
                mean = first[k, ids] / (1 - beta1 ** (epoch + 1))
                root = (second[k, ids] / (1 - beta2 ** (epoch + 1))).sqrt() + 1e-8
                tau[k, ids] = (tau[k, ids] - individual["rate"] * mean / root).clamp(0.01, 1)
        loss = (terms[0] + terms[1]) / 2
        if version == 3:
            t = 1 / scale
            loss = t.detach() * loss + t * 6.5 + t * (logs[0] + logs[1]) / 2
        loss.backward()
        more = {"logU1": u[0, ids].log(), "logU2": u[1, ids].log(), "loss": loss}
        if version in (0, 3):
            more["gradScale"] = scale.grad
        if individual:
            more |= {"tau1": tau[0, ids], "tau2": tau[1, ids]}
        steps.append(record(epoch, ids, image, text, **more))
    return steps


def main():
    module = libauc_losses()
    fastclip = {"kind": "fastclip", "gammaMin": 0.3, "gammaDecayEpochs": 2}
    falling = lambda epoch: cosine(epoch, 2, 0.3)  # noqa: E731
    cases = [
        {
            "name": "SogCLR, LibAUC",
            "recipe": {"kind": "sogclr", "gamma": 0.6, "epsilon": 0},
            "steps": with_libauc(module, gamma=0.6),
        },
        {
            "name": "FastCLIP v1, LibAUC's cosine schedule",
            "recipe": {**fastclip, "version": 1, "epsilon": 0},
            "factor": TAU,
            "steps": with_libauc(
                module, gamma=0.3, gamma_schedule="cosine", gamma_decay_epochs=2
            ),
        },
        {
            "name": "iSogCLR, LibAUC",
            "recipe": {
                "kind": "isogclr",
                "gamma": 0.6,
                "epsilon": 0,
                "rho": 0.5,
                "temperatureInit": TAU,
                "temperatureMin": 0.05,
                "temperatureMax": 0.3,
                "temperatureLearningRate": 0.02,
                "temperatureGradientLimit": 1000,
            },
            "steps": with_libauc(
                module,
                gamma=0.6,
                temperature_scheme="individual_learnable",
                tau_min=0.05,
                tau_max=0.3,
                rho=0.5,
                eta=0.02,
            ),
        },
        {
            "name": "SogCLR with the pair in g, equations",
            "recipe": {
                "kind": "sogclr",
                "gamma": 0.6,
                "includePositive": True,
                "epsilon": 1e-10,
                "weighByTemperature": False,
            },
            "steps": from_equations(lambda _: 0.6, include_positive=True, epsilon=1e-10),
        },
        {
            "name": "FastCLIP v0, equations",
            "recipe": {**fastclip, "version": 0},
            "steps": from_equations(falling, version=0),
        },
        {
            "name": "FastCLIP v2, equations",
            "recipe": {
                **fastclip,
                "version": 2,
                "rho": 0.4,
                "temperatureInit": TAU,
                "temperatureBeta2": 0.98,
            },
            "steps": from_equations(
                falling,
                individual={"init": TAU, "rho": 0.4, "betas": (0.9, 0.98), "rate": 0.0133},
            ),
        },
        {
            "name": "FastCLIP v3, equations",
            "recipe": {**fastclip, "version": 3},
            "steps": from_equations(falling, version=3),
        },
    ]
    golden = {
        "source": "libauc 2.0.1 losses/contrastive.py GCLoss_v2, and equations in float64",
        "version": f"torch {torch.__version__.split('+')[0]}",
        "command": "python -P test/goldens/generate/global-contrastive.py",
        "seed": SEED,
        "rtol": 2e-5,
        "atol": 2e-6,
        "logitScale": 1 / TAU,
        "shape": [BATCH, DIM],
        "cases": cases,
    }
    folder = pathlib.Path(__file__).resolve().parent.parent
    (folder / "global-contrastive.json").write_text(json.dumps(golden) + "\n")


main()
