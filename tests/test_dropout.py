# SPDX-License-Identifier: BSD-3-Clause
"""Dropout, its gradient, stochastic depth, and the random numbers behind them.

Penalties are in test_regularizers.py.
"""

import numpy as np
import pytest
import reference_regularizers as reference

import fastloss as fl
from fastloss import _core

DTYPES = [np.float32, np.float64]
each_dtype = pytest.mark.parametrize("dtype", DTYPES)

# Philox4x32-10 in kat_vectors of Random123, the library of Salmon et al. 2011: counter, key, result.
KNOWN_ANSWERS = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


# ---- the generator ----


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN_ANSWERS)
def test_generator_gives_the_published_answers(counter, key, answer, kernel_target):
    seed = key[0] | key[1] << 32
    assert tuple(_core.random_words(seed, counter, 1).tolist()) == answer
    assert tuple(reference.philox(counter, key)) == answer


def test_generator_matches_the_reference_at_every_length(kernel_target):
    seed = 0x0123456789ABCDEF
    expected = reference.random_words(seed, 4 * 40)
    for blocks in range(41):
        np.testing.assert_array_equal(_core.random_words(seed, (0, 0, 0, 0), blocks), expected[: 4 * blocks])


def test_the_counter_carries_into_its_second_word(kernel_target):
    words = _core.random_words(5, (0xFFFFFFFE, 3, 0, 0), 20).reshape(20, 4)
    for i in (0, 1, 2, 19):
        low = 0xFFFFFFFE + i
        assert words[i].tolist() == reference.philox((low & 0xFFFFFFFF, 3 + (low >> 32), 0, 0), (5, 0))


# ---- dropout ----


@each_dtype
@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9])
def test_output_and_mask_match_the_definition_at_every_size(dtype, rate, rng, kernel_target):
    for n in [*range(34), 63, 64, 65, 200]:
        x = rng.normal(size=n).astype(dtype)
        y, mask = fl.dropout(x, rate=rate, seed=n)
        np.testing.assert_array_equal(mask, reference.dropout_mask((n,), rate, n))
        assert mask.dtype == np.bool_ and y.dtype == dtype
        np.testing.assert_array_equal(y, np.where(mask, x * dtype(1 / (1 - rate)), dtype(0)))


def test_a_seed_gives_one_mask_for_every_thread_count_target_dtype_and_layout(rng):
    x = rng.normal(size=(301, 517))
    wide = np.zeros((301, 600))
    wide[:, 3:520] = x
    before, threads = _core.target(), fl.get_num_threads()
    _, expected = fl.dropout(x, rate=0.3, seed=12)
    try:
        for name in _core.targets():
            _core.use_target(name)
            for count in (1, 2, 3):
                fl.set_num_threads(count)
                for same in (x, x.astype(np.float32), wide[:, 3:520], np.asfortranarray(x), x.reshape(7, 43, 517)):
                    y, mask = fl.dropout(same, rate=0.3, seed=12)
                    np.testing.assert_array_equal(mask.reshape(x.shape), expected)
                    np.testing.assert_array_equal(y, same * mask * same.dtype.type(1 / 0.7))
    finally:
        _core.use_target(before)
        fl.set_num_threads(threads)
    rows = [0, 150, 300]
    words = reference.random_words(12, 301 * 517).reshape(301, 517)
    np.testing.assert_array_equal(expected[rows], words[rows] >= np.floor(0.3 * 2**32 + 0.5))


def test_a_long_row_in_parts_has_the_mask_of_a_short_one():
    _, long = fl.dropout(np.ones(100_003, np.float32), rate=0.5, seed=3)
    _, short = fl.dropout(np.ones(70, np.float32), rate=0.5, seed=3)
    np.testing.assert_array_equal(long[:70], short)
    np.testing.assert_array_equal(long[-40:], reference.dropout_mask((100_003,), 0.5, 3)[-40:])


@pytest.mark.parametrize("rate", [0.01, 0.25, 0.5, 0.99])
def test_the_share_of_dropped_entries_is_the_rate(rate):
    n = 1_000_000
    for seed in range(5):
        _, mask = fl.dropout(np.ones(n, np.float32), rate=rate, seed=seed)
        # Standard deviations of a binomial count; 5 of them are passed by chance once in 1.7 million.
        assert abs(n - mask.sum() - n * rate) <= 5 * np.sqrt(n * rate * (1 - rate))


def test_neighbours_and_seeds_are_independent():
    n = 1_000_000
    masks = [fl.dropout(np.ones(n, np.float32), rate=0.5, seed=seed)[1] for seed in (0, 1, 2**32, 2**63)]
    pairs = [(masks[0], other) for other in masks[1:]] + [(masks[0][:-k], masks[0][k:]) for k in (1, 2, 4, 64)]
    for a, b in pairs:
        # Agreements of independent fair bits are binomial too.
        assert abs((a == b).sum() - a.size / 2) <= 5 * np.sqrt(a.size / 4)


def test_dropping_keeps_the_mean():
    n, rate = 1_000_000, 0.3
    y, _ = fl.dropout(np.ones(n), rate=rate, seed=1)
    assert abs(y.mean() - 1) <= 5 * np.sqrt(rate / (1 - rate) / n)  # the variance of one entry is rate / (1 - rate)


@each_dtype
def test_dropped_entries_are_zero_whatever_they_held(dtype, kernel_target):
    x = np.array([np.nan, np.inf, -np.inf, -1.0] * 25, dtype)
    y, mask = fl.dropout(x, rate=0.5, seed=0)
    assert (y[~mask] == 0).all() and not np.signbit(y[~mask]).any()
    np.testing.assert_array_equal(y[mask], 2 * x[mask])
    np.testing.assert_array_equal(fl.dropout_grad(x, mask, rate=0.5), y)


