# SPDX-License-Identifier: BSD-3-Clause
"""fastloss and NumPy as contenders: what turns a case's data into a callable that does the work once.

A contender is a function from a case to such a callable, or to None where it has nothing for that case. The callable
returns what it computed, in the contender's own form; `results` turns that into float64 arrays to be compared.
"""

from __future__ import annotations

import math

import numpy as np
import numpy_baseline
from formulas import FORMULAS

import fastloss as fl

TRAINING = dict(lr=1e-3, batch_size=128, epochs=1, seed=0)
LEVELS = {"value": "value", "grad": "value_and_grad", "hess": "value_grad_hess"}


def results(found):
    """What a callable returned, as a list of float64 arrays."""
    parts = found if isinstance(found, (tuple, list)) else (found,)
    return [np.array(part, dtype=np.float64) for part in parts]


# ---- fastloss ----


def fastloss(case):
    data = case.data()
    return {"loss": fastloss_loss, "update": fastloss_update, "penalty": fastloss_penalty, "train": fastloss_train}[
        case.kind
    ](case, data)


def fastloss_loss(case, data):
    method = getattr(getattr(fl, case.work)(**case.options), LEVELS[case.level])
    z, y, weight, out = (data[k] for k in ("z", "y", "weight", "out"))
    if case.level == "value":
        return lambda: method(z, y, sample_weight=weight)
    if case.level == "hess":
        out = (out, np.empty_like(z))
    if weight is None:
        return lambda: method(z, y, out=out)
    return lambda: method(z, y, sample_weight=weight, out=out)


def fastloss_update(case, data):
    """One step; returns the parameters."""
    w, g = (data[k] if len(data[k]) > 1 else data[k][0] for k in "wg")
    optimizer = getattr(fl, case.work)(w, lr=1e-3, **case.options)

    def run():
        optimizer.step(g)
        return w

    return run


def fastloss_penalty(case, data):
    """The gradient of a penalty, added to one that is there."""
    penalty, w, out = getattr(fl, case.work)(1e-3), data["w"][0], np.zeros(case.shape, case.dtype)
    return lambda: (penalty.add_grad(w, out), out)


def fastloss_train(case, data):
    """One epoch of softmax, L2 and Adam, in batches of 128."""
    loss = fl.SoftmaxCrossEntropy()
    objective = fl.linear.Objective(loss, data["X"], data["y"], penalty=fl.L2(1e-4), n_classes=data["c"])

    def run():
        result = fl.linear.train(objective, **TRAINING)
        return result.coef, result.intercept

    return run


# ---- NumPy ----


def numpy(case):
    data = case.data()
    return {"loss": numpy_loss, "update": numpy_update, "penalty": numpy_penalty, "train": numpy_train}[case.kind](
        case, data
    )


def numpy_loss(case, data):
    """Gradients by numpy_baseline where it has the loss, else by the formula."""
    z, y, out = data["z"], data["y"], data["out"]
    plain = case.level == "grad" and not case.weighted and not case.strided
    if plain and hasattr(numpy_baseline, case.work):
        loss = getattr(numpy_baseline, case.work)(*z.shape, z.dtype, **case.options)
        return lambda: (loss(z, y, out), out)
    return formula_loss(case, data)


def formula_loss(case, data):
    """Loss, gradient and Hessian as one writes them down, an array for each operation."""
    formula = FORMULAS.get(case.work)
    if formula is None or case.options:
        return None
    z, y, weight = data["z"], data["y"], data["weight"]
    wanted = formula[: 1 + list(LEVELS).index(case.level)]
    if weight is None:
        factor = 1 / (z.shape[0] if len(z.shape) > 1 and y.ndim == 1 else z.size)
    else:
        total = float(weight.sum(dtype=np.float64))
        factor = weight / z.dtype.type(total)

    def run():
        terms = [part(np, z, y) for part in wanted]
        if weight is None:
            found = [float(terms[0].sum()) * factor, *(part * z.dtype.type(factor) for part in terms[1:])]
        else:
            found = [float(np.dot(terms[0], factor)), *((part.T * factor).T for part in terms[1:])]
        return found if case.level != "value" else found[0]

    return run


def numpy_update(case, data):
    """One step; returns the parameters."""
    if not hasattr(numpy_baseline, case.work):
        return None
    steps = [getattr(numpy_baseline, case.work)(w, lr=1e-3, **case.options) for w in data["w"]]

    def run():
        for step, g in zip(steps, data["g"]):
            step.step(g)
        return data["w"]

    return run


def numpy_penalty(case, data):
    """The gradient of a penalty, added to one that is there."""
    w, out = data["w"][0], np.zeros(case.shape, case.dtype)
    penalty = getattr(numpy_baseline, case.work)(1e-3, w)
    return lambda: (penalty.add_grad(w, out), out)


def numpy_train(case, data):
    """One epoch of softmax, L2 and Adam, in batches of 128."""
    settings = dict(classes=data["c"], strength=1e-4, **TRAINING)
    return lambda: numpy_baseline.train(numpy_baseline.SoftmaxCrossEntropy, data["X"], data["y"], **settings)[:2]


# ---- the limit ----


def copy(case):
    """Copies as many bytes as the case must move, half of them read and half written."""
    if case.kind == "train":
        return None
    source = np.ones(max(1, math.ceil(case.bytes / 2)), np.uint8)
    target = np.zeros_like(source)
    return lambda: np.copyto(target, source)


CONTENDERS = {"numpy": numpy, "fastloss": fastloss}
