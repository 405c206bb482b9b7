# SPDX-License-Identifier: BSD-3-Clause
"""Every check of an argument, every conversion, and every error message.

Messages have one form: who, which argument, what was got, what is needed. Nothing is computed here.
"""

from __future__ import annotations

import math
import operator

import numpy as np

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
INT64_MAX = np.iinfo(np.int64).max
IGNORED = np.iinfo(np.int64).min  # stands for an ignored label that no int64 can hold


# ---- parameters ----


def choice(who, name, value, allowed):
    """`value`, which must be one of the names in `allowed`."""
    if value not in allowed:
        options = ", ".join(repr(a) for a in allowed)
        raise ValueError(f"{who}: {name} is {value!r}, but must be one of {options}")
    return value


def number(who, name, value, *, low=-math.inf, high=math.inf, open_low=False, open_high=False):
    """`value` as a float between `low` and `high`; an `open_` end is not allowed itself. Never NaN or infinite."""
    if isinstance(value, (str, bytes)) or isinstance(value, complex) or np.ndim(value) != 0:
        raise TypeError(f"{who}: {name} is {value!r}, but must be a number")
    try:
        x = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{who}: {name} is {value!r}, but must be a number") from None
    inside = (low < x if open_low else low <= x) and (x < high if open_high else x <= high)
    if not inside or not math.isfinite(x):
        bounds = []
        if low > -math.inf:
            bounds.append(f"{'above' if open_low else 'at least'} {low:g}")
        if high < math.inf:
            bounds.append(f"{'below' if open_high else 'at most'} {high:g}")
        raise ValueError(f"{who}: {name} is {x!r}, but must be {' and '.join(['finite', *bounds])}")
    return x


def positive_int(who, name, value):
    """`value` as an int of at least 1."""
    try:
        n = operator.index(value)
    except TypeError:
        raise TypeError(f"{who}: {name} is {value!r}, but must be an integer") from None
    if n < 1:
        raise ValueError(f"{who}: {name} is {n}, but must be at least 1")
    return min(n, np.iinfo(np.int32).max)


