# SPDX-License-Identifier: BSD-3-Clause
"""The optimizers: against the reference and recorded paths of PyTorch, to the bit against themselves, and the seeds'
variants. What a failed step leaves and what goes to files is in test_optimizers_state.py.
"""

import functools
import json
import math
from pathlib import Path

import numpy as np
import optimizer_cases as cases
import pytest
from reference_optimizers import LEARNING_RATES, Reference

import fastloss as fl
from fastloss import _core

DATA = Path(__file__).parent / "data" / "torch_trajectories.npz"
CASES = [(name, {**shared, **options}) for name, options in cases.OWN for shared in cases.SHARED]
each_case = pytest.mark.parametrize("case", CASES, ids=cases.label)
each_own_case = pytest.mark.parametrize("case", cases.OWN, ids=cases.label)
each_name = pytest.mark.parametrize("name", sorted(LEARNING_RATES))
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def steps_of(case, params, count, course=cases.gradients):
    """The optimizer after `count` steps on the course, which have changed `params`."""
    name, options = case
    opt = getattr(fl, name)(params, **options)
    for t in range(1, count + 1):
        opt.step(course(params, t))
    return opt


def bits(arrays):
    return b"".join(a.tobytes() for a in arrays)


def everything(opt, params):
    """The bytes of the parameters and the state."""
    entries = opt.state_dict()["state"].values()
    return bits(params) + bits(np.asarray(v) for entry in entries for v in entry.values())


# ---- the formulas ----


@each_case
def test_a_path_in_float64_is_that_of_the_reference(case):
    name, options = case
    params = cases.start()
    reference = Reference(name, params, **options)
    opt = getattr(fl, name)(params, **options)
    for t in range(1, 51):
        grads = cases.gradients(params, t)
        opt.step(grads)
        reference.step(grads)
    for w, expected in zip(params, reference.params, strict=True):
        # a few roundings of 2^-53 a step, 50 steps; entries near 0 are sums of larger ones
        np.testing.assert_allclose(w, expected, rtol=1e-13, atol=1e-13)


@each_case
@each_dtype
def test_a_first_step_is_right_to_the_rounding(case, dtype, kernel_target):
    name, options = case
    params = cases.start(dtype)
    reference = Reference(name, params, **options)
    before = [w.copy() for w in params]
    grads = cases.gradients(params, 1)
    getattr(fl, name)(params, **options).step(grads)
    reference.step(grads)
    # About a dozen operations on the way to the update, each with half an ULP, and one more on w; the variance of a
    # centered RMSprop and a gradient that decay nearly cancels lose a few more.
    eps = np.finfo(dtype).eps
    for w, old, expected in zip(params, before, reference.params, strict=True):
        bound = 2 * eps * np.abs(old) + 64 * eps * np.abs(expected - old) + np.finfo(dtype).tiny
        assert np.all(np.abs(w - expected) <= bound)


@each_own_case
@each_dtype
def test_every_size_of_tail_is_computed(case, dtype, kernel_target, rng):
    name, options = case
    sizes = range(2 * 16 + 2)
    params = [rng.normal(size=n).astype(dtype) for n in sizes]
    whole = np.concatenate(params)
    opt, opt_whole = getattr(fl, name)(params, **options), getattr(fl, name)(whole, **options)
    for _ in range(3):
        grads = [rng.normal(size=n).astype(dtype) for n in sizes]
        opt.step(grads)
        opt_whole.step(np.concatenate(grads))
    assert np.concatenate(params).tobytes() == whole.tobytes()


def test_nothing_past_the_end_of_an_array_is_written(kernel_target):
    for n in range(34):
        memory = np.full(n + 2, 7.0, np.float32)
        opt = fl.Adam(memory[1:-1] if n else memory[1:1], lr=0.1)
        opt.step(np.ones(n, np.float32))
        assert memory[0] == 7 and memory[-1] == 7
        assert np.all(memory[1:-1] != 7)


def test_every_kernel_is_reached_by_a_case():
    kernels = {getattr(fl, name)(np.ones(1), **options)._plan(
        getattr(fl, name)(np.ones(1), **options)._chosen)[0] for name, options in cases.OWN}  # fmt: skip
    assert kernels == set(_core.update_kernels())


