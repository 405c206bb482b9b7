# SPDX-License-Identifier: BSD-3-Clause
"""Random arguments of every kind: a right answer or a clear error, never a crash, a changed input or half an output.

About half a minute; FASTLOSS_FUZZ_SECONDS=600 goes on with new seeds for that long. Chosen faults are in
test_faults_*.py.
"""

import functools
import os
import time
from collections import Counter

import numpy as np
import optimizer_cases
import pytest
import reference
import reference_regularizers as regularizers
from cases import CASES, assert_within, eps_of, ulp_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference_optimizers import Reference
from test_losses_arguments import LAYOUTS

import fastloss as fl

SECONDS = float(os.environ.get("FASTLOSS_FUZZ_SECONDS", "0"))
TESTS = 6  # that share the seconds
REFUSED = (TypeError, ValueError, IndexError, NotImplementedError)
tally = Counter()


def fuzz(examples):
    """Run a test on so many examples, or with new ones until its share of FASTLOSS_FUZZ_SECONDS is over."""

    def decorate(test):
        chosen = settings(
            max_examples=2000 if SECONDS else examples,
            deadline=None,
            database=None,
            derandomize=not SECONDS,
            suppress_health_check=list(HealthCheck),
        )
        wrapped = chosen(given(st.data())(test))

        @functools.wraps(test)
        def run():
            tally.clear()
            end = time.monotonic() + SECONDS / TESTS
            wrapped()
            while time.monotonic() < end:
                wrapped()
            print(f"\n{test.__name__}: {dict(tally)}")
            assert tally["right"] > 0 and tally["refused"] > 0, "one side has not been reached"

        del run.__wrapped__  # pytest would look for a fixture named data
        return run

    return decorate


def outcome(who, call, *more):
    """What a call returns, or the error with which it refuses, in the one form."""
    try:
        result = call()
    except (*REFUSED, *more) as error:
        message = str(error)
        assert message.startswith(f"{who}: ") and "\n" not in message and len(message) < 500, repr(error)
        tally["refused"] += 1
        return error
    tally["right"] += 1
    return result


def refused(result):
    return isinstance(result, Exception)


class Watched:
    """The bytes of arrays, to be compared later."""

    def __init__(self, *objects):
        self.arrays = [(a, a.tobytes()) for a in objects if isinstance(a, np.ndarray)]

    def unchanged(self, *but):
        return all(a.tobytes() == before for a, before in self.arrays if not any(a is b for b in but))


# ---- arrays ----

READABLE = ["f2", "f4", "f8", ">f4", ">f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", ">i4", ">u8", "?"]
UNREADABLE = ["c8", "c16", "g", "O", "S3", "U2", "M8[s]", "m8[s]", "V8", [("x", "f4"), ("y", "f8")]]
SPECIAL = np.array([0, -0.0, 1, -1, 0.5, np.nan, np.inf, -np.inf, 1e-45, 5e-324, 3e38, -1e300, 2, 7, 40, -40])

shapes = st.one_of(
    st.lists(st.integers(0, 5), max_size=4).map(tuple),
    st.tuples(st.integers(0, 40), st.integers(0, 40)),
    st.tuples(st.sampled_from([17, 63, 4097, 40_000])),
)


def rng_of(data):
    return np.random.default_rng(data.draw(st.integers(0, 2**32)))


def filled(data, shape, dtype):
    """An array of any type with ordinary and special values."""
    rng = rng_of(data)
    special = rng.random(shape) < data.draw(st.sampled_from([0.0, 0.0, 0.1, 0.5]))
    values = np.where(special, rng.choice(SPECIAL, shape), rng.integers(-3, 6, shape) + rng.integers(0, 2, shape) / 4)
    dtype = np.dtype(dtype)
    with np.errstate(all="ignore"):
        if dtype.kind in "iub":
            info = np.iinfo(dtype) if dtype.kind != "b" else None
            ends = [info.min, info.max] if info else [0, 1]
            return np.where(special, rng.choice(np.array(ends, dtype), shape), rng.integers(0, 5, shape).astype(dtype))
        return values.astype(dtype) if dtype.kind in "fcO" else np.nan_to_num(values).astype(np.int8).astype(dtype)


