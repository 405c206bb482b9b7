# SPDX-License-Identifier: BSD-3-Clause
"""What tests need that compile C code: the compilers, the flags of src_c/flags.mk, and the program of tests/c.

What is compiled and what it must say stands in the tests.
"""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import fastloss as fl

ROOT = Path(__file__).resolve().parents[1]
FLAGS = {
    name: words.split()
    for name, words in re.findall(r"^(\w+) =(.*)$", (ROOT / "src_c/flags.mk").read_text(encoding="utf-8"), re.M)
}
ENV = {**os.environ, "PYTHONPATH": str(Path(fl.__file__).parents[1])}  # in which the package under test is found
WARNINGS = ["-Wall", "-Wextra", "-Werror"]


def c_compiler():
    """The C compiler as a list of words: CC, or the system's."""
    return shlex.split(os.environ.get("CC", "")) or [shutil.which("cc") or "gcc"]


def run(command, **options):
    """Run a command to its end; its output. A failure says what it printed."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{shlex.join(map(str, command))}\n{done.stdout}{done.stderr}"
    return done.stdout


def build_accuracy(target, bits, folder):
    """Compile tests/c/accuracy.c for one kernel set and float type; the program's path."""
    program = Path(folder, f"accuracy_{target}_{bits}")
    macros = [f"-DFL_TARGET={target}", f"-DFL_REAL={bits}"]
    includes = [f"-I{ROOT / path}" for path in FLAGS["INCLUDES"]]
    flags = [*FLAGS["BASE"], *FLAGS[f"FLAGS_{target}"], "-O2", *WARNINGS, *macros, *includes]
    run([*c_compiler(), *flags, ROOT / "tests/c/accuracy.c", "-o", program, "-lm"])
    return program
