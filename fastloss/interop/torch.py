# SPDX-License-Identifier: BSD-3-Clause
"""PyTorch on the CPU: fastloss's losses as differentiable functions and modules, its optimizers as `torch.optim` ones.

Tensors go to the compiled code and come back without a copy; nothing is computed here.
"""

from __future__ import annotations

import inspect
from operator import is_

import numpy as np

try:
    import torch
except ImportError as error:
    raise ImportError("fastloss.interop.torch needs PyTorch: pip install 'fastloss[torch]'") from error

from .. import _check, optimizers
from .._core import Loss as ArrayLoss

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Lion",
    "Loss",
    "NAdam",
    "RAdam",
    "RMSprop",
    "loss",
]


# ---- losses ----


def loss(function, pred, target, *, sample_weight=None):
    """A loss of tensors, differentiable in ``pred``.

    The gradient is computed together with the value, in one pass, if ``pred`` requires grad; backward scales it.

    Parameters
    ----------
    function : fastloss loss
        For example ``fastloss.Huber(delta=2.0)``; its ``reduction`` counts.
    pred : tensor
        float32 or float64, dense, on the CPU; shape as the loss wants it. Read without a copy if its rows are
        contiguous.
    target : tensor
        As the loss wants it: no broadcasting. Not differentiated.
    sample_weight : tensor, optional
        One weight per sample, or for pointwise losses one per entry. Not differentiated.

    Returns
    -------
    tensor
        Of ``pred``'s dtype, 0-d, or for ``reduction="none"`` one entry per loss. The elementwise losses can be
        differentiated twice, through their exact second derivative.

    Raises
    ------
    TypeError
        A tensor is not on the CPU, is sparse, or is of half precision.
    ValueError
        ``target`` or ``sample_weight`` requires grad, or what the loss raises.
    NotImplementedError
        In backward: another loss is differentiated twice, or any thrice.

    Examples
    --------
    >>> import fastloss as fl
    >>> import torch
    >>> import fastloss.interop.torch as flt
    >>> z = torch.tensor([0.0, 3.0], requires_grad=True)
    >>> value = flt.loss(fl.Huber(reduction="sum"), z, torch.tensor([0.5, 0.0]))
    >>> value.backward()
    >>> value.item(), z.grad
    (2.625, tensor([-0.5000,  1.0000]))
    """
    # A graph break here, rather than many inside.
    if torch.compiler.is_compiling():  # pragma: no branch - PyTorch's compiler takes it, and Python never does
        return torch.compiler.disable(_loss)(function, pred, target, sample_weight)
    return _loss(function, pred, target, sample_weight)


def _loss(function, pred, target, sample_weight):
    who = type(_check.loss_of("loss", "function", function, ArrayLoss)).__name__
    differentiate = torch.is_grad_enabled()
    for name, given in (("target", target), ("sample_weight", sample_weight)):
        if differentiate and getattr(given, "requires_grad", False):
            raise ValueError(f"{who}: {name} requires grad, but only pred is differentiated: use {name}.detach()")
    if differentiate and getattr(pred, "requires_grad", False):
        return _Evaluation.apply(function, pred, target, sample_weight)[0]
    return _as_tensor(function.value(*_arrays(who, pred, target), sample_weight=_weights(who, sample_weight)), pred)


class Loss(torch.nn.Module):
    """A loss of fastloss as a module: ``criterion(pred, target)``; see :func:`loss`.

    Parameters
    ----------
    function : fastloss loss
        For example ``fastloss.SoftmaxCrossEntropy(label_smoothing=0.1)``.

    Examples
    --------
    >>> import fastloss as fl
    >>> import torch
    >>> import fastloss.interop.torch as flt
    >>> criterion = flt.Loss(fl.SoftmaxCrossEntropy())
    >>> criterion(torch.zeros(2, 4), torch.tensor([0, 3]))
    tensor(1.3863)
    """

    def __init__(self, function):
        super().__init__()
        self.function = _check.loss_of("Loss", "function", function, ArrayLoss)

    def forward(self, pred, target, *, sample_weight=None):
        """The loss as a tensor; see :func:`loss`."""
        return loss(self.function, pred, target, sample_weight=sample_weight)

    def extra_repr(self):
        return repr(self.function)