def laid_out(data, a):
    """The same values in any layout, and sometimes as no array at all."""
    names = [*LAYOUTS, "plain", "plain", "stride-0", "transposed", "masked"]
    name = data.draw(st.sampled_from(names))
    if name == "masked":
        return np.ma.array(a, mask=np.zeros(a.shape, bool)) if a.dtype.kind in "fiu" else a
    if name == "plain" or a.ndim == 0:
        return a
    if name == "stride-0":
        return np.broadcast_to(a[:1], a.shape)
    if name == "transposed":
        return np.ascontiguousarray(a.T).T
    if name == "unaligned" and (a.dtype.hasobject or a.dtype.alignment == 1):
        return a
    if name in ("list", "tuple", "memoryview") and (a.dtype.kind not in "fiub" or not a.dtype.isnative or a.size > 999):
        return a
    return LAYOUTS[name](a)


def any_array(data, shape=None):
    """Anything that might be given for an array."""
    shape = data.draw(shapes) if shape is None else shape
    kinds = READABLE * 3 + UNREADABLE
    array = filled(data, shape, data.draw(st.sampled_from(kinds)))
    odd = data.draw(st.integers(0, 39))
    if odd == 0:
        return data.draw(st.sampled_from([None, "text", 3, 1.5, {}, [[1], [1, 2]], object(), b"12345678", {1, 2}]))
    return laid_out(data, array)


# ---- losses ----


@fuzz(250)
def test_good_arguments_in_any_form_give_the_right_loss(data):
    case = data.draw(st.sampled_from(CASES))
    dtype = data.draw(st.sampled_from([np.float32, np.float64]))
    n, c = data.draw(st.sampled_from([1, 2, 7, 33, 700])), data.draw(st.integers(2, 40))
    rng = rng_of(data)
    pred, target = case.draw(rng, case.shape(n, c), dtype)
    reduction = data.draw(st.sampled_from(case.reductions))
    loss = case.make(pred.shape, reduction=reduction)
    weight = None
    if data.draw(st.booleans()):
        weight = rng.integers(0, 9, n) / 4
    arguments = [laid_out(data, pred), laid_out(data, target)]
    kept = Watched(*arguments)
    if any(isinstance(a, np.ma.MaskedArray) for a in arguments):
        assert isinstance(outcome(case.name, lambda: loss(*arguments, sample_weight=weight)), TypeError)
        return
    given_pred, given_target = (np.asarray(a) for a in arguments)  # a list has become float64, stride 0 one row
    if given_pred.dtype.newbyteorder("=") != dtype:
        given_pred = given_pred.astype(np.float64)
    value, grad = outcome(case.name, lambda: loss.value_and_grad(*arguments, sample_weight=weight))
    assert kept.unchanged()
    z = given_pred.astype(given_pred.dtype.newbyteorder("="))
    y = given_target.astype(z.dtype) if given_target.dtype.kind == "f" else given_target
    want, want_grad, _ = case.reference(z, y, weight, reduction)
    if case.kind == "scalar":
        bounds = 16 * eps_of(z.dtype) * np.abs(want), 16 * eps_of(z.dtype) * np.abs(want_grad).max()
    else:
        terms = case.reference(z, y, None, "none")
        loss_bound, grad_bound, _ = case.bounds(z, y, terms)
        factor, divisor = factors(case, y, terms[0].shape, weight, z.shape, reduction)
        # each result is a term times weight and factor: two more roundings, and the sum's are taken in double
        loss_bound = (loss_bound + 2 * ulp_of(terms[0], z.dtype)) * factor
        grad_bound = (grad_bound + 2 * ulp_of(terms[1], z.dtype)) * spread_to(factor, z.shape) / divisor
        grad_bound = grad_bound + ulp_of(want_grad, z.dtype)
        if reduction != "none":
            loss_bound = loss_bound.sum() / divisor + 4e-16 * n * np.abs(terms[0] * factor).sum() / divisor
        else:
            loss_bound = loss_bound + ulp_of(want, z.dtype)
        bounds = loss_bound, grad_bound
    assert_within(value, want, bounds[0], f"value of {loss}")
    assert_within(grad, want_grad, bounds[1], f"gradient of {loss}")


