"""Metrics of suites, and statistics, from the packages that papers compute them with.

Run:  python -P test/goldens/generate/metrics.py
Needs clip_benchmark, wilds, pycocoevalcap (with Java), scikit-learn, scipy, statsmodels, torch, numpy.

Weights say how often each item occurs; the references get the items that many times, so that a metric of a
resample is checked too. Numbers are stored as little-endian bytes in base64: both sides count on equal ones.
"""

import base64
import gzip
import importlib.metadata
import json
import pathlib
import warnings

import numpy as np
import sklearn.metrics
import torch
from clip_benchmark.metrics.zeroshot_classification import accuracy, average_precision_per_class
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer
from scipy import optimize, special, stats
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from wilds.common.metrics.all_metrics import F1, Accuracy

SEED = 20261201
PACKAGES = ["clip-benchmark", "wilds", "pycocoevalcap", "scikit-learn", "scipy", "statsmodels", "torch", "numpy"]


def packed(array, dtype="<f4"):
    return base64.b64encode(np.ascontiguousarray(array, dtype=dtype).tobytes()).decode()


def drawn(random, count):
    """How often each item is drawn when `count` are drawn with replacement."""
    return np.bincount(random.integers(0, count, count), minlength=count)


def both(weights, compute):
    """A metric of the items once each, and of the items as often as they were drawn."""
    every = np.arange(len(weights))
    return {"once": compute(every), "drawn": compute(np.repeat(every, weights))}


def accuracy_case(random):
    count, classes = 400, 12
    regions = ["Asia", "Europe", "Africa", "Americas", "Oceania", "Other"]
    labels = random.integers(0, classes - 2, count)  # two classes that only predictions name
    scores = random.normal(size=(count, classes)).astype("f4")
    scores[np.arange(count), labels] += 0.9
    # No Oceania; Other is the worst, and is not to count.
    groups = random.choice([0, 1, 2, 3, 5], count, p=[0.4, 0.3, 0.15, 0.1, 0.05])
    scores[groups == 5] = -scores[groups == 5]
    logits, truth = torch.tensor(scores), torch.tensor(labels)
    top = logits.topk(5, dim=1).indices.numpy()
    ranks = 1 + (scores > scores[np.arange(count), labels][:, None]).sum(1)

    def group(items, k):
        found = []
        for name in range(len(regions)):
            own = items[groups[items] == name]
            # wilds' Accuracy compares; a hit among the first k is compared with True.
            hits = torch.tensor((top[own, :k] == labels[own][:, None]).any(1))
            found.append(Accuracy().compute(hits, torch.ones_like(hits), return_dict=False).item() if len(own) else None)
        return found

    def metrics(items):
        acc1, acc5 = accuracy(logits[items], truth[items], topk=(1, 5))
        kept = [one for one, name in zip(group(items, 1), regions) if one is not None and name != "Other"]
        return {
            "top1": acc1,
            "top5": acc5,
            "meanPerClass": sklearn.metrics.balanced_accuracy_score(labels[items], top[items, 0]),
            "macroF1": F1(average="macro").compute(torch.tensor(top[items, 0]), truth[items])["F1-macro_all"],
            "groups": group(items, 1),
            "groupsTop5": group(items, 5),
            "worst": min(kept),
        }

    weights = drawn(random, count)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = both(weights, metrics)
    return {
        "classes": classes,
        "regions": regions,
        "labels": labels.tolist(),
        "predictions": top[:, 0].tolist(),
        "ranks": ranks.tolist(),
        "groups": groups.tolist(),
        "weights": weights.tolist(),
        **found,
    }


def precision_case(random):
    count, classes = 300, 9
    targets = random.random((count, classes)) < np.linspace(0.02, 0.6, classes)
    targets[:, 4] = False  # a class that no picture has
    scores = (random.normal(size=(count, classes)) + 0.8 * targets).astype("f4")
    weights = drawn(random, count)

    def metrics(items):
        # Copies of an item are ties, between equal labels: their order makes no difference.
        own = average_precision_per_class(torch.tensor(scores[items]), torch.tensor(targets[items]))
        return {"perClass": own.tolist(), "mean": own.mean().item()}

    reference = [
        sklearn.metrics.average_precision_score(targets[:, k], scores[:, k]) if targets[:, k].any() else 0.0
        for k in range(classes)
    ]
    return {
        "classes": classes,
        "scores": packed(scores),
        "targets": packed(targets, "u1"),
        "weights": weights.tolist(),
        "scikitLearn": reference,
        **both(weights, metrics),
    }


