# SPDX-License-Identifier: BSD-3-Clause
"""Every function of fastloss/kernels.pxd, against the references: a Cython module made here has a Python function of
the same name and arguments for each. What the kernels compute is tested elsewhere; here, that arguments arrive.
"""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import reference
import reference_optimizers
import reference_regularizers
from building import ENV, run
from cases import eps_of
from scipy import special

import fastloss as fl
from fastloss import _core

PXD = Path(fl.__file__).with_name("kernels.pxd")
BAD_SHAPE = 5
DTYPES = {"f32": np.float32, "f64": np.float64}
each_type = pytest.mark.parametrize("bits", DTYPES)

# kernel -> (class, keywords; also those of the kernel after grad and weight, in order)
POINTWISE = {
    "squared_error": ("SquaredError", {"half": True}, [0.5]),
    "root_mean_squared_error": ("RootMeanSquaredError", {}, []),
    "absolute_error": ("AbsoluteError", {}, []),
    "huber": ("Huber", {"delta": 0.7}, [0.7]),
    "log_cosh": ("LogCosh", {}, []),
    "pinball": ("Pinball", {"quantile": 0.3}, [0.3]),
    "epsilon_insensitive": ("EpsilonInsensitive", {"epsilon": 0.2}, [0.2]),
    "epsilon_insensitive_squared": ("EpsilonInsensitive", {"epsilon": 0.2, "squared": True}, [0.2]),
    "gaussian_nll": ("GaussianNLL", {"variance": 2.0, "full": True}, [2.0, 1]),
    "poisson_nll": ("PoissonNLL", {"full": True}, [1]),
    "poisson_nll_rate": ("PoissonNLL", {"log_input": False, "full": True}, [1]),
    "gamma_nll": ("GammaNLL", {"shape": 2.5, "full": True}, [2.5, 1]),
    "gamma_nll_mean": ("GammaNLL", {"shape": 2.5, "log_input": False, "full": True}, [2.5, 1]),
    "tweedie_nll": ("TweedieNLL", {"power": 1.3}, [1.3]),
    "binary_cross_entropy": ("BinaryCrossEntropy", {"pos_weight": 1.5, "label_smoothing": 0.1}, [1.5, 0.1]),
    "binary_cross_entropy_probabilities": (
        "BinaryCrossEntropy",
        {"from_logits": False, "pos_weight": 1.5, "label_smoothing": 0.1},
        [1.5, 0.1],
    ),
    "hinge": ("Hinge", {"margin": 0.8}, [0.8]),
    "hinge_squared": ("Hinge", {"margin": 0.8, "squared": True}, [0.8]),
    "focal": ("Focal", {"gamma": 1.5, "alpha": 0.3}, [1.5, 0.3, 0.7]),
}
ROWS = {
    "softmax_cross_entropy": ("SoftmaxCrossEntropy", {}, []),
    "softmax_cross_entropy_smooth": ("SoftmaxCrossEntropy", {"label_smoothing": 0.2}, [0.2]),
    "multiclass_hinge": ("MulticlassHinge", {"margin": 0.8}, [0.8]),
    "multiclass_hinge_squared": ("MulticlassHinge", {"margin": 0.8, "squared": True}, [0.8]),
    "crammer_singer_hinge": ("CrammerSingerHinge", {"margin": 0.8}, [0.8]),
}
OTHER_ROWS = {
    "gaussian_nll_learned": ("GaussianNLL", {"variance": None, "full": True}, [1]),
    "softmax_cross_entropy_probabilities": ("SoftmaxCrossEntropy", {"label_smoothing": 0.2}, [0.2]),
}
# kernel -> (reference's name, its options, the kernel's after lr)
OPTIMIZERS = {
    "sgd": ("SGD", {}, []),
    "sgd_momentum": ("SGD", {"momentum": 0.8, "nesterov": True}, [0.8, 0.0, 1]),
    "adagrad": ("Adagrad", {"lr_decay": 0.1, "eps": 1e-3, "eps_inside": True}, [0.1, 1e-3, 1]),
    "adadelta": ("Adadelta", {"rho": 0.8, "eps": 1e-4}, [0.8, 1e-4]),
    "rmsprop": ("RMSprop", {"alpha": 0.8, "eps": 1e-3, "eps_inside": True}, [0.8, 1e-3, 1]),
    "rmsprop_momentum": ("RMSprop", {"alpha": 0.8, "eps": 1e-3, "momentum": 0.7}, [0.8, 1e-3, 0.7, 0]),
    "rmsprop_centered": ("RMSprop", {"alpha": 0.8, "eps": 1e-3, "centered": True}, [0.8, 1e-3, 0]),
    "rmsprop_centered_momentum": (
        "RMSprop",
        {"alpha": 0.8, "eps": 1e-3, "momentum": 0.7, "centered": True},
        [0.8, 1e-3, 0.7, 0],
    ),
    "adam": ("Adam", {"betas": (0.8, 0.9), "eps": 1e-3}, [0.8, 0.9, 1e-3, 1, 0]),
    "adam_amsgrad": ("Adam", {"betas": (0.8, 0.9), "eps": 1e-3, "amsgrad": True}, [0.8, 0.9, 1e-3, 1, 0]),
    "radam": ("RAdam", {"betas": (0.8, 0.9), "eps": 1e-3}, [0.8, 0.9, 1e-3]),
    "nadam": ("NAdam", {"betas": (0.8, 0.9), "eps": 1e-3, "momentum_decay": 0.1}, [0.8, 0.9, 1e-3, 0.1]),
    "adamax": ("Adamax", {"betas": (0.8, 0.9), "eps": 1e-3}, [0.8, 0.9, 1e-3]),
    "lion": ("Lion", {"betas": (0.8, 0.9)}, [0.8, 0.9]),
}
FUNCTIONS = {
    "exp": np.exp,
    "log": np.log,
    "log1p": np.log1p,
    "expm1": np.expm1,
    "tanh": np.tanh,
    "sigmoid": special.expit,
}