def factors(case, target, shape, weight, pred_shape, reduction):
    """What multiplies each loss, and what the mean divides by."""
    factor, divisor = reference.weights(target, shape, case.params_for(pred_shape), weight)
    total = divisor.sum() if reduction == "mean" and divisor.sum() > 0 else 1.0
    return np.broadcast_to(factor, shape), total


def spread_to(factor, shape):
    return factor.reshape(factor.shape + (1,) * (len(shape) - factor.ndim))


METHODS = ["value", "value_and_grad", "value_grad_hess", "bind", "check", "predict", "predict_proba"]


def any_out(data, pred, method, reduction):
    """Nothing, a buffer that fits, one that does not, or one that overlaps."""
    kind = data.draw(st.sampled_from(["none", "none", "none", "fits", "pred", "view", "any"]))
    plain = isinstance(pred, np.ndarray) and type(pred) is not np.ma.MaskedArray
    if kind == "none" or method in ("check", "predict", "predict_proba"):
        return None
    if kind == "any" or not plain:
        return any_array(data)
    if kind == "pred":
        return pred
    if kind == "view" and pred.ndim:
        return pred[::-1]
    dtype = np.float32 if pred.dtype.kind == "f" and pred.itemsize <= 4 else np.float64
    shape = pred.shape if method != "value" else data.draw(st.sampled_from([pred.shape, pred.shape[:1]]))
    return laid_out(data, np.full(shape, 77, dtype))


@fuzz(700)
def test_any_arguments_of_a_loss_give_what_plain_ones_give_or_a_clear_error(data):
    case = data.draw(st.sampled_from(CASES))
    shape = data.draw(shapes)
    loss = case.make(shape if shape and shape[-1] else (1, 1), reduction=data.draw(st.sampled_from(case.reductions)))
    pred = any_array(data, shape)
    near = data.draw(st.sampled_from([shape, shape, shape[:1], None]))
    target = any_array(data, near)
    weight = data.draw(st.sampled_from([None, None, shape, shape[:1], ()]))
    weight = any_array(data, weight) if weight is not None else None
    method = data.draw(st.sampled_from(METHODS[: 7 if hasattr(loss, "predict_proba") else 6]))
    out = any_out(data, pred, method, loss.reduction)
    if method == "value_grad_hess" and out is not None:
        out = (out, any_out(data, pred, method, loss.reduction))
    outs = out if isinstance(out, tuple) else (out,)
    kept = Watched(pred, target, weight, *outs)

    if method in ("predict", "predict_proba"):
        outcome(case.name, lambda: getattr(loss, method)(pred))
        assert kept.unchanged()
        return
    if method == "check":
        outcome(case.name, lambda: loss.check(pred, target))
        assert kept.unchanged()
        return

    def call():
        if method == "bind":
            bound = loss.bind(pred, target, sample_weight=weight, out=out)
            assert kept.unchanged()
            return bound(), bound.grad
        result = getattr(loss, method)(pred, target, sample_weight=weight, out=out)
        return (result,) if method == "value" else result

    results = outcome(case.name, call)
    if refused(results):
        assert kept.unchanged(), "an output was written before the error"
        return
    assert kept.unchanged(*outs)
    if any(o is pred for o in outs):
        return  # over pred: what it was is gone
    compare_with_plain(case, loss, pred, target, weight, results)


