# SPDX-License-Identifier: BSD-3-Clause
"""Training a linear model: epochs, history, when to stop. What happens within an epoch is in batches.py."""

from __future__ import annotations

import time

import numpy as np

from .. import _check
from ..optimizers import Optimizer
from .batches import batches_of
from .objective import Objective
from .watch import Interrupt, Progress


class Result:
    """What :func:`train` found.

    Attributes
    ----------
    coef, intercept : ndarray
        As :meth:`Objective.unpack` gives them.
    w : ndarray
        Both as the flat vector.
    history : dict of list of float
        One entry per epoch: ``loss`` and ``penalty`` (means over the epoch's batches, each before its step),
        ``learning_rate`` (at the epoch's first step), ``gradient_norm`` (of the mean of the batches' gradients),
        ``seconds``, and with validation data ``validation``: their loss after the epoch, without penalty.
    best_epoch : int or None
        The epoch, from 1, whose validation loss is the lowest; None without validation data.
    optimizer : object
        The optimizer that was used, with its state; what it updates is ``w``.
    """

    def __init__(self, objective, w, optimizer=None, *, validation=False):
        self.w, self.optimizer, self.best_epoch = w, optimizer, None
        self.coef, self.intercept = objective.unpack(w)
        names = ("loss", "penalty", "learning_rate", "gradient_norm", "seconds")
        self.history = {name: [] for name in (*names, "validation") if validation or name != "validation"}

    @property
    def n_epochs(self):
        """Whole epochs done."""
        return len(self.history["seconds"])

    def plot(self, ax=None):
        """Draw loss plus penalty over the epochs, and the validation loss; needs matplotlib. Returns the axes."""
        if ax is None:
            import matplotlib.pyplot as plt

            ax = plt.subplots()[1]
        epochs = np.arange(1, self.n_epochs + 1)
        ax.plot(epochs, np.add(self.history["loss"], self.history["penalty"]), label="loss + penalty")
        if "validation" in self.history:
            ax.plot(epochs, self.history["validation"], label="validation loss")
            ax.legend()
        ax.set(xlabel="epoch", ylabel="loss" if "validation" in self.history else "loss + penalty")
        return ax


