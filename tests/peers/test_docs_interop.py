# SPDX-License-Identifier: BSD-3-Clause
"""The Python in docs/interop.md runs as written, and prints what it says.

Its tables of built-in objectives are tested in test_interop_xgboost.py and test_interop_lightgbm.py.
"""

import contextlib
import io
import re

import pytest
from interop_docs import blocks


@pytest.mark.parametrize("title", ["Arrays", "PyTorch", "XGBoost", "LightGBM"])
def test_code_runs_as_written_and_prints_what_its_comments_say(title):
    code, names, printed = "\n".join(blocks(title)), {}, io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "interop.md", "exec"), names)
    assert printed.getvalue().splitlines() == re.findall(r"^print\(.*\)  # (.*)", code, re.M)