def test_defaults_are_those_of_the_contract():
    for name, lr in LEARNING_RATES.items():
        opt = getattr(fl, name)(np.ones(1))
        assert opt.lr == lr
        assert opt.weight_decay == (0.01 if name == "AdamW" else 0.0)
        assert (opt.maximize, opt.clip_value, opt.clip_norm, opt.nonfinite) == (False, None, None, "propagate")


# ---- PyTorch's recorded paths ----


def recorded():
    with np.load(DATA, allow_pickle=False) as file:
        return json.loads(str(file["about"])), {key: file[key] for key in file.files if key != "about"}


ABOUT, ARRAYS = recorded()
each_recorded = pytest.mark.parametrize(
    "number", range(len(ABOUT["cases"])), ids=[cases.label((c["name"], c["options"])) for c in ABOUT["cases"]]
)


def assert_on_path(params, number, t):
    expected = ARRAYS[f"{number}.path"][ABOUT["steps"].index(t)]
    got = np.concatenate([w.ravel() for w in params])
    # 1e-12: each side rounds a few operations per step to 2^-53, and the course pulls differences together again
    assert np.abs(got - expected).max() <= 1e-12 * np.abs(expected).max()


def test_every_case_that_torch_has_is_recorded():
    have = {cases.label((c["name"], {k: tuple(v) if isinstance(v, list) else v for k, v in c["options"].items()}))
            for c in ABOUT["cases"]}  # fmt: skip
    assert {cases.label(case) for case in cases.OWN if cases.in_torch(*case)} <= have
    assert ABOUT["torch"].startswith("2.") and ABOUT["steps"][-1] == 1000


@each_recorded
def test_a_thousand_steps_follow_the_recorded_path_of_torch(number):
    case = ABOUT["cases"][number]
    params = cases.start()
    opt = getattr(fl, case["name"])(params, **case["options"])
    for t in range(1, ABOUT["steps"][-1] + 1):
        opt.step(cases.gradients(params, t))
        if t in ABOUT["steps"]:
            assert_on_path(params, number, t)


def recorded_state(number):
    """The recorded state dict, with arrays."""
    sizes = [w.size for w in cases.start()]
    state = {k: {} for k in range(len(sizes))}
    for key, flat in ARRAYS.items():
        owner, name = key.split(".")
        if int(owner) != number or name == "path":
            continue
        scalar = name in ("step", "mu_product")
        pieces = np.split(flat, np.cumsum([1] * len(sizes) if scalar else sizes)[:-1])
        for k, (piece, shape) in enumerate(zip(pieces, cases.SHAPES, strict=True)):
            state[k][name] = piece.reshape(() if scalar else shape)
    return {"state": state, "param_groups": ABOUT["cases"][number]["param_groups"]}


@each_recorded
def test_a_recorded_state_of_torch_loads_and_goes_on_along_its_path(number):
    case, t = ABOUT["cases"][number], ABOUT["state_at"]
    flat = ARRAYS[f"{number}.path"][ABOUT["steps"].index(t)]
    params, begin = [], 0
    for w in cases.start():
        params.append(flat[begin : begin + w.size].reshape(w.shape).copy())
        begin += w.size
    clips = {k: v for k, v in case["options"].items() if k.startswith("clip")}
    opt = getattr(fl, case["name"])(params, **clips)
    opt.load_state_dict(recorded_state(number))
    for step in range(t + 1, ABOUT["steps"][-1] + 1):
        opt.step(cases.gradients(params, step))
    assert_on_path(params, number, ABOUT["steps"][-1])


# ---- the same bits ----


@functools.cache
def wave(n, dtype, t):
    g = (np.sin(np.arange(n) * 0.37 + t) * 10.0 ** (t % 7 - 3)).astype(dtype)
    g.flags.writeable = False
    return g


def big_course(params, t):
    return [wave(w.size, w.dtype, t) for w in params]


def big_start(dtype):
    return [np.cos(np.arange(n)).astype(dtype) for n in (120_000, 1, 17, 20_011)]  # enough for threads to start


ALL_OPTIONS = {"clip_value": 5.0, "clip_norm": 3.0, "weight_decay": 0.01, "maximize": True}


