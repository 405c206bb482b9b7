# SPDX-License-Identifier: BSD-3-Clause
"""Fixtures of all tests: seeded random numbers, one run per kernel set of this machine, BLAS on one thread.

What the losses are tested on lives in cases.py.
"""

import os
import zlib

import numpy as np
import pytest
from threadpoolctl import threadpool_limits


@pytest.fixture
def rng(request):
    """A generator seeded by the test's own id, or by FASTLOSS_TEST_SEED; shown on failure."""
    seed = int(os.environ.get("FASTLOSS_TEST_SEED", zlib.crc32(request.node.nodeid.encode())))
    print(f"repeat with FASTLOSS_TEST_SEED={seed}")
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def one_blas_thread():
    """BLAS on one thread: on a busy machine two that wait for each other make small products a hundred times slower."""
    with threadpool_limits(1):
        yield


def pytest_generate_tests(metafunc):
    if "kernel_target" in metafunc.fixturenames:
        from fastloss import _core

        targets = list(_core.targets())
        assert "scalar" in targets, "every machine runs the scalar kernels"
        metafunc.parametrize("kernel_target", targets, indirect=True)


@pytest.fixture
def kernel_target(request):
    """The name of the kernel set in use during the test, each that this machine runs in turn."""
    from fastloss import _core

    before = _core.target()
    _core.use_target(request.param)
    assert _core.target() == request.param
    yield request.param
    _core.use_target(before)
