# SPDX-License-Identifier: BSD-3-Clause
"""Arrays of other libraries are read, and where they can be written, written: their own memory, never a copy.

Which arrays of NumPy are taken is tested with the losses and optimizers.
"""

import array
import tracemalloc

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import fastloss as fl
from fastloss import _check


class OnlyDLPack:
    """An array that offers DLPack and nothing else."""

    def __init__(self, values, readonly=False):
        self.values = np.array(values)
        self.values.flags.writeable = not readonly

    def __dlpack__(self, **options):
        return self.values.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.values.__dlpack_device__()


def address(x):
    if isinstance(x, torch.Tensor):
        return x.data_ptr()
    if isinstance(x, jax.Array):
        return x.unsafe_buffer_pointer()
    if isinstance(x, OnlyDLPack):
        return x.values.ctypes.data
    return np.frombuffer(x, np.uint8).ctypes.data


CODES = {"float32": "f", "float64": "d", "int64": "q"}
MAKERS = {
    "torch": lambda a: torch.tensor(a),
    "array.array": lambda a: array.array(CODES[a.dtype.name], a.ravel()),
    "memoryview": lambda a: memoryview(bytearray(a.tobytes())).cast("B").cast(CODES[a.dtype.name], a.shape),
    "DLPack": lambda a: OnlyDLPack(a),
    "jax": lambda a: jnp.asarray(a),
}
each_maker = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
each_writeable = pytest.mark.parametrize(
    "make", [m for n, m in MAKERS.items() if n != "jax"], ids=[n for n in MAKERS if n != "jax"]
)
each_float = pytest.mark.parametrize("dtype", ["float32", "float64"])


@pytest.fixture(autouse=True)
def doubles():
    """JAX makes float32 and int32 of everything else otherwise."""
    with jax.enable_x64(True):
        yield


@each_float
@each_maker
def test_memory_is_shared_where_it_is_read(make, dtype, rng):
    x = make(rng.normal(size=7).astype(dtype))
    for read in (_check.as_array, _check.as_floats):
        got = read("who", "x", x)
        assert got.dtype == dtype and got.shape == (7,) and got.ctypes.data == address(x)
    labels = make(np.arange(7))
    assert _check.as_labels("who", "y", labels, None)[0].ctypes.data == address(labels)


@each_float
@each_maker
def test_losses_give_the_same_for_every_array(make, dtype, rng):
    z, y = rng.normal(size=(2, 50)).astype(dtype)
    w = rng.uniform(size=50).astype(dtype)
    loss = fl.LogCosh()
    value, grad = loss.value_and_grad(z, y, sample_weight=w)
    others, same = loss.value_and_grad(make(z), make(y), sample_weight=make(w))
    assert value == others and isinstance(same, np.ndarray)
    np.testing.assert_array_equal(grad, same)


@pytest.mark.parametrize("name", ["torch", "memoryview", "DLPack", "jax"])
def test_losses_over_classes_read_tables_and_labels(name, rng):
    z, y = rng.normal(size=(20, 4)), rng.integers(0, 4, 20)
    make = MAKERS[name]
    value, grad = fl.SoftmaxCrossEntropy().value_and_grad(z, y)
    others, same = fl.SoftmaxCrossEntropy().value_and_grad(make(z), make(y))
    assert value == others
    np.testing.assert_array_equal(grad, same)


@each_maker
def test_reading_allocates_nothing_that_grows_with_the_data(make):
    z, y = make(np.ones(1_000_000)), make(np.zeros(1_000_000))
    out = np.empty(1_000_000)
    loss = fl.SquaredError()
    loss.value_and_grad(z, y, out=out)
    tracemalloc.start()
    loss.value_and_grad(z, y, out=out)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000  # of 8,000,000 bytes


@each_float
@each_writeable
def test_gradients_are_written_into_their_memory(make, dtype, rng):
    z, y = rng.normal(size=(2, 50)).astype(dtype)
    _, grad = fl.LogCosh().value_and_grad(z, y)
    out = make(np.zeros(50, dtype))
    _, same = fl.LogCosh().value_and_grad(make(z), make(y), out=out)
    assert same is out
    np.testing.assert_array_equal(_check.as_array("who", "out", out), grad)
    bound = make(np.zeros(50, dtype))
    fl.LogCosh().bind(make(z), make(y), out=bound)()
    np.testing.assert_array_equal(_check.as_array("who", "out", bound), grad)


