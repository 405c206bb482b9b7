# SPDX-License-Identifier: BSD-3-Clause
"""Every check of an argument, every conversion, and every error message.

Messages have one form: who, which argument, what was got, what is needed. Nothing is computed here.
"""

from __future__ import annotations

import contextlib
import math
import operator
import os
from collections.abc import Mapping
from itertools import pairwise

import numpy as np

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
INT64_MAX = np.iinfo(np.int64).max
LARGEST = INT64_MAX // 64  # entries of an array whose size in bytes an int64 holds
IGNORED = np.iinfo(np.int64).min  # stands for an ignored label that no int64 can hold


# ---- messages ----


def shown(value):
    """A value as a message shows it: on one line, and not at any length."""
    try:
        text = " ".join(repr(value).split())
    except Exception:  # of another's object
        return f"a {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:77]}..."


def brief(error):
    """The first line of an error's message, not at any length, or its type."""
    line = str(error).strip().partition("\n")[0]
    return (line if len(line) <= 200 else f"{line[:197]}...") or type(error).__name__


# ---- parameters ----


def choice(who, name, value, allowed):
    """`value`, which must be one of the names in `allowed`."""
    if not isinstance(value, str) or value not in allowed:
        options = ", ".join(repr(a) for a in allowed)
        raise ValueError(f"{who}: {name} is {shown(value)}, but must be one of {options}")
    return value


def real(who, name, value):
    """`value` as a float: an int or float of any library, or an array of no axes."""
    if type(value) is float:
        return value
    kind = getattr(getattr(value, "dtype", None), "kind", "f")
    try:
        if isinstance(value, (str, bytes, bytearray, complex, np.ma.MaskedArray)) or kind not in "fiub":
            raise TypeError
        if np.ndim(value) != 0:
            raise TypeError
        return float(value)
    except OverflowError:  # an int beyond all floats
        return math.inf if value > 0 else -math.inf
    except MemoryError:
        raise
    except Exception:  # a foreign object may raise anything
        raise TypeError(f"{who}: {name} is {shown(value)}, but must be a number") from None


def number(who, name, value, *, low=-math.inf, high=math.inf, open_low=False, open_high=False):
    """`value` as a float between `low` and `high`; an `open_` end is not allowed itself. Never NaN or infinite."""
    x = real(who, name, value)
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
    """`value` as an int of at least 1, and no more than any memory could hold entries."""
    n = integer(who, name, value, "an integer")
    if n < 1:
        raise ValueError(f"{who}: {name} is {n}, but must be at least 1")
    if n > LARGEST:
        raise ValueError(f"{who}: {name} is {shown(n)}, but must be at most {LARGEST}")
    return n


def integer(who, name, value, words):
    """`value` as an int; `words` say what else it might have been."""
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{who}: {name} is {shown(value)}, but must be {words}") from None