def flag(who, name, value):
    """`value` as a bool."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{who}: {name} is {value!r}, but must be True or False")
    return bool(value)


def optional_index(who, name, value):
    """`value` as an int, or None."""
    if value is None:
        return None
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{who}: {name} is {value!r}, but must be an integer or None") from None


def weights_of_classes(who, name, value):
    """Finite weights of at least 0 as a tuple of floats (hashable), or None."""
    if value is None:
        return None
    array = np.asarray(value)
    if array.dtype.kind not in "fiub" or array.ndim != 1 or array.size == 0:
        raise TypeError(f"{who}: {name} is {value!r}, but must be a sequence of numbers, one per class")
    weights = tuple(float(w) for w in array)
    for k, w in enumerate(weights):
        if not (0 <= w < math.inf):
            raise ValueError(f"{who}: {name}[{k}] is {w!r}, but must be finite and at least 0")
    return weights


def both_types(values):
    """A tuple of floats as (float32, float64) arrays, or None."""
    return None if values is None else tuple(np.array(values, dtype=t) for t in FLOATS)


# ---- arrays ----


def describe(x):
    """What an argument is, for a message."""
    if isinstance(x, np.ndarray):
        return f"{type(x).__name__ if type(x) is not np.ndarray else 'array'} of {x.dtype} and shape {x.shape}"
    return f"{type(x).__name__}"


def as_array(who, name, x):
    """Anything NumPy, DLPack or the buffer protocol can read, as a plain ndarray; no copy where none is needed."""
    if type(x) is np.ndarray:
        return x
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError(f"{who}: {name} is a masked array, but fastloss knows no masks: use sample_weight, or fill it")
    if isinstance(x, np.ndarray):
        return np.asarray(x)
    if hasattr(x, "__dlpack__") and not isinstance(x, np.generic):
        try:
            return np.from_dlpack(x)
        except (BufferError, RuntimeError, TypeError, ValueError) as error:
            raise TypeError(f"{who}: {name} is a {type(x).__name__} that NumPy cannot read ({error})") from error
    try:
        return np.asarray(x)
    except ValueError as error:  # ragged lists
        raise ValueError(f"{who}: {name} is not an array ({error})") from error


def as_floats(who, name, x, dtype=None):
    """As an aligned native float32 or float64 array (`dtype` if given): float16 to float32, integers to float64."""
    array = as_array(who, name, x)
    if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
        raise TypeError(f"{who}: {name} is an {describe(array)}, but must hold real numbers of up to 64 bits")
    if dtype is None:
        small = array.dtype.kind == "f" and array.dtype.itemsize <= 4
        dtype = FLOATS[0] if small else FLOATS[1]
    if array.dtype != dtype or not array.flags.aligned or not array.dtype.isnative:
        with np.errstate(over="ignore"):  # a float64 target may overflow to the infinity that the formula handles
            array = array.astype(dtype)
    return array


def as_labels(who, name, x, ignore):
    """Classes as int32 or int64 with any stride, and the label to be ignored in them (None: none)."""
    array = as_array(who, name, x)
    if array.dtype.kind not in "iub":
        raise TypeError(f"{who}: {name} is an {describe(array)}, but classes must be integers")
    if array.ndim != 1:
        raise ValueError(f"{who}: {name} has shape {array.shape}, but classes must be one-dimensional")
    itemsize = array.dtype.itemsize
    plain = array.dtype.kind == "i" and itemsize in (4, 8) and array.dtype.isnative and array.flags.aligned
    info = (0, 1) if array.dtype.kind == "b" else (np.iinfo(array.dtype).min, np.iinfo(array.dtype).max)
    if ignore is not None and not info[0] <= ignore <= info[1]:
        ignore = None  # no entry can be it
    if array.dtype == np.uint64:
        signed = np.minimum(array, np.uint64(INT64_MAX)).astype(np.int64)  # too large stays out of range
        if ignore is not None:
            signed[array == np.uint64(ignore)] = IGNORED
            ignore = IGNORED
        return signed, ignore
    if not plain or array.strides[0] % itemsize:
        array = array.astype(np.int64)
    return array, ignore


def as_rows(array):
    """A view of shape (rows, columns) whose last axis is contiguous, or None if the layout has none."""
    if array.ndim == 0:
        return array.reshape(1, 1)
    if array.flags.c_contiguous:
        columns = array.shape[-1] if array.size else max(array.shape[-1], 1)
        return array.reshape(array.size // max(columns, 1) if array.size else 0, columns)
    itemsize = array.itemsize
    if array.shape[-1] > 1 and array.strides[-1] != itemsize:
        return None
    stride, rows = None, 1  # of the leading axes taken together, from the innermost out
    for size, step in zip(array.shape[-2::-1], array.strides[-2::-1]):
        if size == 1:
            continue
        if stride is not None and step != stride * rows:
            return None
        stride = step if stride is None else stride
        rows *= size
    if array.ndim == 1 or (stride is not None and stride % itemsize):
        return None if array.size > 1 else array.reshape(1, 1)
    columns = array.shape[-1]
    stride = columns * itemsize if stride is None else stride
    return np.lib.stride_tricks.as_strided(array, (rows, columns), (stride, itemsize), writeable=array.flags.writeable)


def readable_rows(array):
    """`array` itself if its layout is rows, else a C-contiguous copy."""
    return array if as_rows(array) is not None else np.ascontiguousarray(array)


def output(who, name, x, shape, dtype, inputs, in_place):
    """Check a buffer to write to. `inputs` are (name, array as given); it may lie exactly on `in_place` (or None)."""
    array = x if type(x) is np.ndarray else as_array(who, name, x)
    if not isinstance(x, np.ndarray) and isinstance(x, (list, tuple, int, float)):
        raise TypeError(f"{who}: {name} is a {type(x).__name__}, but must be an array to write to")
    if array.dtype != dtype:
        raise TypeError(f"{who}: {name} is an {describe(array)}, but must be {dtype} as pred")
    if array.shape != shape:
        raise ValueError(f"{who}: {name} has shape {array.shape}, but must have shape {shape}")
    if not array.flags.writeable:
        raise ValueError(f"{who}: {name} is read-only, but must be writeable")
    rows = as_rows(array)
    if rows is None or not array.flags.aligned or not array.dtype.isnative:
        raise ValueError(f"{who}: {name} has strides {array.strides}, but must be C-contiguous or row-strided")
    if rows.shape[0] > 1 and abs(rows.strides[0]) < rows.shape[1] * rows.itemsize:
        raise ValueError(f"{who}: {name} has rows that overlap each other (strides {array.strides})")
    for other, given in inputs:
        if given is None or given is in_place and same_place(given, array):
            continue
        if np.shares_memory(given, array):
            raise ValueError(f"{who}: {name} overlaps {other}, but may only lie exactly on pred, or apart")
    return array


def same_place(a, b):
    """Whether two arrays are the same memory, entry by entry."""
    return (
        a.__array_interface__["data"][0] == b.__array_interface__["data"][0]
        and a.shape == b.shape
        and a.strides == b.strides
        and a.dtype == b.dtype
    )


# ---- the arguments of a loss ----


class Prepared:
    """Checked arguments of one call, as arrays of rows; `results` is what the caller gets back."""

    __slots__ = (
        "pred", "target", "weight", "per_column", "loss", "grad", "hess", "ignore", "dense", "results",
        "given_target", "given_weight", "converted",
    )  # fmt: skip


def arguments(loss, pred, target, sample_weight, out, level):
    """Check and convert the arguments of one call of `loss`; `level` 0: value, 1: gradient too, 2: Hessian too."""
    who = type(loss).__name__
    p = Prepared()
    given = as_array(who, "pred", pred)
    z = readable_rows(as_floats(who, "pred", given))
    check_pred_shape(loss, z)
    p.given_target = as_array(who, "target", target)
    y, p.ignore, p.dense = targets(loss, p.given_target, z)
    w, p.given_weight = weights(loss, sample_weight, z)
    p.per_column = columns_for(loss, z)
    p.converted = [
        name
        for name, x, used in (("pred", given, z), ("target", p.given_target, y), ("sample_weight", p.given_weight, w))
        if used is not None and not np.may_share_memory(x, used) and used.size
    ]

    none = loss.reduction == "none"
    inputs = [("pred", given), ("target", p.given_target), ("sample_weight", p.given_weight)]
    loss_out, grad_out, hess_out = split_out(loss, out, level)
    loss_shape = z.shape if is_pointwise(loss) else z.shape[:1]
    value = grad = hess = None
    if none:
        value = (
            np.empty(loss_shape, z.dtype)
            if loss_out is None
            else output(who, "out", loss_out, loss_shape, z.dtype, inputs, None)
        )
    if level >= 1:
        in_place = given if given.dtype == z.dtype else None
        grad = np.empty(z.shape, z.dtype) if grad_out is None else output(
            who, "out" if level == 1 else "out[0]", grad_out, z.shape, z.dtype, inputs, in_place)  # fmt: skip
    if level >= 2:
        inputs.append(("out[0]", grad))
        hess = (
            np.empty(z.shape, z.dtype)
            if hess_out is None
            else output(who, "out[1]", hess_out, z.shape, z.dtype, inputs, None)
        )
        not_separable(loss)
    layout(loss, p, z, y, w, value, grad, hess)
    p.results = (
        value if loss_out is None else loss_out,
        grad if grad_out is None else grad_out,
        hess if hess_out is None else hess_out,
    )
    return p


def is_pointwise(loss):
    return loss._target_kind in ("real", "binary")


def not_separable(loss):
    """The one loss without a diagonal Hessian says so."""
    reason = getattr(loss, "_no_hess", None)
    if reason:
        raise NotImplementedError(f"{type(loss).__name__}: value_grad_hess is not offered: {reason}")


def check_pred_shape(loss, z):
    who, kind = type(loss).__name__, loss._target_kind
    if kind == "pairs" and (z.ndim != 2 or z.shape[1] != 2):
        raise ValueError(f"{who}: pred has shape {z.shape}, but must be (n, 2): mean and log-variance")
    if kind == "classes" and z.ndim != 2:
        raise ValueError(f"{who}: pred has shape {z.shape}, but must be (n, c)")
    if kind == "real_1d" and z.ndim != 1:
        raise ValueError(f"{who}: pred has shape {z.shape}, but must be (n,)")


def targets(loss, given, z):
    """The target as an array to compute with, the label to ignore, and whether it is rows of probabilities."""
    who, kind = type(loss).__name__, loss._target_kind
    if kind == "classes":
        if given.ndim == 2 and loss._takes_probabilities:
            if loss._config_ignore_index is not None:
                raise ValueError(f"{who}: ignore_index goes with classes, but target holds probabilities")
            if given.shape != z.shape:
                raise ValueError(f"{who}: target has shape {given.shape}, but pred has {z.shape}")
            return readable_rows(as_floats(who, "target", given, z.dtype)), None, True
        labels, ignore = as_labels(who, "target", given, loss._config_ignore_index)
        if labels.shape[0] != z.shape[0]:
            raise ValueError(f"{who}: target has {labels.shape[0]} entries, but pred has {z.shape[0]} rows")
        return labels, ignore, False
    shape = z.shape[:1] if kind == "pairs" else z.shape
    if given.shape != shape:
        raise ValueError(f"{who}: target has shape {given.shape}, but must have shape {shape} as pred")
    y = as_floats(who, "target", given, z.dtype)
    return (np.ascontiguousarray(y) if kind == "pairs" else readable_rows(y)), None, False


def weights(loss, given, z):
    """The sample weights, converted, and as given; (None, None) without."""
    if given is None:
        return None, None
    who = type(loss).__name__
    array = as_array(who, "sample_weight", given)
    w = as_floats(who, "sample_weight", array, z.dtype)
    per_entry = is_pointwise(loss) and w.shape == z.shape
    if not per_entry and w.shape != z.shape[:1]:
        shapes = f"{z.shape[:1]} or {z.shape}" if is_pointwise(loss) and z.ndim > 1 else f"{z.shape[:1]}"
        raise ValueError(f"{who}: sample_weight has shape {w.shape}, but must have shape {shapes}")
    if w.dtype != array.dtype and w.size:  # too large for float32: say so before it becomes infinite
        bad = np.flatnonzero(np.isinf(w).ravel() & np.isfinite(array).ravel())
        if bad.size:
            raise ValueError(f"{who}: sample_weight[{bad[0]}] is {array.ravel()[bad[0]]}, but {w.dtype} ends before")
    return readable_rows(w) if per_entry else np.ascontiguousarray(w), array


def columns_for(loss, z):
    """The per-column parameter (class_weight, or pos_weight per column) in pred's type, its length checked."""
    pair = loss._columns
    if pair is None:
        return None
    values = pair[FLOATS.index(z.dtype)]
    columns = z.shape[-1] if z.ndim else 1
    if values.shape[0] != columns:
        what = "classes" if loss._target_kind == "classes" else "columns"
        raise ValueError(
            f"{type(loss).__name__}: {loss._columns_name} has {values.shape[0]} entries, but pred has {columns} {what}"
        )
    return values