class _Evaluation(torch.autograd.Function):
    """Value and gradient. The gradient is an output too: so backward's product with it can be differentiated."""

    @staticmethod
    def forward(function, pred, target, weight):
        who = type(function).__name__
        z, y = _arrays(who, pred, target)
        value, grad = function.value_and_grad(z, y, sample_weight=_weights(who, weight))
        return _as_tensor(value, pred), torch.from_numpy(grad)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.function, *tensors = inputs
        ctx.set_materialize_grads(False)
        twice = _check.is_pointwise(ctx.function) and ctx.function._no_hess is None
        ctx.save_for_backward(output[1], *(tensors if twice else ()))

    @staticmethod
    def backward(ctx, of_value, of_grad):
        grad, *tensors = ctx.saved_tensors
        result = None
        if of_value is not None:
            result = grad * (of_value.unsqueeze(-1) if 0 < of_value.ndim < grad.ndim else of_value)
        if of_grad is not None:
            second = of_grad * _second_derivative(ctx.function, tensors)
            result = second if result is None else result + second
        return None, result, None, None


def _second_derivative(function, tensors):
    who = type(function).__name__
    if torch.is_grad_enabled():
        raise NotImplementedError(f"{who}: is differentiated three times, but has two derivatives")
    if not tensors:
        raise NotImplementedError(
            f"{who}: is differentiated twice, but only elementwise losses have a second derivative"
        )
    pred, target, weight = tensors
    z, y = _arrays(who, pred, target)
    return torch.from_numpy(function.value_grad_hess(z, y, sample_weight=_weights(who, weight))[2])


def _arrays(who, pred, target):
    return _check.tensor(who, "pred", pred), _check.tensor(who, "target", target)


def _weights(who, weight):
    return None if weight is None else _check.tensor(who, "sample_weight", weight)


def _as_tensor(value, pred):
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value)
    return torch.tensor(value, dtype=pred.dtype if pred.is_floating_point() else torch.float64)


# ---- optimizers ----