def jaccard_case(random):
    instances = []
    for _ in range(300):
        count = int(random.choice([5, 6, 10, 12]))
        right = random.permutation(count) < random.integers(1, 4)
        similarities = (random.normal(size=count) + right).astype("f4")
        best = np.argsort(similarities)[-right.sum() :]
        chosen = np.isin(np.arange(count), best)
        instances.append(
            {
                "similarities": similarities.tolist(),
                "right": right.astype(int).tolist(),
                "score": sklearn.metrics.jaccard_score(right, chosen),
            }
        )
    scores = np.array([one["score"] for one in instances])
    counts = np.array([len(one["right"]) for one in instances])
    weights = drawn(random, len(instances))

    def means(items):
        score, count = scores[items], counts[items]
        groups = [count > 0, count == 5, count == 6, count == 10, count == 12, count <= 6, count >= 10]
        return [score[group].mean() for group in groups]

    return {"instances": instances, "weights": weights.tolist(), **both(weights, means)}


def calibration_case(random):
    count, classes, scale = 300, 8, 20.0
    labels = random.integers(0, classes, count)
    similarities = random.normal(0.2, 0.06, (count, classes))
    similarities[np.arange(count), labels] += 0.07
    similarities = similarities.astype("f4")
    wide = similarities.astype("f8")

    def probabilities(s):
        return special.softmax(s * wide, axis=1)

    def nll(s):
        return sklearn.metrics.log_loss(labels, probabilities(s), labels=range(classes))

    p = probabilities(scale)
    confidence, hit = p.max(1), p.argmax(1) == labels

    def equal_width(items):
        """Guo et al., arXiv:1706.04599, equation 3."""
        conf, hits = confidence[items], hit[items]
        total = 0.0
        for low in np.arange(15):
            inside = (conf > low / 15) & (conf <= (low + 1) / 15)
            if inside.any():
                total += inside.sum() * abs(hits[inside].mean() - conf[inside].mean())
        return total / len(items)

    def equal_mass(items):
        order = items[np.argsort(confidence[items], kind="stable")]
        parts = np.array_split(order, 15)
        return sum(len(part) * abs(hit[part].mean() - confidence[part].mean()) for part in parts) / len(items)

    def metrics(items):
        return [
            equal_width(items),
            equal_mass(items),
            sklearn.metrics.brier_score_loss(labels[items], p[items], labels=range(classes), scale_by_half=False),
            sklearn.metrics.log_loss(labels[items], p[items], labels=range(classes)),
        ]

    accuracies, confidences = calibration_curve(hit, confidence, n_bins=15, strategy="uniform")
    fit = optimize.minimize_scalar(nll, bounds=(1, 200), method="bounded", options={"xatol": 1e-10})
    pairs = np.eye(classes, dtype=int)[labels]
    platt = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-13, max_iter=1000)
    platt.fit(wide.reshape(-1, 1), pairs.reshape(-1))
    sigmoids = special.expit(scale * wide - 6.0)
    weights = drawn(random, count)
    return {
        "classes": classes,
        "labels": labels.tolist(),
        "similarities": packed(similarities),
        "logitScale": scale,
        "weights": weights.tolist(),
        **both(weights, metrics),
        "curve": {"accuracies": accuracies.tolist(), "confidences": confidences.tolist()},
        "temperature": {"logitScale": fit.x, "nll": fit.fun},
        "sigmoid": {
            "logitBias": -6.0,
            "nll": sklearn.metrics.log_loss(pairs.reshape(-1), sigmoids.reshape(-1)),
            "fitted": {
                "logitScale": platt.coef_.item(),
                "logitBias": platt.intercept_.item(),
                "nll": sklearn.metrics.log_loss(pairs.reshape(-1), platt.predict_proba(wide.reshape(-1, 1))[:, 1]),
            },
        },
    }


def written(random):
    """A caption of plain English, with what people write into them."""

    def pick(*words):
        return str(random.choice(words))

    thing = pick("dog", "red t-shirt", "man's hat", "woman", "3 cats", "black-and-white cow", "U.S. flag", "boys' ball")
    place = pick("the beach", "a table", "Dr. Smith's desk", "1,000 steps", "the grass, near a tree", "a 10:30 train")
    does = pick("isn't looking at", "sits on", "can't reach", "is running; it jumps over", "they're holding", "rests (calmly) by")
    start = pick("A", "The", "Here's a", "two or three", "there is a", "It's the \"best\"", "a photo of: a")
    end = pick(".", "!", "", "...", " - at 5.30 p.m.", " & more?", ", etc.", " for $5")
    return f"{start} {thing} {does} {place}{end}"


