# SPDX-License-Identifier: BSD-3-Clause
"""Other libraries as contenders, each where it is installed and has the work: PyTorch, JAX, scikit-learn, numba.

The form is that of contenders.py. Data are converted before the clock runs, and each library is called as its own
documentation does it, without checks it does not make by itself.
"""

from __future__ import annotations

import importlib.util
import math

import numpy as np
from formulas import FORMULAS

import fastloss

COMPILE_FROM = 1 << 15  # entries: below, torch.compile costs more than it gives, and every shape takes seconds


def only_gradient(case):
    """Whether a case is value and gradient of a loss at its defaults: what most libraries can be asked for."""
    return case.kind == "loss" and case.level == "grad" and not (case.weighted or case.strided or case.options)


# ---- PyTorch ----


def torch_losses():
    import torch.nn.functional as F

    return {
        "SquaredError": F.mse_loss,
        "AbsoluteError": F.l1_loss,
        "Huber": F.huber_loss,
        "PoissonNLL": F.poisson_nll_loss,
        "BinaryCrossEntropy": F.binary_cross_entropy_with_logits,
        "SoftmaxCrossEntropy": F.cross_entropy,
        "MulticlassHinge": lambda z, y: F.multi_margin_loss(z, y) * z.shape[1],
    }


def torch_gradient(case, compiled=False):
    import torch

    loss = torch_losses().get(case.work)
    if loss is None or not only_gradient(case):
        return None
    data = case.data()
    z, y = torch.from_numpy(data["z"]).requires_grad_(), torch.from_numpy(data["y"])
    if compiled:
        torch.compiler.reset()
        loss = torch.compile(loss, dynamic=False)

    def run():
        value = loss(z, y)
        return value.detach(), *torch.autograd.grad(value, z)

    return run


def torch_update(case):
    """The fused implementation where there is one, else foreach's."""
    import torch

    data = case.data()
    w = [torch.from_numpy(a).requires_grad_() for a in data["w"]]
    for a, g in zip(w, data["g"]):
        a.grad = torch.from_numpy(g)
    optimizer = getattr(torch.optim, case.work, None)
    if optimizer is None:
        return None
    try:
        step = optimizer(w, lr=1e-3, fused=True, **case.options).step
    except (TypeError, RuntimeError):
        step = optimizer(w, lr=1e-3, foreach=True, **case.options).step

    def run():
        step()
        return w

    run.results = lambda found: [np.array(a.detach(), dtype=np.float64) for a in found]
    return run


def torch_eager(case):
    return torch_gradient(case) if case.kind == "loss" else torch_update(case) if case.kind == "update" else None


def torch_compiled(case):
    large = case.kind == "loss" and math.prod(case.shape) >= COMPILE_FROM
    return torch_gradient(case, compiled=True) if large else None


# ---- JAX ----


def jax_jit(case):
    import jax
    import jax.numpy as jnp

    if not only_gradient(case) or case.work not in FORMULAS:
        return None
    jax.config.update("jax_enable_x64", case.dtype == "float64")  # without, it makes floats of doubles
    data, formula = case.data(), FORMULAS[case.work][0]
    z, y = jnp.asarray(data["z"]), jnp.asarray(data["y"])
    function = jax.jit(jax.value_and_grad(lambda z, y: formula(jnp, z, y).mean()))

    def run():
        return jax.block_until_ready(function(z, y))

    return run


# ---- scikit-learn ----


def sklearn_loss(work, classes):
    """Its loss, and what our gradient is as a multiple of its."""
    from sklearn import _loss as losses

    table = {
        "SquaredError": (losses.HalfSquaredError, 2),
        "AbsoluteError": (losses.AbsoluteError, 1),
        "PoissonNLL": (losses.HalfPoissonLoss, 1),
        "GammaNLL": (losses.HalfGammaLoss, 1),
        "BinaryCrossEntropy": (losses.HalfBinomialLoss, 1),
        "SoftmaxCrossEntropy": (losses.HalfMultinomialLoss, 1),
    }
    if work not in table:
        return None, 1
    make, factor = table[work]
    return make(n_classes=classes) if work == "SoftmaxCrossEntropy" else make(), factor


def sklearn_private(case):
    """`_loss.loss_gradient` of its compiled losses, into buffers; the mean over the losses is left out."""
    if not only_gradient(case):
        return None
    data = case.data()
    loss, factor = sklearn_loss(case.work, case.shape[-1])
    if loss is None:
        return None
    z, y = data["z"], data["y"].astype(case.dtype)
    n = len(z)
    losses, out = np.empty(n, z.dtype), np.empty_like(z)

    def run():
        return loss.loss_gradient(
            y_true=y, raw_prediction=z, loss_out=losses, gradient_out=out, n_threads=fastloss.get_num_threads()
        )

    run.results = lambda found: [np.array(found[0].mean(dtype=float)) * factor, found[1].astype(float) * factor / n]
    return run


# ---- numba ----


def numba_loops(case):
    import numba_baseline as kernels

    data = case.data()
    if case.kind == "update" and hasattr(kernels, case.work) and not case.options:
        steps = [getattr(kernels, case.work)(w) for w in data["w"]]

        def run():
            for step, g in zip(steps, data["g"]):
                step(g)
            return data["w"]

        return run
    function = getattr(kernels, case.work, None)
    if function is None or not only_gradient(case):
        return None
    z, y, out = data["z"], data["y"], data["out"]
    return lambda: (function(z, y, out), out)


TABLE = {
    "torch": ("torch", torch_eager),
    "torch compiled": ("torch", torch_compiled),
    "jax": ("jax", jax_jit),
    "scikit-learn": ("sklearn", sklearn_private),
    "numba": ("numba", numba_loops),
}


def installed():
    """Name -> contender, of the libraries that are there."""
    return {name: make for name, (module, make) in TABLE.items() if importlib.util.find_spec(module)}
