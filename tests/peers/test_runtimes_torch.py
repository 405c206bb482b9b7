# SPDX-License-Identifier: BSD-3-Clause
"""PyTorch, scikit-learn and fastloss in one process, whichever brings its threads first.

Run by `make test-peers`; without PyTorch the same is in tests/test_faults_system.py.
"""

import itertools

import pytest
from processes import IMPORTED_IN_ORDER, python


@pytest.mark.parametrize("order", [",".join(p) for p in itertools.permutations(["fastloss", "sklearn", "torch"])])
def test_torch_scikit_learn_and_fastloss_work_in_one_process_in_every_order(order, tmp_path):
    run = python(IMPORTED_IN_ORDER, order, folder=tmp_path, warnings="default")
    assert run.returncode == 0 and run.stdout == "ok\n", run.stderr