def split_out(loss, out, level):
    """`out` as (loss buffer, gradient buffer, Hessian buffer), by what was called."""
    who = type(loss).__name__
    if out is None:
        return None, None, None
    if level == 0:
        if loss.reduction != "none":
            raise ValueError(f"{who}: out is given, but the value of reduction={loss.reduction!r} is a float")
        return out, None, None
    if level == 1:
        return None, out, None
    if not isinstance(out, (tuple, list)) or len(out) != 2:
        raise TypeError(f"{who}: out is a {type(out).__name__}, but value_grad_hess needs a pair (grad, hess)")
    return None, out[0], out[1]


def layout(loss, p, z, y, w, value, grad, hess):
    """Put the arrays into `p` as rows: everything flat where all are contiguous, else row by row."""
    arrays = {"pred": z, "target": y, "loss": value, "grad": grad, "hess": hess}
    p.weight = None
    if not is_pointwise(loss):
        for name, array in arrays.items():
            setattr(p, name, array)
        p.target = y if p.dense else (y if loss._target_kind == "classes" else y.reshape(-1, 1))
        p.loss = None if value is None else as_rows_of_one(value)
        p.weight = None if w is None else w.reshape(-1, 1)
        return
    per_entry = w is not None and w.shape == z.shape
    if per_entry:
        arrays["weight"] = w
    flat = (w is None or per_entry) and p.per_column is None
    if flat and all(a is None or a.flags.c_contiguous for a in arrays.values()):
        for name, array in arrays.items():
            setattr(p, name, None if array is None else array.reshape(1, -1))
        return
    for name, array in arrays.items():
        setattr(p, name, None if array is None else as_rows(array))
    if w is not None and not per_entry:  # one weight for each row of each sample
        p.weight = np.repeat(w, p.pred.shape[0] // w.size if w.size else 0).reshape(-1, 1) if z.ndim > 2 else (
            w.reshape(-1, 1))  # fmt: skip


