# SPDX-License-Identifier: BSD-3-Clause
"""Fast losses, gradients and optimizer steps on NumPy arrays."""

from . import linear, schedules
from ._config import get_include, show_config
from ._core import get_function_address, get_num_threads, set_num_threads
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
from .optimizers import SGD, Adadelta, Adagrad, Adam, Adamax, AdamW, Lion, NAdam, RAdam, RMSprop
from .regularizers import L1, L2, BatchNorm, ElasticNet, MaxNorm, dropout, dropout_grad, stochastic_depth

__version__ = "0.1.0"

__all__ = [
    "L1",
    "L2",
    "SGD",
    "AbsoluteError",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "BatchNorm",
    "BinaryCrossEntropy",
    "CrammerSingerHinge",
    "ElasticNet",
    "EpsilonInsensitive",
    "ExponentialNLL",
    "Focal",
    "GammaNLL",
    "GaussianNLL",
    "Hinge",
    "Huber",
    "Lion",
    "LogCosh",
    "MaxNorm",
    "MulticlassHinge",
    "NAdam",
    "Pinball",
    "PoissonNLL",
    "RAdam",
    "RMSprop",
    "RootMeanSquaredError",
    "SoftmaxCrossEntropy",
    "SquaredError",
    "TweedieNLL",
    "check_grad",
    "dropout",
    "dropout_grad",
    "get_function_address",
    "get_include",
    "get_num_threads",
    "linear",
    "schedules",
    "set_num_threads",
    "show_config",
    "stochastic_depth",
]
