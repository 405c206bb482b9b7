# SPDX-License-Identifier: BSD-3-Clause
"""Learning rates as functions of ``t``, the number of steps already taken: 0 at the first step.

An optimizer takes any function ``t -> lr``; these are the usual ones. They can be compared, printed and pickled.
"""

from __future__ import annotations

import math
import sys

from . import _check

__all__ = ["constant", "cosine", "exponential", "inverse_time", "linear_warmup", "step"]


class Schedule:
    """A named formula with its arguments; made by the functions of this module."""

    __slots__ = ("_arguments", "_name")

    def __init__(self, name, arguments):
        self._name, self._arguments = name, arguments

    def __call__(self, t):
        """The learning rate after ``t`` steps, a whole number of at least 0; inf where it is beyond all floats."""
        t = _check.steps_taken(self._name, t)
        return _FORMULAS[self._name](t, *self._arguments.values())

    def __repr__(self):
        return f"{self._name}({', '.join(f'{k}={v!r}' for k, v in self._arguments.items())})"

    def __eq__(self, other):
        if not isinstance(other, Schedule):
            return NotImplemented
        return (self._name, self._arguments) == (other._name, other._arguments)

    def __hash__(self):
        return hash((self._name, tuple(self._arguments.items())))

    def __reduce__(self):
        return Schedule, (self._name, self._arguments)


def _geometric(lr, factor, n):
    """``lr * factor**n``, and where the power alone is beyond all floats, the product in logarithms."""
    try:
        return lr * factor**n
    except OverflowError:
        logarithm = math.log(lr) + n * math.log(factor) if lr > 0 else -math.inf
        return math.exp(logarithm) if logarithm < LOG_MAX else math.inf


LOG_MAX = math.log(sys.float_info.max)

_FORMULAS = {
    "constant": lambda t, lr: lr,
    "step": lambda t, lr, every, factor: _geometric(lr, factor, t // every),
    "exponential": lambda t, lr, decay: _geometric(lr, decay, t),
    "inverse_time": lambda t, lr, decay: lr / (1 + decay * t),
    "cosine": lambda t, lr, steps, final: final + (lr - final) * (1 + math.cos(math.pi * min(t, steps) / steps)) / 2,
    "linear_warmup": lambda t, lr, steps: (lr(t) if callable(lr) else lr) * min(1.0, (t + 1) / steps),
}


def constant(lr):
    """Always ``lr``.

    Parameters
    ----------
    lr : float
        At least 0.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.schedules.constant(0.1)(1000)
    0.1
    """
    return Schedule("constant", {"lr": _check.learning_rate("constant", lr)})


def step(lr, every, factor=0.1):
    """Multiply by ``factor`` after every ``every`` steps: ``lr * factor**(t // every)``.

    Parameters
    ----------
    lr : float
        The first rate, at least 0.
    every : int
        Steps, at least 1.
    factor : float
        Above 0.

    Examples
    --------
    >>> import fastloss as fl
    >>> rate = fl.schedules.step(1.0, every=10, factor=0.5)
    >>> rate(9), rate(10), rate(20)
    (1.0, 0.5, 0.25)
    """
    who = "step"
    return Schedule(
        who,
        {
            "lr": _check.learning_rate(who, lr),
            "every": _check.positive_int(who, "every", every),
            "factor": _check.number(who, "factor", factor, low=0, open_low=True),
        },
    )


def exponential(lr, decay):
    """Multiply by ``decay`` after every step: ``lr * decay**t``.

    Parameters
    ----------
    lr : float
        The first rate, at least 0.
    decay : float
        Above 0.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.schedules.exponential(1.0, decay=0.5)(3)
    0.125
    """
    who = "exponential"
    decay = _check.number(who, "decay", decay, low=0, open_low=True)
    return Schedule(who, {"lr": _check.learning_rate(who, lr), "decay": decay})


def inverse_time(lr, decay):
    """Divide by a linear function: ``lr / (1 + decay * t)``.

    Parameters
    ----------
    lr : float
        The first rate, at least 0.
    decay : float
        At least 0.

    Examples
    --------
    >>> import fastloss as fl
    >>> fl.schedules.inverse_time(1.0, decay=1.0)(3)
    0.25
    """
    who = "inverse_time"
    decay = _check.number(who, "decay", decay, low=0)
    return Schedule(who, {"lr": _check.learning_rate(who, lr), "decay": decay})


def cosine(lr, steps, final=0.0):
    """Half a cosine from ``lr`` to ``final``: ``final + (lr - final) (1 + cos(pi t / steps)) / 2``, then ``final``.

    Parameters
    ----------
    lr, final : float
        The first rate and the last, at least 0.
    steps : int
        When ``final`` is reached, at least 1.

    Notes
    -----
    Loshchilov & Hutter, SGDR, 2017, equation 5, without restarts.

    Examples
    --------
    >>> import fastloss as fl
    >>> rate = fl.schedules.cosine(1.0, steps=100)
    >>> rate(0), rate(50), rate(100), rate(1000)
    (1.0, 0.5, 0.0, 0.0)
    """
    who = "cosine"
    return Schedule(
        who,
        {
            "lr": _check.learning_rate(who, lr),
            "steps": _check.positive_int(who, "steps", steps),
            "final": _check.number(who, "final", final, low=0),
        },
    )


def linear_warmup(lr_or_schedule, steps):
    """Grow linearly over the first steps: the rate times ``min(1, (t + 1) / steps)``.

    The first step is taken with ``1 / steps`` of the rate, and from step ``steps - 1`` on all of it.

    Parameters
    ----------
    lr_or_schedule : float or callable
        What is multiplied: a rate, or a function of the number of steps taken. That function is given the same ``t``.
    steps : int
        At least 1.

    Examples
    --------
    >>> import fastloss as fl
    >>> rate = fl.schedules.linear_warmup(1.0, steps=4)
    >>> [rate(t) for t in range(6)]
    [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    >>> fl.schedules.linear_warmup(fl.schedules.cosine(1.0, steps=100), steps=10)(99) < 0.001
    True
    """
    who = "linear_warmup"
    rate = _check.rate_or_schedule(who, lr_or_schedule)
    return Schedule(who, {"lr_or_schedule": rate, "steps": _check.positive_int(who, "steps", steps)})
