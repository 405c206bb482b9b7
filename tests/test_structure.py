# SPDX-License-Identifier: BSD-3-Clause
"""The house rules that a reader relies on: which way dependencies run, and what every kernel must come with.

Reads the source files; nothing is computed here.
"""

import importlib.util
import os
import platform
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from building import c_compiler, run
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
    assert set(re.findall(r"^#include <([^>]+)>", text, re.M)) == {"stddef.h", "stdint.h"}


def test_only_one_header_needs_python():
    text = (ROOT / "fastloss/include/fastloss_capi.h").read_text()
    assert re.findall(r"^#include (.+)", text, re.M) == ["<Python.h>", '"fastloss.h"']
    for path in (ROOT / "src_c").rglob("*.[ch]"):
        assert "Python.h" not in path.read_text() and "capi" not in path.read_text(), path.name


def compilations_of_make():
    """(source, flags, macros) of every compiler call that src_c/Makefile would make."""
    compiler = c_compiler()
    settings = ["BUILD=out", f"CC={shlex.join(compiler)}", "CFLAGS=", "CPPFLAGS="]
    plan = run(["make", "-C", ROOT / "src_c", "-n", "-B", *settings])
    for line in plan.splitlines():
        words = shlex.split(line)
        if words[: len(compiler)] != compiler or "-c" not in words:
            continue
        source = words[words.index("-c") + 1]
        words = words[len(compiler) : words.index("-c")]
        macros = {w for w in words if w.startswith("-D") and not w.startswith("-DFL_API=")}
        flags = [w for w in words if w[:2] not in ("-D", "-I") and w != "-fPIC"]
        yield f"src_c/{source}", tuple(flags), frozenset(macros)


def compilations_of_setup(monkeypatch):
    """The same of setup.py."""
    monkeypatch.chdir(ROOT)
    spec = importlib.util.spec_from_file_location("setup_of_fastloss", ROOT / "setup.py")
    setup = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(setup)
    for source, _, flags, macros in setup.compile_jobs(setup.FLAGS, platform.machine().lower()):
        defined = frozenset(f"-D{name}" if value is None else f"-D{name}={value}" for name, value in macros)
        yield source.as_posix(), tuple(flags), defined


def test_make_and_setup_compile_the_same_files_with_the_same_flags(monkeypatch):
    ours, theirs = sorted(compilations_of_make(), key=str), sorted(compilations_of_setup(monkeypatch), key=str)
    assert len(ours) > 30
    assert [(s, f, sorted(m)) for s, f, m in ours] == [(s, f, sorted(m)) for s, f, m in theirs]


def test_every_public_function_is_declared_to_cython():
    text = (ROOT / "fastloss/include/fastloss_kernels.def").read_text()
    members = re.findall(r"^FL_(LOSS|UPDATE|REGULARIZER|FUNCTION|OTHER)\((?:[^(,]+, (?=\w+,\s*\())?(\w+)", text, re.M)
    assert ("OTHER", "plain_loss") in members and ("LOSS", "huber") in members
    declared = (ROOT / "fastloss/_fastloss.pxd").read_text()
    declared = declared[declared.index("ctypedef struct fl_api:") :]
    for family, name in members:
        for member in [name] if family in ("UPDATE", "OTHER") else [f"{name}_f32", f"{name}_f64"]:
            assert re.search(rf"\b{member}\b", declared), member


def test_losses_import_nothing_above_them():
    allowed = {"numpy", "math", "__future__", "..", ".._core", ".", ".classification", ".regression"}
    for path in (ROOT / "fastloss/losses").glob("*.py"):
        for line in re.findall(r"^(?:from (\S+) import|import (\S+))", path.read_text(), re.M):
            assert (line[0] or line[1]) in allowed, f"{path.name} imports {line}"


def test_scipy_and_scikit_learn_are_imported_by_the_estimators_alone():
    allowed = {"_lbfgs.py": {"scipy"}, "sklearn.py": {"sklearn"}}
    for path in (ROOT / "fastloss").rglob("*.py"):
        found = re.findall(r"^\s*(?:from|import) (scipy|sklearn)\b", path.read_text(), re.M)
        assert set(found) <= allowed.get(path.name, set()), f"{path.name} imports {found}"
        if path.name != "sklearn.py":
            assert not re.search(r"^\s*from \.+ import .*(_lbfgs|sklearn)", path.read_text(), re.M), path.name


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
def test_an_interface_without_its_library_says_what_to_install(module, monkeypatch):
    monkeypatch.setitem(sys.modules, NEIGHBOURS[module], None)
    monkeypatch.delitem(sys.modules, f"fastloss.interop.{module}", raising=False)
    with pytest.raises(ImportError, match=rf"^fastloss\.interop\.{module} needs .*pip install 'fastloss\[{module}\]'"):
        importlib.import_module(f"fastloss.interop.{module}")


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
    comment = text[text.index("/* The elementary functions, each as") : text.index("#define FL_FUNCTION(")]
    names = re.findall(r"^FL_FUNCTION\((\w+)", (ROOT / "fastloss/include/fastloss_kernels.def").read_text(), re.M)
    assert names
    for name in names:
        assert re.search(rf"\b{name}\b", comment), f"{name} is missing in the list of fastloss.h"


def test_every_loss_class_is_exported_and_documented():
    for name in fastloss.losses.__all__:
        cls = getattr(fastloss.losses, name)
        assert name == "Loss" or getattr(fastloss, name) is cls
        for part in ("Parameters", "Notes", "Examples") if name != "Loss" else ():
            assert part in cls.__doc__, f"{name} has no section {part}"


def test_every_source_file_says_its_licence():
    for pattern in ("fastloss/**/*.py", "fastloss/**/*.p*x*", "src_c/**/*.[ch]", "src_c/*.mk", "src_c/Makefile",
                    "fastloss/include/*", "tests/*.py", "benchmarks/*.py", "examples/*.py"):  # fmt: skip
        for path in ROOT.glob(pattern):
            assert "SPDX-License-Identifier: BSD-3-Clause" in path.read_text()[:2500], path


def test_every_loss_class_has_cases_to_be_tested_on():
    assert set(fastloss.losses.__all__) - {"Loss"} == set(PARAMETERS)


def test_importing_fastloss_brings_no_module_that_is_slow_to_import():
    code = """
import sys, numpy
before = set(sys.modules)
import fastloss
slow = {"zipfile", "json", "hashlib", "pathlib", "shutil", "subprocess", "inspect", "dataclasses"}
assert not slow & (set(sys.modules) - before), slow & (set(sys.modules) - before)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
