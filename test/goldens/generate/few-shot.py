"""k-NN votes of scikit-learn and class means on random unit rows.

Run:  python -P test/goldens/generate/few-shot.py
Needs scikit-learn, numpy.

The embeddings are stored as float32 bytes in base64, so both sides count on equal numbers.
"""

import base64
import json
import pathlib

import numpy as np
import sklearn
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid

SEED = 20261122
CLASSES, SHOTS, QUERIES, DIM, TEMPERATURE = 5, 7, 23, 8, 0.07


def packed(array):
    return base64.b64encode(np.ascontiguousarray(array, dtype="<f4").tobytes()).decode()


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype("f4")


def softmax_weights(distances):
    return np.exp(-distances / TEMPERATURE)


def rank_weights(distances):
    return np.ones_like(distances) / np.arange(1, distances.shape[1] + 1)


def main():
    random = np.random.default_rng(SEED)
    centers = random.normal(size=(CLASSES, DIM))
    draw = lambda labels: unit(centers[labels] + 1.2 * random.normal(size=(len(labels), DIM)))
    labels = random.permutation(np.repeat(np.arange(CLASSES), SHOTS))
    support, queries = draw(labels), draw(random.integers(0, CLASSES, QUERIES))
    votes = []
    for name, weights in [
        ("plurality", "uniform"),
        ("softmax", softmax_weights),
        ("rank", rank_weights),
    ]:
        for k in [1, 4, 20, 35]:
            model = KNeighborsClassifier(k, weights=weights, metric="cosine", algorithm="brute")
            shares = model.fit(support, labels).predict_proba(queries)
            votes.append({"voting": name, "k": k, "shares": np.round(shares, 9).tolist()})
    # The nearest unit vector is the one with the greatest cosine.
    means = unit(NearestCentroid().fit(support, labels).centroids_)
    nearest = np.argmax(queries.astype("f8") @ means.T.astype("f8"), axis=1)
    golden = {
        "source": "sklearn.neighbors.KNeighborsClassifier.predict_proba, NearestCentroid",
        "version": f"scikit-learn {sklearn.__version__}, numpy {np.__version__}",
        "command": "python -P test/goldens/generate/few-shot.py",
        "seed": SEED,
        "dtype": "float32",
        "rtol": 1e-4,
        "atol": 1e-6,
        "classCount": CLASSES,
        "dim": DIM,
        "temperature": TEMPERATURE,
        "support": packed(support),
        "labels": labels.tolist(),
        "queries": packed(queries),
        "votes": votes,
        "nearestMean": nearest.tolist(),
    }
    path = pathlib.Path(__file__).resolve().parent.parent / "few-shot.json"
    path.write_text(json.dumps(golden) + "\n")


main()
