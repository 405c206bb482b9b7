# SPDX-License-Identifier: BSD-3-Clause
"""The example scripts run as they are called and leave the pictures that they announce.

The demo has a test of its own.
"""

import os
import subprocess
import sys
from pathlib import Path

import fastloss as fl

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def test_optimizer_paths_prints_every_optimizer_and_saves_two_pictures(tmp_path):
    env = {**os.environ, "PYTHONPATH": str(Path(fl.__file__).parents[1])}
    command = [sys.executable, EXAMPLES / "optimizer_paths.py", "--output", tmp_path]
    done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    names = {line.split()[0] for line in done.stdout.splitlines()[1:-1]}
    assert names >= {"SGD", "Adagrad", "Adadelta", "RMSprop", "Adam", "AdamW", "RAdam", "NAdam", "Adamax", "Lion"}
    for picture in ("optimizer_paths.png", "optimizer_curves.png"):
        assert (tmp_path / picture).read_bytes().startswith(b"\x89PNG")
