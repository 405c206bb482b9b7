# SPDX-License-Identifier: BSD-3-Clause
"""The elementary functions of src_c/kernels/elementary.c, through the C program tests/c/accuracy.c.

Built here once per kernel set and float type; it compares with the C library's next wider type.
"""

import subprocess

import pytest
from building import build_accuracy

from fastloss import _core

SAMPLE = {32: "4001", 64: "20000"}  # every 4,001st float; so many random doubles per range
BUILDS = [(target, bits) for target in _core.targets() for bits in SAMPLE]


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """Builds the program on first use: (target, bits) -> path."""
    folder, built = tmp_path_factory.mktemp("accuracy"), {}

    def build(target, bits):
        if (target, bits) not in built:
            built[target, bits] = build_accuracy(target, bits, folder)
        return built[target, bits]

    return build


@pytest.mark.parametrize(("target", "bits"), BUILDS)
def test_errors_are_within_the_limits_of_the_program(program, target, bits):
    done = subprocess.run([program(target, bits), "ulp", SAMPLE[bits]], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("target", "bits"), BUILDS)
def test_special_values_are_exact(program, target, bits):
    done = subprocess.run([program(target, bits), "special"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("bits", SAMPLE)
def test_sets_with_fma_agree_in_every_bit(program, bits):
    fused = [t for t in _core.targets() if t != "scalar"]
    if len(fused) < 2:
        pytest.skip("this machine runs fewer than two kernel sets with FMA")
    sums = {
        t: subprocess.run([program(t, bits), "bits", SAMPLE[bits]], capture_output=True, text=True, check=True).stdout
        for t in fused
    }
    assert all(sums[t] and sums[t] == sums[fused[0]] for t in fused), sums
