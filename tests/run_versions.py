# SPDX-License-Identifier: BSD-3-Clause
"""Builds the wheel for every Python of this machine and tests it there, with the oldest NumPy and with the newest.

``python tests/run_versions.py 3.12 --numpy oldest`` does it for one. No assertions here; they are in the test files.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OLDEST_NUMPY = {"3.10": "1.25.0", "3.11": "1.25.0", "3.12": "1.26.0", "3.13": "2.1.0", "3.14": "2.3.2"}
NEEDS = ["pytest>=8", "hypothesis>=6.90", "mpmath>=1.3", "scipy>=1.11", "threadpoolctl>=3"]

# What depends on Python and NumPy, and needs no other library.
TESTS = [
    "test_batchnorm.py",
    "test_dropout.py",
    "test_faults_arguments.py",
    "test_faults_state.py",
    "test_faults_system.py",
    "test_fuzz.py",
    "test_gradients.py",
    "test_losses_arguments.py",
    "test_losses_faults.py",
    "test_losses_properties.py",
    "test_losses_special.py",
    "test_losses_values.py",
    "test_optimizers.py",
    "test_optimizers_state.py",
    "test_regularizers.py",
    "test_schedules.py",
    "test_threads.py",
]


def candidates(version):
    """Where an interpreter of this version may lie: on the path, and where pyenv keeps them."""
    found = shutil.which(f"python{version}")
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    kept = sorted(pyenv.glob(f"{version}*/bin/python{version}"), reverse=True)
    return [*([found] if found else []), *map(str, kept)]


def interpreter(version):
    """An interpreter of this version that runs, or None."""
    for path in candidates(version):
        asked = subprocess.run([path, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], capture_output=True)
        if asked.returncode == 0 and asked.stdout.decode().strip() == version:
            return path
    return None


def run(*command, **options):
    subprocess.run([str(part) for part in command], check=True, **options)


def build(python, folder):
    """The wheel for an interpreter."""
    run(python, "-m", "venv", folder / "build")
    pip = folder / "build" / "bin" / "pip"
    run(pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT)
    (wheel,) = folder.glob("fastloss-*.whl")
    return wheel


def check(python, wheel, numpy, folder, files):
    """Install the wheel beside one NumPy, in an environment of its own, and run the tests; whether they pass."""
    venv = folder / numpy
    run(python, "-m", "venv", venv)
    wanted = "numpy" if numpy == "newest" else f"numpy=={numpy}"
    run(venv / "bin" / "pip", "install", "--quiet", "--no-compile", wanted, wheel, *NEEDS)
    tested = subprocess.run([venv / "bin" / "pytest", *files], cwd=ROOT / "tests")
    shutil.rmtree(venv)
    return tested.returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("versions", nargs="*", help="of Python, as 3.12; all that fastloss supports if none is given")
    parser.add_argument("--numpy", choices=["oldest", "newest", "both"], default="both")
    parser.add_argument("--tests", nargs="*", default=TESTS, help="files in tests")
    chosen = parser.parse_args()
    report, failed = [], False
    for version in chosen.versions or OLDEST_NUMPY:
        python = interpreter(version)
        if python is None:
            report.append(f"Python {version}: NOT FOUND on this machine, not tested")
            failed |= version in chosen.versions
            continue
        with tempfile.TemporaryDirectory(prefix="fastloss-versions-") as name:
            wheel = build(python, Path(name))
            for numpy in {"oldest": [OLDEST_NUMPY[version]], "newest": ["newest"]}.get(
                chosen.numpy, [OLDEST_NUMPY[version], "newest"]
            ):
                begin = time.monotonic()
                good = check(python, wheel, numpy, Path(name), chosen.tests)
                failed |= not good
                words = "passes" if good else "FAILS"
                report.append(f"Python {version} with NumPy {numpy}: {words} ({time.monotonic() - begin:.0f} s)")
    print("\n".join(["", *report]))
    sys.exit(failed)


if __name__ == "__main__":
    main()
