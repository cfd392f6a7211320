"""GFLOP/s of float32 matrix products of Python's torch. Driven by bench/matrix-product.ts."""

import time

import torch
from answer import serve

STATE = {}


def prepare(threads):
    torch.set_num_threads(threads)
    return {"torch": torch.__version__, "threads": torch.get_num_threads()}


def check(n):
    """The corner and the sum of a product of small whole numbers, exact in float32."""
    index = torch.arange(n * n)
    a = (index * 7 % 11 - 5).float().reshape(n, n)
    b = (index * 3 % 13 - 6).float().reshape(n, n)
    STATE[n] = (a, b)
    with torch.inference_mode():
        product = a.mm(b)
        return [*product[:2, :2].flatten().tolist(), product.double().sum().item()]


def measure(n, repeats):
    a, b = STATE[n]
    with torch.inference_mode():
        start = time.perf_counter()
        for _ in range(repeats):
            a.mm(b)
        elapsed = time.perf_counter() - start
    return 2 * n**3 * repeats / elapsed / 1e9


serve({"prepare": prepare, "check": check, "measure": measure})
