# SPDX-License-Identifier: BSD-3-Clause
"""The Python in README.md and in docs/guide.md runs as written, and prints what it says; their links lead somewhere."""

import contextlib
import io
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LARGEST_PICTURE = 40_000  # bytes
pytestmark = pytest.mark.usefixtures("one_blas_thread")
each_page = pytest.mark.parametrize("name", ["README.md", "docs/guide.md", "examples/README.md"])


@pytest.mark.parametrize("name", ["README.md", "docs/guide.md"])
def test_code_runs_as_written_and_prints_what_its_comments_say(name):
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(encoding="utf-8"), flags=re.DOTALL)
    assert blocks
    names = {}
    for block in blocks:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(block, name, "exec"), names)
        promised = re.findall(r"print\(.*\)  # (.*)", block)
        assert printed.getvalue().splitlines() == promised, block


@each_page
def test_links_lead_to_files_and_headings(name):
    page = ROOT / name
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    assert links
    for link in links:
        if link.startswith("#"):
            headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
            assert link[1:] in {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
        else:
            assert (page.parent / link).exists(), link


@each_page
def test_pictures_are_small(name):
    page = ROOT / name
    for picture in re.findall(r"!\[.*\]\((.*)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / picture).stat().st_size < LARGEST_PICTURE