def flag(who, name, value):
    """`value` as a bool."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{who}: {name} is {shown(value)}, but must be True or False")
    return bool(value)


def optional_index(who, name, value):
    """`value` as an int, or None."""
    return None if value is None else integer(who, name, value, "an integer or None")


def axes(who, name, value):
    """One axis, several, or None for all, as they are kept: an int, a tuple of ints each named once, or None."""
    if not isinstance(value, (tuple, list)):
        return optional_index(who, name, value)
    several = tuple(integer(who, f"{name}[{i}]", a, "an integer") for i, a in enumerate(value))
    if len(set(several)) != len(several):
        raise ValueError(f"{who}: {name} is {several}, but must name each axis once")
    return several


def path(who, value):
    """The name of a file as a str."""
    try:
        return os.fsdecode(value)
    except TypeError:
        raise TypeError(f"{who}: path is {shown(value)}, but must be a str, bytes or path-like object") from None


def weights_of_classes(who, name, value):
    """Finite weights of at least 0 as a tuple of floats (hashable), or None."""
    if value is None:
        return None
    array = as_array(who, name, value)
    if array.dtype.kind not in "fiub" or array.ndim != 1 or array.size == 0:
        raise TypeError(f"{who}: {name} is {shown(value)}, but must be a sequence of numbers, one per class")
    weights = tuple(float(w) for w in array)
    for k, w in enumerate(weights):
        if not (0 <= w < math.inf):
            raise ValueError(f"{who}: {name}[{k}] is {w!r}, but must be finite and at least 0")
    return weights


def both_types(values):
    """A tuple of weights as (float32, float64) arrays, or None; the first is None if float32 cannot hold them."""
    if values is None:
        return None
    exact = np.array(values, FLOATS[1])
    with np.errstate(over="ignore", under="ignore"):
        small = exact.astype(FLOATS[0])
    return None if weights_lost(exact, small).any() else small, exact


# ---- arrays ----


def describe(array):
    """What an array is, for a message."""
    return f"array of {array.dtype} and shape {array.shape}"


def as_array(who, name, x):
    """Anything NumPy, DLPack or the buffer protocol can read, as a plain ndarray; no copy where none is needed."""
    if type(x) is np.ndarray:
        return x
    if isinstance(x, np.ma.MaskedArray):
        raise TypeError(f"{who}: {name} is a masked array, but fastloss knows no masks: use sample_weight, or fill it")
    if isinstance(x, np.ndarray):
        return np.asarray(x)
    try:
        return foreign_array(x)
    except (MemoryError, Warning):
        raise
    except Exception as error:  # its own __dlpack__ or __array__ may raise anything
        kind = ValueError if isinstance(error, ValueError) and not hasattr(type(x), "__dlpack__") else TypeError
        what = f"a {type(x).__name__} that NumPy cannot read"
        raise kind(f"{who}: {name} is {what}, but must be an array ({brief(error)})") from error


def foreign_array(x):
    """What another library's array, or a list, holds."""
    if callable(getattr(x, "is_neg", None)) and x.is_neg():  # PyTorch's lazy minus sign, which DLPack leaves out
        x = x.resolve_neg()
    if hasattr(x, "__dlpack__") and not isinstance(x, np.generic):
        return np.from_dlpack(x)
    return np.asarray(x)


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
    if array.dtype.kind == "u" and itemsize == 8:
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
    columns = max(array.shape[-1], 1)
    if array.flags.c_contiguous:
        return array.reshape(array.size // columns, columns)
    itemsize = array.itemsize
    if columns > 1 and array.strides[-1] != itemsize:
        return None
    stride, rows = None, 1  # of the leading axes taken together, from the innermost out
    for size, step in zip(array.shape[-2::-1], array.strides[-2::-1], strict=True):
        if size == 1:
            continue
        if stride is not None and step != stride * rows:
            return None
        stride = step if stride is None else stride
        rows *= size
    if stride % itemsize:  # never None: an array with one row is contiguous
        return None
    return np.lib.stride_tricks.as_strided(array, (rows, columns), (stride, itemsize), writeable=array.flags.writeable)


def readable_rows(array):
    """`array` itself if its layout is rows, else a C-contiguous copy."""
    return array if as_rows(array) is not None else np.ascontiguousarray(array)


def output(who, name, x, shape, dtype, inputs, in_place, like="pred"):
    """Check a buffer to write to, of shape and dtype as the argument `like`.

    `inputs` are (name, array as given); it may lie exactly on `in_place` (or None).
    """
    array = x if type(x) is np.ndarray else shared_array(who, name, x)
    if array.dtype != dtype:
        raise TypeError(f"{who}: {name} is an {describe(array)}, but must be {dtype} as {like}")
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
        if given is None or (other == "pred" and given is in_place and same_place(given, array)):
            continue
        if overlap(given, array):
            words = "may only lie exactly on pred, or apart" if like == "pred" else "must lie apart"
            raise ValueError(f"{who}: {name} overlaps {other}, but {words}")
    return array


def overlap(a, b):
    """Whether two arrays share a byte; yes where that would take long to find out."""
    try:
        return np.shares_memory(a, b, max_work=10**6)
    except np.exceptions.TooHardError:
        return True


def same_place(a, b):
    """Whether two arrays are the same memory, entry by entry."""
    return (
        a.ctypes.data == b.ctypes.data  # __array_interface__ crashes in NumPy where memory is short
        and a.shape == b.shape
        and a.strides == b.strides
        and a.dtype == b.dtype
    )


def sparse_rows(who, name, x):
    """A SciPy matrix or array in CSR format, its entries float32 or float64 and its indices valid.

    It shares what it can with `x`, which stays as it is.
    """
    if getattr(x, "format", None) != "csr":
        raise TypeError(f"{who}: {name} is a {type(x).__name__}, but must be dense or in CSR format: use .tocsr()")
    if len(x.shape) != 2:
        raise ValueError(f"{who}: {name} has shape {x.shape}, but must be (n, d)")
    entries = as_floats(who, f"{name}.data", x.data)
    try:
        rows = type(x)((entries, x.indices, x.indptr), shape=x.shape)
        rows.check_format(full_check=True)
    except (ValueError, IndexError) as error:
        raise ValueError(f"{who}: {name} is a damaged {type(x).__name__} ({error})") from error
    return rows


def whole_blocks(who, start, stop, rows, block):
    """A range of rows that begins and ends where a block does."""
    first, last = (operator.index(i) for i in (start, stop))
    if not 0 <= first <= last <= rows:
        raise ValueError(f"{who}: start and stop are {first} and {last}, but must be in order within 0 to {rows}")
    for name, i in (("start", first), ("stop", last)):
        if i % block and i != rows:
            raise ValueError(f"{who}: {name} is {i}, but must be a multiple of block_rows ({block}) or {rows}")
    return first, last


def not_finite(who, name, index, value):
    """The exception for an entry that is NaN or infinite."""
    return ValueError(f"{who}: {name}[{', '.join(map(str, index))}] is {value}, but must be finite")


def tensor(who, name, x):
    """A tensor of PyTorch as an array in the same memory; autograd is left behind."""
    if not callable(getattr(x, "detach", None)):
        raise TypeError(f"{who}: {name} is a {type(x).__name__}, but must be a tensor")
    try:
        array = x.detach().resolve_neg().numpy()
    except (TypeError, RuntimeError):  # on another device, sparse, or of a type that NumPy lacks
        array = None
    if array is None or array.dtype.kind not in "fiub" or (array.dtype.kind == "f" and array.itemsize < 4):
        about = f"{x.dtype}, layout {x.layout}, on {x.device}"
        raise TypeError(f"{who}: {name} is a tensor of {about}, but must be float32 or float64, dense, on the CPU")
    return array


def loss_of(who, name, value, kind):
    """`value` if it is a loss, `kind` being their class."""
    if not isinstance(value, kind):
        raise TypeError(f"{who}: {name} is a {type(value).__name__}, but must be a loss of fastloss")
    return value


# ---- the arguments of a loss ----


class Prepared:
    """Checked arguments of one call, as arrays of rows; `results` is what the caller gets back."""

    __slots__ = (
        "converted",
        "dense",
        "given_pred",
        "given_target",
        "given_weight",
        "grad",
        "hess",
        "ignore",
        "loss",
        "per_column",
        "pred",
        "repeated",
        "results",
        "target",
        "weight",
    )


def arguments(loss, pred, target, sample_weight, out, level):
    """Check and convert the arguments of one call of `loss`; `level` 0: value, 1: gradient too, 2: Hessian too."""
    who = type(loss).__name__
    p = Prepared()
    given = as_array(who, "pred", pred)
    z = readable_rows(as_floats(who, "pred", given))
    check_pred_shape(loss, z)
    p.given_pred, p.given_target = given, as_array(who, "target", target)
    y, p.ignore, p.dense = targets(loss, p.given_target, z)
    w, p.given_weight = weights(loss, sample_weight, z)
    p.per_column = columns_for(loss, z)
    p.converted = [
        (x, used)
        for x, used in ((given, z), (p.given_target, y), (p.given_weight, w))
        if used is not None and used.size and not np.may_share_memory(x, used)
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
    if z.size == 0:  # C has nothing to look at
        if value is not None:
            value[...] = 0
        check_weights(loss, w, p.given_weight)
    p.results = (
        value if loss_out is None else loss_out,
        grad if grad_out is None else grad_out,
        hess if hess_out is None else hess_out,
    )
    return p


def row_of_scores(loss, target, dtype, scores):
    """A buffer for the scores of one row of a linear model, in the shape that the loss takes them in."""
    alone = target.ndim == 1 and is_pointwise(loss)
    return np.zeros((1,) if alone else (1, scores), dtype)


def check_weights(loss, w, given):
    """What C checks of weights, for where it is not asked or too late."""
    bad = np.zeros(0, bool) if w is None else ~((w >= 0) & (w < np.inf)).ravel()
    if bad.any():
        raise failure(loss, 2, int(np.argmax(bad)), None, given, 0)


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
    y = as_floats(who, "target", given, z.dtype)
    shape = z.shape[:1] if kind == "pairs" else z.shape
    if given.shape != shape:
        raise ValueError(f"{who}: target has shape {given.shape}, but must have shape {shape} as pred")
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
    if w.dtype != array.dtype:
        weights_fit(who, "sample_weight", array, w)
    return readable_rows(w) if per_entry else np.ascontiguousarray(w), array


def weights_lost(given, used):
    """Where a weight has become infinite, or 0 as if the sample was not there, in the type that is used."""
    return (np.isinf(used) & np.isfinite(given)) | ((used == 0) & (given > 0))


def weights_fit(who, name, given, used):
    """Refuse weights that the type of pred cannot hold."""
    lost = weights_lost(given, used)
    if lost.any():
        at = np.unravel_index(int(np.argmax(lost)), lost.shape)
        place = ", ".join(str(int(i)) for i in at)
        raise ValueError(
            f"{who}: {name}[{place}] is {given[at]}, but {used.dtype}, the type of pred, cannot hold that: "
            "scale the weights, or give a pred of float64"
        )


def columns_for(loss, z):
    """The per-column parameter (class_weight, or pos_weight per column) in pred's type, its length checked."""
    pair = loss._columns
    if pair is None:
        return None
    who, exact, values = type(loss).__name__, pair[1], pair[FLOATS.index(z.dtype)]
    columns = z.shape[-1] if z.ndim else 1
    if exact.shape[0] != columns:
        what = "classes" if loss._target_kind == "classes" else "columns"
        raise ValueError(f"{who}: {loss._columns_name} has {exact.shape[0]} entries, but pred has {columns} {what}")
    if values is None:
        with np.errstate(over="ignore", under="ignore"):
            weights_fit(who, loss._columns_name, exact, exact.astype(z.dtype))
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
    p.weight = p.repeated = None
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
        repeats = p.pred.shape[0] // w.size if w.size else 0
        p.weight = w.reshape(-1, 1) if repeats <= 1 else np.repeat(w, repeats).reshape(-1, 1)
        p.repeated = w if repeats > 1 else None


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


def refresh(loss, p):
    """Convert again what a bound call had to convert: the originals may have changed."""
    for given, used in p.converted:
        if given.dtype.kind == "u" and given.dtype.itemsize == 8 and used.dtype == np.int64:
            given = as_labels(type(loss).__name__, "target", given, loss._config_ignore_index)[0]
        with np.errstate(over="ignore"):
            np.copyto(used, given, casting="unsafe")
        if given is p.given_weight and used.dtype != given.dtype:
            weights_fit(type(loss).__name__, "sample_weight", given, used)
    if p.repeated is not None:
        p.weight.reshape(p.repeated.size, -1)[...] = p.repeated[:, None]


def failure(loss, status, bad, target, sample_weight, columns, rows=0):
    """The exception for a status of the C functions; with `rows`, one weight may stand for several."""
    who = type(loss).__name__
    if status == 2 and rows and np.ndim(sample_weight) == 1 and 0 < len(sample_weight) < rows:
        bad //= rows // len(sample_weight)
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


# ---- the arguments of a boosting objective ----

HESSIANS = ("exact", "upper", "abs", "one")


def hessian(who, value):
    """`value` as one of the names, or as a factor above 0."""
    if isinstance(value, str):
        return choice(who, "hessian", value, HESSIANS)
    return number(who, "hessian", value, low=0, open_low=True)


def whole_labels(loss, y):
    """Classes that a booster keeps as floats, as integers."""
    with np.errstate(invalid="ignore"):
        labels = y.astype(np.int64)
    bad = labels != y
    if bad.any():
        i = int(np.argmax(bad))
        raise ValueError(f"{type(loss).__name__}: target[{i}] is {y[i]}, but classes must be whole numbers")
    return labels


# ---- the arguments of an optimizer ----

ON_NONFINITE = ("propagate", "raise", "skip")


def learning_rate(who, value, at=None):
    """`value` as a finite float of at least 0; `at` is the t for which a schedule gave it."""
    if at is None and not isinstance(value, float):
        try:
            value = real(who, "lr", value)
        except TypeError:
            words = "a number or a function of the number of steps taken"
            raise TypeError(f"{who}: lr is {shown(value)}, but must be {words}") from None
    return number(who, "lr" if at is None else f"lr({at})", value, low=0)


def learning_rates(optimizer, count):
    """An optimizer's learning rates for its next steps, as float64."""
    lr, t = optimizer.lr, optimizer.t
    if not callable(lr):
        return np.full(count, lr)
    who = type(optimizer).__name__
    return np.array([learning_rate(who, lr(i), at=i) for i in range(t, t + count)], np.float64)


def steps_taken(who, value):
    """The argument of a schedule as an int."""
    t = integer(who, "t", value, "an integer, the number of steps taken")
    if not 0 <= t <= INT64_MAX:
        raise ValueError(f"{who}: t is {shown(t)}, but must be at least 0 and at most {INT64_MAX}")
    return t


def rate_or_schedule(who, value):
    """A learning rate as a float, or the function that gives it."""
    return value if callable(value) else learning_rate(who, value)


def betas(who, name, value):
    """A pair of decay rates, each at least 0 and below 1."""
    try:
        first, second = value
    except (TypeError, ValueError):
        raise TypeError(f"{who}: {name} is {shown(value)}, but must be a pair of numbers") from None
    return tuple(number(who, f"{name}[{i}]", b, low=0, high=1, open_high=True) for i, b in enumerate((first, second)))


def not_negative(who, name, value):
    """`value` as a finite float of at least 0."""
    return number(who, name, value, low=0)


def fraction(who, name, value):
    """`value` as a float from 0 to 1."""
    return number(who, name, value, low=0, high=1)


def on_nonfinite(who, name, value):
    """What happens when a gradient is not finite."""
    return choice(who, name, value, ON_NONFINITE)


def optional_positive(who, name, value):
    """`value` as a float above 0, or None."""
    return None if value is None else number(who, name, value, low=0, open_low=True)


def place_of(name, keys, k):
    """How an entry of a structure is called: name, name[0] or name['key']."""
    if keys is None:
        return name
    return f"{name}[{k}]" if keys is True else f"{name}[{keys[k]!r}]"


def structure(who, name, given):
    """One array, a list or tuple of arrays, or a dict, as a list and its keys (None: one array; True: a list)."""
    if isinstance(given, (list, tuple)):
        return list(given), True
    if isinstance(given, Mapping):
        return list(given.values()), tuple(given)
    return [given], None


def parameters(who, given):
    """The parameters as a tuple of plain arrays to be updated in place, and their keys."""
    entries, keys = structure(who, "params", given)
    if not entries:
        raise ValueError(f"{who}: params is empty, but must hold at least one array")
    arrays = tuple(parameter(who, place_of("params", keys, k), entry) for k, entry in enumerate(entries))
    filled = sorted((k for k, a in enumerate(arrays) if a.size), key=lambda k: arrays[k].ctypes.data)
    for j, k in pairwise(filled):
        if arrays[j].ctypes.data + arrays[j].nbytes > arrays[k].ctypes.data:
            first, second = (place_of("params", keys, i) for i in sorted((j, k)))
            raise ValueError(f"{who}: {second} overlaps {first}, but each parameter needs memory of its own")
    return arrays, keys


def parameter(who, name, x):
    """An array that can be updated in place."""
    array = shared_array(who, name, x)
    if array.dtype not in FLOATS:
        raise TypeError(f"{who}: {name} is an {describe(array)}, but must be float32 or float64")
    if not array.flags.writeable:
        raise ValueError(f"{who}: {name} is read-only, but must be writeable")
    if not (array.flags.c_contiguous and array.flags.aligned and array.dtype.isnative):
        raise ValueError(f"{who}: {name} has strides {array.strides}, but must be C-contiguous")
    return array


def shared_array(who, name, x):
    """The memory of `x` itself as an array, never a copy."""
    if isinstance(x, np.ndarray):
        return as_array(who, name, x)
    if isinstance(x, np.generic) or not (hasattr(x, "__dlpack__") or is_buffer(x)):
        raise TypeError(f"{who}: {name} is a {type(x).__name__}, but must be an array to write to")
    array = as_array(who, name, x)
    if not array.flags.writeable and hasattr(x, "__array__"):  # older NumPy marks all of DLPack read-only
        same = np.asarray(x)
        if same.flags.writeable and same_place(same, array):
            return same
    return array


def is_buffer(x):
    """Whether `x` offers the buffer protocol."""
    try:
        memoryview(x)
    except TypeError:
        return False
    return True


def gradients(optimizer, given, params, keys):
    """The gradients as a tuple of plain arrays, one for each parameter."""
    who = type(optimizer).__name__
    entries = in_order(who, given, len(params), keys)
    arrays = []
    for k, (entry, w) in enumerate(zip(entries, params, strict=True)):
        name, param = place_of("grads", keys, k), place_of("params", keys, k)
        if entry is None:
            raise TypeError(f"{who}: {name} is None, but {param} needs a gradient")
        g = as_array(who, name, entry)
        if g.dtype.newbyteorder("=") != w.dtype:
            raise TypeError(f"{who}: {name} is an {describe(g)}, but must be {w.dtype} as {param}")
        if g.shape != w.shape:
            raise ValueError(f"{who}: {name} has shape {g.shape}, but {param} has shape {w.shape}")
        for j, other in enumerate(params):
            if overlap(g, other):
                raise ValueError(f"{who}: {name} overlaps {place_of('params', keys, j)}, but may not change in a step")
        arrays.append(np.require(g, w.dtype, ["C", "A"]))
    return tuple(arrays)


def in_order(who, given, count, keys):
    """The gradients in the order of the parameters, from the same structure."""
    entries, given_keys = structure(who, "grads", given)
    if keys is None:
        if given_keys is not None and isinstance(given, Mapping):
            raise TypeError(f"{who}: grads is a {type(given).__name__}, but params is one array")
        return [given]
    if keys is True:
        if given_keys is not True:
            raise TypeError(f"{who}: grads is a {type(given).__name__}, but params is a list of {count}")
        if len(entries) != count:
            raise ValueError(f"{who}: grads has {len(entries)} entries, but params has {count}")
        return entries
    if not isinstance(given, Mapping):
        raise TypeError(f"{who}: grads is a {type(given).__name__}, but params is a dict of {count}")
    for key in keys:
        if key not in given:
            raise ValueError(f"{who}: grads has no entry {key!r}, but params has one")
    for key in given:
        if key not in keys:
            raise ValueError(f"{who}: grads has an entry {key!r}, but params has none")
    return [given[key] for key in keys]


def changed_parameter(optimizer, params, keys):
    """The exception for a parameter that is no longer what it was when the optimizer was made."""
    who = type(optimizer).__name__
    for k, w in enumerate(params):
        if not w.flags.writeable:
            return ValueError(f"{who}: {place_of('params', keys, k)} is read-only, but must be writeable")
    return ValueError(f"{who}: a parameter has been resized, or given another memory or dtype; make a new optimizer")


def nonfinite(optimizer, grads, keys, tensor, entry):
    """The exception for a gradient that is NaN or infinite."""
    g = np.asarray(grads[tensor])
    index = [str(int(i)) for i in np.unravel_index(entry, g.shape)] if g.ndim else []
    place = place_of("grads", keys, tensor) + (f"[{', '.join(index)}]" if index else "")
    return FloatingPointError(f"{type(optimizer).__name__}: {place} is {g.reshape(-1)[entry]}, but must be finite")


def busy(optimizer):
    """The exception for a second step while one is running."""
    return RuntimeError(f"{type(optimizer).__name__}: another thread is in a step of this optimizer; use a lock")


# ---- the state of an optimizer ----


def saved_groups(who, state):
    """The entries of a state dict: its state, the options of its groups as one, and the keys of its parameters."""
    if not isinstance(state, Mapping) or "state" not in state or "param_groups" not in state:
        raise TypeError(f"{who}: state is a {type(state).__name__}, but must be a dict with state and param_groups")
    entries, groups = state["state"], state["param_groups"]
    if not isinstance(entries, Mapping):
        raise TypeError(f"{who}: state['state'] is a {type(entries).__name__}, but must be a dict")
    if not isinstance(groups, (list, tuple)) or not groups or not all(isinstance(g, Mapping) for g in groups):
        raise TypeError(f"{who}: state['param_groups'] must be a list of dicts")
    options, indices = None, []
    for k, group in enumerate(groups):
        own_indices = group.get("params")
        if not isinstance(own_indices, (list, tuple)) or not all(isinstance(i, (int, str)) for i in own_indices):
            raise TypeError(f"{who}: state['param_groups'][{k}] has no list of params")
        indices += own_indices
        own = {name: value for name, value in group.items() if name not in ("params", "param_names")}
        if options is not None and not same_options(own, options):
            raise ValueError(f"{who}: state['param_groups'] has groups with different options, but needs one set")
        options = own
    return entries, options, indices


def same_options(a, b):
    """Whether two groups have equal options; no where their values cannot be compared, as arrays."""
    try:
        return bool(a == b)
    except ValueError:
        return False


def saved_entry(who, entries, index):
    """The entry of a parameter, or an empty one."""
    entry = entries.get(index, entries.get(str(index), {}))
    if not isinstance(entry, Mapping):
        raise TypeError(f"{who}: state[{index!r}] is a {type(entry).__name__}, but must be a dict")
    return entry


def saved_array(who, name, value, param):
    """A saved state as an array of its parameter's shape."""
    array = as_array(who, name, value)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{who}: {name} is an {describe(array)}, but must hold real numbers")
    if array.shape != param.shape:
        raise ValueError(f"{who}: {name} has shape {array.shape}, but its parameter has shape {param.shape}")
    return array


def saved_number(who, name, value, low=0):
    """A saved number that may stand in an array of one entry."""
    array = as_array(who, name, value)
    if array.size != 1 or array.dtype.kind not in "fiu":
        raise TypeError(f"{who}: {name} is {shown(value)}, but must be one number")
    return number(who, name, array.reshape(()).item(), low=low)


def saved_count(who, name, value):
    """A saved number of steps."""
    x = saved_number(who, name, value)
    if x != int(x) or x > 2**53:  # as far as every double is followed by the next whole number
        raise ValueError(f"{who}: {name} is {x!r}, but must be a whole number of at most 2**53")
    return int(x)


# ---- the arguments of a regularizer ----


def readable(who, name, x, dtype=None):
    """(the array, its rows): anything NumPy can read as floats (`dtype` if given), converted where needed."""
    array = readable_rows(as_floats(who, name, x, dtype))
    return array, flat_rows(array)


def flat_rows(*arrays):
    """The rows of arrays of one shape: one long row each where all are contiguous."""
    flat = all(a.flags.c_contiguous for a in arrays)
    rows = [a.reshape(1, -1) if flat else as_rows(a) for a in arrays]
    return rows[0] if len(rows) == 1 else rows


def writeable(who, name, x):
    """An array of floats to be changed in place: C-contiguous or row-strided."""
    array = x if type(x) is np.ndarray else as_array(who, name, x)
    if array.dtype not in FLOATS:
        raise TypeError(f"{who}: {name} is an {describe(array)}, but must be float32 or float64 to be changed in place")
    return output(who, name, x, array.shape, array.dtype, [], None, name)


def accumulator(who, w, dw):
    """(rows of w, rows of dw): a gradient to be added to in place, of w's shape and dtype."""
    given = as_array(who, "w", w)
    array = readable_rows(as_floats(who, "w", given))
    buffer = output(who, "dw", dw, array.shape, array.dtype, [("w", given)], None, "w")
    return flat_rows(array, buffer)


def same_shape_as(who, like, w, name, x):
    """`x` as floats, of w's shape."""
    array, shape = as_floats(who, name, x), as_array(who, like, w).shape
    if array.shape != shape:
        raise ValueError(f"{who}: {name} has shape {array.shape}, but {like} has {shape}")
    return array


def seed(who, value):
    """`value` as an int that 64 bits hold; a fresh one for None."""
    if value is None:
        return int.from_bytes(os.urandom(8), "little")
    n = integer(who, "seed", value, "an integer or None")
    if not 0 <= n < 2**64:
        raise ValueError(f"{who}: seed is {shown(n)}, but must be at least 0 and below 2**64")
    return n


def mask_rows(who, mask, dy):
    """A mask of dy's shape and dy's rows, both as rows of bytes and floats."""
    given = as_array(who, "mask", mask)
    if given.dtype != np.bool_:
        raise TypeError(f"{who}: mask is an {describe(given)}, but must be bool")
    array = readable_rows(as_floats(who, "dy", dy))
    if given.shape != array.shape:
        raise ValueError(f"{who}: mask has shape {given.shape}, but dy has {array.shape}")
    dx = np.empty(array.shape, array.dtype)
    return dx, *flat_rows(readable_rows(given), array, dx)


def axes_of(who, axis, ndim):
    """The axes over which a norm is taken, as a sorted tuple of numbers from 0; None means all."""
    if axis is None:
        return tuple(range(ndim))
    axes = axis if isinstance(axis, tuple) else (axis,)
    for a in axes:
        if not -ndim <= a < ndim:
            raise ValueError(f"{who}: axis is {axis!r}, but w has {ndim} dimension{'s' * (ndim != 1)}")
    positive = tuple(sorted(a % ndim for a in axes))
    if len(set(positive)) != len(positive):
        raise ValueError(f"{who}: axis is {axis!r}, but must name each axis once")
    return positive


def slices(w, axes):
    """A view of `w`, n x features x k, whose first and last axis are `axes` and the middle one the others, or None."""
    runs = []  # [over this axis?, size], neighbours of one kind taken together
    for a, size in enumerate(w.shape):
        if runs and runs[-1][0] == (a in axes):
            runs[-1][1] *= size
        else:
            runs.append([a in axes, size])
    pattern, sizes = tuple(over for over, _ in runs), [size for _, size in runs]
    if w.flags.c_contiguous:
        shapes = {
            (): (1, 1, 1),
            (True,): (1, 1, *sizes),
            (False,): (1, *sizes, 1),
            (True, False): (*sizes, 1),
            (False, True): (1, *sizes),
            (True, False, True): sizes,
        }
        return w.reshape(shapes[pattern]) if pattern in shapes else None
    rows, last_alone = as_rows(w), len(runs) == 2 and runs[1][1] == w.shape[-1]
    if pattern == (True,):
        return rows[:, None, :]
    if last_alone:
        return rows[:, :, None] if pattern == (True, False) else rows[None]
    return None


def float_type(who, name, value):
    """`value` as the dtype float32 or float64."""
    with contextlib.suppress(TypeError, ValueError):
        if (dtype := np.dtype(value)) in FLOATS:
            return dtype
    raise TypeError(f"{who}: {name} is {shown(value)}, but must be float32 or float64")


def channels(who, name, x, features, dtype=None):
    """(array, view n x features x k) of a batch of shape (n, features) or (n, features, ...)."""
    array = as_floats(who, name, x, dtype)
    if array.ndim < 2 or array.shape[1] != features:
        raise ValueError(f"{who}: {name} has shape {array.shape}, but must be (n, {features}) or (n, {features}, ...)")
    array = readable_rows(array) if array.ndim == 2 else np.ascontiguousarray(array)
    return array, array.reshape(*array.shape[:2], math.prod(array.shape[2:]))


def per_feature(who, name, values, features):
    """Parameters or moments as contiguous float64, one for each feature."""
    array = as_floats(who, name, values)
    if array.shape != (features,):
        raise ValueError(f"{who}: {name} has shape {array.shape}, but must have shape ({features},)")
    return np.ascontiguousarray(array, dtype=np.float64)
