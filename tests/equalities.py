# SPDX-License-Identifier: BSD-3-Clause
"""The equalities that docs/losses.md states: reads them from its tables, draws data for them, evaluates a side.

What must hold is asserted in test_docs_losses.py and peers/test_docs_losses_torch.py.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import fastloss

PAGE = Path(__file__).resolve().parents[1] / "docs" / "losses.md"
N, C = 40, 4  # samples and classes
PARAMETERS = {"a": 0.3, "C": 0.7, "d": 0.6, "e": 1.35, "g": 1.7, "m": 0.8, "p": 1.4, "q": 0.8, "v": 0.4}


@dataclass(frozen=True)
class Equality:
    """One row of a table: two expressions that are to give the same number."""

    section: str
    ours: str
    theirs: str

    def __str__(self):
        return f"{self.section}: {self.theirs}"

    @property
    def kind(self):
        """Whose function the right side is: "torch", "keras", "estimator" or "scipy" (scikit-learn's metrics too)."""
        if re.match(r"(linear_model|svm)\.", self.theirs):
            return "estimator"
        if "keras." in self.theirs:
            return "keras"
        return "torch" if re.search(r"\b(F|torch)\.", self.theirs) else "scipy"


def sections():
    """Name and text of each section of the page."""
    parts = re.split(r"^## (.+)$", PAGE.read_text(encoding="utf-8"), flags=re.M)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def equalities(*kinds):
    """The rows of these kinds, in the page's order."""
    rows = [
        Equality(name, *row)
        for name, text in sections().items()
        for row in re.findall(r"^\| `([^`]+)` \| `([^`]+)` \| ", text, re.M)
    ]
    return [row for row in rows if row.kind in kinds]


def inputs(section, rng):
    """The names of an equality's data, as the page explains them, as float64 and int64 arrays."""
    z, w = 2 * rng.normal(size=N), rng.random(N)
    names = {**PARAMETERS, "n": N, "c": C, "z": z, "w": w, "y": rng.normal(size=N)}
    if section == "EpsilonInsensitive":
        names["e"] = 0.3
    if section == "GaussianNLL":
        names["zk"] = rng.normal(size=(N, 2))
    if section == "PoissonNLL":
        names |= {"z": z / 2, "mu": np.exp(z / 2), "y": rng.poisson(2.0, size=N).astype(float)}
    if section in ("ExponentialNLL", "GammaNLL", "TweedieNLL"):
        names |= {"z": z / 2, "mu": np.exp(z / 2), "y": rng.gamma(2.0, size=N)}
    if section in ("BinaryCrossEntropy", "Hinge", "Focal"):
        y = rng.integers(0, 2, size=N).astype(float)
        names |= {"y": y, "s": 2 * y - 1, "f": 0.01 + 0.98 * rng.random(N)}
        names |= {"z2": rng.normal(size=(N, 3)), "y2": rng.integers(0, 2, size=(N, 3)).astype(float)}
    if section in ("SoftmaxCrossEntropy", "MulticlassHinge", "CrammerSingerHinge"):
        y = rng.integers(0, C, size=N)
        names |= {"z": 2 * rng.normal(size=(N, C)), "y": y, "Y": np.eye(C)[y], "k": 0.5 + rng.random(C)}
        names["Q"] = rng.dirichlet(np.ones(C), size=N)
    if section == "Common to all":
        names["b"] = (names["y"] > 0).astype(float)
    return names


class Recorder:
    """Stands in for the package in an expression, and keeps the gradient and `pred` of each call."""

    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        def make(**keywords):
            loss = getattr(fastloss, name)(**keywords)

            def call(pred, target, **more):
                value, grad = loss.value_and_grad(pred, target, **more)
                self.calls.append((pred, grad))
                return value

            return call

        return make


def evaluate(expression, names):
    """The value of an expression of the page."""
    return eval(expression, {"__builtins__": {"slice": slice}, "np": np, **names})
