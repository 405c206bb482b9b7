# SPDX-License-Identifier: BSD-3-Clause
"""The losses and data that linear models are tested on. No tests here."""

import numpy as np
from sklearn.datasets import load_digits

import fastloss as fl

LABELS, NUMBERS, SIGNS, COUNTS = "labels", "numbers", "signs", "counts"
LOSSES = [
    (fl.SquaredError(), NUMBERS),
    (fl.RootMeanSquaredError(), NUMBERS),
    (fl.LogCosh(reduction="sum"), NUMBERS),
    (fl.GaussianNLL(variance=None), NUMBERS),
    (fl.PoissonNLL(), COUNTS),
    (fl.BinaryCrossEntropy(label_smoothing=0.1, pos_weight=2.0), SIGNS),
    (fl.Hinge(squared=True), SIGNS),
    (fl.SoftmaxCrossEntropy(label_smoothing=0.1), LABELS),
    (fl.SoftmaxCrossEntropy(class_weight=[1.0, 0.0, 2.0, 0.5], ignore_index=3), LABELS),
    (fl.MulticlassHinge(squared=True, class_weight=[1.0, 3.0, 2.0, 0.5]), LABELS),
    (fl.MulticlassHinge(squared=True, ignore_index=-1, reduction="sum"), LABELS),
]
IDS = [repr(loss) for loss, _ in LOSSES]


def make_data(kind, rng, n=50, d=5, dtype=np.float64):
    """X and targets that a loss of this kind takes."""
    X = rng.normal(size=(n, d)).astype(dtype)
    y = {
        LABELS: lambda: rng.integers(0, 4, n),
        NUMBERS: lambda: rng.normal(size=n),
        SIGNS: lambda: rng.integers(0, 2, n),
        COUNTS: lambda: rng.poisson(2.0, n),
    }[kind]()
    return X, y


def scores_of(objective, w, X):
    coef, intercept = objective.unpack(w)
    return X @ coef.T + intercept


def digits(**options):
    X, y = load_digits(return_X_y=True)
    return fl.linear.Objective(fl.SoftmaxCrossEntropy(), X / 16, y, penalty=fl.L2(1e-4), **options)