def train(
    objective,
    *,
    optimizer="adam",
    lr=1e-3,
    batch_size=128,
    epochs=20,
    tol=None,
    shuffle=True,
    seed=0,
    progress=False,
    callback=None,
    checkpoint=None,
    validation=None,
    patience=5,
    initial=None,
):
    """Minimize an objective by steps on batches of its rows.

    A batch's loss, weighted sum over its rows times n / (rows in the batch) and then reduced as the objective's, plus
    the whole penalty: its mean over all batches is the objective, weights and ignored labels included.

    Parameters
    ----------
    objective : Objective
    optimizer : str or callable
        A name (``"adam"``, ``"sgd"``, ...), or what makes an optimizer from the flat parameter array and ``lr``: a
        class, or for instance ``functools.partial(fl.SGD, momentum=0.9)``.
    lr : float or callable
        Learning rate, or a schedule: a function of the number of steps taken.
    batch_size : int or None
        Rows in a step; 1 is stochastic descent, None takes all of them.
    epochs : int
        Passes over the data, at most.
    tol : float, optional
        Stop after an epoch that changed loss plus penalty by less than this; with validation data see ``patience``.
    shuffle : bool
        Draw a new order of the rows for each epoch.
    seed : int or numpy.random.Generator
        For that order.
    progress : bool
        Show a bar (with tqdm, on a terminal), or else about ten lines.
    callback : callable, optional
        Called with the result so far after each epoch; training stops where it returns True.
    checkpoint : path, optional
        A file that holds the whole state after each epoch: parameters, optimizer, random numbers, history, best
        parameters. It is replaced whole, so that at any moment the old or the new one is there. If it exists, the run
        goes on from it, bit for bit as if it had never ended, after Ctrl-C too (from the last whole epoch), and
        ``epochs`` counts the earlier ones: a larger number continues a finished run. The optimizer must be one of
        fastloss's. Schedules and penalties that are functions or objects without a ``repr`` of their own are compared
        by name only.
    validation : Objective or tuple, optional
        Data that are not trained on: an objective over the same parameters, or ``(X, y)`` or ``(X, y,
        sample_weight)``. Their loss is computed after each epoch, and the result's parameters are those of the epoch
        in which it was lowest.
    patience : int
        With validation data: stop after so many epochs in a row whose validation loss was not below the lowest before
        by more than ``tol`` (None: 0).
    initial : array_like, optional
        The flat vector to start from, finite; copied. Default: zeros.

    Returns
    -------
    Result

    Raises
    ------
    ValueError
        Before anything is computed: for no rows, for targets outside the loss's domain (the first is named), for
        labels that are all of one class, for parameters out of range, and for a checkpoint that is damaged or of
        another run (data, loss, penalty, optimizer, rate, batch size, seed, start or validation data differ).
    KeyboardInterrupt
        On Ctrl-C, after the last whole step, with the result so far in its attribute ``result``: the parameters of
        that step, with validation data too.

    Notes
    -----
    With ``batch_size=1`` some hundred steps are one call to C, if loss, penalty and optimizer are fastloss's own; any
    other object is called from Python, step by step. On sparse rows plain SGD touches the stored columns only, with L2
    too: that multiplies one number, which is multiplied into the coefficients now and then. L1 and all other
    optimizers go through all coefficients at each step. The result has the same bits for every number of threads.

    Examples
    --------
    >>> import fastloss as fl
    >>> objective = fl.linear.Objective(fl.SquaredError(), [[1.0], [2.0], [3.0]], [1.0, 3.0, 5.0])
    >>> result = fl.linear.train(objective, optimizer="sgd", lr=0.1, batch_size=1, epochs=200)
    >>> result.coef.round(3), result.intercept.round(3)
    (array([2.]), np.float64(-1.0))
    """
    epochs, tol = _check_options(objective, epochs, tol)
    _check_targets(objective)
    _check_learnable(objective)
    n = objective.X.shape[0]
    batch_size = n if batch_size is None else min(_check.positive_int("train", "batch_size", batch_size), n)
    patience = _check.positive_int("train", "patience", patience)
    if validation is not None:
        validation = _Validation(_validation_objective(objective, validation), patience, tol)
    w = _start_vector(objective, initial)
    step = _optimizer(optimizer)(w, lr=lr)
    result = Result(objective, w, step, validation=validation is not None)
    random = np.random.default_rng(seed)
    saved = None
    if checkpoint is not None:
        from .checkpoint import Checkpoint, describe_run  # here, as in Optimizer.save

        _check_state(step)
        other = validation and validation.objective
        saved = Checkpoint(checkpoint, describe_run(objective, step, lr, w, batch_size, shuffle, seed, random, other))
        best_w = saved.restore(result, random)
        if validation is not None:
            validation.replay(result, best_w)
    shuffled, order = shuffle and batch_size < n, None
    with Interrupt(result) as interrupt, Progress(progress, epochs) as report, np.errstate(all="ignore"):
        batches = batches_of(objective, w, batch_size, step, interrupt)
        while result.n_epochs < epochs and not _finished(result.history, tol, validation):
            begin, rate = time.perf_counter(), _rate(step)
            if shuffled:
                order = None  # before the next one is there
                order = np.arange(n, dtype=np.int32 if n < 2**31 else np.int64)
                random.shuffle(order)
            loss, penalty, gradient_norm = batches.epoch(order)
            entry = [loss, penalty, rate, gradient_norm, time.perf_counter() - begin]
            if validation is not None:
                entry.append(validation.look(result))
            for values, value in zip(result.history.values(), entry):
                values.append(value)
            if saved is not None:
                saved.write(result, random, validation and validation.best_w)
            report(result)
            if callback is not None and callback(result):
                break
        if validation is not None:
            validation.restore(result)
    return result


def _finished(history, tol, validation):
    """Whether the loss says that it is time to stop."""
    if validation is not None:
        return validation.exhausted
    return tol is not None and len(history["loss"]) > 1 and _last_change(history) < tol


class _Validation:
    """The loss on other data after each epoch, the best parameters so far, and whether to go on."""

    def __init__(self, objective, patience, tol):
        self.objective, self.patience, self.tol = objective, patience, tol or 0.0
        self.lowest, self.best_w, self.waited = np.inf, None, 0

    def look(self, result):
        """The loss at the result's parameters, which are kept if it is the lowest."""
        loss = self.objective.value(result.w, penalty=False)
        if self._take(loss, result.n_epochs + 1, result):
            self.best_w = result.w.copy()
        return loss

    def _take(self, loss, epoch, result):
        self.waited = 0 if loss < self.lowest - self.tol else self.waited + 1
        best = loss < self.lowest
        if best:
            self.lowest, result.best_epoch = loss, epoch
        return best

    def replay(self, result, best_w):
        """Go through the losses of a run that goes on."""
        for epoch, loss in enumerate(result.history["validation"], 1):
            self._take(loss, epoch, result)
        self.best_w = best_w

    @property
    def exhausted(self):
        return self.waited >= self.patience

    def restore(self, result):
        """Back to the best epoch, if any had a loss."""
        if self.best_w is not None:
            result.w[...] = self.best_w


