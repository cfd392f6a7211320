"""Seconds and peak memory of safetensors' own loader, for bench/load-safetensors.ts."""

import importlib.metadata
import json
import resource
import sys
import time

import torch
from safetensors.torch import load_file

torch.set_num_threads(1)


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


before = peak()
clock = time.process_time()
start = time.perf_counter()
weights = load_file(sys.argv[1])
seconds = time.perf_counter() - start
cpu = time.process_time() - clock
version = importlib.metadata.version("safetensors")
print(json.dumps({"seconds": seconds, "cpu": cpu, "peak": peak(), "before": before, "version": version}))
