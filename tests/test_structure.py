# SPDX-License-Identifier: BSD-3-Clause
"""The house rules that a reader relies on: which way dependencies run, and what every kernel must come with.

Reads the source files; nothing is computed here.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cases import PARAMETERS

import fastloss
from fastloss import _core

ROOT = Path(__file__).resolve().parents[1]
FLOORS = {  # what the files of a folder may include
    "src_c/simd": {"simd"},
    "src_c/kernels": {"simd", "kernels", "include"},
    "src_c": {"kernels", "include", "core"},
}


def floor_of(header):
    for floor, folder in [
        ("simd", "src_c/simd"),
        ("kernels", "src_c/kernels"),
        ("include", "fastloss/include"),
        ("core", "src_c"),
    ]:
        if (ROOT / folder / header).exists():
            return floor
    raise AssertionError(f"{header} is included but lies in no known folder")


@pytest.mark.parametrize("folder", FLOORS)
def test_includes_run_one_way(folder):
    files = sorted([*(ROOT / folder).glob("*.c"), *(ROOT / folder).glob("*.h")])
    assert files
    for path in files:
        for header in re.findall(r'^#include "([^"]+)"', path.read_text(), re.M):
            assert floor_of(header) in FLOORS[folder], f"{path.name} includes {header}"


def test_the_public_header_includes_only_the_kernel_list():
    text = (ROOT / "fastloss/include/fastloss.h").read_text()
    assert set(re.findall(r'^#include "([^"]+)"', text, re.M)) == {"fastloss_kernels.def"}


def test_losses_import_nothing_above_them():
    allowed = {"numpy", "math", "__future__", "..", ".._core", ".", ".classification", ".regression"}
    for path in (ROOT / "fastloss/losses").glob("*.py"):
        for line in re.findall(r"^(?:from (\S+) import|import (\S+))", path.read_text(), re.M):
            assert (line[0] or line[1]) in allowed, f"{path.name} imports {line}"


NEIGHBOURS = {"torch": "torch", "xgboost": "xgboost", "lightgbm": "lightgbm"}  # module of fastloss.interop: library


def test_each_interface_imports_its_own_library_and_nothing_private_of_the_others():
    for path in (ROOT / "fastloss/interop").glob("*.py"):
        allowed = {"numpy", "math", "inspect", "operator", "__future__", "..", ".._core", NEIGHBOURS.get(path.stem)}
        for line in re.findall(r"^ *(?:from (\S+) import (.*)|import (\S+))", path.read_text(), re.M):
            module, names = (line[0], line[1]) if line[0] else (line[2], "")
            if module == ".boosting" and path.stem in ("xgboost", "lightgbm"):
                assert not re.search(r"\b_", names), f"{path.name} imports {names}"
            else:
                assert module in allowed, f"{path.name} imports {module}"


def in_a_fresh_python(code):
    """What a program prints, with this fastloss."""
    env = {**os.environ, "PYTHONPATH": str(Path(fastloss.__file__).parents[1])}
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout


def test_importing_fastloss_imports_no_neighbour():
    found = in_a_fresh_python("import sys, fastloss; print(*sys.modules)").split()
    assert "fastloss._core" in found
    assert not {"fastloss.interop", "torch", "xgboost", "lightgbm", "sklearn", "scipy", "jax"} & set(found)


@pytest.mark.parametrize("module", NEIGHBOURS)
def test_an_interface_without_its_library_says_what_to_install(module):
    code = f"import sys; sys.modules[{NEIGHBOURS[module]!r}] = None\ntry:\n import fastloss.interop.{module}\n"
    said = in_a_fresh_python(code + "except ImportError as error: print(error)")
    assert said.startswith(f"fastloss.interop.{module} needs ") and f"pip install 'fastloss[{module}]'" in said


def test_every_package_is_installed():
    packages = {f"fastloss.{path.parent.name}" for path in (ROOT / "fastloss").glob("*/__init__.py")}
    (listed,) = re.findall(r"^packages = \[(.*)\]$", (ROOT / "pyproject.toml").read_text(), re.M)
    assert packages < set(re.findall(r'"(.*?)"', listed))


def test_c_code_neither_allocates_nor_prints():
    for path in (ROOT / "src_c").rglob("*.[ch]"):
        found = re.search(r"\b(malloc|calloc|realloc|alloca|printf|fprintf|puts)\s*\(", path.read_text())
        assert not found, f"{path.name} calls {found.group(1)}"


def test_every_kernel_is_listed_in_the_public_header():
    text = (ROOT / "fastloss/include/fastloss.h").read_text()
    comment = text[text.index("/* The losses, each as") : text.index("#define FL_LOSS(")]
    for name in _core.loss_kernels():
        assert re.search(rf"\b{name}\b", comment), f"{name} is missing in the list of fastloss.h"


def test_every_loss_class_is_exported_and_documented():
    for name in fastloss.losses.__all__:
        cls = getattr(fastloss.losses, name)
        assert name == "Loss" or getattr(fastloss, name) is cls
        for part in ("Parameters", "Notes", "Examples") if name != "Loss" else ():
            assert part in cls.__doc__, f"{name} has no section {part}"


def test_every_source_file_says_its_licence():
    for pattern in ("fastloss/**/*.py", "fastloss/**/*.p*x*", "src_c/**/*.[ch]", "tests/*.py", "benchmarks/*.py"):
        for path in ROOT.glob(pattern):
            assert "SPDX-License-Identifier: BSD-3-Clause" in path.read_text()[:2500], path


def test_every_loss_class_has_cases_to_be_tested_on():
    assert set(fastloss.losses.__all__) - {"Loss"} == set(PARAMETERS)
