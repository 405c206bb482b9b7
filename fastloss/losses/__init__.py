# SPDX-License-Identifier: BSD-3-Clause
"""The losses: one class each, parameters and documentation only. Their loops are compiled (``fastloss._core``)."""

from .._core import Loss
from .classification import (
    BinaryCrossEntropy,
    CrammerSingerHinge,
    Focal,
    Hinge,
    MulticlassHinge,
    SoftmaxCrossEntropy,
)
from .regression import (
    AbsoluteError,
    EpsilonInsensitive,
    ExponentialNLL,
    GammaNLL,
    GaussianNLL,
    Huber,
    LogCosh,
    Pinball,
    PoissonNLL,
    RootMeanSquaredError,
    SquaredError,
    TweedieNLL,
)

__all__ = [
    "AbsoluteError",
    "BinaryCrossEntropy",
    "CrammerSingerHinge",
    "EpsilonInsensitive",
    "ExponentialNLL",
    "Focal",
    "GammaNLL",
    "GaussianNLL",
    "Hinge",
    "Huber",
    "LogCosh",
    "Loss",
    "MulticlassHinge",
    "Pinball",
    "PoissonNLL",
    "RootMeanSquaredError",
    "SoftmaxCrossEntropy",
    "SquaredError",
    "TweedieNLL",
]
