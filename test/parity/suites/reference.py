"""What the field's own evaluation code measures on made-up sets, with a small trained model.

Run:  DATACOMP=<checkout of github.com/mlfoundations/datacomp> python test/parity/suites/reference.py FOLDER
      (compare.mjs does)

Writes FOLDER/model, FOLDER/root with the sets (sets.py) and FOLDER/results.json: numbers by reference, set and name.

 - DataComp: `evaluate_model` of its eval_utils over all of tasklist.yml that have a main metric, and
   `get_aggregate_scores`.
 - CLIP_benchmark: `evaluate` of its three zero-shot metrics, over the sets that it builds itself.
 - pycocoevalcap (with Java) for captions; numpy in float64, and scipy's minimiser, for calibration and ranks.

Nothing of the references is changed. `datasets.load_dataset` is a stand-in: it gives the made-up instances of
Flickr, COCO, WinoGAViL and Winoground, which are read from the hub otherwise. There is no CUDA: DataComp takes the CPU,
where torch leaves its autocast off.

Needs the environment of bench/peers/requirements.txt with clip-benchmark 1.6.1, wilds 2.0.0 (--no-deps suffices),
pycocoevalcap 1.2, scikit-learn 1.9.1, scipy, pandas, PyYAML, numpy 2.3 (CLIP_benchmark's accuracy fails with 2.4), what
they import, and webdataset 0.2.31, which DataComp pins: it cuts webdataset's pipeline at a place that moved later.
"""

import contextlib
import importlib.metadata
import json
import os
import pathlib
import random
import sys
import types
import warnings

sys.path.append(os.environ["DATACOMP"])
# Whether it is installed or not; what it gives is set in `main`.
datasets = sys.modules["datasets"] = types.ModuleType("datasets")

import numpy as np
import torch
import yaml
from aggregate_scores import get_aggregate_scores
from clip_benchmark.datasets.builder import build_dataset, image_captions_collate_fn
from clip_benchmark.metrics import image_caption_selection, zeroshot_classification, zeroshot_retrieval
from eval_utils.main import evaluate_model
from model import NAME, trained
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer
from scipy import optimize, special

import sets

PACKAGES = [
    *["clip-benchmark", "wilds", "pycocoevalcap", "scikit-learn"],
    *["open_clip_torch", "webdataset", "torch", "numpy"],
]
# Of ten classes, of four, of two, with a blank one, with some that have no sample.
CLASSIFIED = [
    *["mnist", "vtab-kitti_closest_vehicle_distance", "vtab-pcam"],
    *["vtab-clevr_closest_object_distance", "imagenet1k"],
]
BATCH = 64