def compare_with_plain(case, loss, pred, target, weight, results):
    """The same call on plain contiguous arrays gives the same entries, and sums but for their order."""
    z = np.asarray(pred)
    dtype = np.float32 if z.dtype.kind == "f" and z.itemsize <= 4 else np.float64
    with np.errstate(all="ignore"):
        z = np.array(z, dtype, order="C", ndmin=0)
        y = np.asarray(target)
        rows = case.kind == "rows" and y.ndim == 1
        y = [int(k) for k in y] if rows and y.dtype.kind == "u" and y.itemsize == 8 else y
        y = np.array(y, np.int64 if rows else dtype, order="C")
        w = None if weight is None else np.array(np.asarray(weight), dtype, order="C")
    name = "value_grad_hess" if len(results) == 3 else "value_and_grad"
    plain = getattr(loss, name)(z, y, sample_weight=w)
    for got, want in zip(results[1:], plain[1:], strict=False):
        got = np.asarray(got)
        assert got.shape == z.shape and got.dtype == dtype
        # the mean's divisor is a sum of weights, which the layout may take in another order
        np.testing.assert_allclose(got, want, rtol=8 * eps_of(dtype), atol=float(np.finfo(dtype).smallest_subnormal))
    if loss.reduction == "none":
        np.testing.assert_allclose(np.asarray(results[0]), plain[0], rtol=8 * eps_of(dtype))
        return
    assert type(results[0]) is float
    if case.kind == "scalar":
        np.testing.assert_allclose(results[0], plain[0], rtol=8 * eps_of(dtype))
        return
    terms = loss._replace(reduction="none").value(z, y, sample_weight=w)
    if np.isfinite(terms).all() and np.isfinite(plain[0]):
        share = plain[0] / total if (total := float(terms.sum(dtype=float))) else 1.0
        bound = 1e-13 * terms.size * np.abs(terms).sum(dtype=float) * max(abs(share), 1.0)
        assert abs(results[0] - plain[0]) <= bound
    else:
        np.testing.assert_equal(results[0], plain[0])


# ---- parameters of constructors ----

any_value = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=5),
    st.binary(max_size=5),
    st.complex_numbers(),
    st.lists(st.floats(), max_size=3),
    st.sampled_from(["mean", "sum", "none", 10**400, (0.9, 0.999), [1, [2]], {}, np.array("x"), np.zeros((2, 2)), ()]),
    st.floats(0, 2),
)
CONSTRUCTORS = {
    **{case.name: (getattr(fl, case.name), (), [*case.params, "reduction"]) for case in CASES},
    **{
        name: (getattr(fl, name), (np.ones(3),), [*getattr(fl, name)._checks(), "lr"]) for name in fl.optimizers.__all__
    },
    "L1": (fl.L1, (), ["strength"]),
    "L2": (fl.L2, (), ["strength", "half"]),
    "ElasticNet": (fl.ElasticNet, (), ["l1", "l2"]),
    "MaxNorm": (fl.MaxNorm, (), ["limit", "axis"]),
    "BatchNorm": (functools.partial(fl.BatchNorm, 3), (), ["eps", "momentum", "dtype"]),
    "dropout": (fl.dropout, (np.ones(3),), ["rate", "seed"]),
    "stochastic_depth": (functools.partial(fl.stochastic_depth, 5), (), ["survival", "seed"]),
    "constant": (fl.schedules.constant, (), ["lr"]),
    "step": (fl.schedules.step, (), ["lr", "every", "factor"]),
    "exponential": (fl.schedules.exponential, (), ["lr", "decay"]),
    "inverse_time": (fl.schedules.inverse_time, (), ["lr", "decay"]),
    "cosine": (fl.schedules.cosine, (), ["lr", "steps", "final"]),
    "set_num_threads": (fl.set_num_threads, (), ["threads"]),
}
REQUIRED = {"L1", "L2", "ElasticNet", "MaxNorm", "constant", "step", "exponential", "inverse_time", "cosine"}
REQUIRED |= {"set_num_threads"}


