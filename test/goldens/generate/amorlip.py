"""AmorLIP's steps in plain PyTorch, float64, written from the paper's Algorithm 1 (arXiv:2505.18983).

Writes test/goldens/amorlip.json.gz: fixed inputs and first weights, and for several settings six steps
of two linear towers with the networks trained beside them, over epochs of two steps.
"""

import copy
import gzip
import json
import math
import pathlib

import torch
import torch.nn.functional as F

SEED = 5
PAIRS, INPUTS, DIM, HIDDEN = 6, 7, 6, 4
STEPS, EPOCH = 6, 2
RATE = 0.05
NETWORK_RATE = 1e-2
CLIP = 1.0
BETA_MAX, BETA_EPOCHS = 0.8, 3
ALPHA = 0.9

SETTINGS = [
    {"amortization": "l2Log", "stage2": "combinedTarget"},
    {
        "amortization": "kl",
        "stage2": "combinedTarget",
        "onlineInterval": 2,
        "fitNegativesOnly": True,
    },
    {"amortization": "js", "stage2": "combinedTarget"},
    {"amortization": "generalizedKl", "stage2": "emaNetwork", "adaptiveTemperature": True},
    {"amortization": "l2Log", "stage2": "emaNetwork", "denormalize": True, "scaleLoss": False},
]
COEFFICIENT = 1e-2
RHO = [3.0, -2.0]


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.expand = torch.nn.Linear(DIM, HIDDEN)
        self.norm1 = torch.nn.LayerNorm(HIDDEN)
        self.contract = torch.nn.Linear(HIDDEN, DIM)
        self.norm2 = torch.nn.LayerNorm(DIM)
        self.output = torch.nn.Linear(DIM, 1)

    def forward(self, x):
        y = self.norm1(torch.relu(self.expand(x)))
        y = self.norm2(torch.relu(self.contract(y)))
        return self.output(torch.relu(x + y))[:, 0]


def amortization_loss(kind, log_lambda, weighted, target):
    """`weighted` [N, N]: logits plus log weights of this side's rows; everything pair by pair."""
    squared = F.mse_loss(log_lambda, target)
    if kind == "l2Log":
        return squared
    now = weighted - log_lambda[:, None]
    then = weighted - target[:, None]
    if kind == "js":
        middle = torch.log((now.exp() + then.exp()) / 2)
        parts = [F.kl_div(middle, x, reduction="none", log_target=True) for x in (now, then)]
        estimate = 0.5 * (parts[0].mean() + parts[1].mean())
    else:
        log_t = (target - log_lambda)[:, None]
        t = log_t.exp()
        f = t * log_t if kind == "kl" else t * log_t - t + 1
        estimate = (then.exp() * f).mean()
    return 0.1 * squared + estimate


def off_diagonal(logits, coefficient):
    weights = torch.ones_like(logits)
    weights.fill_diagonal_(coefficient)
    return logits + weights.log()