def as_rows_of_one(value):
    """A vector of losses as a column, whatever its stride."""
    stride = value.strides[0] if value.size else 0
    return np.lib.stride_tricks.as_strided(value, (value.size, 1), (stride, value.itemsize))


def rows_without_target(loss, pred):
    """Arguments for a call that wants only the probabilities of each row."""
    who = type(loss).__name__
    p = Prepared()
    z = readable_rows(as_floats(who, "pred", pred))
    check_pred_shape(loss, z)
    p.pred, p.target, p.weight, p.per_column = z, None, None, None
    p.loss, p.hess, p.ignore, p.dense = None, None, None, False
    p.grad = np.empty(z.shape, z.dtype)
    p.results = (None, p.grad, None)
    return p


def refuse_converted(loss, p):
    """A bound call must see its arrays themselves."""
    if p.converted:
        raise ValueError(
            f"{type(loss).__name__}: {p.converted[0]} would have to be converted (dtype or layout), but a bound call "
            "needs the array itself"
        )


def failure(loss, status, bad, target, sample_weight, columns):
    """The exception for a status of the C functions."""
    who = type(loss).__name__
    if status == 1:
        value = np.asarray(target).reshape(-1)[bad]
        names = f"{columns} classes (0 to {columns - 1})" if columns > 1 else f"{columns} class{'es' * (columns != 1)}"
        return IndexError(f"{who}: target[{bad}] is {value}, but pred has {names}")
    if status == 2:
        w = np.asarray(sample_weight)
        index = ", ".join(str(i) for i in np.unravel_index(bad, w.shape)) if w.ndim else ""
        return ValueError(f"{who}: sample_weight[{index}] is {w.reshape(-1)[bad]}, but must be finite and at least 0")
    return ValueError(f"{who}: the weights add up to infinity")