@fuzz(600)
def test_any_parameter_is_taken_or_refused_by_name(data):
    name = data.draw(st.sampled_from(sorted(CONSTRUCTORS)))
    make, arguments, keywords = CONSTRUCTORS[name]
    chosen = keywords if name in REQUIRED else data.draw(st.lists(st.sampled_from(keywords), unique=True))
    values = {keyword: data.draw(any_value) for keyword in chosen}
    before = fl.get_num_threads()
    try:
        made = outcome(name, lambda: make(*arguments, **values))
    finally:
        fl.set_num_threads(before)
    if not refused(made) and isinstance(made, fl.schedules.Schedule):
        assert made(data.draw(st.integers(0, 2**63 - 1))) >= 0


# ---- optimizers ----


@fuzz(250)
def test_any_gradients_make_a_right_step_or_none(data):
    name, options = data.draw(st.sampled_from(optimizer_cases.OWN))
    dtypes = st.sampled_from([np.float32, np.float64])
    small = st.lists(st.integers(0, 6), max_size=3).map(tuple)
    rng = rng_of(data)
    sizes = data.draw(st.lists(small, min_size=1, max_size=4))
    params = {k: rng.normal(size=size).astype(data.draw(dtypes)) for k, size in enumerate(sizes)}
    form = data.draw(st.sampled_from(["one", "list", "dict"]))
    keys = list(params)[:1] if form == "one" else list(params)
    structured = {"one": lambda a: a[0], "list": list, "dict": lambda a: dict(zip(keys, a))}[form]
    arrays = [params[k] for k in keys]
    shared = data.draw(st.sampled_from(optimizer_cases.SHARED))
    opt = getattr(fl, name)(structured(arrays), **{**shared, **options})
    model = Reference(name, arrays, **{**shared, **options})
    for _ in range(data.draw(st.integers(1, 4))):
        good = [rng.normal(size=w.shape).astype(w.dtype) for w in arrays]
        grads, spoilt = list(good), data.draw(st.integers(0, 2)) == 0
        if spoilt:
            place = data.draw(st.integers(0, len(grads) - 1))
            grads[place] = any_array(data, data.draw(st.sampled_from([arrays[place].shape, None])))
        else:
            grads = [laid_out(data, g) for g in good]
        given = structured(grads)
        if data.draw(st.integers(0, 9)) == 0:
            given, spoilt = data.draw(st.sampled_from([grads[:-1], {}, None, arrays[0], [*grads, grads[0]]])), True
        kept = Watched(*grads)
        before = [w.tobytes() for w in arrays], opt.t, repr(opt.state_dict())
        result = outcome(name, lambda: opt.step(given))  # noqa: B023
        if refused(result):
            assert ([w.tobytes() for w in arrays], opt.t, repr(opt.state_dict())) == before
            continue
        assert kept.unchanged()
        if spoilt or len(grads) != len(arrays):
            return  # any values: whatever they led to, nothing was harmed
        model.step([np.asarray(g) for g in grads])
        assert opt.t == model.t
        if all(w.dtype == np.float64 for w in arrays):
            for w, want in zip(arrays, model.params, strict=True):
                # four steps of about 30 roundings each, each amplified by at most 1 / eps of the smallest denominator
                np.testing.assert_allclose(w, want, rtol=1e-8, atol=1e-8)


# ---- regularizers ----