@each_own_case
@each_dtype
@pytest.mark.parametrize("shared", [{}, ALL_OPTIONS], ids=["plain", "all options"])
def test_every_kernel_set_gives_the_same_bits(case, dtype, shared):
    name, options = case
    before, results = _core.target(), {}
    try:
        for target in _core.targets():
            _core.use_target(target)
            params = [w[:5003] for w in big_start(dtype)]
            opt = steps_of((name, {**shared, **options}), params, 7, big_course)
            results[target] = everything(opt, params)
    finally:
        _core.use_target(before)
    assert len(set(results.values())) == 1


@each_own_case
@each_dtype
def test_every_number_of_threads_gives_the_same_bits(case, dtype):
    name, options = case
    before, results = fl.get_num_threads(), set()
    try:
        for threads in range(1, 9):
            fl.set_num_threads(threads)
            params = big_start(dtype)
            opt = steps_of((name, {**ALL_OPTIONS, **options}), params, 3, big_course)
            results.add(everything(opt, params))
    finally:
        fl.set_num_threads(before)
    assert len(results) == 1


@each_own_case
@each_dtype
@pytest.mark.parametrize("shared", [{}, ALL_OPTIONS], ids=["plain", "all options"])
def test_every_split_into_tensors_gives_the_same_bits(case, dtype, shared, rng):
    name, options = case
    n = 50_000
    start = rng.normal(size=n).astype(dtype)
    grads = [(rng.normal(size=n) * 10.0 ** rng.integers(-12, 12, size=n)).astype(dtype) for _ in range(3)]
    results = set()
    for pieces in (1, 2, 7, 300):
        cuts = np.sort(rng.integers(0, n, size=pieces - 1))
        params = [p.copy() for p in np.split(start, cuts)]
        opt = getattr(fl, name)(params, **{**shared, **options})
        for g in grads:
            opt.step(np.split(g, cuts))
        results.add(np.concatenate(params).tobytes())
    assert len(results) == 1


# ---- the norm of all gradients ----


def factor_of(grads, clip_norm=1.0, **options):
    """What clipping multiplied the gradients by, seen in a step of plain descent from 0."""
    params = [np.zeros_like(g) for g in grads]
    fl.SGD(params, lr=1.0, clip_norm=clip_norm, **options).step(grads)
    return params


@each_dtype
def test_the_norm_is_exact_whatever_the_sizes_of_the_entries(dtype, kernel_target, rng):
    for spread in (0, 3, 12):
        g = (rng.normal(size=20_001) * 10.0 ** rng.uniform(-spread, spread, size=20_001)).astype(dtype)
        norm = math.sqrt(math.fsum(float(x) ** 2 for x in g))
        (w,) = factor_of([g])
        # a dozen roundings: of the squares (each relative), root, quotient, product
        np.testing.assert_allclose(-w, g.astype(float) * min(1, 1 / (norm + 1e-6)), rtol=4 * np.finfo(dtype).eps)


def test_the_norm_neither_overflows_nor_underflows(kernel_target):
    for size in (1e300, 1e-3, 1e200):
        (w,) = factor_of([np.array([3 * size, -4 * size])], clip_norm=1e-9)
        np.testing.assert_allclose(w, np.array([-0.6, 0.8]) * 1e-9 * (5 * size / (5 * size + 1e-6)), rtol=1e-14)
    (w,) = factor_of([np.full(3, 3e38, np.float32)])
    np.testing.assert_allclose(w, -1 / math.sqrt(3), rtol=1e-6)
    (w,) = factor_of([np.array([5e-324, 1e-310])])
    assert np.array_equal(w, [-5e-324, -1e-310])


def test_a_norm_below_the_limit_changes_no_bit(rng):
    g = rng.normal(size=100)
    (w,) = factor_of([g], clip_norm=1e3)
    assert np.array_equal(-w, g)


def test_float32_and_float64_arrays_share_one_norm():
    w, v = factor_of([np.array([3.0], np.float32), np.array([4.0])])
    assert w.dtype == np.float32 and v.dtype == np.float64
    assert w[0] == pytest.approx(-0.6, rel=1e-6) and v[0] == pytest.approx(-0.8, rel=1e-6)


def test_values_are_clipped_before_the_norm_is_taken(kernel_target):
    (w,) = factor_of([np.array([100.0, 3.0, -1e9, 4.0])], clip_value=4.0, clip_norm=1.0)
    clipped = np.array([4.0, 3.0, -4.0, 4.0])
    np.testing.assert_allclose(-w, clipped / (math.sqrt(57) + 1e-6), rtol=1e-14)


