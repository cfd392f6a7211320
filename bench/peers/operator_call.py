"""Microseconds per small operator call of Python's torch. Driven by bench/operator-call.ts."""

import time

import torch
from answer import serve

TINY = torch.tensor([1.5])
MATRIX = torch.arange(64, dtype=torch.float32).reshape(8, 8)
TARGET = torch.tensor([0.0])
LEAF = torch.tensor([1.5], requires_grad=True)


def add(count):
    a = TINY
    for _ in range(count):
        result = a + a
    return result


def add_in_place(count):
    target, a = TARGET, TINY
    for _ in range(count):
        target.add_(a)
    return target


def mul_scalar(count):
    a = TINY
    for _ in range(count):
        result = a * 2.5
    return result


def mm(count):
    a = MATRIX
    for _ in range(count):
        result = a.mm(a)
    return result


def view(count):
    a = MATRIX
    for _ in range(count):
        result = a.view(4, 16)
    return result


def add_with_graph(count):
    a = LEAF
    for _ in range(count):
        result = a + a
    return result


BODIES = {
    "add": add,
    "addInPlace": add_in_place,
    "mulScalar": mul_scalar,
    "mm": mm,
    "view": view,
    "addWithGraph": add_with_graph,
}


def without_gradients(name):
    # Python's own fastest mode, except where the graph is what is measured.
    return torch.inference_mode(name != "addWithGraph")


def check(name):
    TARGET.zero_()
    with without_gradients(name):
        return BODIES[name](3).detach().flatten().tolist()


def measure(name, count):
    with without_gradients(name):
        start = time.perf_counter()
        BODIES[name](count)
        return (time.perf_counter() - start) / count * 1e6


def prepare(threads):
    torch.set_num_threads(threads)
    return {"torch": torch.__version__, "threads": torch.get_num_threads()}


serve({"prepare": prepare, "check": check, "measure": measure})