@fuzz(250)
def test_any_array_is_regularized_right_or_refused(data):
    w = any_array(data)
    l1, l2 = data.draw(st.sampled_from([(0.0, 0.0), (0.5, 0.0), (0.0, 0.25), (0.5, 0.25)]))
    penalty, rate = fl.ElasticNet(l1, l2), data.draw(st.sampled_from([0.0, 0.3]))
    method = data.draw(st.sampled_from(["value_and_grad", "add_grad", "prox", "project", "dropout", "forward"]))
    other = any_array(data, np.shape(w) if isinstance(w, np.ndarray) and data.draw(st.booleans()) else None)
    training = data.draw(st.booleans())
    axis = data.draw(st.sampled_from([0, None, -1, (0, 1), 3]))
    calls = {
        "value_and_grad": ("ElasticNet", lambda: penalty.value_and_grad(w), ()),
        "add_grad": ("ElasticNet", lambda: penalty.add_grad(w, other), (other,)),
        "prox": ("ElasticNet", lambda: penalty.prox(w, 0.5), (w,)),
        "project": ("MaxNorm", lambda: fl.MaxNorm(1.5, axis=axis).project(w), (w,)),
        "dropout": ("dropout", lambda: fl.dropout(w, rate, seed=7), ()),
        "forward": ("BatchNorm", lambda: fl.BatchNorm(3).forward(w, training), ()),
    }
    who, call, written = calls[method]
    kept = Watched(w, other)
    old = [np.array(a, copy=True) for a in (w, other) if isinstance(a, np.ndarray)]
    result = outcome(who, call)
    if refused(result):
        assert kept.unchanged()
        return
    assert kept.unchanged(*written)
    x = np.asarray(old[0] if written and isinstance(w, np.ndarray) else w)
    single = x.dtype.kind == "f" and x.itemsize <= 4
    eps = eps_of(np.float32 if single else np.float64)
    x = x.astype(np.float32 if single else np.float64).astype(np.float64)
    if not np.isfinite(x).all() or np.abs(x).max(initial=0) > 1e30 or x.size == 0:
        return
    close = functools.partial(np.testing.assert_allclose, rtol=16 * eps, atol=1e-44 if single else 1e-320)
    if method == "value_and_grad":
        value, grad = regularizers.elastic_net(x, l1, l2)
        assert abs(result[0] - value) <= 1e-13 * x.size * abs(value)
        close(result[1], grad)
    elif method == "prox":
        np.testing.assert_allclose(w, regularizers.prox(x, 0.5, l1, l2), rtol=16 * eps, atol=eps)  # w - l1/2 cancels
    elif method == "project":
        close(w, regularizers.max_norm(x, 1.5, axis))
    elif method == "dropout":
        mask = regularizers.dropout_mask(x.shape, rate, 7)
        assert np.array_equal(mask, result[1])
        close(result[0], np.where(mask, x / (1 - rate), 0))


# ---- checkpoints ----


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A saved file, its bytes and the state in it."""
    path = tmp_path_factory.mktemp("fuzz") / "state"
    opt = fl.RMSprop(np.zeros((2, 3)), momentum=0.5, centered=True)
    for t in range(3):
        opt.step(np.cos(np.arange(6.0) + t).reshape(2, 3))
    opt.save(path)
    return path.with_name("changed"), path.read_bytes(), opt.state_dict()


def test_a_checkpoint_with_any_bytes_changed_is_refused_or_the_same(checkpoint):
    path, whole, saved = checkpoint

    @fuzz(150)
    def test_a_changed_checkpoint(data):
        content = bytearray(whole)
        for _ in range(data.draw(st.integers(0, 4))):
            at = data.draw(st.integers(0, len(content) - 1))
            kind = data.draw(st.sampled_from(["set", "insert", "cut", "end"]))
            some = data.draw(st.binary(min_size=1, max_size=8))
            if kind == "set":
                content[at : at + len(some)] = some
            elif kind == "insert":
                content[at:at] = some
            elif kind == "cut":
                del content[at : at + len(some) ** 2]
            else:
                del content[max(at, 1) :]
        path.write_bytes(content)
        opt = fl.RMSprop(np.zeros((2, 3)))
        result = outcome("RMSprop", lambda: opt.load(path))
        if refused(result):
            assert isinstance(result, ValueError) and opt.t == 0 and not opt.state_dict()["state"]
            return
        for name, value in opt.state_dict()["state"][0].items():
            np.testing.assert_array_equal(value, saved["state"][0][name])

    test_a_changed_checkpoint()