def test_infinity_and_nan_go_through_clipping_as_in_torch(kernel_target):
    (w,) = factor_of([np.array([1.0, np.inf])])  # factor 1 / inf = 0
    assert w[0] == 0 and np.isnan(w[1])
    (w,) = factor_of([np.array([1.0, np.nan])])
    assert np.isnan(w).all()
    w = np.zeros(3)
    fl.SGD(w, lr=1.0, clip_value=2.0).step(np.array([np.inf, -np.inf, np.nan]))
    assert np.array_equal(w, [-2.0, 2.0, np.nan], equal_nan=True)


@each_own_case
@each_dtype
def test_nan_in_a_gradient_makes_that_entry_nan_and_no_other(case, dtype, kernel_target):
    name, options = case
    w = np.ones(37, dtype)
    opt = getattr(fl, name)(w, **options)
    g = np.full(37, 0.5, dtype)
    opt.step(g)
    g[5] = g[36] = np.nan
    opt.step(g)
    opt.step(np.full(37, 0.5, dtype))
    assert set(np.flatnonzero(np.isnan(w))) == {5, 36}


def test_a_centered_rmsprop_stays_finite_where_the_gradient_never_changes(kernel_target):
    w = np.zeros(16, np.float32)
    opt = fl.RMSprop(w, centered=True, alpha=0.5)
    for _ in range(500):
        opt.step(np.full(16, 0.1, np.float32))
    assert np.isfinite(w).all()


# ---- the seeds' variants ----


def quadratic(w):
    """An ill-conditioned bowl's gradient."""
    return np.array([1.0, 20.0]) * w


def test_without_bias_correction_adam_is_the_plain_formula():
    w, m, v = np.array([1.0, -1.0]), 0.0, 0.0
    path = w.copy()
    opt = fl.Adam(path, lr=0.01, bias_correction=False)
    for _ in range(100):
        g = quadratic(w)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        w = w - 0.01 * m / (np.sqrt(v) + 1e-8)
        opt.step(quadratic(path))
    np.testing.assert_allclose(path, w, rtol=1e-12)


@pytest.mark.parametrize("name, kept", [("Adagrad", 1.0), ("RMSprop", 0.99)])
def test_eps_stands_inside_the_root_where_that_is_wanted(name, kept):
    w, total = np.array([1.0, -1.0]), 0.0
    path = w.copy()
    opt = getattr(fl, name)(path, lr=0.001, eps=0.1, eps_inside=True)
    for _ in range(100):
        g = quadratic(w)
        total = kept * total + (1 - kept if kept < 1 else 1) * g**2
        w = w - 0.001 * g / np.sqrt(total + 0.1)
        opt.step(quadratic(path))
    np.testing.assert_allclose(path, w, rtol=1e-12)


def test_momentum_on_the_last_update_is_the_same_path():
    w, dw = np.array([1.0, -1.0]), 0.0
    path = w.copy()
    opt = fl.SGD(path, lr=0.01, momentum=0.9)
    for _ in range(100):
        dw = -0.01 * quadratic(w) + 0.9 * dw
        w = w + dw
        opt.step(quadratic(path))
    np.testing.assert_allclose(path, w, rtol=1e-11)


def test_nesterov_at_the_look_ahead_point_is_the_same_path_after_a_change_of_variable():
    """dw = mu dw - lr g(w + mu dw), w += dw; our parameter is where that looks ahead to: w + mu dw."""
    w, dw = np.array([1.0, -1.0]), 0.0
    path = w.copy()
    opt = fl.SGD(path, lr=0.01, momentum=0.9, nesterov=True)
    for _ in range(100):
        dw = 0.9 * dw - 0.01 * quadratic(w + 0.9 * dw)
        w = w + dw
        opt.step(quadratic(path))
        np.testing.assert_allclose(path, w + 0.9 * dw, rtol=1e-10, atol=1e-14)


