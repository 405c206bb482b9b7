# SPDX-License-Identifier: BSD-3-Clause
"""The demo, shortened: table, picture and exit status."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def demo():
    """examples/demo.py as a module."""
    spec = importlib.util.spec_from_file_location("demo", ROOT / "examples" / "demo.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_demo_prints_a_table_and_saves_a_picture(demo, tmp_path, capsys):
    picture = tmp_path / "demo.png"
    status = demo.main(["--epochs", "3", "--rounds", "1", "--output", str(picture)])
    out = capsys.readouterr().out
    assert status == 0
    assert picture.stat().st_size > 10_000
    assert str(picture) in out
    header = next(line for line in out.splitlines() if line.startswith("model "))
    assert all(column in header for column in ("loss", "test accuracy", "seconds", "times faster"))
    for name in ("multiclass SVM", "softmax"):
        for backend in ("fastloss", "NumPy"):
            assert any(line.startswith(name) and backend in line for line in out.splitlines())


def test_demo_fails_where_the_backends_disagree(demo, tmp_path, capsys, monkeypatch):
    train = demo.numpy_baseline.train

    def wrong(*args, **options):
        return train(*args, **{**options, "lr": 2 * options["lr"]})

    monkeypatch.setattr(demo.numpy_baseline, "train", wrong)
    assert demo.main(["--epochs", "2", "--rounds", "1", "--output", str(tmp_path / "demo.png")]) == 1
    assert "NOT OK" in capsys.readouterr().out
