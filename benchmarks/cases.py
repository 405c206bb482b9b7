# SPDX-License-Identifier: BSD-3-Clause
"""The registry of benchmarks: each case is one piece of work, done by several contenders on data of their own.

A contender is a function from a case's data to a callable without arguments that does the work once and returns what
it computed. To add one (PyTorch, say), add a table to CONTENDERS; what a table lacks is not run.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy_baseline

import fastloss as fl


@dataclass(frozen=True)
class Case:
    """One piece of work: the name of what is computed, on which shape and type, with which options."""

    work: str
    shape: tuple
    dtype: str = "float32"
    options: dict = field(default_factory=dict)

    @property
    def name(self):
        options = "".join(f", {key}={value}" for key, value in self.options.items())
        return f"{self.work} {' x '.join(f'{n:,}' for n in self.shape)}{options}" + (
            " float64" if self.dtype == "float64" else ""
        )

    def data(self, seed=0):
        """Fresh arrays: `z` and `y` for losses, `w` and `g` for optimizers, `X` and `y` for training."""
        rng = np.random.default_rng(seed)
        kind, dtype = KIND[self.work], self.dtype
        if kind == "update":
            w, g = rng.normal(size=(2, *self.shape)).astype(dtype)
            return {"w": w, "g": g, "out": np.empty_like(g)}
        if kind == "train":
            n, d, c = self.shape
            return {"X": rng.normal(size=(n, d)).astype(dtype), "y": rng.integers(0, c, n), "c": c}
        z = (2 * rng.normal(size=self.shape)).astype(dtype)
        y = {
            "classes": lambda: rng.integers(0, self.shape[-1], self.shape[0]),
            "binary": lambda: rng.integers(0, 2, self.shape).astype(dtype),
            "real": lambda: rng.normal(size=self.shape).astype(dtype),
        }[kind]()
        return {"z": z, "y": y, "out": np.empty_like(z)}

    def contenders(self):
        """Name -> the callable that does this work, each on the same numbers in arrays of its own."""
        tables = {name: table[self.work] for name, table in CONTENDERS.items() if self.work in table}
        return {name: make(self.data(), **self.options) for name, make in tables.items()}


KIND = {
    "SoftmaxCrossEntropy": "classes",
    "MulticlassHinge": "classes",
    "BinaryCrossEntropy": "binary",
    "SquaredError": "real",
    "SGD": "update",
    "RMSprop": "update",
    "Adam": "update",
    "L2": "update",
    "train": "train",
}

ROWS = [(1, 10), (32, 10), (256, 10), (4096, 10), (65536, 10), (128, 100), (128, 1000), (8192, 1000), (256, 32000)]
POINTS = [(1,), (10_000,), (1_000_000,), (10_000_000,)]
PARAMETERS = [(1000,), (100_000,), (10_000_000,)]

CASES = [
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


# ---- fastloss ----


def fastloss_loss(work):
    """`fl.<work>` with gradient into a buffer."""

    def make(data, **options):
        loss, z, y, out = getattr(fl, work)(**options), data["z"], data["y"], data["out"]
        return lambda: loss.value_and_grad(z, y, out=out)

    return make


def fastloss_update(work):
    """One step of `fl.<work>`; returns the parameters."""

    def make(data, **options):
        w, g = data["w"], data["g"]
        optimizer = getattr(fl, work)(w, lr=1e-3, **options)

        def run():
            optimizer.step(g)
            return w

        return run

    return make


def fastloss_penalty(data):
    """The gradient of a penalty, added to one that is there."""
    l2, w, out = fl.L2(1e-3), data["w"], data["out"]
    out[...] = 0
    return lambda: (l2.add_grad(w, out), out)


TRAINING = dict(lr=1e-3, batch_size=128, epochs=1, seed=0)


def fastloss_train(data):
    """One epoch of softmax, L2 and Adam, in batches of 128."""
    loss = fl.SoftmaxCrossEntropy()
    objective = fl.linear.Objective(loss, data["X"], data["y"], penalty=fl.L2(1e-4), n_classes=data["c"])

    def run():
        result = fl.linear.train(objective, **TRAINING)
        return result.coef, result.intercept

    return run


# ---- NumPy ----


def numpy_loss(work):
    """numpy_baseline.<work> with gradient into a buffer."""

    def make(data, **options):
        z, y, out = data["z"], data["y"], data["out"]
        loss = getattr(numpy_baseline, work)(*z.shape, z.dtype, **options)
        return lambda: (loss(z, y, out), out)

    return make


def numpy_update(work):
    """One step of numpy_baseline.<work>; returns the parameters."""

    def make(data, **options):
        w, g = data["w"], data["g"]
        optimizer = getattr(numpy_baseline, work)(w, lr=1e-3, **options)

        def run():
            optimizer.step(g)
            return w

        return run

    return make


def numpy_penalty(data):
    """The gradient of a penalty, added to one that is there."""
    w, out = data["w"], data["out"]
    l2 = numpy_baseline.L2(1e-3, w)
    out[...] = 0
    return lambda: (l2.add_grad(w, out), out)


def numpy_train(data):
    """One epoch of softmax, L2 and Adam, in batches of 128."""
    settings = dict(classes=data["c"], strength=1e-4, **TRAINING)
    return lambda: numpy_baseline.train(numpy_baseline.SoftmaxCrossEntropy, data["X"], data["y"], **settings)[:2]


LOSSES = ("SoftmaxCrossEntropy", "MulticlassHinge", "BinaryCrossEntropy", "SquaredError")
UPDATES = ("SGD", "RMSprop", "Adam")

CONTENDERS = {
    "numpy": {
        **{work: numpy_loss(work) for work in LOSSES},
        **{work: numpy_update(work) for work in UPDATES},
        "L2": numpy_penalty,
        "train": numpy_train,
    },
    "fastloss": {
        **{work: fastloss_loss(work) for work in LOSSES},
        **{work: fastloss_update(work) for work in UPDATES},
        "L2": fastloss_penalty,
        "train": fastloss_train,
    },
}


def assert_same_results(case):
    """Do the work three times with every contender; the results must agree to rounding in the case's type."""
    results = {}
    for name, run in case.contenders().items():
        for _ in range(3):
            found = run()
        results[name] = [np.array(part, dtype=np.float64) for part in (found if isinstance(found, tuple) else (found,))]
    first, *others = results
    relative = {"float32": 3e-5, "float64": 1e-9}[case.dtype]
    for other in others:
        for a, b in zip(results[first], results[other], strict=True):
            scale = np.abs(a).max(initial=0)
            np.testing.assert_allclose(a, b, rtol=relative, atol=relative * scale, err_msg=f"{first} against {other}")
