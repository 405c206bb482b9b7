# SPDX-License-Identifier: BSD-3-Clause
"""Optimizers: parameters that are updated in place, one compiled pass over all arrays per step.

Each class holds its options and says what it computes; the formulas are compiled from ``src_c/kernels/optimizers.c``.
In all of them ``w`` is a parameter, ``g`` its gradient after clipping, sign and weight decay, ``t`` the step from 1.
"""

from __future__ import annotations

import numpy as np

from . import _check
from ._core import Stepper

__all__ = ["SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "Lion", "NAdam", "RAdam", "RMSprop"]

LINE = 64  # bytes of a cache line; states that begin on one are loaded without crossing any


def zeros(like):
    """An array of zeros that begins on a cache line."""
    memory = np.zeros(like.nbytes + LINE, np.uint8)
    skip = -memory.ctypes.data % LINE
    return memory[skip : skip + like.nbytes].view(like.dtype).reshape(like.shape)


class Optimizer(Stepper):
    """What all optimizers share: options, the state as a dict, and files. Not made by itself."""

    __slots__ = ()

    # option: its check; subclasses add theirs
    _common = {
        "weight_decay": _check.not_negative,
        "maximize": _check.flag,
        "clip_value": _check.optional_positive,
        "clip_norm": _check.optional_positive,
        "nonfinite": _check.on_nonfinite,
    }
    _options = {}
    _renamed = {}  # options that PyTorch's param_groups call otherwise
    _fixed = {"foreach": None, "differentiable": False}  # entries of PyTorch's param_groups that mean nothing here
    _counts_steps = True  # whether PyTorch keeps a step for each parameter

    def _plan(self, options):
        """The kernel, its parameters as fastloss.h lists them, and the names of its states: each subclass says."""

    def _first_value(self, options, name):
        """What a state holds before the first step."""
        return 0.0

    def _start(self, params, lr, **options):
        """Check everything and set up."""
        who = type(self).__name__
        chosen = {name: check(who, name, options[name]) for name, check in self._checks().items()}
        kernel, param, names = self._plan(chosen)
        lr = _check.rate_or_schedule(who, lr)
        arrays, keys = _check.parameters(who, params)
        self._adopt(arrays, keys)
        self.lr = lr
        states = [self._fresh(chosen, names, w) for w in arrays]
        self._install(kernel, param, chosen, states, [0.0] * len(arrays), [1.0] * len(arrays), 0)

    @classmethod
    def _checks(cls):
        return {**cls._options, **cls._common}

    def _fresh(self, options, names, param):
        """The states of a parameter before its first step."""
        states = tuple(zeros(param) for _ in names)
        for name, state in zip(names, states, strict=True):
            if value := self._first_value(options, name):
                state[...] = value
        return states

    @classmethod
    def _resume(cls, params, lr, options, entries):
        """An optimizer over a list of arrays that goes on from the entries of a state dict, one for each of them.

        Arrays of an entry that have their parameter's type and are C-contiguous become the state themselves.
        """
        self = cls.__new__(cls)
        kernel, numbers, names = self._plan(options)
        self.lr = lr
        self._adopt(*_check.parameters(cls.__name__, params))
        states, steps, products = [], [], []
        for k, (param, entry) in enumerate(zip(params, entries, strict=True)):
            step, product = self._saved_progress(f"state[{k}]", entry)
            if step is None:
                states.append(self._fresh(options, names, param))
            else:
                saved = self._saved_arrays(f"state[{k}]", entry, names, param)
                states.append(tuple(np.require(array, param.dtype, ["C", "A", "W"]) for array in saved))
            steps.append(float(step or 0))
            products.append(product)
        self._install(kernel, numbers, options, states, steps, products, int(max(steps)))
        return self

    def _change(self, options):
        """Other options from now on, which need the same states."""
        kernel, numbers, _ = self._plan(options)
        steps, products = zip(*self._progress(), strict=True)
        self._install(kernel, numbers, options, self._kept(), steps, products, self.t)

    def __getattr__(self, name):
        if self._chosen is not None and name in self._chosen:
            return self._chosen[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __dir__(self):
        return [*object.__dir__(self), *self._checks()]

    def __repr__(self):
        options = ", ".join(f"{k}={v!r}" for k, v in {"lr": self.lr, **(self._chosen or {})}.items())
        count = len(self._arrays() or ())
        return f"<{type(self).__name__} of {count} array{'s' * (count != 1)} after {self.t} steps: {options}>"

    # -- the state --

    def state_dict(self):
        """The state and the options as a dict of PyTorch's layout; arrays are copies.

        Returns
        -------
        dict
            ``{"state": {0: {"step", "exp_avg", ...}, ...}, "param_groups": [{"lr", ..., "params"}], "t": 12}``.
            Parameters are numbered in the order in which they were given; each has PyTorch's keys, from its first
            step on. Where the learning rate is a schedule, ``"lr"`` is its value at ``t``.

        Notes
        -----
        PyTorch's ``load_state_dict`` wants tensors in place of the arrays: turn every array of ``state[...]`` into one
        with ``torch.from_numpy``.
        """
        self._require_intact()
        _, _, names = self._plan(self._chosen)
        state = {}
        for k, ((step, product), kept) in enumerate(zip(self._progress(), self._kept(), strict=True)):
            state[k] = {}
            if step == 0 and not any(self._first_value(self._chosen, name) for name in names):
                continue
            if self._counts_steps:
                state[k]["step"] = np.array(step)
            if "mu_product" in self._keys_beside_arrays():
                state[k]["mu_product"] = np.array(product)
            state[k].update((name, array.copy()) for name, array in zip(names, kept, strict=True))
        group = {"lr": self._current_lr(), **{self._renamed.get(k, k): v for k, v in self._chosen.items()}}
        group.update(self._fixed, params=list(range(len(state))))
        return {"state": {k: v for k, v in state.items() if v}, "param_groups": [group], "t": self.t}

    def _current_lr(self):
        return _check.learning_rate(type(self).__name__, self.lr(self.t), at=self.t) if callable(self.lr) else self.lr

    def _keys_beside_arrays(self):
        return ("step",)

    def load_state_dict(self, state):
        """Take over a state: from :meth:`state_dict`, or of PyTorch's optimizer of the same name.

        Arrays are copied and converted to the parameter's dtype. Options that the state names replace this
        optimizer's; the others stay, and so does a schedule. Everything is checked before anything changes.

        Parameters
        ----------
        state : dict
            Of PyTorch's layout; with NumPy arrays or CPU tensors. Several groups of parameters must have the same
            options. Without ``"t"`` the largest ``"step"`` counts.

        Raises
        ------
        TypeError, ValueError
            The state is of another layout, optimizer, or number or shape of parameters.
        """
        who = type(self).__name__
        self._require_intact()
        entries, saved, indices = _check.saved_groups(who, state)
        params = self._arrays()
        if len(indices) != len(params):
            raise ValueError(f"{who}: state holds {len(indices)} parameters, but params has {len(params)}")
        chosen = self._options_in(saved, self._chosen)
        kernel, numbers, names = self._plan(chosen)
        states, steps, products = [], [], []
        for index, param in zip(indices, params, strict=True):
            entry = _check.saved_entry(who, entries, index)
            kept, step, product = self._saved_state(f"state[{index!r}]", entry, chosen, names, param)
            states.append(kept)
            steps.append(float(step))
            products.append(product)
        t = _check.saved_count(who, "t", state.get("t", max(steps)))
        lr = None if callable(self.lr) or "lr" not in saved else _check.learning_rate(who, saved["lr"])
        if not self._counts_steps:  # only whether the first step has been taken matters, and that the buffer tells
            steps = [float(max(t, 1)) if step else 0.0 for step in steps]
        self._install(kernel, numbers, chosen, states, steps, products, t, lr)

    @classmethod
    def _options_in(cls, saved, chosen):
        """The options in a group of PyTorch's layout, checked; `chosen` holds those that it may lack."""
        who = cls.__name__
        chosen = dict(chosen)
        for name, check in cls._checks().items():
            key = cls._renamed.get(name, name)
            if key in saved:
                value = saved[key]
                whole = check is _check.flag and isinstance(value, int) and value in (0, 1)
                chosen[name] = check(who, name, bool(value) if whole else value)
        decoupled = saved.get("decoupled_weight_decay")
        if decoupled is not None:
            decoupled = _check.flag(who, "decoupled_weight_decay", decoupled)
        if decoupled is not None and decoupled != cls._fixed.get("decoupled_weight_decay") and chosen["weight_decay"]:
            raise ValueError(f"{who}: state has decoupled_weight_decay={decoupled!r}, but {who} cannot have that")
        return chosen

    def _saved_state(self, place, entry, options, names, param):
        """A parameter's states, its step and NAdam's product, from their entry in a state dict."""
        states = self._fresh(options, names, param)
        step, product = self._saved_progress(place, entry)
        if step is None:
            return states, 0, product
        for array, saved in zip(states, self._saved_arrays(place, entry, names, param), strict=True):
            array[...] = saved
        return states, step, product

    def _saved_progress(self, place, entry):
        """A parameter's step and NAdam's product, from their entry in a state dict; step None: it has not begun."""
        who = type(self).__name__
        product = 1.0
        if not entry:
            return None, product
        if not self._counts_steps:
            return (None if entry.get("momentum_buffer") is None else 1), product
        if "step" not in entry:
            raise ValueError(f"{who}: {place} has no 'step', but {who} needs one")
        if "mu_product" in self._keys_beside_arrays():
            if "mu_product" not in entry:
                raise ValueError(f"{who}: {place} has no 'mu_product', but {who} needs one")
            product = _check.saved_number(who, f"{place}['mu_product']", entry["mu_product"])
        return _check.saved_count(who, f"{place}['step']", entry["step"]), product

    def _saved_arrays(self, place, entry, names, param):
        """A parameter's states from their entry in a state dict, as they are."""
        who = type(self).__name__
        arrays = []
        for name in names:
            if name not in entry:
                raise ValueError(f"{who}: {place} has no {name!r}, but {who} with these options needs one")
            arrays.append(_check.saved_array(who, f"{place}[{name!r}]", entry[name], param))
        return arrays

    # -- files --

    def save(self, path):
        """Write the state to a file (NumPy's npz, without pickle).

        It is written beside the file and then renamed, so that whatever happens the old file or the new one is there,
        whole.

        Parameters
        ----------
        path : str, bytes or path-like
            Replaced if it exists. No ending is added.
        """
        from ._files import write_file  # here: what reads zip files takes longer to import than the rest of fastloss

        path = _check.path(type(self).__name__, path)
        arrays, about = plain_state(self.state_dict())
        write_file(path, {"optimizer": type(self).__name__, **about}, arrays)

    def load(self, path):
        """Take over a state that :meth:`save` has written; as :meth:`load_state_dict`.

        Parameters
        ----------
        path : str, bytes or path-like

        Raises
        ------
        ValueError
            The file is damaged, or of another optimizer or other parameters. Nothing has changed, and no more memory
            was taken than the state of these parameters needs.
        """
        from ._files import DAMAGED, read_file

        who = type(self).__name__
        path = _check.path(who, path)
        self._require_intact()
        with open(path, "rb") as opened:
            try:
                about, arrays = read_file(opened, state_shapes(self))
                saved, optimizer = nested_state(arrays, about), about["optimizer"]
            except DAMAGED as error:
                raise ValueError(f"{who}: {path!r} is not a file written by save ({_check.brief(error)})") from error
        if optimizer != who:
            raise ValueError(f"{who}: {path!r} holds the state of {_check.shown(optimizer)}")
        try:
            self.load_state_dict(saved)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{who}: {path!r} does not fit ({_check.brief(error)})") from error


# Whatever PyTorch calls a state of any of these optimizers; and what is kept of a parameter beside such arrays.
STATES = ("momentum_buffer", "sum", "square_avg", "acc_delta", "grad_avg")
STATES += ("exp_avg", "exp_avg_sq", "max_exp_avg_sq", "exp_inf")
NUMBERS = ("step", "mu_product")


def state_shapes(optimizer):
    """Name -> shape of whatever a file may hold of an optimizer's state."""
    return {
        f"{k}.{name}": () if name in NUMBERS else w.shape
        for k, w in enumerate(optimizer._arrays())
        for name in (*STATES, *NUMBERS)
    }


def plain_state(state):
    """A state dict as arrays by name, and the rest as what JSON can say."""
    arrays = {f"{k}.{name}": a for k, entry in state["state"].items() for name, a in entry.items()}
    return arrays, {"param_groups": state["param_groups"], "t": state["t"]}


def nested_state(arrays, about):
    """The state dict that :func:`plain_state` took apart."""
    state = {}
    for key, array in arrays.items():
        k, name = key.split(".")
        state.setdefault(int(k), {})[name] = array
    return {"state": state, "param_groups": about["param_groups"], "t": about["t"]}


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum if wanted.

    ::

        w -= lr * g                                         without momentum
        b = momentum * b + (1 - dampening) * g              first step: b = g
        w -= lr * b          nesterov: lr * (g + momentum * b)

    Parameters
    ----------
    params : array, list of arrays, or dict of arrays
        Updated in place. float32 or float64, any shape, C-contiguous, writeable; no two may overlap. CPU tensors of
        other libraries do too, if their memory can be shared.
    lr : float or callable
        Learning rate, at least 0; or a function of the number of steps taken. Default 1e-3.
    momentum : float
        At least 0; 0 keeps no state.
    dampening : float
        Taken off the gradient's share of the buffer, from the second step on.
    nesterov : bool
        Look ahead along the buffer. Needs a momentum above 0 and no dampening.
    weight_decay : float
        L2 penalty: ``weight_decay * w`` is added to the gradient. At least 0.
    maximize : bool
        Climb instead of descend: the sign of the gradient is turned.
    clip_value : float or None
        Clip each entry of the gradient to ``[-clip_value, clip_value]`` first. Above 0.
    clip_norm : float or None
        Then multiply all gradients by ``min(1, clip_norm / (norm + 1e-6))``, ``norm`` being that of all of them taken
        together. Above 0.
    nonfinite : {"propagate", "raise", "skip"}
        What a step does when a gradient holds NaN or infinity: compute with it; raise FloatingPointError and change
        nothing; do nothing and not count the step. The last two read the gradients once more.

    Notes
    -----
    The same path as PyTorch's with the same arguments. Sutskever, Martens, Dahl & Hinton 2013 for the momentum's forms.
    While the learning rate is constant it is also the path of momentum written on the last update, ``dw = -lr * g +
    momentum * dw``; when it changes, here the new rate applies to the whole buffer.

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> w = np.array([1.0, 2.0])
    >>> opt = fl.SGD(w, lr=0.1)
    >>> opt.step(np.array([2.0, -0.5]))
    >>> w
    array([0.8 , 2.05])
    """

    __slots__ = ()
    _options = {"momentum": _check.not_negative, "dampening": _check.number, "nesterov": _check.flag}
    _fixed = {**Optimizer._fixed, "fused": None}
    _counts_steps = False

    def __init__(
        self,
        params,
        *,
        lr=1e-3,
        momentum=0.0,
        dampening=0.0,
        nesterov=False,
        weight_decay=0.0,
        maximize=False,
        clip_value=None,
        clip_norm=None,
        nonfinite="propagate",
    ):
        self._start(
            params,
            lr,
            momentum=momentum,
            dampening=dampening,
            nesterov=nesterov,
            weight_decay=weight_decay,
            maximize=maximize,
            clip_value=clip_value,
            clip_norm=clip_norm,
            nonfinite=nonfinite,
        )

    def _plan(self, options):
        if options["nesterov"] and (options["momentum"] == 0 or options["dampening"] != 0):
            raise ValueError("SGD: nesterov is True, but then momentum must be above 0 and dampening 0")
        if options["momentum"] == 0:
            return "sgd", [], ()
        return "sgd_momentum", [options["momentum"], options["dampening"], options["nesterov"]], ("momentum_buffer",)


class Adagrad(Optimizer):
    """Adagrad: each entry's rate falls with the sum of its squared gradients.

    ::

        G = G + g**2
        w -= lr / (1 + (t - 1) * lr_decay) * g / (sqrt(G) + eps)          eps_inside: g / sqrt(G + eps)

    Parameters
    ----------
    params : array, list of arrays, or dict of arrays
        Updated in place. float32 or float64, any shape, C-contiguous, writeable; no two may overlap. CPU tensors of
        other libraries do too, if their memory can be shared.
    lr : float or callable
        Learning rate, at least 0; or a function of the number of steps taken. Default 1e-2.
    lr_decay : float
        At least 0.
    initial_accumulator : float
        What ``G`` starts from, at least 0.
    eps : float
        Added to the denominator, at least 0.
    eps_inside : bool
        Add it below the root.
    weight_decay : float
        L2 penalty: ``weight_decay * w`` is added to the gradient. At least 0.
    maximize : bool
        Climb instead of descend: the sign of the gradient is turned.
    clip_value : float or None
        Clip each entry of the gradient to ``[-clip_value, clip_value]`` first. Above 0.
    clip_norm : float or None
        Then multiply all gradients by ``min(1, clip_norm / (norm + 1e-6))``, ``norm`` being that of all of them taken
        together. Above 0.
    nonfinite : {"propagate", "raise", "skip"}
        What a step does when a gradient holds NaN or infinity: compute with it; raise FloatingPointError and change
        nothing; do nothing and not count the step. The last two read the gradients once more.

    Notes
    -----
    The same path as PyTorch's with the same arguments. (PyTorch has no ``eps_inside``, and calls the start
    ``initial_accumulator_value``.) Duchi, Hazan & Singer 2011.

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> w = np.array([1.0, 2.0])
    >>> opt = fl.Adagrad(w, lr=0.1)
    >>> opt.step(np.array([2.0, -0.5]))
    >>> w
    array([0.9, 2.1])
    """

    __slots__ = ()
    _options = {
        "lr_decay": _check.not_negative,
        "initial_accumulator": _check.not_negative,
        "eps": _check.not_negative,
        "eps_inside": _check.flag,
    }
    _renamed = {"initial_accumulator": "initial_accumulator_value"}
    _fixed = {**Optimizer._fixed, "fused": None}

    def __init__(
        self,
        params,
        *,
        lr=1e-2,
        lr_decay=0.0,
        initial_accumulator=0.0,
        eps=1e-10,
        eps_inside=False,
        weight_decay=0.0,
        maximize=False,
        clip_value=None,
        clip_norm=None,
        nonfinite="propagate",
    ):
        self._start(
            params,
            lr,
            lr_decay=lr_decay,
            initial_accumulator=initial_accumulator,
            eps=eps,
            eps_inside=eps_inside,
            weight_decay=weight_decay,
            maximize=maximize,
            clip_value=clip_value,
            clip_norm=clip_norm,
            nonfinite=nonfinite,
        )

    def _first_value(self, options, name):
        return options["initial_accumulator"]

    def _plan(self, options):
        return "adagrad", [options["lr_decay"], options["eps"], options["eps_inside"]], ("sum",)


class Adadelta(Optimizer):
    """Adadelta: steps in proportion to the steps so far, so that the rate needs no tuning.

    ::

        v = rho * v + (1 - rho) * g**2
        d = sqrt(u + eps) / sqrt(v + eps) * g
        u = rho * u + (1 - rho) * d**2
        w -= lr * d

    Parameters
    ----------
    params : array, list of arrays, or dict of arrays
        Updated in place. float32 or float64, any shape, C-contiguous, writeable; no two may overlap. CPU tensors of
        other libraries do too, if their memory can be shared.
    lr : float or callable
        Learning rate, at least 0; or a function of the number of steps taken. Default 1.0.
    rho : float
        Decay rate of both averages, from 0 to 1.
    eps : float
        Added below both roots, at least 0; it sets the size of the first steps.
    weight_decay : float
        L2 penalty: ``weight_decay * w`` is added to the gradient. At least 0.
    maximize : bool
        Climb instead of descend: the sign of the gradient is turned.
    clip_value : float or None
        Clip each entry of the gradient to ``[-clip_value, clip_value]`` first. Above 0.
    clip_norm : float or None
        Then multiply all gradients by ``min(1, clip_norm / (norm + 1e-6))``, ``norm`` being that of all of them taken
        together. Above 0.
    nonfinite : {"propagate", "raise", "skip"}
        What a step does when a gradient holds NaN or infinity: compute with it; raise FloatingPointError and change
        nothing; do nothing and not count the step. The last two read the gradients once more.

    Notes
    -----
    The same path as PyTorch's with the same arguments. Zeiler 2012 (who has no rate: ``lr=1``).

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> w = np.array([1.0, 2.0])
    >>> opt = fl.Adadelta(w)
    >>> opt.step(np.array([2.0, -0.5]))
    >>> w
    array([0.99683773, 2.00316221])
    """

    __slots__ = ()
    _options = {"rho": _check.fraction, "eps": _check.not_negative}
    _fixed = {**Optimizer._fixed, "capturable": False}

    def __init__(
        self,
        params,
        *,
        lr=1.0,
        rho=0.9,
        eps=1e-6,
        weight_decay=0.0,
        maximize=False,
        clip_value=None,
        clip_norm=None,
        nonfinite="propagate",
    ):
        self._start(
            params,
            lr,
            rho=rho,
            eps=eps,
            weight_decay=weight_decay,
            maximize=maximize,
            clip_value=clip_value,
            clip_norm=clip_norm,
            nonfinite=nonfinite,
        )

    def _plan(self, options):
        return "adadelta", [options["rho"], options["eps"]], ("square_avg", "acc_delta")


class RMSprop(Optimizer):
    """RMSprop: gradients divided by the root of their mean square.

    ::

        v = alpha * v + (1 - alpha) * g**2                  centered: s = v - (mean of g)**2, at least 0; else s = v
        w -= lr * g / (sqrt(s) + eps)                       eps_inside: g / sqrt(s + eps)
        b = momentum * b + g / (sqrt(s) + eps);  w -= lr * b          with momentum

    Parameters
    ----------
    params : array, list of arrays, or dict of arrays
        Updated in place. float32 or float64, any shape, C-contiguous, writeable; no two may overlap. CPU tensors of
        other libraries do too, if their memory can be shared.
    lr : float or callable
        Learning rate, at least 0; or a function of the number of steps taken. Default 1e-2.
    alpha : float
        Decay rate of the averages, from 0 to 1.
    eps : float
        Added to the denominator, at least 0.
    momentum : float
        At least 0; 0 keeps no buffer.
    centered : bool
        Divide by an estimate of the standard deviation instead.
    eps_inside : bool
        Add ``eps`` below the root.
    weight_decay : float
        L2 penalty: ``weight_decay * w`` is added to the gradient. At least 0.
    maximize : bool
        Climb instead of descend: the sign of the gradient is turned.
    clip_value : float or None
        Clip each entry of the gradient to ``[-clip_value, clip_value]`` first. Above 0.
    clip_norm : float or None
        Then multiply all gradients by ``min(1, clip_norm / (norm + 1e-6))``, ``norm`` being that of all of them taken
        together. Above 0.
    nonfinite : {"propagate", "raise", "skip"}
        What a step does when a gradient holds NaN or infinity: compute with it; raise FloatingPointError and change
        nothing; do nothing and not count the step. The last two read the gradients once more.

    Notes
    -----
    The same path as PyTorch's with the same arguments. (PyTorch has no ``eps_inside``; its ``centered`` variance may
    fall below 0 by rounding and then gives NaN, here it is 0.) Tieleman & Hinton 2012; centered: Graves 2013.

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> w = np.array([1.0, 2.0])
    >>> opt = fl.RMSprop(w)
    >>> opt.step(np.array([2.0, -0.5]))
    >>> w
    array([0.9       , 2.09999998])
    """

    __slots__ = ()
    _options = {
        "alpha": _check.fraction,
        "eps": _check.not_negative,
        "momentum": _check.not_negative,
        "centered": _check.flag,
        "eps_inside": _check.flag,
    }
    _fixed = {**Optimizer._fixed, "capturable": False}

    def __init__(
        self,
        params,
        *,
        lr=1e-2,
        alpha=0.99,
        eps=1e-8,
        momentum=0.0,
        centered=False,
        eps_inside=False,
        weight_decay=0.0,
        maximize=False,
        clip_value=None,
        clip_norm=None,
        nonfinite="propagate",
    ):
        self._start(
            params,
            lr,
            alpha=alpha,
            eps=eps,
            momentum=momentum,
            centered=centered,
            eps_inside=eps_inside,
            weight_decay=weight_decay,
            maximize=maximize,
            clip_value=clip_value,
            clip_norm=clip_norm,
            nonfinite=nonfinite,
        )

    def _plan(self, options):
        kernel, names = "rmsprop", ["square_avg"]
        if options["centered"]:
            kernel, names = kernel + "_centered", [*names, "grad_avg"]
        if options["momentum"]:
            kernel, names = kernel + "_momentum", [*names, "momentum_buffer"]
        return kernel, [options[k] for k in ("alpha", "eps", "momentum", "eps_inside")], tuple(names)


def adam_plan(options, *, decoupled):
    """As ``Optimizer._plan``, for Adam and AdamW."""
    param = [*options["betas"], options["eps"], options["bias_correction"], decoupled]
    if options["amsgrad"]:
        return "adam_amsgrad", param, ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")
    return "adam", param, ("exp_avg", "exp_avg_sq")


class Adam(Optimizer):
    """Adam: moving averages of the gradient and its square, corrected for their start at 0.

    ::

        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2                  amsgrad: below, the largest v so far
        w -= lr / (1 - beta1**t) * m / (sqrt(v) / sqrt(1 - beta2**t) + eps)

    Parameters
    ----------
    params : array, list of arrays, or dict of arrays
        Updated in place. float32 or float64, any shape, C-contiguous, writeable; no two may overlap. CPU tensors of
        other libraries do too, if their memory can be shared.
    lr : float or callable
        Learning rate, at least 0; or a function of the number of steps taken. Default 1e-3.
    betas : (float, float)
        Decay rates of the moving averages of gradient and squared gradient, from 0 to below 1.
    eps : float
        Added to the denominator, at least 0.
    amsgrad : bool
        Divide by the largest average of squares so far.
    bias_correction : bool
        False leaves ``1 - beta**t`` out: the first steps are then far smaller or larger.
    weight_decay : float
        L2 penalty: ``weight_decay * w`` is added to the gradient. At least 0.
    maximize : bool
        Climb instead of descend: the sign of the gradient is turned.
    clip_value : float or None
        Clip each entry of the gradient to ``[-clip_value, clip_value]`` first. Above 0.
    clip_norm : float or None
        Then multiply all gradients by ``min(1, clip_norm / (norm + 1e-6))``, ``norm`` being that of all of them taken
        together. Above 0.
    nonfinite : {"propagate", "raise", "skip"}
        What a step does when a gradient holds NaN or infinity: compute with it; raise FloatingPointError and change
        nothing; do nothing and not count the step. The last two read the gradients once more.

    Notes
    -----
    The same path as PyTorch's with the same arguments. Kingma & Ba 2015; amsgrad: Reddi, Kale & Kumar 2018. The paper's
    text writes ``eps`` as here; its faster form and Keras leave it uncorrected by ``sqrt(1 - beta2**t)``.

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> w = np.array([1.0, 2.0])
    >>> opt = fl.Adam(w, lr=0.1)
    >>> opt.step(np.array([2.0, -0.5]))
    >>> w
    array([0.9, 2.1])
    """

    __slots__ = ()
    _options = {
        "betas": _check.betas,
        "eps": _check.not_negative,
        "amsgrad": _check.flag,
        "bias_correction": _check.flag,
    }
    _fixed = {**Optimizer._fixed, "capturable": False, "fused": None, "decoupled_weight_decay": False}

    def __init__(
        self,
        params,
        *,
        lr=1e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        amsgrad=False,
        bias_correction=True,
        weight_decay=0.0,
        maximize=False,
        clip_value=None,
        clip_norm=None,
        nonfinite="propagate",
    ):
        self._start(
            params,
            lr,
            betas=betas,
            eps=eps,
            amsgrad=amsgrad,
            bias_correction=bias_correction,
            weight_decay=weight_decay,
            maximize=maximize,
            clip_value=clip_value,
            clip_norm=clip_norm,
            nonfinite=nonfinite,
        )

    def _plan(self, options):
        return adam_plan(options, decoupled=False)


class AdamW(Optimizer):
    """Adam with decoupled weight decay: the parameters shrink, the averages do not see it.

    ::

        w *= 1 - lr * weight_decay

    and then as :class:`Adam`.

    Parameters
    ----------
    params : array, list of arrays, or dict of arrays
        Updated in place. float32 or float64, any shape, C-contiguous, writeable; no two may overlap. CPU tensors of
        other libraries do too, if their memory can be shared.
    lr : float or callable
        Learning rate, at least 0; or a function of the number of steps taken. Default 1e-3.
    betas : (float, float)
        Decay rates of the moving averages of gradient and squared gradient, from 0 to below 1.
    eps : float
        Added to the denominator, at least 0.
    amsgrad : bool
        Divide by the largest average of squares so far.
    bias_correction : bool
        False leaves ``1 - beta**t`` out: the first steps are then far smaller or larger.
    weight_decay : float
        At least 0.
    maximize : bool
        Climb instead of descend: the sign of the gradient is turned.
    clip_value : float or None
        Clip each entry of the gradient to ``[-clip_value, clip_value]`` first. Above 0.
    clip_norm : float or None
        Then multiply all gradients by ``min(1, clip_norm / (norm + 1e-6))``, ``norm`` being that of all of them taken
        together. Above 0.
    nonfinite : {"propagate", "raise", "skip"}
        What a step does when a gradient holds NaN or infinity: compute with it; raise FloatingPointError and change
        nothing; do nothing and not count the step. The last two read the gradients once more.

    Notes
    -----
    The same path as PyTorch's with the same arguments. Loshchilov & Hutter 2019; as in PyTorch, the decay is multiplied
    by the learning rate, schedule included.

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> w = np.array([1.0, 2.0])
    >>> opt = fl.AdamW(w, lr=0.1)
    >>> opt.step(np.array([2.0, -0.5]))
    >>> w
    array([0.899, 2.098])
    """

    __slots__ = ()
    _options = {
        "betas": _check.betas,
        "eps": _check.not_negative,
        "amsgrad": _check.flag,
        "bias_correction": _check.flag,
    }
    _fixed = {**Optimizer._fixed, "capturable": False, "fused": None, "decoupled_weight_decay": True}

    def __init__(
        self,
        params,
        *,
        lr=1e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        amsgrad=False,
        bias_correction=True,
        weight_decay=1e-2,
        maximize=False,
        clip_value=None,
        clip_norm=None,
        nonfinite="propagate",
    ):
        self._start(
            params,
            lr,
            betas=betas,
            eps=eps,
            amsgrad=amsgrad,
            bias_correction=bias_correction,
            weight_decay=weight_decay,
            maximize=maximize,
            clip_value=clip_value,
            clip_norm=clip_norm,
            nonfinite=nonfinite,
        )

    def _plan(self, options):
        return adam_plan(options, decoupled=True)


class RAdam(Optimizer):
    """Rectified Adam: plain momentum until the average of squares can be trusted.

    ::

        m, v as in Adam;  rho_inf = 2 / (1 - beta2) - 1;  rho = rho_inf - 2 t beta2**t / (1 - beta2**t)
        w -= lr * m / (1 - beta1**t)                                                         where rho <= 5
        w -= lr * r * m / (1 - beta1**t) * sqrt(1 - beta2**t) / (sqrt(v) + eps)              where rho > 5
        r = sqrt((rho - 4) (rho - 2) rho_inf / ((rho_inf - 4) (rho_inf - 2) rho))

    Parameters
    ----------
    params : array, list of arrays, or dict of arrays
        Updated in place. float32 or float64, any shape, C-contiguous, writeable; no two may overlap. CPU tensors of
        other libraries do too, if their memory can be shared.
    lr : float or callable
        Learning rate, at least 0; or a function of the number of steps taken. Default 1e-3.
    betas : (float, float)
        Decay rates of the moving averages of gradient and squared gradient, from 0 to below 1.
    eps : float
        Added to the denominator, at least 0.
    weight_decay : float
        L2 penalty: ``weight_decay * w`` is added to the gradient. At least 0.
    maximize : bool
        Climb instead of descend: the sign of the gradient is turned.
    clip_value : float or None
        Clip each entry of the gradient to ``[-clip_value, clip_value]`` first. Above 0.
    clip_norm : float or None
        Then multiply all gradients by ``min(1, clip_norm / (norm + 1e-6))``, ``norm`` being that of all of them taken
        together. Above 0.
    nonfinite : {"propagate", "raise", "skip"}
        What a step does when a gradient holds NaN or infinity: compute with it; raise FloatingPointError and change
        nothing; do nothing and not count the step. The last two read the gradients once more.

    Notes
    -----
    The same path as PyTorch's with the same arguments. Liu et al. 2020 (who give no ``eps``; this is PyTorch's place
    for it).

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> w = np.array([1.0, 2.0])
    >>> opt = fl.RAdam(w, lr=0.1)
    >>> opt.step(np.array([2.0, -0.5]))
    >>> w
    array([0.8 , 2.05])
    """

    __slots__ = ()
    _options = {"betas": _check.betas, "eps": _check.not_negative}
    _fixed = {**Optimizer._fixed, "capturable": False, "decoupled_weight_decay": False}

    def __init__(
        self,
        params,
        *,
        lr=1e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=0.0,
        maximize=False,
        clip_value=None,
        clip_norm=None,
        nonfinite="propagate",
    ):
        self._start(
            params,
            lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            maximize=maximize,
            clip_value=clip_value,
            clip_norm=clip_norm,
            nonfinite=nonfinite,
        )

    def _plan(self, options):
        return "radam", [*options["betas"], options["eps"]], ("exp_avg", "exp_avg_sq")


class NAdam(Optimizer):
    """Adam with Nesterov's momentum.

    ::

        m, v as in Adam;  mu_t = beta1 * (1 - 0.96**(t * momentum_decay) / 2);  p_t = mu_1 * ... * mu_t
        w -= lr * ((1 - mu_t) / (1 - p_t) * g + mu_{t+1} / (1 - p_{t+1}) * m) / (sqrt(v / (1 - beta2**t)) + eps)

    Parameters
    ----------
    params : array, list of arrays, or dict of arrays
        Updated in place. float32 or float64, any shape, C-contiguous, writeable; no two may overlap. CPU tensors of
        other libraries do too, if their memory can be shared.
    lr : float or callable
        Learning rate, at least 0; or a function of the number of steps taken. Default 2e-3.
    betas : (float, float)
        Decay rates of the moving averages of gradient and squared gradient, from 0 to below 1.
    eps : float
        Added to the denominator, at least 0.
    momentum_decay : float
        How fast the momentum grows from half of ``beta1`` to ``beta1``, at least 0.
    weight_decay : float
        L2 penalty: ``weight_decay * w`` is added to the gradient. At least 0.
    maximize : bool
        Climb instead of descend: the sign of the gradient is turned.
    clip_value : float or None
        Clip each entry of the gradient to ``[-clip_value, clip_value]`` first. Above 0.
    clip_norm : float or None
        Then multiply all gradients by ``min(1, clip_norm / (norm + 1e-6))``, ``norm`` being that of all of them taken
        together. Above 0.
    nonfinite : {"propagate", "raise", "skip"}
        What a step does when a gradient holds NaN or infinity: compute with it; raise FloatingPointError and change
        nothing; do nothing and not count the step. The last two read the gradients once more.

    Notes
    -----
    The same path as PyTorch's with the same arguments, if PyTorch's default dtype is float64: it keeps the product of
    the momenta in that type, here it is a double. Dozat 2016.

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> w = np.array([1.0, 2.0])
    >>> opt = fl.NAdam(w, lr=0.1)
    >>> opt.step(np.array([2.0, -0.5]))
    >>> w
    array([0.89435482, 2.10564518])
    """

    __slots__ = ()
    _options = {"betas": _check.betas, "eps": _check.not_negative, "momentum_decay": _check.not_negative}
    _fixed = {**Optimizer._fixed, "capturable": False, "decoupled_weight_decay": False}

    def __init__(
        self,
        params,
        *,
        lr=2e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        momentum_decay=4e-3,
        weight_decay=0.0,
        maximize=False,
        clip_value=None,
        clip_norm=None,
        nonfinite="propagate",
    ):
        self._start(
            params,
            lr,
            betas=betas,
            eps=eps,
            momentum_decay=momentum_decay,
            weight_decay=weight_decay,
            maximize=maximize,
            clip_value=clip_value,
            clip_norm=clip_norm,
            nonfinite=nonfinite,
        )

    def _keys_beside_arrays(self):
        return ("step", "mu_product")

    def _plan(self, options):
        return "nadam", [*options["betas"], options["eps"], options["momentum_decay"]], ("exp_avg", "exp_avg_sq")


class Adamax(Optimizer):
    """Adam with the largest gradient, slowly forgotten, in place of the mean square.

    ::

        m = beta1 * m + (1 - beta1) * g
        u = max(beta2 * u, |g| + eps)
        w -= lr / (1 - beta1**t) * m / u

    Parameters
    ----------
    params : array, list of arrays, or dict of arrays
        Updated in place. float32 or float64, any shape, C-contiguous, writeable; no two may overlap. CPU tensors of
        other libraries do too, if their memory can be shared.
    lr : float or callable
        Learning rate, at least 0; or a function of the number of steps taken. Default 2e-3.
    betas : (float, float)
        Decay rates of the moving averages of gradient and squared gradient, from 0 to below 1.
    eps : float
        Added to the denominator, at least 0.
    weight_decay : float
        L2 penalty: ``weight_decay * w`` is added to the gradient. At least 0.
    maximize : bool
        Climb instead of descend: the sign of the gradient is turned.
    clip_value : float or None
        Clip each entry of the gradient to ``[-clip_value, clip_value]`` first. Above 0.
    clip_norm : float or None
        Then multiply all gradients by ``min(1, clip_norm / (norm + 1e-6))``, ``norm`` being that of all of them taken
        together. Above 0.
    nonfinite : {"propagate", "raise", "skip"}
        What a step does when a gradient holds NaN or infinity: compute with it; raise FloatingPointError and change
        nothing; do nothing and not count the step. The last two read the gradients once more.

    Notes
    -----
    The same path as PyTorch's with the same arguments. Kingma & Ba 2015, section 7.1 (who have no ``eps``).

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> w = np.array([1.0, 2.0])
    >>> opt = fl.Adamax(w, lr=0.1)
    >>> opt.step(np.array([2.0, -0.5]))
    >>> w
    array([0.9, 2.1])
    """

    __slots__ = ()
    _options = {"betas": _check.betas, "eps": _check.not_negative}
    _fixed = {**Optimizer._fixed, "capturable": False}

    def __init__(
        self,
        params,
        *,
        lr=2e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=0.0,
        maximize=False,
        clip_value=None,
        clip_norm=None,
        nonfinite="propagate",
    ):
        self._start(
            params,
            lr,
            betas=betas,
            eps=eps,
            weight_decay=weight_decay,
            maximize=maximize,
            clip_value=clip_value,
            clip_norm=clip_norm,
            nonfinite=nonfinite,
        )

    def _plan(self, options):
        return "adamax", [*options["betas"], options["eps"]], ("exp_avg", "exp_inf")


class Lion(Optimizer):
    """Lion: the sign of a moving average, so every entry moves by the same amount.

    ::

        w *= 1 - lr * weight_decay
        w -= lr * sign(beta1 * m + (1 - beta1) * g)
        m = beta2 * m + (1 - beta2) * g

    Parameters
    ----------
    params : array, list of arrays, or dict of arrays
        Updated in place. float32 or float64, any shape, C-contiguous, writeable; no two may overlap. CPU tensors of
        other libraries do too, if their memory can be shared.
    lr : float or callable
        Learning rate, at least 0; or a function of the number of steps taken. Default 1e-4.
    betas : (float, float)
        Shares of the average in the step, and of the old average in the new one, from 0 to below 1.
    weight_decay : float
        Decoupled: the parameters shrink by ``lr * weight_decay``. At least 0.
    maximize : bool
        Climb instead of descend: the sign of the gradient is turned.
    clip_value : float or None
        Clip each entry of the gradient to ``[-clip_value, clip_value]`` first. Above 0.
    clip_norm : float or None
        Then multiply all gradients by ``min(1, clip_norm / (norm + 1e-6))``, ``norm`` being that of all of them taken
        together. Above 0.
    nonfinite : {"propagate", "raise", "skip"}
        What a step does when a gradient holds NaN or infinity: compute with it; raise FloatingPointError and change
        nothing; do nothing and not count the step. The last two read the gradients once more.

    Notes
    -----
    Chen et al. 2023, algorithm 2; PyTorch has none. The sign of 0 is 0, that of NaN is NaN. Its rate is usually 3 to 10
    times smaller than Adam's, its decay as much larger.

    Examples
    --------
    >>> import numpy as np
    >>> import fastloss as fl
    >>> w = np.array([1.0, 2.0])
    >>> opt = fl.Lion(w, lr=0.1)
    >>> opt.step(np.array([2.0, -0.5]))
    >>> w
    array([0.9, 2.1])
    """

    __slots__ = ()
    _options = {"betas": _check.betas}

    def __init__(
        self,
        params,
        *,
        lr=1e-4,
        betas=(0.9, 0.99),
        weight_decay=0.0,
        maximize=False,
        clip_value=None,
        clip_norm=None,
        nonfinite="propagate",
    ):
        self._start(
            params,
            lr,
            betas=betas,
            weight_decay=weight_decay,
            maximize=maximize,
            clip_value=clip_value,
            clip_norm=clip_norm,
            nonfinite=nonfinite,
        )

    def _plan(self, options):
        return "lion", [*options["betas"]], ("exp_avg",)