def run(setting, inputs, weights, networks):
    kind, stage2 = setting["amortization"], setting["stage2"]
    negatives_only = setting.get("fitNegativesOnly", False)
    fitted = 0.0 if negatives_only else COEFFICIENT
    towers = [w.clone().requires_grad_() for w in weights["towers"]]
    log_scale = weights["logScale"].clone().requires_grad_()
    online = [copy.deepcopy(n) for n in networks]
    parameters = [p for n in online for p in n.parameters()]
    adam = torch.optim.Adam(parameters, lr=NETWORK_RATE)
    ema, previous = [copy.deepcopy(n) for n in online], None
    trail = []
    for step in range(STEPS):
        epoch, k = divmod(step, EPOCH)
        if k == 0 and epoch > 0:
            previous = [copy.deepcopy(n) for n in ema]
        unit = [F.normalize(x @ w.T, dim=1) for x, w in zip(inputs[step], towers)]
        scale = log_scale.exp()
        logits = scale * unit[0] @ unit[1].T
        with torch.no_grad():
            factor = scale.sqrt() if setting.get("denormalize") else 1.0
            rows = [factor * u for u in unit]
            sides = [off_diagonal(l, fitted) for l in (logits, logits.T)]
            targets = [side.logsumexp(1) for side in sides]
            beta = 0.0
            if previous is not None:
                t = min(1.0, epoch / BETA_EPOCHS)
                beta = BETA_MAX - 0.5 * BETA_MAX * (1 + math.cos(math.pi * t))
                targets = [
                    torch.log(beta * n(r).exp() + (1 - beta) * z.exp())
                    for n, r, z in zip(previous, rows, targets)
                ]
            if step == 0 and stage2 == "emaNetwork":
                for i in range(2):
                    shift = (targets[i] - online[i](rows[i])).mean()
                    online[i].output.bias += shift
                    ema[i].output.bias += shift
        fit = None
        if k % setting.get("onlineInterval", 1) == 0:
            for _ in range(3):
                adam.zero_grad()
                losses = [
                    amortization_loss(kind, online[i](rows[i]), sides[i], targets[i])
                    for i in range(2)
                ]
                fit = losses[0] + losses[1]
                fit.backward()
                torch.nn.utils.clip_grad_norm_(parameters, CLIP)
                adam.step()
        with torch.no_grad():
            lam = [n(r) for n, r in zip(ema, rows)] if stage2 == "emaNetwork" else targets
            if negatives_only:
                own = COEFFICIENT * logits.diag().exp()
                lam = [torch.log(z.exp() + own) for z in lam]
            if k % 2 == 0:
                for average, network in zip(ema, online):
                    for a, p in zip(average.parameters(), network.parameters()):
                        a.mul_(ALPHA).add_(p, alpha=1 - ALPHA)
        weighted = off_diagonal(logits, COEFFICIENT)
        positive = 2 * logits.diag().mean()
        loss = -positive + sum(
            (side - l[:, None]).exp().sum(1).mean() for side, l in zip((weighted, weighted.T), lam)
        )
        if setting.get("scaleLoss", True):
            loss = loss / scale.detach() + RHO[step // 3] / scale
        if setting.get("adaptiveTemperature"):
            log_terms = (lam[0] + lam[1] - 2 * math.log(PAIRS)).mean()
            loss = loss + (log_terms - positive.detach()) / scale
        gradients = torch.autograd.grad(loss, [*towers, log_scale])
        with torch.no_grad():
            for p, g in zip([*towers, log_scale], gradients):
                p -= RATE * g
        trail.append(
            {
                "loss": loss.item(),
                "amortizationLoss": None if fit is None else fit.item(),
                "beta": beta,
            }
        )
    return {
        "setting": setting,
        "steps": trail,
        "towers": [numbers(w) for w in towers],
        "logScale": log_scale.item(),
        "online": [numbers(torch.cat([p.flatten() for p in n.parameters()])) for n in online],
        "average": [numbers(torch.cat([p.flatten() for p in n.parameters()])) for n in ema],
        "previous": [numbers(torch.cat([p.flatten() for p in n.parameters()])) for n in previous],
    }


def numbers(tensor):
    return tensor.detach().flatten().tolist()


def main():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(SEED)
    networks = [Network(), Network()]
    for network in networks:
        for p in network.parameters():
            p.requires_grad_(True)
            p.data.add_(0.1 * torch.randn_like(p))
    inputs = torch.randn(STEPS, 2, PAIRS, INPUTS)
    weights = {
        "towers": [torch.randn(DIM, INPUTS) for _ in range(2)],
        "logScale": torch.tensor(math.log(8.0)),
    }
    golden = {
        "source": "plain PyTorch from Algorithm 1 of arXiv:2505.18983",
        "version": f"torch {torch.__version__.split('+')[0]}",
        "command": "python -P test/goldens/generate/amorlip.py",
        "seed": SEED,
        "dtype": "float64",
        "rtol": 1e-9,
        "atol": 1e-11,
        "shape": {"pairs": PAIRS, "inputs": INPUTS, "dim": DIM, "hidden": HIDDEN},
        "common": {
            "positiveCoefficient": COEFFICIENT,
            "rho": RHO,
            "rate": RATE,
            "networkLearningRate": NETWORK_RATE,
            "betaMax": BETA_MAX,
            "betaDecayEpochs": BETA_EPOCHS,
            "emaDecay": ALPHA,
            "epochSteps": EPOCH,
            "steps": STEPS,
        },
        "inputs": [[numbers(side) for side in step] for step in inputs],
        "towers": [numbers(w) for w in weights["towers"]],
        "logScale": weights["logScale"].item(),
        "networks": [numbers(torch.cat([p.flatten() for p in n.parameters()])) for n in networks],
        "runs": [run(setting, inputs, weights, networks) for setting in SETTINGS],
    }
    out = pathlib.Path(__file__).parent.parent / "amorlip.json.gz"
    out.write_bytes(gzip.compress(json.dumps(golden).encode(), 9, mtime=0))


if __name__ == "__main__":
    main()
