# SPDX-License-Identifier: BSD-3-Clause
"""Every optimizer with every option, and a course of gradients to follow. No assertions here.

A case is a name and keywords of fastloss. The course uses + - * / on small integers only, so that any library and any
machine gives the same gradients to the bit.
"""

import numpy as np

SHAPES = [(), (1,), (5,), (2, 3), (2, 1, 4), (0,), (33,)]

# Beyond these, each case is also run with every option that all optimizers share.
OWN = [
    ("SGD", {}),
    ("SGD", {"momentum": 0.9}),
    ("SGD", {"momentum": 0.9, "dampening": 0.3}),
    ("SGD", {"momentum": 0.9, "nesterov": True}),
    ("Adagrad", {}),
    ("Adagrad", {"lr_decay": 0.01, "initial_accumulator": 0.1, "eps": 1e-3}),
    ("Adagrad", {"eps": 1e-3, "eps_inside": True}),
    ("Adadelta", {}),
    ("Adadelta", {"rho": 0.5, "eps": 1e-4}),
    ("RMSprop", {}),
    ("RMSprop", {"alpha": 0.4, "eps": 1e-3}),
    ("RMSprop", {"centered": True}),
    ("RMSprop", {"momentum": 0.9}),
    ("RMSprop", {"momentum": 0.5, "centered": True, "alpha": 0.9}),
    ("RMSprop", {"eps": 1e-3, "eps_inside": True}),
    ("Adam", {}),
    ("Adam", {"betas": (0.3, 0.9), "eps": 1e-3}),
    ("Adam", {"betas": (0.0, 0.5)}),
    ("Adam", {"amsgrad": True, "betas": (0.9, 0.9)}),
    ("Adam", {"bias_correction": False}),
    ("AdamW", {}),
    ("AdamW", {"amsgrad": True, "weight_decay": 0.1}),
    ("RAdam", {}),
    ("RAdam", {"betas": (0.8, 0.9)}),
    ("NAdam", {}),
    ("NAdam", {"momentum_decay": 0.1, "eps": 1e-3}),
    ("Adamax", {}),
    ("Adamax", {"betas": (0.5, 0.9), "eps": 1e-3}),
    ("Lion", {}),
    ("Lion", {"betas": (0.5, 0.7), "weight_decay": 0.1}),
]
SHARED = [
    {},
    {"weight_decay": 0.1},
    {"maximize": True},
    {"clip_value": 0.5},
    {"clip_norm": 1.5},
    {"weight_decay": 0.05, "maximize": True, "clip_value": 0.7, "clip_norm": 2.0},
]
OURS_ONLY = {"eps_inside", "bias_correction"}  # options that PyTorch does not have


def in_torch(name, options):
    """Whether PyTorch has this optimizer with these options."""
    return name != "Lion" and not OURS_ONLY & set(options)


def torch_options(options):
    """The keywords for PyTorch's constructor; clipping is a function of its own there."""
    renamed = {"initial_accumulator": "initial_accumulator_value"}
    return {renamed.get(k, k): v for k, v in options.items() if not k.startswith("clip")}


def label(case):
    name, options = case
    return ", ".join([name, *(f"{k}={v}" for k, v in options.items())])


def start(dtype=np.float64):
    """The parameters at the beginning."""
    return [(np.arange(np.prod(s, dtype=int)) % 11 / 4 - 1.125).reshape(s).astype(dtype) for s in SHAPES]


def gradients(params, t):
    """Pulled towards 0 more or less strongly, and pushed about by what looks like noise; of the order of 1."""
    grads = []
    for k, w in enumerate(params):
        j = np.arange(w.size).reshape(w.shape)
        push = ((t * 7919 + k * 104729 + j * 1299709) % 1009) / 504.0 - 1.0
        grads.append(np.asarray(w * (0.25 + (j % 3) / 4) + push, w.dtype))
    return grads
