# SPDX-License-Identifier: BSD-3-Clause
"""What the tests of both boosters share: targets of every kind over one table of features, and suitable losses."""

import numpy as np

import fastloss as fl

CLASSES = 4


def data(rng, n=1500):
    """Features, targets by name, and weights; float32, as both libraries keep them."""
    x = rng.normal(size=(n, 6)).astype(np.float32)
    score = x[:, 0] + np.sin(2 * x[:, 1]) + 0.3 * rng.normal(size=n)
    targets = {
        "real": score,
        "binary": score > 0,
        "classes": np.digitize(score, [-1, 0, 1]),
        "counts": rng.poisson(np.exp(score / 2)),
        "positive": rng.gamma(2.0, np.exp(score / 2)) + 0.01,
    }
    weight = rng.uniform(0.5, 2.0, n).astype(np.float32)
    return x, {name: y.astype(np.float32) for name, y in targets.items()}, weight


# (loss, target, curvature): one of every kind
SUITABLE = [
    (fl.SquaredError(), "real", "exact"),
    (fl.Huber(delta=0.5), "real", "one"),
    (fl.LogCosh(reduction="none"), "real", "exact"),
    (fl.AbsoluteError(), "real", "one"),
    (fl.Pinball(quantile=0.9), "real", "one"),
    (fl.EpsilonInsensitive(squared=True), "real", "exact"),
    (fl.GaussianNLL(variance=0.5), "real", "upper"),
    (fl.PoissonNLL(), "counts", 2.0),
    (fl.ExponentialNLL(), "positive", "exact"),
    (fl.GammaNLL(shape=2.0), "positive", "exact"),
    (fl.TweedieNLL(power=1.3), "positive", "exact"),
    (fl.BinaryCrossEntropy(label_smoothing=0.1), "binary", "exact"),
    (fl.Hinge(squared=True), "binary", "exact"),
    (fl.Focal(), "binary", "abs"),
    (fl.SoftmaxCrossEntropy(class_weight=[1.0, 2.0, 0.5, 1.0], ignore_index=3), "classes", "upper"),
    (fl.MulticlassHinge(squared=True), "classes", "upper"),
    (fl.CrammerSingerHinge(), "classes", "one"),
]


def label(case):
    loss, _, hessian = case
    return f"{type(loss).__name__}-{hessian}"
