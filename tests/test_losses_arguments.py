# SPDX-License-Identifier: BSD-3-Clause
"""What losses accept and refuse: layouts, types, labels, weights, out, parameters, bind, check.

The numbers that accepted arguments give are judged in test_losses_values.py; here they are only
compared with those of plain contiguous arguments.
"""

import array
import pickle
import re
import tracemalloc

import numpy as np
import pytest
from cases import CASES, DEFAULTS, DTYPES, assert_within, eps_of

import fastloss as fl
from fastloss import _check

each_case = pytest.mark.parametrize("case", CASES, ids=str)
each_class = pytest.mark.parametrize("case", DEFAULTS, ids=str)
each_dtype = pytest.mark.parametrize("dtype", DTYPES)
ROWS = [c for c in DEFAULTS if c.kind == "rows"]
POINTWISE = [c for c in DEFAULTS if c.kind != "rows"]
LABELLED = [c for c in CASES if c.kind == "rows" and "probabilities" not in c.id]

INTEGERS = [
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    ">i2",
    ">i4",
    ">i8",
    ">u4",
]
REFUSED = {
    "complex64": lambda a: a.astype(np.complex64),
    "complex128": lambda a: a.astype(np.complex128),
    "longdouble": lambda a: a.astype(np.longdouble),
    "object": lambda a: a.astype(object),
    "str": lambda a: a.astype(str),
    "bytes": lambda a: a.astype("S8"),
    "datetime": lambda a: a.astype(np.int64).astype("datetime64[s]"),
    "timedelta": lambda a: a.astype(np.int64).astype("timedelta64[s]"),
    "structured": lambda a: np.zeros(a.shape, [("x", float)]),
    "masked": lambda a: np.ma.masked_array(a, mask=np.zeros(a.shape, bool)),
    "None": lambda a: None,
    "dict": lambda a: {"x": 1},
}


def assert_same(got, want):
    for a, b in zip(got, want, strict=True):
        np.testing.assert_array_equal(a, b)


def assert_close(got, want, dtype):
    """Equal but for the order of sums of up to 256 terms, which the memory layout may change."""
    tolerance = 128 * eps_of(dtype)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * np.abs(b).max())


def all_outputs(case, loss, *args, **kwargs):
    method = loss.value_grad_hess if case.has_hess else loss.value_and_grad
    return method(*args, **kwargs)


def refuses(error, pattern, name, function, *args, **kwargs):
    """The call raises this error, in the one form: who, which argument, what was got, the need."""
    with pytest.raises(error) as caught:
        function(*args, **kwargs)
    message = str(caught.value)
    assert message.startswith(f"{name}: "), message
    assert re.search(pattern, message), f"{message!r} lacks {pattern!r}"
    assert "\n" not in message
    return message


def shown(number):
    """Pattern of a number as a message may show it: -1 or -1.0, nan, 1e-300."""
    return re.escape(f"{number:g}") + r"(\.0)?(?![\d.])"


# ---- layouts


def strided(a, gap=3):
    """The same rows with a gap between them, the last axis contiguous."""
    wide = np.full((*a.shape[:-1], a.shape[-1] + gap), np.array(99).astype(a.dtype))
    wide[..., : a.shape[-1]] = a
    return wide[..., : a.shape[-1]]


def first_of_more(a):
    """The same numbers in a larger array, of whose second axis they are the first."""
    more = np.full((a.shape[0], a.shape[1] + 2, *a.shape[2:]), 7, a.dtype)
    more[:, : a.shape[1]] = a
    return more[:, : a.shape[1]]


def unaligned(a):
    raw = np.zeros(a.nbytes + 1, np.uint8)[1:]
    view = raw.view(a.dtype).reshape(a.shape)
    view[...] = a
    assert a.size == 0 or not view.flags.aligned
    return view


def read_only(a):
    a = a.copy()
    a.flags.writeable = False
    return a