def _validation_objective(objective, given):
    """Validation data as an objective over the same parameters."""
    if isinstance(given, (tuple, list)):
        if len(given) not in (2, 3):
            raise ValueError(f"train: validation has {len(given)} entries, but must be (X, y) or (X, y, sample_weight)")
        given = Objective(
            objective.loss,
            *given[:2],
            fit_intercept=objective.fit_intercept,
            sample_weight=given[2] if len(given) == 3 else None,
            n_classes=objective.n_scores,
        )
    if not isinstance(given, Objective):
        raise TypeError(f"train: validation is a {type(given).__name__}, but must be an Objective or (X, y)")
    if (given.coef_shape, given.fit_intercept) != (objective.coef_shape, objective.fit_intercept):
        raise ValueError(
            f"train: validation has coefficients of shape {given.coef_shape} and fit_intercept={given.fit_intercept}, "
            f"but the objective has {objective.coef_shape} and {objective.fit_intercept}"
        )
    if given.X.shape[0] == 0:
        raise ValueError(f"train: validation has X of shape {given.X.shape}, but must have rows")
    _check_targets(given, "validation y")
    return given


def _start_vector(objective, initial):
    """A copy of the given vector in X's dtype, or zeros."""
    if initial is None:
        return np.zeros(objective.size, objective.X.dtype)
    w = _check.as_floats("train", "initial", initial)
    if w.shape != (objective.size,):
        raise ValueError(f"train: initial has shape {w.shape}, but must have shape ({objective.size},)")
    w = np.array(w, objective.X.dtype)
    _check.report("train", "initial", w, ~np.isfinite(w), "finite")
    return w


def _optimizer(optimizer):
    """What makes the optimizer: found by its name in lower case, or given."""
    if callable(optimizer):
        return optimizer
    from .. import optimizers

    names = {name.lower(): getattr(optimizers, name) for name in optimizers.__all__}
    return names[_check.choice("train", "optimizer", optimizer, names)]


def _rate(optimizer):
    return float(optimizer.lr(optimizer.t) if callable(optimizer.lr) else optimizer.lr)


def _last_change(history):
    (loss, penalty) = history["loss"], history["penalty"]
    return abs(loss[-1] + penalty[-1] - loss[-2] - penalty[-2])


def _check_options(objective, epochs, tol):
    if not isinstance(objective, Objective):
        raise TypeError(f"train: objective is a {type(objective).__name__}, but must be an Objective")
    epochs = _check.positive_int("train", "epochs", epochs)
    return epochs, None if tol is None else _check.number("train", "tol", tol, low=0)


def _check_state(optimizer):
    if not isinstance(optimizer, Optimizer):
        raise TypeError(
            f"train: optimizer is a {type(optimizer).__name__}, but must be one of fastloss's for a checkpoint"
        )


def _check_targets(objective, name="y"):
    """Refuse targets outside the loss's domain."""
    if not objective._labels:
        _check.scan_values(objective.loss, "train", name, objective.y, objective.loss._target_kind == "classes")


def _check_learnable(objective):
    """Refuse what nothing can be learned from: no rows, no labels, a single class."""
    y, loss = objective.y, objective.loss
    if 0 in objective.X.shape:
        raise ValueError(f"train: X has shape {objective.X.shape}, but must have rows and columns")
    if objective._labels:
        used = y if objective._ignore is None else y[y != objective._ignore]
        if used.size == 0:
            raise ValueError("train: all labels in y are ignored")
        if used.min() == used.max():
            raise ValueError(f"train: y holds one class ({used[0]}), but there must be two")
    elif loss._target_kind == "binary" and y.ndim == 1 and np.isin(y, (-1, 0, 1)).all() and not np.ptp(np.sign(y)):
        raise ValueError(f"train: y holds one class ({y[0]:g}), but there must be two")