def test_radam_begins_with_plain_momentum_and_turns_adaptive():
    """With beta2 = 0.999, rho passes 5 at the sixth step; until then the step is in proportion to the gradient."""
    small, large = np.zeros(1), np.zeros(1)
    a, b = fl.RAdam(small, lr=0.1), fl.RAdam(large, lr=0.1)
    for t in range(1, 8):
        before = small[0], large[0]
        a.step(np.array([1.0]))
        b.step(np.array([10.0]))
        ratio = (large[0] - before[1]) / (small[0] - before[0])
        assert ratio == pytest.approx(10.0 if t <= 5 else 1.0, rel=1e-6)


# ---- what comes in ----


def test_parameters_may_be_one_array_a_list_or_a_dict():
    for wrap in (lambda a, b: [a, b], lambda a, b: (a, b), lambda a, b: {"a": a, "b": b}):
        a, b = np.zeros(3), np.zeros((2, 2), np.float32)
        opt = fl.SGD(wrap(a, b), lr=1.0)
        opt.step(wrap(np.ones(3), np.full((2, 2), 2, np.float32)))
        assert np.all(a == -1) and np.all(b == -2)
    w = np.zeros(3)
    fl.SGD(w, lr=1.0).step(np.ones(3))
    assert np.all(w == -1)


def test_a_dict_of_gradients_may_have_another_order():
    a, b = np.zeros(1), np.zeros(1)
    fl.SGD({"a": a, "b": b}, lr=1.0).step({"b": np.full(1, 2.0), "a": np.full(1, 1.0)})
    assert (a[0], b[0]) == (-1, -2)


def test_gradients_may_be_read_only_strided_fortran_big_endian_or_a_list(rng):
    g = rng.normal(size=(4, 6))
    readonly = g.copy()
    readonly.flags.writeable = False
    wide = np.zeros((4, 12))
    wide[:, ::2] = g
    forms = [g, readonly, wide[:, ::2], np.asfortranarray(g), g[::-1][::-1], g.astype(">f8"), g.tolist()]
    for form in forms:
        w = np.zeros((4, 6))
        fl.SGD(w, lr=1.0).step(form)
        assert np.array_equal(-w, g)


def test_a_view_of_a_larger_array_is_updated_and_the_rest_left():
    memory = np.zeros((4, 3))
    fl.SGD([memory[0], memory[2]], lr=1.0).step([np.ones(3), np.full(3, 2.0)])
    assert np.array_equal(memory[:, 0], [-1, 0, -2, 0])


def test_a_gradient_may_lie_in_a_gap_between_parameters():
    memory = np.zeros((3, 3))
    memory[1] = 5
    opt = fl.SGD([memory[0], memory[2]], lr=1.0)
    opt.step([memory[1], memory[1]])
    assert np.array_equal(memory[:, 0], [-5, 5, -5])


def test_memory_that_offers_a_buffer_is_updated_in_place():
    from array import array

    w = array("d", [1.0, 2.0])
    fl.SGD(w, lr=1.0).step(np.ones(2))
    assert w.tolist() == [0.0, 1.0]


def test_an_optimizer_says_what_it_is():
    opt = fl.Adam([np.ones(2)], lr=0.5)
    assert repr(opt).startswith("<Adam of 1 array after 0 steps: lr=0.5, betas=(0.9, 0.999), eps=1e-08")
    assert opt.betas == (0.9, 0.999) and opt.t == 0
    assert "betas" in dir(opt)
    with pytest.raises(AttributeError):
        opt.momentum  # noqa: B018
    assert opt.params[0].shape == (2,)


def test_two_threads_may_step_two_optimizers_at_once():
    from concurrent.futures import ThreadPoolExecutor

    def run(seed):
        w = np.full(30_000, float(seed))
        opt = fl.Adam(w)
        for t in range(20):
            opt.step(np.cos(w + t))
        return w.tobytes()

    alone = [run(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(run, range(4))) == alone


def test_two_threads_in_one_optimizer_get_whole_steps_or_an_error():
    from concurrent.futures import ThreadPoolExecutor

    w, g = np.zeros(100_000), np.ones(100_000)
    opt = fl.SGD(w, lr=1.0)

    def run(_):
        taken = 0
        for _ in range(200):
            try:
                opt.step(g)
                taken += 1
            except RuntimeError as error:
                assert "another thread is in a step" in str(error)
        return taken

    with ThreadPoolExecutor(2) as pool:
        taken = sum(pool.map(run, range(2)))
    assert opt.t == taken and np.all(w == -taken)
