"""What DataComp's tasklist.yml and aggregate_scores.py say of its tasks, and how many templates CLIP_benchmark has.

Run:  DATACOMP=<checkout of github.com/mlfoundations/datacomp> python -P test/goldens/generate/datacomp-tasks.py
Needs PyYAML, numpy, pandas, and clip-benchmark 1.6.1, of which only a file is read.
"""

import importlib.util
import json
import os
import pathlib
import sys

import yaml

OUT = pathlib.Path(__file__).parents[1] / "datacomp-tasks.json"


def main():
    checkout = os.environ["DATACOMP"]
    sys.path.insert(0, checkout)
    from aggregate_scores import DATASET_GROUPS

    tasks = yaml.safe_load(pathlib.Path(checkout, "tasklist.yml").read_text())
    package = pathlib.Path(importlib.util.find_spec("clip_benchmark").origin).parent
    templates = json.loads((package / "datasets" / "en_zeroshot_classification_templates.json").read_text())
    keys = ("name", "size", "num_classes", "random_score", "main_metric")
    golden = {
        "source": "github.com/mlfoundations/datacomp, tasklist.yml and DATASET_GROUPS of aggregate_scores.py; clip-benchmark 1.6.1",
        "command": "DATACOMP=<checkout> python -P test/goldens/generate/datacomp-tasks.py",
        "tasks": {key: {name: task[name] for name in keys if name in task} for key, task in tasks.items()},
        "templates": {name: len(own) for name, own in templates.items()},
        "groups": {group: sorted(names) for group, names in DATASET_GROUPS.items()},
    }
    OUT.write_text(json.dumps(golden, indent=1) + "\n")


main()
