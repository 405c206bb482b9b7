# SPDX-License-Identifier: BSD-3-Clause
# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
"""The compiled module: one wrapper per kind of kernel, and the choice of kernel set and threads.

The wrappers stand in one file per room; every check of an argument and every message is in ``_check.py``.
"""
import copyreg
import os

cimport cython

from ._dispatch cimport *

cimport numpy as cnp
from cpython.float cimport PyFloat_FromDouble
from cpython.pycapsule cimport PyCapsule_New
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset

cnp.import_array()

from . import _check

ctypedef fused real:
    float
    double

include "_losses.pxi"
include "_optimizers.pxi"

# regularizers
include "_regularizers.pxi"

# linear models
include "_linear.pxi"


# ---- kernel sets and threads ----

def targets():
    """Names of the kernel sets that this machine can run, best first."""
    names = []
    while fl_target_name(<int>len(names)) != NULL:
        names.append(fl_target_name(<int>len(names)).decode())
    return names


def target():
    """Name of the kernel set in use."""
    return fl_target().decode()


def use_target(str name not None):
    """Switch to another kernel set, for tests and measurements; ``FASTLOSS_TARGET`` is the way for users."""
    if not fl_use_target(name.encode()):
        raise ValueError(f"use_target: {name!r} is not a kernel set that runs here ({', '.join(targets())})")


def set_num_threads(threads):
    """Set the number of threads that a call may use, at least 1; also an upper bound for large machines."""
    n = _check.positive_int("set_num_threads", "threads", threads)
    if n > 2**31 - 1:
        raise ValueError(f"set_num_threads: threads is {n}, but must be at most {2**31 - 1}")
    fl_set_num_threads(n)


def get_num_threads():
    """The number of threads that a call may use."""
    return fl_get_num_threads()


def has_threads():
    """Whether the C code was built with threads."""
    return bool(fl_has_threads())


def compiler():
    """The compiler that built the C code."""
    return fl_compiler().decode()


def loss_kernels():
    """Names of all loss kernels and the kind of each, as in fastloss_kernels.def."""
    kinds = {FL_KIND_POINTWISE: "pointwise", FL_KIND_ROOT: "root", FL_KIND_PAIRS: "pairs",
             FL_KIND_LABELS: "labels", FL_KIND_PROBABILITIES: "probabilities"}
    return {fl_losses[i].name.decode(): kinds[fl_losses[i].kind] for i in range(FL_LOSS_COUNT)}


def update_kernels():
    """Names of all optimizer kernels and the number of states of each, as in fastloss_kernels.def."""
    return {fl_updates[i].name.decode(): fl_updates[i].states for i in range(FL_UPDATE_COUNT)}


# regularizers
def regularizer_kernels():
    """Names of all regularizer kernels, as in fastloss_kernels.def."""
    return [fl_regularizers[i].name.decode() for i in range(FL_REGULARIZER_COUNT)]


# ---- for other languages and modules ----

compiled_for_fastloss_0_1 = &fl_api_table
_C_API = PyCapsule_New(<void *>&fl_api_table, "fastloss._core._C_API", NULL)


def get_function_address(str name not None):
    """Address of a function of the C interface, for ctypes, numba and others that call C functions by address.

    Parameters
    ----------
    name : str
        The function's name in ``fastloss.h`` without ``fl_``: ``"huber_f64"``, ``"adam"``, ``"plain_loss"``.

    Returns
    -------
    int
        The address, good for the life of the process. What the function takes is said in ``fastloss.h``, which lies
        in :func:`get_include`.

    Raises
    ------
    ValueError
        If there is no function of that name.

    Examples
    --------
    >>> import ctypes
    >>> import fastloss as fl
    >>> version = ctypes.CFUNCTYPE(ctypes.c_int)(fl.get_function_address("version"))
    >>> version() == sum(int(n) * 100**k for k, n in zip((2, 1, 0), fl.__version__.split(".")))
    True
    """
    cdef Py_ssize_t i = 0
    while fl_public_functions[i].name != NULL:
        if fl_public_functions[i].name == name.encode():
            return <Py_ssize_t>fl_public_functions[i].address
        i += 1
    raise ValueError(f"get_function_address: name is {name!r}, but must be a function of fastloss.h without its fl_")


def _choose_target():
    wanted = os.environ.get("FASTLOSS_TARGET")
    if wanted is not None and not fl_use_target(os.fsencode(wanted)):
        raise ImportError(f"fastloss: FASTLOSS_TARGET is {wanted!r}, but this machine runs {', '.join(targets())}")


_choose_target()