def caption_case(random):
    count = 120
    candidates = [written(random) for _ in range(count)]
    references = [
        # Some words of the candidate, so that long runs match too.
        [written(random) for _ in range(int(random.integers(1, 5)))]
        + [" ".join(np.array(candidate.split(" "))[random.random(len(candidate.split(" "))) < 0.85])]
        for candidate in candidates
    ]
    tokenizer = PTBTokenizer()
    given = tokenizer.tokenize({i: [{"caption": one}] for i, one in enumerate(candidates)})
    wanted = tokenizer.tokenize({i: [{"caption": one} for one in own] for i, own in enumerate(references)})
    weights = drawn(random, count)

    def metrics(items):
        # Cider is left to the whole set: its rarities change with the items.
        gts = {place: wanted[i] for place, i in enumerate(items)}
        res = {place: given[i] for place, i in enumerate(items)}
        return {"bleu": Bleu(4).compute_score(gts, res, verbose=0)[0], "rouge": Rouge().compute_score(gts, res)[0]}

    every = range(count)
    gts, res = {i: wanted[i] for i in every}, {i: given[i] for i in every}
    return {
        "candidates": candidates,
        "references": references,
        "candidateWords": [given[i][0] for i in every],
        "referenceWords": [wanted[i] for i in every],
        "weights": weights.tolist(),
        "bleu": Bleu(4).compute_score(gts, res, verbose=0)[1][3],
        "rouge": Rouge().compute_score(gts, res)[1].tolist(),
        "cider": Cider().compute_score(gts, res)[1].tolist(),
        "ciderMean": Cider().compute_score(gts, res)[0],
        **both(weights, metrics),
    }


def statistics_case(random):
    freedoms = [1, 2, 2.5, 4, 9, 30, 1000]
    quantiles = [0.6, 0.9, 0.975, 0.995, 0.9999, 1e-6]
    discordant = [(0, 0), (1, 0), (3, 9), (20, 20), (50, 31), (400, 330), (700, 800), (5, 200)]
    samples = [random.normal(size=size).tolist() for size in (2, 3, 5, 12)]
    p = [(random.random(12) ** 3).tolist(), [0.01, 0.01, 0.04, 0.5], [1.0, 0.0, 0.3], [0.02]]
    tables = [np.array([[5, b], [c, 5]]) for b, c in discordant]
    return {
        "t": [[q, f, stats.t.ppf(q, f)] for f in freedoms for q in quantiles],
        "tTail": [[t, f, stats.t.sf(t, f)] for f in freedoms for t in (-2.0, 0.0, 0.3, 1.96, 30.0)],
        "normal": [[z, 2 * stats.norm.sf(z)] for z in (0.0, 0.1, 1.0, 1.7, 1.8, 1.96, 5.0, 12.0, 30.0)],
        "chiSquared": [[x, stats.chi2.sf(x, 1)] for x in (0.0, 1e-3, 0.5, 2.9, 3.1, 3.84, 40.0, 200.0)],
        "logGamma": [[x, special.gammaln(x)] for x in (0.1, 0.5, 1.0, 2.0, 7.3, 60.5, 1e4)],
        "beta": [
            [x, a, b, special.betainc(a, b, x)]
            for x, a, b in [(0.5, 2, 3), (0.1, 0.5, 0.5), (0.99, 40, 2), (0.5, 500, 501), (1e-4, 3, 0.5)]
        ],
        "mcnemar": [
            [b, c, mcnemar(table, exact=True).pvalue, mcnemar(table, exact=False).pvalue if b + c else 1.0]
            for (b, c), table in zip(discordant, tables)
        ],
        "corrections": [
            {
                "p": one,
                "holm": multipletests(one, method="holm")[1].tolist(),
                "benjaminiHochberg": multipletests(one, method="fdr_bh")[1].tolist(),
            }
            for one in p
        ],
        "intervals": [
            {"values": one, "level": level, "interval": list(stats.t.interval(level, len(one) - 1, np.mean(one), stats.sem(one)))}
            for one in samples
            for level in (0.8, 0.95)
        ],
    }


def main():
    random = np.random.default_rng(SEED)
    golden = {
        "source": "the functions named in the generator, of these packages",
        "version": ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES),
        "command": "python -P test/goldens/generate/metrics.py",
        "seed": SEED,
        "dtype": "float64, and float32 inside clip_benchmark",
        "rtol": 1e-9,
        "atol": 1e-12,
        "accuracy": accuracy_case(random),
        "precision": precision_case(random),
        "jaccard": jaccard_case(random),
        "calibration": calibration_case(random),
        "captions": caption_case(random),
        "statistics": statistics_case(random),
    }
    out = pathlib.Path(__file__).parents[1] / "metrics.json.gz"
    out.write_bytes(gzip.compress(json.dumps(golden).encode(), mtime=0))


main()
