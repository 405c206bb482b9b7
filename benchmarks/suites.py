# SPDX-License-Identifier: BSD-3-Clause
"""The registry of benchmarks: each case is one piece of work on given shapes; the suites are lists of cases.

What does the work is in contenders.py (fastloss and NumPy) and peers.py (other libraries).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

# What a loss takes as target, and so what is drawn for it.
TARGETS = {
    "SquaredError": "real",
    "RootMeanSquaredError": "real",
    "AbsoluteError": "real",
    "Huber": "real",
    "LogCosh": "real",
    "Pinball": "real",
    "EpsilonInsensitive": "real",
    "GaussianNLL": "real",
    "PoissonNLL": "count",
    "ExponentialNLL": "positive",
    "GammaNLL": "positive",
    "TweedieNLL": "positive",
    "BinaryCrossEntropy": "binary",
    "Hinge": "sign",
    "Focal": "binary",
    "SoftmaxCrossEntropy": "classes",
    "MulticlassHinge": "classes",
    "CrammerSingerHinge": "classes",
}

# Arrays that an optimizer reads and writes for each parameter, besides the parameter itself.
STATES = {
    "SGD": 1,
    "Adagrad": 1,
    "Adadelta": 2,
    "RMSprop": 1,
    "Adam": 2,
    "AdamW": 2,
    "RAdam": 2,
    "NAdam": 2,
    "Adamax": 2,
    "Lion": 1,
}

OTHERS = {"L2": "penalty", "train": "train"}

MLP = tuple(s for a, b in [(784, 256), (256, 256), (256, 128), (128, 10)] for s in [(a, b), (b,)])


@dataclass(frozen=True)
class Case:
    """One piece of work: the name of what is computed, on which shape and type, with which options."""

    work: str
    shape: tuple
    dtype: str = "float32"
    options: dict = field(default_factory=dict)
    level: str = "grad"  # of a loss: "value", "grad" or "hess", each with what comes before it
    weighted: bool = False
    strided: bool = False  # rows are those of a wider table
    tensors: tuple = ()  # shapes of an optimizer's parameters, where there are several; `shape` then only names them
    reach: float | None = None  # how many times faster than the best peer this is meant to be

    @property
    def name(self):
        parts = [self.work, "an MLP" if self.tensors == MLP else " x ".join(f"{n:,}" for n in self.shape)]
        parts += [f"{key}={value}" for key, value in self.options.items()]
        parts += [word for word, said in [(self.level, self.level != "grad"), ("weights", self.weighted)] if said]
        parts += ["strided"] * self.strided + [self.dtype] * (self.dtype != "float32")
        return f"{parts[0]} {', '.join(parts[1:])}"

    @property
    def kind(self):
        """ "loss", "update", "penalty" or "train"."""
        return "loss" if self.work in TARGETS else "update" if self.work in STATES else OTHERS[self.work]

    @property
    def bytes(self):
        """What must move between memory and processor: every array once for each time it is read or written."""
        entries, item = math.prod(self.shape), np.dtype(self.dtype).itemsize
        if self.kind == "update":
            entries = sum(map(math.prod, self.tensors)) if self.tensors else entries
            return entries * item * (3 + 2 * STATES[self.work])
        if self.kind == "penalty":
            return entries * item * 3
        arrays = {"value": 1, "grad": 2, "hess": 3}[self.level]
        if TARGETS[self.work] == "classes":
            return entries * item * arrays + self.shape[0] * (8 + item * self.weighted)
        return entries * item * (arrays + 1 + self.weighted)

    def data(self, seed=0):
        """Fresh arrays: `z`, `y`, `out` for losses, lists `w` and `g` for optimizers, `X` and `y` for training."""
        rng = np.random.default_rng(seed)
        if self.kind in ("update", "penalty"):
            shapes = self.tensors or (self.shape,)
            w, g = ([rng.normal(size=shape).astype(self.dtype) for shape in shapes] for _ in range(2))
            return {"w": w, "g": g}
        if self.kind == "train":
            n, d, c = self.shape
            return {"X": rng.normal(size=(n, d)).astype(self.dtype), "y": rng.integers(0, c, n), "c": c}
        z = rng.normal(size=self.shape) * 2
        y = {
            "classes": lambda: rng.integers(0, self.shape[-1], self.shape[0]),
            "binary": lambda: rng.integers(0, 2, self.shape).astype(self.dtype),
            "sign": lambda: (2 * rng.integers(0, 2, self.shape) - 1).astype(self.dtype),
            "real": lambda: rng.normal(size=self.shape).astype(self.dtype),
            "count": lambda: rng.poisson(2.0, self.shape).astype(self.dtype),
            "positive": lambda: rng.gamma(2.0, size=self.shape).astype(self.dtype),
        }[TARGETS[self.work]]()
        weight = rng.uniform(0.5, 2.0, self.shape[:1]).astype(self.dtype) if self.weighted else None
        return {"z": self._rows(z), "y": y, "weight": weight, "out": self._rows(np.zeros(self.shape))}

    def _rows(self, values):
        """`values` in the case's type; where rows are strided, as the first columns of a table half as wide again."""
        if not self.strided:
            return values.astype(self.dtype)
        n, c = values.shape
        table = np.zeros((n, c + (c + 1) // 2), self.dtype)
        table[:, :c] = values
        return table[:, :c]


def reach(work, factors):
    """Cases of one work from {shape: how many times the best peer}."""
    return [Case(work, shape, reach=factor) for shape, factor in factors.items()]


def updates(work, factors):
    """Cases of an optimizer from {entries, (tensors, entries) or MLP: how many times the best peer}."""
    for size, factor in factors.items():
        if size == MLP:
            yield Case(work, (len(MLP),), tensors=MLP, reach=factor)
        elif isinstance(size, tuple):
            yield Case(work, size, tensors=((size[1],),) * size[0], reach=factor)
        else:
            yield Case(work, (size,), reach=factor)


M = 1_000_000
ROWS = [(1, 10), (32, 10), (256, 10), (4096, 10), (65536, 10), (128, 100), (128, 1000), (8192, 1000), (256, 32000)]
POINTS = [(1,), (10_000,), (M,), (10 * M,)]
PARAMETERS = [(1000,), (100_000,), (10 * M,)]

# Against NumPy, in half a minute.
QUICK = [
    *(Case("SoftmaxCrossEntropy", shape) for shape in ROWS),
    *(Case("MulticlassHinge", shape) for shape in ROWS),
    *(Case("MulticlassHinge", shape, options={"squared": True}) for shape in [(256, 10), (128, 1000)]),
    *(Case("BinaryCrossEntropy", shape) for shape in POINTS),
    *(Case("SquaredError", shape) for shape in POINTS),
    *(Case("SGD", shape, options={"momentum": 0.9}) for shape in PARAMETERS),
    *(Case("RMSprop", shape) for shape in PARAMETERS),
    *(Case("Adam", shape) for shape in PARAMETERS),
    *(Case("L2", shape) for shape in PARAMETERS),
    Case("train", (1437, 64, 10), "float64"),
    Case("train", (60_000, 784, 10)),
]

# Against other libraries, with what each is meant to reach.
PEERS = [
    *reach("SoftmaxCrossEntropy", dict(zip(ROWS, [10, 10, 10, 8, 3, 6, 4, 5, 4]))),
    *reach("MulticlassHinge", dict(zip([*ROWS[:5], *ROWS[6:8]], [10, 10, 8, 8, 3, 8, 4]))),
    *reach("BinaryCrossEntropy", dict(zip(POINTS, [10, 8, 3, 8]))),
    *reach("SquaredError", {(1,): 3, (10_000,): 2, (10 * M,): 2.5}),
    *reach("PoissonNLL", {(1,): 8, (10_000,): 4, (10 * M,): 5}),
    *updates("Adam", {1000: 8, 100_000: 2.5, 10 * M: 1, MLP: 2.5, (100, 1000): 10}),
    *updates("RMSprop", {1000: 6, 100_000: 5, 10 * M: 5, (100, 1000): 12}),
]

CLASSES = [2, 3, 10, 100, 1000, 32_000, 128_256]
ROW_LOSSES = [work for work, target in TARGETS.items() if target == "classes"]
POINT_LOSSES = [work for work in TARGETS if work not in ROW_LOSSES]
NO_HESS = ("RootMeanSquaredError",)


def levels(work):
    return ("value", "grad") if work in NO_HESS else ("value", "grad", "hess")


# Every loss and every optimizer.
EVERY = [
    *(Case(work, (100_000,), level=level) for work in POINT_LOSSES for level in levels(work)),
    *(Case(work, (100_000,), weighted=True) for work in POINT_LOSSES),
    *(Case(work, (max(1, (1 << 18) // c), c), level=a) for work in ROW_LOSSES for c in CLASSES for a in levels(work)),
    *(Case(work, (4096, c), weighted=True) for work in ROW_LOSSES for c in (10, 100)),
    *(Case(work, (4096, c), strided=True) for work in ROW_LOSSES for c in (10, 100)),
    *(Case(work, (100_000,), options={"momentum": 0.9} if work == "SGD" else {}) for work in STATES),
]

# From one entry to ten million, for the pictures.
SIZES = [
    *(Case(work, (10**k,)) for work in ("SquaredError", "BinaryCrossEntropy", "PoissonNLL") for k in range(8)),
    *(Case(work, (10**k, 10)) for work in ("SoftmaxCrossEntropy", "MulticlassHinge") for k in range(7)),
    *(Case(work, (10**k, 1000)) for work in ("SoftmaxCrossEntropy", "MulticlassHinge") for k in range(5)),
    *(Case(work, (10**k,)) for work in ("Adam", "RMSprop") for k in range(8)),
]

# Around the numbers of classes where the method changes (src_c/kernels/rows.h).
CROSSOVER = [
    Case(work, (512, c))
    for work in ("SoftmaxCrossEntropy", "MulticlassHinge")
    for c in (4, 6, 8, 10, 11, 12, 16, 17, 20, 24, 25, 32, 33, 40, 48, 64, 65, 100, 128, 129, 200)
]

SUITES = {"quick": QUICK, "peers": PEERS, "every": EVERY, "sizes": SIZES, "crossover": CROSSOVER}