@each_dtype
def test_gradient_matches_the_definition_in_every_layout(dtype, rng, kernel_target):
    dy = rng.normal(size=(9, 37)).astype(dtype)
    _, mask = fl.dropout(dy, rate=0.4, seed=9)
    expected = np.where(mask, dy * dtype(1 / 0.6), dtype(0))
    wide = np.zeros((9, 50), dtype)
    wide[:, 5:42] = dy
    wide_mask = np.zeros((18, 37), bool)
    wide_mask[::2] = mask
    for g in (dy, wide[:, 5:42], np.asfortranarray(dy)):
        for m in (mask, wide_mask[::2], np.asfortranarray(mask)):
            dx = fl.dropout_grad(g, m, rate=0.4)
            assert dx.dtype == dtype
            np.testing.assert_array_equal(dx, expected)


def test_gradient_is_that_of_dropout_with_its_mask(rng):
    x, dy = rng.normal(size=50), rng.normal(size=50)
    y, mask = fl.dropout(x, rate=0.5, seed=4)
    moved, _ = fl.dropout(x + 2.0**-20 * dy, rate=0.5, seed=4)
    slope = (moved - y) @ dy / 2.0**-20  # linear: only the sum x + h dy rounds
    assert slope == pytest.approx(fl.dropout_grad(dy, mask, rate=0.5) @ dy, rel=1e-8)


def test_no_seed_means_a_fresh_one():
    x = np.ones(256)
    masks = {fl.dropout(x)[1].tobytes() for _ in range(4)}
    assert len(masks) == 4  # equal with probability 2^-256


def test_rate_zero_keeps_everything_and_shapes_stay():
    for shape in [(), (0,), (3, 0), (0, 3), (2, 3, 4)]:
        x = np.full(shape, 1.5)
        y, mask = fl.dropout(x, rate=0.0, seed=0)
        np.testing.assert_array_equal(y, x)
        assert mask.shape == shape and mask.all()
        assert fl.dropout_grad(x, mask, rate=0.0).shape == shape


def test_the_input_is_not_changed(rng):
    x = rng.normal(size=(4, 5))
    x.flags.writeable = False
    before = x.tobytes()
    fl.dropout(x, rate=0.5, seed=0)
    assert x.tobytes() == before


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (
            lambda: fl.dropout(np.ones(3), rate=1.0),
            ValueError,
            "dropout: rate is 1.0, but must be finite and at least 0",
        ),
        (lambda: fl.dropout(np.ones(3), rate=-0.1), ValueError, "dropout: rate is -0.1"),
        (lambda: fl.dropout(np.ones(3), rate=0.5, seed=-1), ValueError, "dropout: seed is -1, but must be at least 0"),
        (lambda: fl.dropout(np.ones(3), rate=0.5, seed=2**64), ValueError, "dropout: seed is 18446744073709551616"),
        (lambda: fl.dropout(np.ones(3), rate=0.5, seed=0.5), TypeError, "dropout: seed is 0.5, but must be an integer"),
        (lambda: fl.dropout(np.ones(3, complex)), TypeError, "dropout: x is an array of complex128"),
        (lambda: fl.dropout_grad(np.ones(3), np.ones(4, bool), 0.5), ValueError, "dropout_grad: mask has shape (4,)"),
        (lambda: fl.dropout_grad(np.ones(3), np.ones(3), 0.5), TypeError, "dropout_grad: mask is an array of float64"),
        (lambda: fl.dropout_grad(np.ones(3), np.ones(3, bool), 1.5), ValueError, "dropout_grad: rate is 1.5"),
    ],
)
def test_bad_arguments_are_refused(call, kind, message):
    with pytest.raises(kind) as error:
        call()
    assert str(error.value).startswith(message)


# ---- stochastic depth ----


def test_blocks_survive_by_the_linear_rule(kernel_target):
    words = reference.random_words(7, 10, stream=1)
    dropped = np.arange(1, 11) / 10 * 0.5  # 1 - (1 - l/L (1 - survival))
    np.testing.assert_array_equal(fl.stochastic_depth(10, survival=0.5, seed=7), words >= dropped * 2**32)


def test_the_share_of_kept_blocks_is_their_probability():
    runs = 20_000
    kept = np.sum([fl.stochastic_depth(6, survival=0.4, seed=seed) for seed in range(runs)], axis=0)
    p = 1 - np.arange(1, 7) / 6 * 0.6
    assert (np.abs(kept - runs * p) <= 5 * np.sqrt(runs * p * (1 - p))).all()


def test_survival_of_one_keeps_all_and_of_zero_drops_the_last():
    assert all(fl.stochastic_depth(50, survival=1.0, seed=seed).all() for seed in range(20))
    assert not any(fl.stochastic_depth(5, survival=0.0, seed=seed)[-1] for seed in range(50))
    assert fl.stochastic_depth(5).shape == (5,)


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda: fl.stochastic_depth(0), ValueError),
        (lambda: fl.stochastic_depth(2.5), TypeError),
        (lambda: fl.stochastic_depth(3, survival=1.1), ValueError),
        (lambda: fl.stochastic_depth(3, seed=-1), ValueError),
    ],
)
def test_bad_arguments_of_stochastic_depth_are_refused(call, kind):
    with pytest.raises(kind, match="stochastic_depth: "):
        call()