HEAD = """# cython: language_level=3
from fastloss cimport kernels as k
from fastloss.kernels cimport FL_MEAN, FL_OK, fl_reduction, fl_status
from libc.stdint cimport int64_t, uint8_t, uint64_t


def set_num_threads(int n):
    k.api.set_num_threads(n)


"""
SETUP = """
import fastloss
from Cython.Build import cythonize
from setuptools import Extension, setup

flags = {"include_dirs": [fastloss.get_include()], "extra_compile_args": ["-O0", "-g0"]}
setup(name="every_kernel", ext_modules=cythonize([Extension("every_kernel", ["every_kernel.pyx"], **flags)]))
"""


def declarations():
    """name -> (result type, arguments as written) of the public functions of kernels.pxd."""
    text = re.sub(r"\n {8,}", " ", PXD.read_text(encoding="utf-8"))
    return {
        name: (result, arguments)
        for result, name, arguments in re.findall(
            r"^cdef inline (\w+) (\w+_f(?:32|64))\((.*?)\) noexcept nogil:", text, re.M
        )
        if not name.startswith("map_")
    }


def wrapper(name, result, arguments):
    """A Python function that hands its arguments on; a status that is an argument comes back beside the value."""
    names = [re.split(r"[ *]", argument.split("=")[0])[-1] for argument in re.split(", (?!:)", arguments)]
    given = ", ".join({"status": "&status", "progress": "&progress[0]"}.get(n, n) for n in names)
    taken = arguments.replace("double *progress", "double[::1] progress").replace(", fl_status *status=NULL", "")
    call = f"k.{name}({given})"
    if "status" not in names:
        return f"def {name}({taken}):\n    return {call}\n"
    return f"def {name}({taken}):\n    cdef fl_status status = FL_OK\n    value = {call}\n    return value, status\n"


