# SPDX-License-Identifier: BSD-3-Clause
"""docs/interop.md as data: its Python blocks, and its table of built-in objectives of boosters.

What is asserted about them is in the test files.
"""

import math
import re
from dataclasses import dataclass
from pathlib import Path

import fastloss as fl

PAGE = Path(__file__).resolve().parents[2] / "docs" / "interop.md"


@dataclass(frozen=True)
class Row:
    """A built-in objective, and what gives the same trees."""

    library: str
    theirs: dict
    loss: fl.losses.Loss
    hessian: object
    parameters: dict

    def __str__(self):
        return self.theirs["objective"]

    @property
    def target(self):
        """The kind of target that the loss takes, as in boosting_cases.py."""
        kinds = {"PoissonNLL": "counts", "BinaryCrossEntropy": "binary", "SoftmaxCrossEntropy": "classes"}
        kinds |= dict.fromkeys(["GammaNLL", "TweedieNLL"], "positive")
        return kinds.get(type(self.loss).__name__, "real")


def section(title):
    """The text of a section."""
    return re.search(rf"^## {title}$(.*?)(?=^## |\Z)", PAGE.read_text(encoding="utf-8"), re.M | re.S)[1]


def blocks(title):
    """The Python blocks of a section."""
    found = re.findall(r"^```python\n(.*?)^```$", section(title), re.M | re.S)
    assert found
    return found


def built_in(library):
    """The rows of a library's table: parameters of its own objective | loss | hessian | parameters beside ours."""
    cells = re.findall(r"^\| `(.+?)` \| `(.+?)` \| `(.+?)` \| `(.+?)` \|", section(library), re.M)
    assert cells
    names = {"fl": fl, "math": math}
    return [Row(library, *(eval(cell, names) for cell in row)) for row in cells]
