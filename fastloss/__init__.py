# SPDX-License-Identifier: BSD-3-Clause
"""Fast losses, gradients and optimizer steps on NumPy arrays."""

from . import linear
from ._config import get_include, show_config
from ._core import get_num_threads, set_num_threads
from .gradcheck import check_grad
from .losses import (
    AbsoluteError,
    BinaryCrossEntropy,
    CrammerSingerHinge,
    EpsilonInsensitive,
    ExponentialNLL,
    Focal,
    GammaNLL,
    GaussianNLL,
    Hinge,
    Huber,
    LogCosh,
    MulticlassHinge,
    Pinball,
    PoissonNLL,
    RootMeanSquaredError,
    SoftmaxCrossEntropy,
    SquaredError,
    TweedieNLL,
)

__version__ = "0.1.0"

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
    "MulticlassHinge",
    "Pinball",
    "PoissonNLL",
    "RootMeanSquaredError",
    "SoftmaxCrossEntropy",
    "SquaredError",
    "TweedieNLL",
    "check_grad",
    "get_include",
    "get_num_threads",
    "linear",
    "set_num_threads",
    "show_config",
]