def scan(loss, pred, target):
    """Look for what calls do not: NaN, and targets outside the domain of the loss."""
    p = arguments(loss, pred, target, None, None, 0)
    who = type(loss).__name__
    z = as_array(who, "pred", pred)
    report(who, "pred", z, np.isnan(as_floats(who, "pred", z)), "not NaN")
    y = p.given_target
    if loss._target_kind == "classes" and not p.dense:
        labels, ignore = as_labels(who, "target", y, loss._config_ignore_index)
        bad = (labels < 0) | (labels >= z.shape[1])
        if ignore is not None:
            bad &= labels != ignore
        if bad.any():
            raise failure(loss, 1, int(np.argmax(bad)), y, None, z.shape[1])
        return
    scan_values(loss, who, "target", y, p.dense)
    report(who, "pred", z, loss._bad_pred(as_floats(who, "pred", z)), loss._pred_words)


def scan_values(loss, who, name, y, dense):
    """Raise for the first of the float targets that is NaN or outside the loss's domain."""
    values = as_floats(who, name, y)
    report(who, name, y, np.isnan(values), "not NaN")
    low, high, allowed, words = loss._domain(dense)
    bad = ~np.isin(values, allowed) if allowed is not None else (values < low) | (values > high)
    if words.startswith("above"):
        bad |= values == low
    report(who, name, y, bad, words)
    if dense:
        sums = values.sum(axis=1)
        wrong = np.abs(sums - 1) > 1e-6 * max(1, values.shape[1]) ** 0.5 + 1e-6
        if wrong.any():
            row = int(np.argmax(wrong))
            raise ValueError(f"{who}: {name}[{row}] adds up to {sums[row]}, but probabilities must add up to 1")


def report(who, name, array, bad, words):
    """Raise for the first True of `bad`."""
    if not np.any(bad):
        return
    index = tuple(int(i) for i in np.unravel_index(int(np.argmax(bad)), bad.shape))
    place = f"[{', '.join(map(str, index))}]" if index else ""
    raise ValueError(f"{who}: {name}{place} is {array[index]}, but must be {words}")