@pytest.fixture(scope="module")
def kernels(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kernels")
    functions = "\n".join(wrapper(name, *parts) for name, parts in declarations().items())
    (folder / "every_kernel.pyx").write_text(HEAD + functions)
    (folder / "setup.py").write_text(SETUP)
    run([sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"], cwd=folder, env=ENV)
    sys.path.insert(0, str(folder))
    try:
        import every_kernel
    finally:
        sys.path.remove(str(folder))
    return every_kernel


def test_every_line_of_the_kernel_list_has_its_functions():
    names = {*_core.loss_kernels(), *_core.update_kernels(), *_core.regularizer_kernels(), *FUNCTIONS}
    assert set(declarations()) == {f"{name}_{bits}" for name in names for bits in DTYPES}
    assert {*POINTWISE, *ROWS, *OTHER_ROWS} == set(_core.loss_kernels())
    assert set(OPTIMIZERS) == set(_core.update_kernels())


def bound(dtype):
    """What 40 losses of a few units, each within 4 ULP, may differ by."""
    return {"rtol": 40 * eps_of(dtype), "atol": 40 * eps_of(dtype)}


def check_loss(function, cls, params, own, pred, target, weight, exact_target=None):
    """Sum with gradient and weights, and the bare mean of the value alone."""
    exact_target = target if exact_target is None else exact_target
    reduction = "mean" if cls == "RootMeanSquaredError" else "sum"
    expected, expected_grad, _ = reference.evaluate(cls, pred, exact_target, params, weight, reduction)
    grad = np.empty_like(pred)
    value, status = function(pred, target, grad, weight, *own, 1 if reduction == "sum" else 0)
    assert status == 0
    np.testing.assert_allclose(value, expected, **bound(pred.dtype))
    np.testing.assert_allclose(grad, expected_grad, **bound(pred.dtype))
    value, status = function(pred, target, None, None, *own)
    assert status == 0
    np.testing.assert_allclose(value, reference.evaluate(cls, pred, exact_target, params)[0], **bound(pred.dtype))


def pointwise_data(name, rng, dtype):
    pred, target = rng.normal(size=37), rng.normal(size=37)
    if name.startswith(("poisson", "gamma", "tweedie")):
        target = rng.integers(1, 5, 37).astype(float)
    if name.startswith(("binary", "focal")):
        target = rng.integers(0, 2, 37).astype(float)
    if name.startswith("hinge"):
        target = rng.choice([-1.0, 1.0], 37)
    if name.endswith(("_rate", "_mean")):
        pred = np.exp(pred)
    if name.endswith("_probabilities"):
        pred = special.expit(pred)
    return pred.astype(dtype), target.astype(dtype), rng.uniform(0.5, 2, 37).astype(dtype)


@each_type
@pytest.mark.parametrize("name", POINTWISE)
def test_pointwise_losses_contiguous_and_strided(kernels, name, bits, rng):
    arrays = pointwise_data(name, rng, DTYPES[bits])
    check_loss(getattr(kernels, f"{name}_{bits}"), *POINTWISE[name], *arrays)
    strided = [np.repeat(a, 3)[::3] for a in arrays]
    check_loss(getattr(kernels, f"{name}_{bits}"), *POINTWISE[name], strided[0], arrays[1], strided[2])
    check_loss(getattr(kernels, f"{name}_{bits}"), *POINTWISE[name], *(a[::-1] for a in arrays))


@each_type
@pytest.mark.parametrize("name", [*ROWS, *OTHER_ROWS])
def test_losses_over_rows_contiguous_and_strided(kernels, name, bits, rng):
    n, c = 20, 2 if name == "gaussian_nll_learned" else 5
    pred = rng.normal(size=(n, c)).astype(DTYPES[bits])
    weight = rng.uniform(0.5, 2, n).astype(DTYPES[bits])
    target = rng.integers(0, c, n)
    if name == "gaussian_nll_learned":
        target = rng.normal(size=n).astype(DTYPES[bits])
    if name == "softmax_cross_entropy_probabilities":
        target = rng.dirichlet(np.ones(c), n).astype(DTYPES[bits])
    function, case = getattr(kernels, f"{name}_{bits}"), {**ROWS, **OTHER_ROWS}[name]
    check_loss(function, *case, pred, target, weight)
    wide = np.zeros((n, c + 3), DTYPES[bits])
    wide[:, 1 : c + 1] = pred
    check_loss(function, *case, wide[:, 1 : c + 1], np.repeat(target, 2, axis=0)[::2], weight)


@each_type
def test_a_bad_label_is_a_status_and_writes_nothing(kernels, bits):
    pred, grad = np.zeros((3, 4), DTYPES[bits]), np.full((3, 4), 7, DTYPES[bits])
    value, status = getattr(kernels, f"softmax_cross_entropy_{bits}")(pred, np.array([0, 4, 1]), grad)
    assert np.isnan(value) and status == 1 and (grad == 7).all()


@each_type
def test_shapes_that_do_not_fit_are_a_status_and_write_nothing(kernels, bits):
    a, b, table = (np.full(shape, 7, DTYPES[bits]) for shape in (3, 4, (3, 4)))
    labels, mask, double = np.zeros(4, np.int64), np.zeros(4, np.uint8), np.ones(3)

    def call(name, *args):
        answer = getattr(kernels, f"{name}_{bits}")(*args)
        return answer[1] if isinstance(answer, tuple) else answer

    wrong = [
        call("huber", a, b),
        call("huber", a, a, b),
        call("huber", a, a, a.copy(), b),
        call("huber", a, a, None, None, 1.0, 2),  # FL_NONE has no place for its losses
        call("softmax_cross_entropy", table, labels),
        call("softmax_cross_entropy", table, labels[:3], table.T.copy()),
        call("softmax_cross_entropy", table, labels[:3], table.T.copy().T),
        call("softmax_cross_entropy", table, labels[:3], None, b),
        call("gaussian_nll_learned", table, a),
        call("softmax_cross_entropy_probabilities", table, table[:2]),
        call("sgd", a, b, np.array([0.0, 1])),
        call("adam", a, a.copy(), np.zeros((1, 3), DTYPES[bits]), np.array([0.0, 1])),
        call("elastic_net", a, b),
        call("dropout", a, a.copy(), mask, 0.5, 1),
        call("batch_norm", table, table.copy(), double, double, double.copy(), double.copy(), True),
        call("exp", a, b),
    ]
    assert wrong == [BAD_SHAPE] * len(wrong)
    assert all((x == 7).all() for x in (a, b, table))


@each_type
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_follow_the_reference_for_five_steps(kernels, name, bits, rng):
    cls, options, own = OPTIMIZERS[name]
    param = rng.normal(size=33).astype(DTYPES[bits])
    expected = reference_optimizers.Reference(cls, [param], lr=0.05, weight_decay=0.1, **options)
    states = _core.update_kernels()[name]
    state, progress = [np.zeros((states, 33), DTYPES[bits])] * (states > 0), np.array([0.0, 1.0])
    for _ in range(5):
        grad = rng.normal(size=33).astype(DTYPES[bits])
        expected.step([grad])
        assert getattr(kernels, f"{name}_{bits}")(param, grad, *state, progress, 0.05, *own, 0.1) == 0
    assert progress[0] == 5
    # a few roundings a step; the roots and quotients of the adaptive ones magnify them by 1 / eps at most
    np.testing.assert_allclose(param, expected.params[0], rtol=0, atol=2000 * eps_of(DTYPES[bits]))


@each_type
def test_penalties(kernels, bits, rng):
    w = rng.normal(size=50).astype(DTYPES[bits])
    value, slope = reference_regularizers.elastic_net(w.astype(float), 0.3, 0.2)
    grad = np.ones_like(w)
    got, status = getattr(kernels, f"elastic_net_{bits}")(w, grad, 0.3, 0.2, True)
    assert status == 0
    np.testing.assert_allclose(got, value, **bound(w.dtype))
    np.testing.assert_allclose(grad, 1 + slope, **bound(w.dtype))
    shrunk = w.copy()
    assert getattr(kernels, f"elastic_net_prox_{bits}")(shrunk, 0.5 * 0.3, 1 + 2 * 0.5 * 0.2) == 0
    np.testing.assert_allclose(shrunk, reference_regularizers.prox(w.astype(float), 0.5, 0.3, 0.2), **bound(w.dtype))


@each_type
def test_dropout_and_its_gradient(kernels, bits, rng):
    x, y, mask = rng.normal(size=70).astype(DTYPES[bits]), np.empty(70, DTYPES[bits]), np.empty(70, np.uint8)
    assert getattr(kernels, f"dropout_{bits}")(x, y, mask, 0.25, 2**40 + 9) == 0
    np.testing.assert_array_equal(mask, reference_regularizers.dropout_mask((70,), 0.25, 2**40 + 9))
    np.testing.assert_allclose(y, np.where(mask, x / 0.75, 0), **bound(x.dtype))
    back = np.empty_like(x)
    assert getattr(kernels, f"dropout_grad_{bits}")(x, back, mask, 0.25) == 0
    np.testing.assert_array_equal(back, y)


@each_type
def test_layers_over_features(kernels, bits, rng):
    x, dy = rng.normal(size=(2, 30, 4)).astype(DTYPES[bits])
    gamma, beta = rng.uniform(0.5, 2, 4), rng.normal(size=4)
    clipped = x.copy()
    assert getattr(kernels, f"max_norm_{bits}")(clipped, 3.0) == 0
    np.testing.assert_allclose(clipped, reference_regularizers.max_norm(x.astype(float), 3.0, 0), **bound(x.dtype))
    y, mean, variance = np.empty_like(x), np.empty(4), np.empty(4)
    assert getattr(kernels, f"batch_norm_{bits}")(x, y, gamma, beta, mean, variance, True, 1e-3) == 0
    expected = reference_regularizers.batch_norm(x.astype(float), gamma, beta, 1e-3)
    for got, wanted in zip((y, mean, variance), expected):
        np.testing.assert_allclose(got, np.reshape(wanted, got.shape), **bound(x.dtype))
    dx, dgamma, dbeta = np.empty_like(x), np.empty(4), np.empty(4)
    arrays = (dy, x, dx, gamma, mean, variance, dgamma, dbeta)
    assert getattr(kernels, f"batch_norm_grad_{bits}")(*arrays, True, 1e-3) == 0
    expected = reference_regularizers.batch_norm_grad(dy.astype(float), x.astype(float), gamma, 1e-3)
    for got, wanted in zip((dx, dgamma, dbeta), expected):
        np.testing.assert_allclose(got, np.reshape(wanted, got.shape), **bound(x.dtype))


@each_type
@pytest.mark.parametrize("name", FUNCTIONS)
def test_elementary_functions_in_place_and_with_threads(kernels, name, bits, rng, kernel_target):
    x = np.abs(rng.normal(size=100_003)).astype(DTYPES[bits]) + DTYPES[bits](0.01)
    exact = FUNCTIONS[name](x.astype(np.longdouble if bits == "f64" else np.float64))
    ulp = np.spacing(np.abs(exact).astype(DTYPES[bits])).astype(exact.dtype)
    y, function = np.empty_like(x), getattr(kernels, f"{name}_{bits}")
    assert function(x, y) == 0
    assert (np.abs(y - exact) / ulp).max() <= 2
    before = fl.get_num_threads()
    kernels.set_num_threads(2)
    try:
        assert fl.get_num_threads() == 2  # the settings are those of the package
        assert function(x, x) == 0
    finally:
        fl.set_num_threads(before)
    np.testing.assert_array_equal(x, y)


@each_type
def test_empty_arrays_are_nothing_to_do(kernels, bits):
    empty, table = np.empty(0, DTYPES[bits]), np.empty((0, 3), DTYPES[bits])
    assert getattr(kernels, f"huber_{bits}")(empty, empty, empty) == (0.0, 0)
    assert getattr(kernels, f"softmax_cross_entropy_{bits}")(table, np.empty(0, np.int64), table) == (0.0, 0)
    assert getattr(kernels, f"exp_{bits}")(empty, empty) == 0