def write_sets(root, tasks, rng):
    """All sets; returns what `load_dataset` gives, by the names of the hub."""
    for place, (key, task) in enumerate(tasks.items()):
        if key.startswith("retrieval/") or key == "misc/winogavil":
            continue
        count = min(task.get("num_classes", 40), len(sets.NAMES))
        start = 7 * place % len(sets.NAMES)
        names = (sets.NAMES[start:] + sets.NAMES[:start])[:count]
        if key == "vtab/clevr_closest_object_distance":
            names[3] = ""
        # Of many classes some have no sample, the last one among them.
        shown = range(count - count // 10)
        folder = root / f"wds_{key.replace('fairness/', '').replace('/', '-')}_test"
        sets.classification(folder, names, shown, rng, sets.METADATA.get(key))
    hub = {
        "nlphuji/flickr_1k_test_image_text_retrieval": sets.retrieval(root / "wds_flickr30k_test", rng),
        "nlphuji/mscoco_2014_5k_test_image_text_retrieval": sets.retrieval(root / "wds_mscoco_captions_test", rng),
        "nlphuji/winogavil": sets.winogavil(root / "winogavil", rng),
        "facebook/winoground": sets.winoground(root / "winoground", rng),
    }
    sets.multilabel(root / "wds_voc2007_multilabel", rng)
    sets.sugar_crepe(root / "sugar_crepe", rng)
    return hub


def datacomp(folder, tasks):
    info = {"scale_config": {"model": NAME}, "checkpoint": folder / "model.pt"}
    found, lines = {}, []
    for key, task in tasks.items():
        metrics = evaluate_model(key, info, str(folder / "root"), None, BATCH)
        # As its evaluate.py does.
        metrics["main_metric"] = metrics.get(task.get("main_metric", "acc1"))
        found[key] = metrics
        lines.append(json.dumps({"key": key, "dataset": task["name"], "metrics": plain(metrics)}))
    file = folder / "datacomp.jsonl"
    file.write_text("\n".join(lines))
    return found, get_aggregate_scores(file)


def clip_benchmark(root, model, transform, tokenizer):
    options = {"device": "cpu", "amp": False}

    def shards(folder, task):
        where = {"root": str(root / folder), "split": "test", "task": task}
        dataset = build_dataset(f"wds/{folder}", transform=transform, **where)
        return dataset, torch.utils.data.DataLoader(dataset.batched(BATCH), batch_size=None)

    found = {}
    for folder in CLASSIFIED:
        dataset, batches = shards(f"wds_{folder}_test", "zeroshot_classification")
        names = dataset.classes, dataset.templates
        found[folder] = zeroshot_classification.evaluate(model, batches, tokenizer, *names, **options)
    dataset, batches = shards("wds_voc2007_multilabel", "zeroshot_classification")
    names = dataset.classes, dataset.templates
    found["voc2007_multilabel"] = zeroshot_classification.evaluate(model, batches, tokenizer, *names, **options)
    _, batches = shards("wds_flickr30k_test", "zeroshot_retrieval")
    ks = {"recall_k_list": [1, 5, 10]}
    found["flickr30k"] = zeroshot_retrieval.evaluate(model, batches, tokenizer, **ks, **options)
    for key in [f"sugar_crepe/{kind}" for kind in sets.SUGAR_CREPE] + ["winoground"]:
        where = {"root": str(root / key.split("/")[0]), "task": "image_caption_selection"}
        dataset = build_dataset(key, transform=transform, **where)
        batches = torch.utils.data.DataLoader(dataset, batch_size=BATCH, collate_fn=image_captions_collate_fn)
        found[key] = image_caption_selection.evaluate(model, batches, tokenizer, **options)
    return found


@torch.no_grad()
def embedded(root, folder, model, transform, tokenizer):
    """Unit rows of pictures and of captions or classes, in float64, and the captions or numbers of the classes."""
    task = "zeroshot_classification" if (root / folder / "classnames.txt").exists() else "zeroshot_retrieval"
    dataset = build_dataset(f"wds/{folder}", transform=transform, root=str(root / folder), split="test", task=task)
    pictures, truths = zip(*dataset)
    images = torch.nn.functional.normalize(model.encode_image(torch.stack(pictures)), dim=-1)
    if dataset.classes is None:
        texts = [caption for captions in truths for caption in captions]
        rows = torch.nn.functional.normalize(model.encode_text(tokenizer(texts)), dim=-1)
    else:
        names = dataset.classes, dataset.templates
        rows = zeroshot_classification.zero_shot_classifier(model, tokenizer, *names, "cpu", amp=False).T
    return images.double().numpy(), rows.double().numpy(), truths


def ranks(images, texts, captions):
    """The median of the best rank of a right answer, from 1."""
    owner = np.repeat(np.arange(len(captions)), [len(one) for one in captions])
    scores = images @ texts.T
    best = [max(scores[i, owner == i]) for i in range(len(images))]
    to_text = [1 + (scores[i] > best[i]).sum() for i in range(len(images))]
    to_image = [1 + (scores[:, t] > scores[owner[t], t]).sum() for t in range(len(texts))]
    return {"image_to_text_median": np.median(to_text), "text_to_image_median": np.median(to_image)}


def captioning(images, texts, captions):
    """The caption most like each picture, of all, against the picture's own."""
    every = [caption for own in captions for caption in own]
    chosen = [every[at] for at in (images @ texts.T).argmax(axis=1)]

    def words(lists):
        return PTBTokenizer().tokenize({i: [{"caption": one} for one in own] for i, own in enumerate(lists)})

    own, guess = words(captions), words([[one] for one in chosen])
    return {
        "recall@1": np.mean([one in own for one, own in zip(chosen, captions)]),
        "CIDEr": Cider().compute_score(own, guess)[0],
        "ROUGE_L": Rouge().compute_score(own, guess)[0],
        "Bleu": Bleu(4).compute_score(own, guess, verbose=0)[0],
    }


def calibration(images, weights, truths, scale):
    """Of the model's probabilities, and with a temperature fitted on each half (every other one) for the other."""
    cosines, truths = images @ weights.T, np.array(truths)
    half = np.arange(len(truths)) % 2

    def nll(log_scale, part):
        logits = np.exp(log_scale) * cosines[part]
        return np.mean(special.logsumexp(logits, axis=1) - logits[np.arange(part.sum()), truths[part]])

    fitted = np.zeros(len(truths))
    for side in (0, 1):
        best = optimize.minimize_scalar(nll, args=(half == side,), bounds=(-5, 10), options={"xatol": 1e-12})
        fitted[half != side] = np.exp(best.x)
    before = calibrated(cosines * scale, truths)
    after = calibrated(cosines * fitted[:, None], truths)
    return before | {f"calibrated/{name}": value for name, value in after.items()}


def calibrated(logits, truths, bins=15):
    shares = special.softmax(logits, axis=1)
    confidences, hits = shares.max(axis=1), shares.argmax(axis=1) == truths

    def error(groups):
        gaps = [len(one) * abs(hits[one].mean() - confidences[one].mean()) for one in groups if len(one)]
        return sum(gaps) / len(truths)

    # Bins (0, 1/15], (1/15, 2/15] and so on; then as many pictures in each.
    places = np.ceil(confidences * bins).astype(int)
    order = np.argsort(confidences, kind="stable")
    edges = np.floor(np.arange(len(truths)) * bins / len(truths)).astype(int)
    right = np.eye(shares.shape[1])[truths]
    return {
        "ece": error([np.flatnonzero(places == one) for one in range(1, bins + 1)]),
        "adaptiveEce": error([order[edges == one] for one in range(bins)]),
        "brier": ((shares - right) ** 2).sum(axis=1).mean(),
        "nll": -np.log(shares[np.arange(len(truths)), truths]).mean(),
    }


def plain(value):
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return None if value is None or not np.isfinite(float(value)) else float(value)


def main(folder):
    checkout = pathlib.Path(os.environ["DATACOMP"])
    tasks = yaml.safe_load((checkout / "tasklist.yml").read_text())
    # They have no main metric, and the audit's own comparison.
    tasks = {key: task for key, task in tasks.items() if key not in ("fairness/fairface", "fairness/utkface")}
    rng = random.Random(0)
    model, transform, tokenizer = trained(folder, rng)
    root = folder / "root"
    hub = write_sets(root, tasks, rng)
    datasets.load_dataset = lambda name, split=None, cache_dir=None: hub[name] if split else {"test": hub[name]}
    own = {"calibration": {}, "numpy": {}, "pycocoevalcap": {}}
    for key in ["mnist", "imagenet1k"]:
        images, weights, truths = embedded(root, f"wds_{key}_test", model, transform, tokenizer)
        own["calibration"][key] = calibration(images, weights, truths, model.logit_scale.exp().item())
    for key in ["flickr30k", "mscoco_captions"]:
        images, texts, captions = embedded(root, f"wds_{key}_test", model, transform, tokenizer)
        own["numpy"][key] = ranks(images, texts, captions)
        own["pycocoevalcap"][key] = captioning(images, texts, captions)
    found, averages = datacomp(folder, tasks)
    results = {
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
        "datacomp": plain(found),
        "mainMetrics": {key: task.get("main_metric", "acc1") for key, task in tasks.items()},
        "averages": plain(averages),
        "clipBenchmark": plain(clip_benchmark(root, model, transform, tokenizer)),
        **plain(own),
    }
    (folder / "results.json").write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    # Classes without a sample, metadata that does not begin at 0, CUDA that is not there.
    warnings.simplefilter("ignore")
    with contextlib.redirect_stdout(sys.stderr):
        main(pathlib.Path(sys.argv[1]))
