# SPDX-License-Identifier: BSD-3-Clause
"""Scripts in processes of their own, for tests of what happens to a whole process. No assertions here."""

import os
import subprocess
import sys
from pathlib import Path

import fastloss


def python(script, *arguments, folder, warnings="error"):
    """Run a script in a process of its own, with the package that is under test."""
    env = {**os.environ, "PYTHONPATH": str(Path(fastloss.__file__).parents[1])}
    command = [sys.executable, "-W", warnings, "-c", script, *map(str, arguments)]
    return subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, timeout=600)


# The libraries named on the command line, imported in that order; each works in turn, several times.
IMPORTED_IN_ORDER = """
import sys
import numpy as np

def fastloss():
    import fastloss as fl
    fl.set_num_threads(2)
    def work():
        pred = np.linspace(-3, 3, 300_000)
        return fl.BinaryCrossEntropy().value_and_grad(pred, (pred > 0).astype(float))[0]
    return work

def sklearn():
    from sklearn.ensemble import HistGradientBoostingClassifier
    def work():
        x = np.linspace(0, 1, 4000).reshape(-1, 2)
        return HistGradientBoostingClassifier(max_iter=3).fit(x, x[:, 0] > 0.5).predict(x).sum()
    return work

def torch():
    import torch
    torch.set_num_threads(2)
    def work():
        a = torch.ones(500, 500, requires_grad=True)
        (a @ a).sum().backward()
        return float(a.grad.sum())
    return work

order = sys.argv[1].split(",")
works = [globals()[name]() for name in order]
first = [work() for work in works]
for _ in range(3):
    assert [work() for work in works] == first
print("ok")
"""
