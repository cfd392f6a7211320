"""Goldens of the audit from fairlearn, DataComp's evaluator, Berg et al.'s metrics, scipy and numpy.

Run:  DATACOMP=<mlfoundations/datacomp> DEBIAS_VISION_LANG=<oxai/debias-vision-lang> \\
          python -P test/goldens/generate/audit.py
Needs fairlearn, wilds 2.0.0 (pip install --no-deps wilds==2.0.0), torch, pandas, scipy, tqdm, and checkouts of
the two repositories, whose own functions are called on made-up predictions and metadata. What they import
for reading pictures and models is replaced by empty modules.
"""

import importlib.util
import json
import os
import pathlib
import sys
import types

import fairlearn
import numpy as np
import pandas as pd
import scipy.stats
import torch
from fairlearn import metrics as fm

SEED = 20261201
random = np.random.default_rng(SEED)


def stub(name, **values):
    module = types.ModuleType(name)
    module.__dict__.update(values)
    sys.modules[name] = module
    return module


def load(name, file):
    spec = importlib.util.spec_from_file_location(name, file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def datacomp():
    """`eval_utils.fairness_eval` without the modules that read shards and models."""
    folder = pathlib.Path(os.environ["DATACOMP"]) / "eval_utils"
    package = stub("eval_utils")
    package.__path__ = [str(folder)]
    stub("webdataset")
    nothing = {"create_webdataset": None, "evaluate_webdataset": None, "torch": torch}
    stub("eval_utils.wds_eval", **nothing, __all__=list(nothing))
    load("eval_utils.wilds_eval", folder / "wilds_eval.py")
    return load("eval_utils.fairness_eval", folder / "fairness_eval.py")


def berg():
    """`debias_clip.measuring_bias` without its models and data sets."""
    stub("debias_clip", PROMPT_DATA_PATH=None)
    stub("debias_clip.datasets", IATDataset=list, FairFace=None)
    stub("debias_clip.model")
    stub("debias_clip.model.model", ClipLike=object, model_loader=None)
    folder = pathlib.Path(os.environ["DEBIAS_VISION_LANG"]) / "debias_clip"
    return load("debias_clip.measuring_bias", folder / "measuring_bias.py")


def frame_numbers(y_true, y_pred, features, metric):
    frame = fm.MetricFrame(
        metrics=metric, y_true=y_true, y_pred=y_pred, sensitive_features=features
    )
    by_group = frame.by_group
    keys = [list(map(int, k)) if isinstance(k, tuple) else [int(k)] for k in by_group.index]
    return {
        "groups": [{"values": k, "value": float(v)} for k, v in zip(keys, by_group)],
        "overall": float(frame.overall),
        "worst": float(frame.group_min()),
        "difference": float(frame.difference(method="between_groups")),
        "ratio": float(frame.ratio(method="between_groups")),
    }


def accuracy(y_true, y_pred):
    return float(np.mean(np.asarray(y_true) == np.asarray(y_pred)))


def group_case(count, classes):
    region = random.integers(0, 3, count)
    side = random.integers(0, 2, count)
    truth = random.integers(0, classes, count)
    wrong = random.random(count) < 0.2 + 0.15 * region
    prediction = np.where(wrong, random.integers(0, classes, count), truth)
    features = pd.DataFrame({"region": region, "side": side})
    case = {
        "region": region.tolist(),
        "side": side.tolist(),
        "truths": truth.tolist(),
        "predictions": prediction.tolist(),
        "classes": classes,
        "byRegion": frame_numbers(truth, prediction, region, accuracy),
        "crossed": frame_numbers(truth, prediction, features, accuracy),
    }
    if classes != 2:
        return case
    given = {"sensitive_features": region}
    case["positive"] = {
        "selectionRate": frame_numbers(truth, prediction, region, fm.selection_rate),
        "truePositiveRate": frame_numbers(truth, prediction, region, fm.true_positive_rate),
        "falsePositiveRate": frame_numbers(truth, prediction, region, fm.false_positive_rate),
        "demographicParityDifference": fm.demographic_parity_difference(truth, prediction, **given),
        "demographicParityRatio": fm.demographic_parity_ratio(truth, prediction, **given),
        "equalizedOddsDifference": fm.equalized_odds_difference(truth, prediction, **given),
        "equalizedOddsRatio": fm.equalized_odds_ratio(truth, prediction, **given),
    }
    return case


def face_case(count):
    race = random.integers(0, 7, count)
    gender = random.integers(0, 2, count)
    age = random.integers(0, 9, count)
    metadata = np.stack([age, gender, race, (race != 1).astype(int)], axis=1)
    guess = lambda truth, classes: np.where(
        random.random(count) < 0.6, truth, random.integers(0, classes, count)
    )
    toxic = np.where(random.random(count) < 0.8, race * 2 + gender, random.integers(0, 21, count))
    predictions = np.stack([guess(race, 7), guess(gender, 2), guess(age, 9), toxic], axis=1)
    table = torch.tensor(metadata)
    result = datacomp().FairFaceEvaluator(table).eval(torch.tensor(predictions), None, table)
    return {
        "metadata": metadata.tolist(),
        "predictions": predictions.tolist(),
        "metrics": {key: float(value) for key, value in result.items()},
    }


def skew_case(count, groups):
    # Two decimals, so that many scores tie, also about each k.
    label = np.minimum(random.integers(0, groups + 2, count), groups - 1)
    score = np.round(random.normal(0, 0.3, count) + 0.08 * label, 2)
    frame = pd.DataFrame({"score": score, "label": label})
    reference = berg()
    return {
        "scores": score.tolist(),
        "labels": label.tolist(),
        "groups": groups,
        "skew": {str(k): reference.compute_skew_metrics(frame, k) for k in (10, 100, 1000)},
        "ndkl": reference.normalized_discounted_KL(frame, count),
    }


def line_case(count):
    income = np.round(np.exp(random.normal(6, 1.2, count)), 2)
    right = (random.random(count) < 0.3 + 0.05 * np.log(income)).astype(int)
    line = scipy.stats.linregress(np.log(income), right)
    return {
        "income": income.tolist(),
        "right": right.tolist(),
        "slope": float(line.slope),
        "intercept": float(line.intercept),
        "standardError": float(line.stderr),
    }


def projection_case(dim, spurious, texts, pairs, lam):
    unit = lambda rows: rows / np.linalg.norm(rows, axis=1, keepdims=True)
    v = unit(random.normal(size=(spurious, dim)))
    candidates = unit(random.normal(size=(2 * pairs, dim)))
    queries = unit(random.normal(size=(texts, dim)))
    orthogonal = np.eye(dim) - v.T @ np.linalg.inv(v @ v.T) @ v
    differences = candidates[:pairs] - candidates[pairs:]
    m = sum(np.outer(d, d) for d in differences) / pairs
    calibrated = orthogonal @ np.linalg.inv(lam * m + np.eye(dim))
    return {
        "spurious": v.tolist(),
        "candidates": candidates.tolist(),
        "pairs": [[i, i + pairs] for i in range(pairs)],
        "lambda": lam,
        "texts": queries.tolist(),
        "orthogonal": unit(queries @ orthogonal.T).tolist(),
        "calibrated": unit(queries @ calibrated.T).tolist(),
    }


golden = {
    "source": "fairlearn.metrics, datacomp FairFaceEvaluator, debias-vision-lang measuring_bias, "
    "scipy.stats.linregress, numpy.linalg",
    "version": f"fairlearn {fairlearn.__version__}, wilds 2.0.0, torch {torch.__version__}, "
    f"scipy {scipy.__version__}, numpy {np.__version__}",
    "command": "python -P test/goldens/generate/audit.py",
    "seed": SEED,
    "dtype": "float64; float32 in FairFaceEvaluator",
    "rtol": 1e-6,
    "atol": 1e-9,
    "groups": [group_case(400, 2), group_case(500, 6)],
    "faces": face_case(700),
    "skew": skew_case(1200, 4),
    "line": line_case(300),
    "projection": projection_case(24, 5, 6, 4, 1000),
}
file = pathlib.Path(__file__).parents[1] / "audit.json"
rounded = json.loads(json.dumps(golden), parse_float=lambda text: float(f"{float(text):.12g}"))
file.write_text(json.dumps(rounded) + "\n")