class _Optimizer(torch.optim.Optimizer):
    """What all optimizers share. The state is PyTorch's: tensors in ``self.state``, which the compiled step updates.

    The options are PyTorch's, and fastloss's ``clip_value``, ``clip_norm`` (over the gradients of a group) and
    ``nonfinite`` besides. ``foreach`` and ``fused`` are accepted and change nothing.
    """

    _arrays = None  # the class of fastloss that computes

    def __init_subclass__(cls):
        lr, *options = (
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=value)
            for name, value in cls._defaults().items()
        )
        params = inspect.Parameter("params", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        cls.__signature__ = inspect.Signature([params, lr.replace(kind=params.kind), *options])

    def __init__(self, params, lr=None, **options):
        defaults = self._defaults()
        if lr is not None:
            defaults["lr"] = lr
        for name in options:
            if name not in defaults:
                raise TypeError(f"{type(self).__name__}: got {name!r}, but the options are {', '.join(defaults)}")
        self._compiled = {}  # of each group that has taken a step, by its number
        super().__init__(params, {**defaults, **options})

    @classmethod
    def _defaults(cls):
        """The options of a group by PyTorch's names."""
        own = cls._arrays.__init__.__kwdefaults__
        return {cls._arrays._renamed.get(name, name): value for name, value in own.items()} | cls._arrays._fixed

    @classmethod
    def _arrays_for(cls, group):
        """The class of fastloss that computes a group's step."""
        return cls._arrays

    def __setstate__(self, state):
        super().__setstate__(state)
        self._compiled = {}

    def add_param_group(self, param_group):
        """Add a group of parameters with options of its own; see ``torch.optim.Optimizer.add_param_group``."""
        super().add_param_group(param_group)
        try:
            self._check_group(self.param_groups[-1])
        except BaseException:
            self.param_groups.pop()
            raise

    def _check_group(self, group):
        who, cls = type(self).__name__, self._arrays_for(group)
        cls.__new__(cls)._plan(self._options(group))
        _check.learning_rate(who, float(group["lr"]))
        _check.parameters(who, [_plain(who, f"params[{k}]", p, _order(p)) for k, p in enumerate(group["params"])])

    def _options(self, group):
        """A group's options by fastloss's names, checked."""
        for name in ("capturable", "differentiable"):
            if group.get(name):
                raise ValueError(f"{type(self).__name__}: {name} is {group[name]!r}, but must be False")
        return self._arrays_for(group)._options_in(group, {})

    def load_state_dict(self, state_dict):
        """Take over a state, of this optimizer or of PyTorch's of the same name; tensors are copied when needed.

        Options that the state does not name, such as the clipping, stay as they are.
        """
        before = [dict(group) for group in self.param_groups]
        super().load_state_dict(state_dict)
        for group, old in zip(self.param_groups, before, strict=True):
            for name, value in old.items():
                group.setdefault(name, value)
        params = [p for group in self.param_groups for p in group["params"]]
        keys = [key for group in state_dict["param_groups"] for key in group["params"]]
        for key, p in zip(keys, params, strict=True):
            for name, value in self.state.get(p, {}).items():
                if isinstance(value, torch.Tensor):
                    # PyTorch shares what has the right type already, and rounds a product to the parameter's type.
                    source = value if value.ndim else state_dict["state"][key][name]
                    self.state[p][name] = source.clone()

    def step(self, closure=None):
        """Update all parameters that have a gradient; one compiled call per group.

        Parameters
        ----------
        closure : callable, optional
            Computes the gradients anew and returns the loss.

        Returns
        -------
        object
            What ``closure`` returned.

        Raises
        ------
        TypeError
            A parameter or gradient is not on the CPU, is sparse, or has another type.
        FloatingPointError
            A gradient is NaN or infinite, with ``nonfinite="raise"``. Groups before its own have been updated.
        """
        # A graph break here, rather than many inside.
        if torch.compiler.is_compiling():  # pragma: no branch - PyTorch's compiler takes it, and Python never does
            return torch.compiler.disable(self._step)(closure)
        return self._step(closure)

    def _step(self, closure):
        value = None
        if closure is not None:
            with torch.enable_grad():
                value = closure()
        for number, compiled, grads in [self._prepare(*item) for item in enumerate(self.param_groups)]:
            if compiled is not None:
                compiled.step(grads, self.state)
                if compiled.entries is not None:
                    self._compiled[number] = compiled
        return value

    def _prepare(self, number, group):
        """(number, compiled step, gradients) of a group, after all checks."""
        params = [p for p in group["params"] if p.grad is not None]
        if not params:
            return number, None, None
        who = type(self).__name__
        compiled = self._compiled.get(number)
        if compiled is None or not compiled.fits(params, self.state) or not compiled.follows(self, group):
            options = self._options(group)
            compiled = _CompiledStep(self._arrays_for(group), options, params, self.state)
            compiled.follows(self, group)
        compiled.set_lr(group["lr"])
        return number, compiled, compiled.gradients(who)


class _CompiledStep:
    """An optimizer of fastloss over the memory of some tensors, and of their states once it has taken a step."""

    def __init__(self, cls, options, params, state):
        who = cls.__name__
        self.params = params
        self.places = [(p.data_ptr(), p.stride()) for p in params]
        self.orders = [_order(p) for p in params]
        arrays = [_plain(who, f"params[{k}]", p, order) for k, (p, order) in enumerate(zip(params, self.orders))]
        entries = [
            {name: _saved(who, name, value, p, order) for name, value in state.get(p, {}).items()}
            for p, order in zip(params, self.orders)
        ]
        self.optimizer = cls._resume(arrays, 0.0, options, entries)
        self.names = self.optimizer._plan(options)[2]
        steps, products = zip(*self.optimizer._progress(), strict=True)
        self.steps, self.products = np.array(steps), np.array(products)
        self.taken = self.steps.copy()
        self.group = None  # the options as they were last seen
        self.entries = None  # for each parameter its states by name, once they are tensors

    def _bind(self, state):
        """Make the tensors that share this step's memory the state of the parameters."""
        steps, products = torch.from_numpy(self.steps), torch.from_numpy(self.products)
        self.entries = []
        for k, (p, order, kept) in enumerate(zip(self.params, self.orders, self.optimizer._kept(), strict=True)):
            entry = {}
            if self.optimizer._counts_steps:
                entry["step"] = steps[k]
            if "mu_product" in self.optimizer._keys_beside_arrays():
                entry["mu_product"] = products[k]
            entry.update((name, _back(array, order)) for name, array in zip(self.names, kept, strict=True))
            if entry:
                state[p].update(entry)
            self.entries.append(entry)

    def fits(self, params, state):
        """Whether the tensors and states are still those that this step was made for, with nothing changed."""
        if len(params) != len(self.params) or not all(map(is_, params, self.params)):
            return False
        for p, place, entry in zip(params, self.places, self.entries):
            if (p.data_ptr(), p.stride()) != place:
                return False
            now = state.get(p, {})
            if not all(now.get(name) is tensor for name, tensor in entry.items()):
                return False
        return bool((self.steps == self.taken).all())

    def follows(self, owner, group):
        """Take over the group's options as they are now; False if that takes other states."""
        now = {name: _number(group.get(name)) for name in owner.defaults if name != "lr"}
        if now == self.group:
            return True
        options = owner._options(group)
        if owner._arrays_for(group) is not type(self.optimizer) or self.optimizer._plan(options)[2] != self.names:
            return False
        self.optimizer._change(options)
        self.group = now
        return True

    def set_lr(self, lr):
        """Take a learning rate, which may be a tensor, for the next step."""
        lr = float(lr)
        if lr != self.optimizer.lr:
            self.optimizer.lr = lr

    def gradients(self, who):
        """The gradients as arrays."""
        return [_plain(who, f"grads[{k}]", p.grad, order) for k, (p, order) in enumerate(zip(self.params, self.orders))]

    def step(self, grads, state):
        """Update the parameters, their states and what is counted beside them."""
        before = self.optimizer.t
        self.optimizer.step(grads)
        if self.optimizer.t == before:  # skipped
            return
        progress = self.optimizer._progress()
        self.steps[:] = self.taken[:] = [step for step, _ in progress]
        self.products[:] = [product for _, product in progress]
        if self.entries is None:
            self._bind(state)
        for p in self.params:
            torch.autograd.graph.increment_version(p)


def _number(option):
    """An option as it is now: some may be tensors."""
    if isinstance(option, (tuple, list)):
        return tuple(map(_number, option))
    return option.item() if isinstance(option, torch.Tensor) else option


def _order(p):
    """The order of the axes in which a dense tensor is C-contiguous; None if that is their own."""
    return None if p.is_contiguous() else sorted(range(p.ndim), key=lambda axis: -p.stride(axis))


def _plain(who, name, tensor, order):
    """A tensor's memory as an array, its axes in this order."""
    array = _check.tensor(who, name, tensor)
    return array if order is None else array.transpose(order)


def _saved(who, name, value, param, order):
    """An entry of a parameter's state as an array; older PyTorch counts steps in numbers, and keeps None for none."""
    if not isinstance(value, torch.Tensor):
        return value
    return _plain(who, name, value, order if value.shape == param.shape else None)


def _back(array, order):
    """The tensor whose axes in this order are the array's."""
    return torch.from_numpy(array if order is None else array.transpose(np.argsort(order)))


class SGD(_Optimizer):
    """The path of ``torch.optim.SGD``, computed by :class:`fastloss.SGD`."""

    _arrays = optimizers.SGD


class Adagrad(_Optimizer):
    """The path of ``torch.optim.Adagrad``, computed by :class:`fastloss.Adagrad`."""

    _arrays = optimizers.Adagrad


class Adadelta(_Optimizer):
    """The path of ``torch.optim.Adadelta``, computed by :class:`fastloss.Adadelta`."""

    _arrays = optimizers.Adadelta


class RMSprop(_Optimizer):
    """The path of ``torch.optim.RMSprop``, computed by :class:`fastloss.RMSprop`."""

    _arrays = optimizers.RMSprop


class Adam(_Optimizer):
    """The path of ``torch.optim.Adam``, computed by :class:`fastloss.Adam`."""

    _arrays = optimizers.Adam

    @classmethod
    def _arrays_for(cls, group):
        return optimizers.AdamW if group["decoupled_weight_decay"] else optimizers.Adam


class AdamW(Adam):
    """The path of ``torch.optim.AdamW``, computed by :class:`fastloss.AdamW`."""

    _arrays = optimizers.AdamW


class RAdam(_Optimizer):
    """The path of ``torch.optim.RAdam``, computed by :class:`fastloss.RAdam`."""

    _arrays = optimizers.RAdam


class NAdam(_Optimizer):
    """The path of ``torch.optim.NAdam``, computed by :class:`fastloss.NAdam`."""

    _arrays = optimizers.NAdam


class Adamax(_Optimizer):
    """The path of ``torch.optim.Adamax``, computed by :class:`fastloss.Adamax`."""

    _arrays = optimizers.Adamax


class Lion(_Optimizer):
    """Lion, which PyTorch has not, computed by :class:`fastloss.Lion`."""

    _arrays = optimizers.Lion