LAYOUTS = {
    "row-strided": strided,
    "fortran": np.asfortranarray,
    "reversed": lambda a: np.ascontiguousarray(a[::-1])[::-1],
    "reversed-columns": lambda a: np.ascontiguousarray(a[..., ::-1])[..., ::-1],
    "every-second": lambda a: np.repeat(a, 2, axis=-1)[..., ::2],
    "every-second-row": lambda a: np.repeat(a, 2, axis=0)[::2],
    "rows-upside-down": lambda a: strided(np.ascontiguousarray(a[::-1]))[::-1],
    "big-endian": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "unaligned": unaligned,
    "read-only": read_only,
    "list": lambda a: a.tolist(),
    "tuple": lambda a: tuple(a.tolist()),
    "memoryview": lambda a: memoryview(np.ascontiguousarray(a)),
    "subclass": lambda a: a.view(type("Sub", (np.ndarray,), {})),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@each_class
@each_dtype
def test_every_readable_layout_gives_the_same_result(case, layout, dtype, rng):
    change = LAYOUTS[layout]
    if layout in ("list", "tuple"):
        dtype = np.float64  # what lists of floats are
    shape = (23, 7)
    pred, target = case.draw(rng, shape, dtype)
    weight = rng.integers(0, 3, size=23).astype(dtype)
    loss = case.make(shape, reduction=case.reductions[-1])
    want = all_outputs(case, loss, pred, target, sample_weight=weight)
    arguments = [change(pred), change(target), change(weight)]
    before = [np.array(a, copy=True) for a in arguments]
    got = all_outputs(case, loss, *arguments[:2], sample_weight=arguments[2])
    # Another layout may take another path through the formula: each result has the case's error,
    # times weights of up to 2.
    bounds = (8 * eps_of(dtype) * np.abs(part) for part in want)
    if case.kind != "scalar":
        bounds = case.bounds(pred, target, case.reference(pred, target, None, "none"))
    for a, b, bound in zip(got, want, bounds, strict=case.has_hess):
        assert case.kind == "scalar" or (a.dtype == dtype and type(a) is np.ndarray)
        assert_within(a, np.asarray(b, float), 4 * bound, f"{case} {layout}")
    for a, b in zip(arguments, before, strict=True):
        np.testing.assert_array_equal(np.asarray(a), b)  # nothing passed in was changed


@pytest.mark.parametrize("case", POINTWISE, ids=str)
@each_dtype
def test_pointwise_losses_take_any_number_of_axes(case, dtype, rng):
    flat, flat_target = case.draw(rng, (24,), dtype)
    loss = case.make(reduction=case.reductions[-1])
    want = all_outputs(case, loss, flat, flat_target)
    for shape in ((24, 1), (1, 24), (4, 6), (2, 3, 4), (2, 1, 3, 2, 2)):
        pred, target = flat.reshape(shape), flat_target.reshape(shape)
        got = all_outputs(case, loss, pred, target)
        if case.kind != "scalar":
            assert got[0].shape == shape
        assert all(part.shape == shape for part in got[1:])
        assert_same([np.ravel(part) for part in got], [np.ravel(part) for part in want])
    for shape, view in (((2, 3, 4), strided), ((2, 1, 3, 4), strided), ((2, 3, 4), first_of_more)):
        got = all_outputs(case, loss, view(flat.reshape(shape)), view(flat_target.reshape(shape)))
        assert got[1].shape == shape
        assert_close([np.ravel(part) for part in got], [np.ravel(part) for part in want], dtype)


def test_rows_in_records_whose_size_is_no_multiple_of_an_entrys_are_not_used_as_they_are():
    records = np.zeros(6, [("scores", np.float64, 4), ("tag", np.int8)])
    assert _check.as_rows(records["scores"]) is None
    aligned = np.zeros(6, [("scores", np.float64, 4), ("tag", np.int64)])
    assert _check.as_rows(aligned["scores"]).strides == (40, 8)


@pytest.mark.parametrize("case", POINTWISE, ids=str)
@each_dtype
def test_a_0d_pred_is_one_element(case, dtype, rng):
    pred, target = case.draw(rng, (1,), dtype)
    loss = case.make()
    value, grad = loss.value_and_grad(pred, target)
    for z, y in ((np.array(pred[0]), np.array(target[0])), (pred[0], target[0])):
        got, got_grad = loss.value_and_grad(z, y)
        assert type(got) is float and got == value
        assert np.shape(got_grad) == () and got_grad == grad[0] and got_grad.dtype == dtype
    if dtype is np.float64:
        assert loss(float(pred[0]), float(target[0])) == value
    assert np.shape(loss.predict(pred[0])) == ()


def peak_of(call):
    """Bytes that NumPy and Python allocated at most while calling, after a first call."""
    call()
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


LAYOUTS_USED_AS_THEY_ARE = {
    "contiguous": lambda a: a,
    "row-strided": strided,
    "read-only": read_only,
    "buffer": lambda a: memoryview(a) if a.flags.c_contiguous else a,
}


@pytest.mark.parametrize("layout", LAYOUTS_USED_AS_THEY_ARE)
@each_case
@each_dtype
def test_with_out_nothing_grows_with_the_data(case, layout, dtype, rng):
    shape = case.shape(6000, 33)
    pred, target = case.draw(rng, shape, dtype)
    if target.dtype.kind == "i" and case.kind != "rows":
        target = target.astype(dtype)  # labels of pointwise losses may have to be converted
    change = LAYOUTS_USED_AS_THEY_ARE[layout]
    if len(shape) == 1 and layout == "row-strided":
        change = LAYOUTS_USED_AS_THEY_ARE["contiguous"]  # an axis alone has no rows
    pred, weight = change(pred), np.ones(6000, dtype)
    target = change(target) if target.ndim == len(shape) else target
    grad, hess = np.empty(shape, dtype), np.empty(shape, dtype)
    loss = case.make(shape)
    limit = min(6000 * np.dtype(dtype).itemsize, grad.nbytes) // 2
    assert peak_of(lambda: loss.value(pred, target, sample_weight=weight)) < limit
    assert peak_of(lambda: loss.value_and_grad(pred, target, out=grad)) < limit
    if case.has_hess:
        assert peak_of(lambda: loss.value_grad_hess(pred, target, out=(grad, hess))) < limit


@pytest.mark.parametrize("label_type", [np.int32, np.int64])
@pytest.mark.parametrize("case", LABELLED, ids=str)
def test_int32_and_int64_labels_are_read_as_they_are(case, label_type, rng):
    pred, target = case.draw(rng, (20000, 3), np.float32)
    ignore = case.params.get("ignore_index")
    if ignore is not None and abs(ignore) > np.iinfo(label_type).max:
        target[target == ignore] = 0
    target = target.astype(label_type)
    grad = np.empty_like(pred)
    loss = case.make(pred.shape)
    assert peak_of(lambda: loss.value_and_grad(pred, target, out=grad)) < target.nbytes // 2


class OnlyDlpack:
    """An array known by nothing but the DLPack protocol."""

    def __init__(self, a):
        self.a = a

    def __dlpack__(self, **kwargs):
        return self.a.__dlpack__(**kwargs)

    def __dlpack_device__(self):
        return self.a.__dlpack_device__()


@each_class
def test_dlpack_and_buffers_are_read_without_a_copy(case, rng):
    shape = case.shape(5000, 8)
    pred, target = case.draw(rng, shape, np.float64)
    loss, grad = case.make(shape), np.empty(shape)
    want = loss.value_and_grad(pred, target)
    offered, offered_target = OnlyDlpack(pred), OnlyDlpack(target)
    assert_same(loss.value_and_grad(offered, offered_target), want)
    if target.dtype == pred.dtype or case.kind == "rows":
        peak = peak_of(lambda: loss.value_and_grad(offered, offered_target, out=grad))
        assert peak < 5000 * 4
    if len(shape) == 1:
        assert_same(loss.value_and_grad(array.array("d", pred), target), want)


# ---- types


@each_class
def test_pred_of_other_real_types_is_converted_as_documented(case, rng):
    shape = case.shape(40, 5)
    pred, target = case.draw(rng, shape, np.float64)
    pred = np.round(4 * np.abs(pred)) / 4
    loss = case.make(shape)
    for given, used in [
        ("float16", np.float32),
        (">f2", np.float32),
        (">f4", np.float32),
        (">f8", np.float64),
        *((name, np.float64) for name in INTEGERS),
        ("bool", np.float64),
    ]:
        source = pred.astype(given)
        value, grad = loss.value_and_grad(source, target)
        want, want_grad = loss.value_and_grad(source.astype(used), target)
        assert grad.dtype == used
        assert value == want
        np.testing.assert_array_equal(grad, want_grad)


@pytest.mark.parametrize("case", POINTWISE, ids=str)
@each_dtype
def test_targets_of_other_real_types_are_taken_by_value(case, dtype, rng):
    pred, target = case.draw(rng, (40,), dtype)
    whole = np.abs(np.round(target)).astype(np.int64) if case.name != "Hinge" else target
    loss = case.make(reduction=case.reductions[-1])
    want = all_outputs(case, loss, pred, whole)
    names = [n for n in INTEGERS if "u" not in n or case.name != "Hinge"]
    for name in names + ["float32", "float64", "float16", ">f8"] * (case.name != "Focal"):
        assert_same(all_outputs(case, loss, pred, whole.astype(name)), want)
    if case.name in ("BinaryCrossEntropy", "Focal", "Hinge"):
        as_bool = all_outputs(case, loss, pred, target > 0)
        assert_same(as_bool, all_outputs(case, loss, pred, (target > 0).astype(int)))


@pytest.mark.parametrize("kind", REFUSED)
@each_class
def test_arrays_of_no_real_type_are_type_errors(case, kind, rng):
    shape = case.shape(6, 3)
    pred, target = case.draw(rng, shape, np.float64)
    weight, out = np.ones(6), np.full(shape, 7.0)
    loss, wrong = case.make(shape), REFUSED[kind]
    calls = {"pred": (wrong(pred), target, None), "target": (pred, wrong(target), None)}
    if kind != "None":
        calls["sample_weight"] = (pred, target, wrong(weight))
    for name, (z, y, w) in calls.items():
        pattern, use = rf"\b{name}\b", {"sample_weight": w, "out": out}
        refuses(TypeError, pattern, case.name, loss.value_and_grad, z, y, **use)
    refuses(TypeError, r"\bpred\b", case.name, loss.value, wrong(pred), target)
    refuses(TypeError, r"\bpred\b", case.name, loss.predict, wrong(pred))
    assert (out == 7).all()


# ---- shapes


@each_class
def test_shapes_that_do_not_match_are_value_errors(case, rng):
    shape = case.shape(8, 3)
    pred, target = case.draw(rng, shape, np.float64)
    loss, out = case.make(shape), np.full(shape, 7.0)
    for wrong in (target[:-1], target[:1], np.concatenate([target, target]), target[None]):
        refuses(ValueError, "target", case.name, loss.value_and_grad, pred, wrong, out=out)
    wrong_weights = [np.ones(7), np.ones(9), np.ones((8, 2)), np.ones((1, 8))]
    if case.kind == "rows":
        wrong_weights.append(np.ones(shape))  # one number a sample, not an element
    for weight in wrong_weights:
        message = refuses(
            ValueError,
            "sample_weight",
            case.name,
            loss.value_and_grad,
            pred,
            target,
            sample_weight=weight,
            out=out,
        )
        assert str(weight.shape).strip("(),") in message
    assert (out == 7).all()


@pytest.mark.parametrize("case", ROWS + [c for c in CASES if c.kind == "pair"], ids=str)
def test_row_losses_need_a_table(case, rng):
    pred, target = case.draw(rng, case.shape(8, 3), np.float64)
    for wrong in (pred[:, 0], pred[None], pred[0, 0]):
        refuses(ValueError, "pred", case.name, case.make().value, wrong, target)
        refuses(ValueError, "pred", case.name, case.make().predict, wrong)


def test_learned_variance_needs_two_columns():
    loss = fl.GaussianNLL(variance=None)
    refuses(ValueError, "pred", "GaussianNLL", loss, np.ones((4, 3)), np.ones(4))


@pytest.mark.parametrize("shape", [(5, 4), (5, 1), (4, 3)])
def test_probabilities_need_the_shape_of_pred(shape):
    loss = fl.SoftmaxCrossEntropy()
    refuses(
        ValueError,
        "target",
        "SoftmaxCrossEntropy",
        loss,
        np.zeros((5, 3)),
        np.ones(shape) / shape[1],
    )


# ---- labels


@pytest.mark.parametrize("case", LABELLED, ids=str)
@pytest.mark.parametrize("name", INTEGERS)
def test_labels_of_every_integer_type(case, name, rng):
    pred, target = case.draw(rng, (60, 5), np.float32)
    ignore = case.params.get("ignore_index")
    info = np.iinfo(name)
    if ignore is not None and not info.min <= ignore <= info.max:
        target[target == ignore] = 0
    loss = case.make((60, 5), reduction="none")
    want = loss.value_grad_hess(pred, target)
    assert_same(loss.value_grad_hess(pred, target.astype(name)), want)
    wide = np.zeros((60, 3), name)
    wide[:, 1] = target
    assert_same(loss.value_grad_hess(pred, wide[:, 1]), want)
    assert_same(loss.value_grad_hess(pred, target.tolist()), want)


@pytest.mark.parametrize("case", ROWS, ids=str)
def test_bool_labels_choose_between_two_classes(case, rng):
    pred, target = rng.normal(size=(9, 2)), rng.integers(0, 2, size=9)
    loss = case.make()
    assert_same(loss.value_and_grad(pred, target.astype(bool)), loss.value_and_grad(pred, target))


@pytest.mark.parametrize("case", ROWS, ids=str)
@pytest.mark.parametrize("name", ["float32", "float64", "float16"])
def test_float_labels_are_type_errors(case, name):
    out = np.full((4, 3), 7.0)
    refuses(
        TypeError,
        rf"target.*{name}",
        case.name,
        case.make().value_and_grad,
        np.zeros((4, 3)),
        np.zeros(4, name),
        out=out,
    )
    assert (out == 7).all()


@pytest.mark.parametrize("case", LABELLED, ids=str)
@pytest.mark.parametrize("name", INTEGERS)
def test_labels_out_of_range_are_index_errors_and_nothing_is_written(case, name, rng):
    info, n = np.iinfo(name), 30
    pred = rng.normal(size=(n, 4))
    ignore = case.params.get("ignore_index")
    for label in {4, info.max, info.min, -1, -2, info.max - 1} - {0, ignore}:
        if not info.min <= label <= info.max:
            continue
        for place in (0, 17, n - 1):
            target = (np.arange(n) % 4).astype(name)
            target[place] = label
            out = (np.full((n, 4), 7.0), np.full((n, 4), 7.0))
            loss = case.make((n, 4))
            pattern = rf"target\[{place}\] is {label}, but pred has 4 classes \(0 to 3\)"
            for method, buffer in (
                (loss.value, {}),
                (loss.value_and_grad, {"out": out[0]}),
                (loss.value_grad_hess, {"out": out}),
            ):
                refuses(IndexError, pattern, case.name, method, pred, target, **buffer)
            assert (out[0] == 7).all() and (out[1] == 7).all()


def test_the_message_about_a_label_out_of_range():
    target = np.zeros(20, int)
    target[17] = 10
    with pytest.raises(IndexError) as caught:
        fl.SoftmaxCrossEntropy()(np.zeros((20, 10)), target)
    expected = "SoftmaxCrossEntropy: target[17] is 10, but pred has 10 classes (0 to 9)"
    assert str(caught.value) == expected


@pytest.mark.parametrize("case", ROWS, ids=str)
def test_the_first_of_several_wrong_labels_is_named(case):
    target = np.array([0, 1, 9, -3, 9])
    refuses(IndexError, r"target\[2\] is 9", case.name, case.make(), np.eye(5), target)


@pytest.mark.parametrize("case", ROWS, ids=str)
@pytest.mark.parametrize("ignore", [-(2**63), -100, -1, 0, 2, 3, 255, 2**31, 2**63 - 1])
def test_ignore_index_may_lie_anywhere_in_the_integer_range(case, ignore, rng):
    pred, target = rng.normal(size=(20, 3)), np.arange(20) % 3
    target[[1, 8]] = ignore
    kept = target != ignore
    loss = type(case.make())(ignore_index=ignore)
    value, grad = loss.value_and_grad(pred, target)
    want, want_grad = case.make().value_and_grad(pred[kept], target[kept])
    assert value == pytest.approx(want, rel=20 * eps_of(float))
    np.testing.assert_allclose(grad[kept], want_grad, rtol=4 * eps_of(float))
    assert (grad[~kept] == 0).all()


@pytest.mark.parametrize("case", ROWS, ids=str)
def test_an_unsigned_label_does_not_wrap_into_the_ignored_one(case):
    for name, ignore in (("uint64", -1), ("uint8", -1), ("uint32", -(2**31))):
        target = np.array([0, np.iinfo(name).max], name)
        loss = type(case.make())(ignore_index=ignore)
        refuses(IndexError, r"target\[1\] is \d+", case.name, loss, np.eye(2), target)


def test_ignore_index_with_probabilities_is_a_value_error():
    loss = fl.SoftmaxCrossEntropy(ignore_index=0)
    refuses(
        ValueError,
        "ignore_index",
        "SoftmaxCrossEntropy",
        loss,
        np.zeros((2, 3)),
        np.full((2, 3), 1 / 3),
    )


@pytest.mark.parametrize("case", ROWS, ids=str)
def test_class_weight_needs_one_number_per_class(case, rng):
    pred, out = rng.normal(size=(6, 4)), np.full((6, 4), 7.0)
    for length in (1, 3, 5):
        loss = type(case.make())(class_weight=[1.0] * length)
        refuses(
            ValueError,
            rf"class_weight.*\b{length}\b.*\b4\b",
            case.name,
            loss.value_and_grad,
            pred,
            np.zeros(6, int),
            out=out,
        )
    assert (out == 7).all()


def test_pos_weight_needs_one_number_per_column():
    loss = fl.BinaryCrossEntropy(pos_weight=[1.0, 2.0])
    refuses(ValueError, "pos_weight", "BinaryCrossEntropy", loss, np.zeros((4, 3)), np.zeros((4, 3)))


# ---- sample weights


@each_class
@pytest.mark.parametrize("bad", [-1.0, -1e-300, np.nan, np.inf, -np.inf])
def test_bad_weights_are_value_errors_and_nothing_is_written(case, bad, rng):
    shape = case.shape(20, 3)
    pred, target = case.draw(rng, shape, np.float64)
    for place in (0, 13, 19):
        weight, out = np.ones(20), np.full(shape, 7.0)
        weight[place] = bad
        loss = case.make(shape)
        refuses(
            ValueError,
            rf"sample_weight\[{place}\] is {shown(bad)}",
            case.name,
            loss.value_and_grad,
            pred,
            target,
            sample_weight=weight,
            out=out,
        )
        assert (out == 7).all()


@each_class
def test_weights_whose_sum_is_infinite_are_refused_and_nothing_is_written(case, rng):
    pred, target = case.draw(rng, case.shape(4, 3), np.float64)
    loss, out = case.make(pred.shape, reduction="mean"), np.full(pred.shape, 7.0)
    with pytest.raises(ValueError, match=f"^{case.name}: the weights add up to infinity$"):
        loss.value_and_grad(pred, target, sample_weight=np.full(4, 1e308), out=out)
    assert (out == 7).all()


@each_class
def test_weights_of_other_real_types_are_taken_by_value(case, rng):
    shape = case.shape(20, 3)
    pred, target = case.draw(rng, shape, np.float32)
    weight = rng.integers(0, 4, size=20)
    loss = case.make(shape)
    want = loss.value_and_grad(pred, target, sample_weight=weight.astype(np.float32))
    for other in (weight, weight.astype(">i2"), weight.astype(np.float16), weight.tolist()):
        assert_same(loss.value_and_grad(pred, target, sample_weight=other), want)
    kept = weight > 1
    assert_same(
        loss.value_and_grad(pred, target, sample_weight=kept),
        loss.value_and_grad(pred, target, sample_weight=kept.astype(np.float32)),
    )


# ---- out


@each_case
@each_dtype
def test_out_is_filled_and_returned(case, dtype, rng):
    shape = case.shape(37, 5)
    pred, target = case.draw(rng, shape, dtype)
    for reduction in case.reductions:
        loss = case.make(shape, reduction=reduction)
        want = all_outputs(case, loss, pred, target)
        for layout in (np.array, strided) if len(shape) > 1 else (np.array,):
            grad, hess = layout(np.zeros(shape, dtype)), layout(np.zeros(shape, dtype))
            value, got = loss.value_and_grad(pred, target, out=grad)
            assert got is grad
            assert_close((value, grad), want[:2], dtype)
            if not case.has_hess:
                continue
            for out in ((grad, hess), (grad, None), (None, hess)):
                grad.fill(5), hess.fill(5)
                result = loss.value_grad_hess(pred, target, out=out)
                assert_close(result, want, dtype)
                assert out[0] is None or result[1] is grad
                assert out[1] is None or result[2] is hess
        if reduction == "none":
            buffer = np.empty_like(want[0])
            assert loss.value(pred, target, out=buffer) is buffer
            np.testing.assert_array_equal(buffer, want[0])
            assert loss(pred, target, out=buffer) is buffer
        else:
            refuses(
                (TypeError, ValueError),
                "out",
                case.name,
                loss.value,
                pred,
                target,
                out=np.empty(shape, dtype),
            )


@each_dtype
def test_gaps_between_rows_of_out_are_left_alone(dtype, rng):
    for c in (3, 10, 33):
        pred, target = rng.normal(size=(40, c)).astype(dtype), rng.integers(0, c, size=40)
        wide = np.full((40, c + 5), dtype(7))
        fl.SoftmaxCrossEntropy().value_and_grad(pred, target, out=wide[:, 2 : c + 2])
        assert (wide[:, :2] == 7).all() and (wide[:, c + 2 :] == 7).all()
        assert (wide[:, 2 : c + 2] != 7).all()


@each_case
@each_dtype
def test_in_place_over_pred(case, dtype, rng):
    shape = case.shape(70, 12)
    pred, target = case.draw(rng, shape, dtype)
    weight = rng.random(70)
    for reduction in case.reductions:
        loss = case.make(shape, reduction=reduction)
        for buffer in (pred.copy(), strided(pred)) if len(shape) > 1 else (pred.copy(),):
            want = all_outputs(case, loss, buffer, target, sample_weight=weight)
            second_name = buffer.view()
            value, grad = loss.value_and_grad(buffer, target, sample_weight=weight, out=second_name)
            assert grad is second_name
            assert_close((value, buffer), want[:2], dtype)
            if case.has_hess:
                buffer[...] = pred
                got = loss.value_grad_hess(buffer, target, sample_weight=weight, out=(buffer, None))
                assert_close(got, want, dtype)


@each_dtype
def test_disjoint_columns_of_one_table_may_be_pred_and_out(dtype, rng):
    for c in (3, 16, 40):
        table = rng.normal(size=(33, 3 * c)).astype(dtype)
        target = rng.integers(0, c, size=33)
        pred, grad, hess = table[:, :c], table[:, c : 2 * c], table[:, 2 * c :]
        want = fl.SoftmaxCrossEntropy().value_grad_hess(pred.copy(), target)
        got = fl.SoftmaxCrossEntropy().value_grad_hess(pred, target, out=(grad, hess))
        assert_close(got, want, dtype)
        want = fl.SquaredError().value_and_grad(pred.copy(), grad.copy())
        assert_close(fl.SquaredError().value_and_grad(pred, grad, out=hess), want, dtype)


def overlapping():
    """Name, pred, target, weight, out: arguments of SquaredError that share bytes with out."""
    base = np.arange(1.0, 61.0)
    table = base.reshape(10, 6)
    y, w = np.zeros((10, 3)), np.ones(10)
    yield "shifted by a row", base[:30].reshape(10, 3), y, w, base[3:33].reshape(10, 3)
    yield "shifted by an element", base[:30].reshape(10, 3), y, w, base[1:31].reshape(10, 3)
    yield "other strides", base[:30].reshape(10, 3), y, w, table[:, :3]
    yield "overlapping columns", table[:, :3], y, w, table[:, 2:5]
    yield "target", np.ones((10, 3)), base[:30].reshape(10, 3), w, base[:30].reshape(10, 3)
    yield (
        "part of target",
        np.ones((10, 3)),
        base[:30].reshape(10, 3),
        w,
        base[20:50].reshape(10, 3),
    )
    yield "sample_weight", np.ones((10, 3)), y, base[:10], base[5:35].reshape(10, 3)
    yield "weights per element", np.ones((10, 3)), y, table[:, :3], table[:, :3]
    yield "reversed pred", base[:30].reshape(10, 3)[::-1], y, w, base[:30].reshape(10, 3)
    whole = np.arange(30)
    yield (
        "integer target",
        np.ones((10, 3)),
        whole.reshape(10, 3),
        w,
        whole.view(float).reshape(10, 3),
    )


@pytest.mark.parametrize("arguments", list(overlapping()), ids=lambda a: a[0])
def test_out_that_shares_other_bytes_is_a_value_error(arguments):
    _, pred, target, weight, out = arguments
    before = [a.copy() for a in (pred, target, weight, out)]
    loss, use = fl.SquaredError(), {"sample_weight": weight}
    refuses(ValueError, "out", "SquaredError", loss.value_and_grad, pred, target, out=out, **use)
    for both in ((out, None), (None, out)):
        refuses(ValueError, "out", "SquaredError", loss.value_grad_hess, pred, target, out=both, **use)
    for a, b in zip((pred, target, weight, out), before, strict=True):
        assert a.tobytes() == b.tobytes()


def test_hessian_shares_bytes_with_nothing():
    pred, target, buffer = np.ones((5, 4)), np.zeros((5, 4)), np.full((6, 4), 7.0)
    for out in ((None, pred), (None, target), (buffer[:5], buffer[:5]), (buffer[:5], buffer[1:])):
        refuses(
            ValueError,
            "out",
            "SquaredError",
            fl.SquaredError().value_grad_hess,
            pred,
            target,
            out=out,
        )
    assert (pred == 1).all() and (target == 0).all() and (buffer == 7).all()


@each_class
def test_labels_may_not_share_bytes_with_out(case, rng):
    if case.kind != "rows":
        pred = target = np.full(12, 0.5)
        refuses(
            ValueError,
            "out",
            case.name,
            case.make().value_and_grad,
            pred.copy(),
            target,
            out=target,
        )
        return
    labels = np.zeros(12, np.int64)
    out = labels.view(np.float64)[:6].reshape(3, 2)
    refuses(
        ValueError,
        "out",
        case.name,
        case.make().value_and_grad,
        np.eye(2)[[0, 1, 1]],
        labels[2:5],
        out=out,
    )
    assert (labels == 0).all()


@each_class
@each_dtype
def test_out_of_the_wrong_kind_is_refused_and_untouched(case, dtype, rng):
    shape = case.shape(9, 4)
    pred, target = case.draw(rng, shape, dtype)
    loss, other = case.make(shape), np.float64 if dtype is np.float32 else np.float32
    frozen = np.full(shape, dtype(7))
    frozen.flags.writeable = False
    buffers = [
        (TypeError, np.full(shape, 7, other)),
        (TypeError, np.full(shape, 7, np.int64)),
        (TypeError, np.full(shape, 7, np.dtype(dtype).newbyteorder(">"))),
        (TypeError, np.full(shape, 7, dtype).tolist()),
        (ValueError, np.full((8, *shape[1:]), dtype(7))),
        (ValueError, np.full((*shape, 1), dtype(7))),
        (ValueError, np.full(9 * 4 * 2, dtype(7))),
        (ValueError, np.repeat(np.full(shape, dtype(7)), 2, axis=-1)[..., ::2]),
        (ValueError, frozen),
    ]
    if len(shape) == 1:
        buffers.append((ValueError, np.full(shape, dtype(7))[::-1]))
    else:
        buffers.append((ValueError, np.full(shape, dtype(7), order="F")))
        buffers.append((ValueError, np.broadcast_to(np.full(shape[1], dtype(7)), shape)))
        memory = np.full(sum(shape), dtype(7))  # each row begins one entry after the last
        buffers.append((ValueError, np.lib.stride_tricks.as_strided(memory, shape, 2 * memory.strides)))
    for error, out in buffers:
        refuses(error, "out", case.name, loss.value_and_grad, pred, target, out=out)
        for both in ((out, None), (None, out)) if case.has_hess else ():
            refuses(error, "out", case.name, loss.value_grad_hess, pred, target, out=both)
        assert (np.asarray(out) == 7).all()
    if case.has_hess:
        for out in (frozen, (frozen,), (None, None, None)):
            refuses(
                (TypeError, ValueError),
                "out",
                case.name,
                loss.value_grad_hess,
                pred,
                target,
                out=out,
            )


@each_class
def test_arguments_after_target_are_by_keyword(case, rng):
    pred, target = case.draw(rng, case.shape(5, 3), np.float64)
    loss = case.make()
    hess = [loss.value_grad_hess] if case.has_hess else []
    for method in (loss, loss.value, loss.value_and_grad, loss.bind, *hess):
        with pytest.raises(TypeError):
            method(pred, target, np.ones(5))


# ---- parameters

BAD_PARAMETERS = [
    ("Huber", "delta", [0.0, -1.0, np.nan]),
    ("Pinball", "quantile", [-0.1, 1.1, np.nan]),
    ("EpsilonInsensitive", "epsilon", [-0.1, np.nan]),
    ("GaussianNLL", "variance", [0.0, -1.0, np.nan]),
    ("GammaNLL", "shape", [0.0, -1.0, np.nan]),
    ("TweedieNLL", "power", [0.0, 1.0, 2.0, 0.5, -1.0, np.nan]),
    ("BinaryCrossEntropy", "label_smoothing", [-0.1, 1.1, np.nan]),
    ("BinaryCrossEntropy", "pos_weight", [-1.0, np.nan, [1.0, -1.0], [1.0, np.nan]]),
    ("Hinge", "margin", [np.nan]),
    ("Focal", "gamma", [-1.0, np.nan]),
    ("Focal", "alpha", [-0.1, 1.1, np.nan]),
    ("SoftmaxCrossEntropy", "label_smoothing", [-0.1, 1.1, np.nan]),
    *(
        (name, "class_weight", [[1.0, -1.0], [np.nan, 1.0], [np.inf, 1.0]])
        for name in ("SoftmaxCrossEntropy", "MulticlassHinge", "CrammerSingerHinge")
    ),
    ("MulticlassHinge", "margin", [np.nan]),
    ("CrammerSingerHinge", "margin", [np.nan]),
    *((case.name, "reduction", ["average", "", "Mean"]) for case in DEFAULTS),
    ("RootMeanSquaredError", "reduction", ["sum", "none"]),
]


@pytest.mark.parametrize(
    "name, parameter, value",
    [(name, parameter, value) for name, parameter, values in BAD_PARAMETERS for value in values],
)
def test_parameters_out_of_range_are_value_errors(name, parameter, value):
    message = refuses(ValueError, parameter, name, getattr(fl, name), **{parameter: value})
    if not isinstance(value, list):
        assert re.search(shown(value) if isinstance(value, float) else repr(value), message)


@pytest.mark.parametrize("power, other", [(0, "SquaredError"), (1, "PoissonNLL"), (2, "GammaNLL")])
def test_tweedie_names_the_loss_that_a_whole_power_is(power, other):
    refuses(ValueError, other, "TweedieNLL", fl.TweedieNLL, power=power)


@pytest.mark.parametrize(
    "name, parameter, value",
    [
        ("Huber", "delta", "1"),
        ("Huber", "delta", None),
        ("GammaNLL", "shape", 1j),
        ("SoftmaxCrossEntropy", "ignore_index", 1.5),
        ("SoftmaxCrossEntropy", "ignore_index", "0"),
        ("SoftmaxCrossEntropy", "class_weight", "balanced"),
        ("MulticlassHinge", "margin", [1.0]),
        ("SquaredError", "reduction", None),
    ],
)
def test_parameters_of_the_wrong_type_are_refused(name, parameter, value):
    refuses((TypeError, ValueError), parameter, name, getattr(fl, name), **{parameter: value})


@each_class
def test_parameters_are_given_by_keyword(case):
    with pytest.raises(TypeError):
        getattr(fl, case.name)(1.0)
    with pytest.raises(TypeError):
        getattr(fl, case.name)(no_such_parameter=1.0)


# ---- configuration


@each_case
def test_repr_is_the_constructor_call(case):
    loss = case.make((5, 3))
    assert repr(loss).startswith(f"{case.name}(")
    assert eval(repr(loss), vars(fl).copy()) == loss
    assert repr(case.make((5, 3))) == repr(loss)


@each_case
def test_equality_hash_and_pickle_go_by_configuration(case, rng):
    loss, twin = case.make((5, 3)), case.make((5, 3))
    assert loss == twin and hash(loss) == hash(twin) and loss is not twin
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        copy = pickle.loads(pickle.dumps(loss, protocol))
        assert copy == loss and hash(copy) == hash(loss) and repr(copy) == repr(loss)
    pred, target = case.draw(rng, case.shape(6, 3), np.float64)
    assert copy.value(pred, target) == loss.value(pred, target)
    if case.kind != "scalar":
        assert loss != case.make((5, 3), reduction="sum")
    for other in CASES:
        same = (other.name, other.params) == (case.name, case.params)
        assert (other.make((5, 3)) == loss) == same
    assert loss != case.name and loss is not None


def test_numbers_that_are_equal_make_losses_that_are_equal():
    assert fl.Huber(delta=1) == fl.Huber() and hash(fl.Huber(delta=1)) == hash(fl.Huber())
    assert fl.Huber(delta=np.float32(2)) == fl.Huber(delta=2.0)
    weights = [1.0, 2.0]
    as_list = fl.SoftmaxCrossEntropy(class_weight=weights)
    as_array = fl.SoftmaxCrossEntropy(class_weight=np.array(weights))
    assert as_list == as_array and hash(as_list) == hash(as_array)


@each_class
def test_losses_do_not_change(case):
    loss = case.make()
    for name in ("reduction", *case.params, "no_such_attribute"):
        with pytest.raises(AttributeError):
            setattr(loss, name, "sum")
    assert loss.reduction == "mean"


def test_parameters_can_be_read():
    loss = fl.Huber(delta=2.5, reduction="sum")
    assert loss.delta == 2.5 and loss.reduction == "sum"


def test_a_changed_class_weight_array_does_not_change_the_loss():
    weights = np.array([1.0, 3.0])
    loss = fl.MulticlassHinge(class_weight=weights, reduction="sum")
    before = loss([[0.0, 0.0]], [1])
    weights[1] = 100.0
    assert loss([[0.0, 0.0]], [1]) == before == 3.0


# ---- check

OFFENCES = [
    ("PoissonNLL", {}, 3, -1.0),
    ("ExponentialNLL", {}, 0, -0.5),
    ("GammaNLL", {}, 5, 0.0),
    ("TweedieNLL", {}, 2, -1.0),
    ("BinaryCrossEntropy", {}, 4, 1.5),
    ("BinaryCrossEntropy", {}, 4, -0.5),
    ("SquaredError", {}, 1, np.nan),
    ("Huber", {}, 1, np.nan),
    ("Hinge", {}, 6, np.nan),
]


@each_case
@each_dtype
def test_check_accepts_what_is_in_the_domain(case, dtype, rng):
    pred, target = case.draw(rng, case.shape(30, 4), dtype)
    assert case.make(pred.shape).check(pred, target) is None


@pytest.mark.parametrize("name, params, place, value", OFFENCES)
def test_check_names_the_first_target_outside_the_domain(name, params, place, value):
    target = np.full(9, 1.0)
    target[place:] = value
    refuses(
        ValueError,
        rf"target\[{place}\] is {shown(value)}",
        name,
        getattr(fl, name)(**params).check,
        np.full(9, 0.5),
        target,
    )


def test_check_names_both_indices_of_an_element_of_a_table():
    target = np.zeros((4, 3))
    target[2, 1] = 2.0
    refuses(
        ValueError,
        r"target\[2, 1\] is 2",
        "BinaryCrossEntropy",
        fl.BinaryCrossEntropy().check,
        np.zeros((4, 3)),
        target,
    )


@each_case
def test_check_names_nan_in_pred(case, rng):
    pred, target = case.draw(rng, case.shape(12, 4), np.float64)
    pred[7:] = np.nan
    pattern = r"pred\[7\] is nan" if pred.ndim == 1 else r"pred\[7, 0\] is nan"
    refuses(ValueError, pattern, case.name, case.make(pred.shape).check, pred, target)


@pytest.mark.parametrize("name", ["PoissonNLL", "ExponentialNLL", "GammaNLL"])
def test_check_names_a_mean_that_is_negative(name):
    pred = np.array([1.0, 2.0, -0.5])
    loss = getattr(fl, name)(log_input=False)
    refuses(ValueError, r"pred\[2\] is -0.5", name, loss.check, pred, np.ones(3))


def test_check_names_a_probability_outside_0_and_1():
    loss = fl.BinaryCrossEntropy(from_logits=False)
    for bad in (1.5, -0.5):
        refuses(
            ValueError,
            rf"pred\[1\] is {shown(bad)}",
            "BinaryCrossEntropy",
            loss.check,
            [0.5, bad],
            [0.0, 1.0],
        )
    negative = np.array([[0.5, 0.5], [1.25, -0.25]])
    refuses(
        ValueError,
        r"target\[1, [01]\] is",
        "SoftmaxCrossEntropy",
        fl.SoftmaxCrossEntropy().check,
        np.zeros((2, 2)),
        negative,
    )


@pytest.mark.parametrize("case", ROWS, ids=str)
def test_check_names_a_class_out_of_range(case):
    refuses(IndexError, r"target\[1\] is 3", case.name, case.make().check, np.eye(3), [0, 3, 1])


@each_class
def test_check_names_shapes(case, rng):
    pred, target = case.draw(rng, case.shape(12, 4), np.float64)
    refuses(ValueError, "target", case.name, case.make().check, pred, target[:-1])


# ---- bind


@each_case
@each_dtype
def test_a_bound_call_works_on_what_the_arrays_hold_now(case, dtype, rng):
    shape = case.shape(31, 6)
    pred, target = case.draw(rng, shape, dtype)
    if case.kind == "pointwise":
        target = target.astype(dtype)  # a converted copy would not follow its array
    weight, grad = rng.random(31).astype(dtype), np.empty(shape, dtype)
    loss = case.make(shape)
    step = loss.bind(pred, target, sample_weight=weight, out=grad)
    for _ in range(3):
        want = loss.value_and_grad(pred, target, sample_weight=weight)
        grad.fill(7)
        value = step()
        assert type(value) is float and value == want[0]
        np.testing.assert_array_equal(grad, want[1])
        new_pred, new_target = case.draw(rng, shape, dtype)
        pred[...], target[...] = new_pred, new_target
        weight[...] = rng.random(31)
    assert loss.bind(pred, target)() == loss(pred, target)


@pytest.mark.parametrize("case", ROWS, ids=str)
def test_a_bound_call_checks_labels_and_weights_every_time(case, rng):
    pred, target, weight = rng.normal(size=(8, 3)), np.zeros(8, int), np.ones(8)
    grad = np.full((8, 3), 7.0)
    step = case.make().bind(pred, target, sample_weight=weight, out=grad)
    target[5] = 3
    refuses(IndexError, r"target\[5\] is 3", case.name, step)
    target[5] = 0
    weight[2] = -1
    refuses(ValueError, r"sample_weight\[2\] is -1", case.name, step)
    assert (grad == 7).all()
    weight[2] = 1
    assert step() == case.make()(pred, target) and (grad != 7).any()


@each_class
def test_bind_checks_shapes_and_layouts_at_once(case, rng):
    pred, target = case.draw(rng, case.shape(8, 3), np.float64)
    loss = case.make()
    refuses(ValueError, "target", case.name, loss.bind, pred, target[:-1])
    refuses(ValueError, "out", case.name, loss.bind, pred, target, out=np.empty((1, 2)))
    frozen = read_only(pred)
    refuses(ValueError, "out", case.name, loss.bind, pred, target, out=frozen)


# ---- the arguments are only read


@each_case
@each_dtype
def test_read_only_arguments_are_accepted_and_nothing_is_written_to_any(case, dtype, rng):
    shape = case.shape(29, 5)
    pred, target = (read_only(a) for a in case.draw(rng, shape, dtype))
    weight = read_only(rng.random(29).astype(dtype))
    before = [a.tobytes() for a in (pred, target, weight)]
    loss = case.make(shape)
    all_outputs(case, loss, pred, target, sample_weight=weight)
    loss.predict(pred)
    assert [a.tobytes() for a in (pred, target, weight)] == before
