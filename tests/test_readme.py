# SPDX-License-Identifier: BSD-3-Clause
"""The Python in README.md runs as written, and prints what it says."""

import contextlib
import io
import re
from pathlib import Path

README = (Path(__file__).resolve().parent.parent / "README.md").read_text(encoding="utf-8")


def test_code_runs_as_written_and_prints_what_its_comments_say():
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert blocks
    names, printed = {}, io.StringIO()
    with contextlib.redirect_stdout(printed):
        for block in blocks:
            exec(compile(block, "README.md", "exec"), names)
    promised = re.findall(r"print\(.*\)  # (.*)", "\n".join(blocks))
    assert printed.getvalue().splitlines() == promised