@each_float
@each_writeable
def test_optimizers_update_their_memory(make, dtype, rng):
    w, g = rng.normal(size=(2, 50)).astype(dtype)
    given, before = make(w), None
    before = address(given)
    ours, theirs = fl.Adam([w.copy()], lr=0.1), fl.Adam([given], lr=0.1)
    for _ in range(3):
        ours.step([g])
        theirs.step([make(g)])
    assert address(given) == before
    np.testing.assert_array_equal(_check.as_array("who", "w", given), ours.params[0])


@each_writeable
def test_what_their_owner_writes_later_is_seen(make):
    z = make(np.zeros(3))
    step = fl.SquaredError(reduction="sum").bind(z, np.zeros(3))
    assert step() == 0.0
    owner = z.values if isinstance(z, OnlyDLPack) else z
    owner[1] = 2.0
    assert step() == 4.0


# ---- what cannot be written


@pytest.mark.parametrize(
    "make",
    [lambda a: jnp.asarray(a), lambda a: OnlyDLPack(a, readonly=True), lambda a: memoryview(a.tobytes()).cast("d")],
    ids=["jax", "DLPack", "bytes"],
)
def test_read_only_arrays_are_read_but_refused_where_they_would_be_written(make):
    x = make(np.ones(3))
    assert fl.SquaredError()(x, np.zeros(3)) == 1.0
    with pytest.raises(ValueError, match="SquaredError: out is read-only, but must be writeable"):
        fl.SquaredError().value_and_grad(np.ones(3), np.zeros(3), out=x)
    with pytest.raises(ValueError, match="SGD: params is read-only, but must be writeable"):
        fl.SGD(x)
    assert np.array_equal(_check.as_array("who", "x", x), np.ones(3))


def test_a_tensor_that_requires_grad_is_refused_with_the_remedy():
    x, plain = torch.ones(3, requires_grad=True), np.zeros(3, np.float32)
    for call in (
        lambda: fl.SquaredError()(x, plain),
        lambda: fl.SquaredError()(plain, x),
        lambda: fl.SquaredError()(plain, plain, sample_weight=x),
        lambda: fl.SquaredError().value_and_grad(plain, plain, out=x),
        lambda: fl.SGD([x]),
        lambda: fl.SGD([plain]).step([x]),
    ):
        with pytest.raises(TypeError, match=r"is a (Tensor|Parameter) that NumPy cannot read.*use tensor.detach\(\)"):
            call()
    assert fl.SquaredError()(x.detach(), plain) == 1.0


@pytest.mark.parametrize(
    "tensor",
    [torch.ones(3, device="meta"), torch.ones(3, dtype=torch.bfloat16), torch.ones(3).to_sparse()],
    ids=["meta", "bfloat16", "sparse"],
)
def test_tensors_that_numpy_cannot_read_are_refused(tensor):
    with pytest.raises(TypeError, match="SquaredError: pred is a Tensor that NumPy cannot read"):
        fl.SquaredError()(tensor, np.zeros(3))


def test_a_lazily_negated_tensor_is_read_with_its_sign():
    x = torch.tensor([1.0 + 2.0j]).conj().imag
    assert x.is_neg() and fl.SquaredError()(x, np.zeros(1, np.float32)) == 4.0 and float(x) == -2.0
    assert fl.AbsoluteError().value_and_grad(x, np.zeros(1, np.float32))[1] == -1.0


def test_strided_tensors_are_read_and_written_row_by_row():
    table = torch.zeros(4, 6)
    z, grad = torch.ones(4, 3), table[:, 1:4]
    fl.SquaredError(reduction="sum").value_and_grad(z, torch.zeros(4, 3), out=grad)
    assert table.sum() == 24 and table[:, 0].sum() == 0 and table[:, 4:].sum() == 0
