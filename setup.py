# SPDX-License-Identifier: BSD-3-Clause
"""Builds the compiled module. Everything that is not a compiler matter stands in pyproject.toml."""

import os
import platform
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.modified import newer_group

KERNELS = sorted(Path("src_c/kernels").glob("*.c"))
SOURCES = sorted(Path("src_c").glob("*.c"))
HEADERS = sorted([*Path("src_c").rglob("*.h"), *Path("fastloss/include").iterdir()])
PYX_PARTS = sorted([*Path("fastloss").glob("*.pxi"), *Path("fastloss").glob("*.pxd")])
FLAGS_FILE = Path("src_c/flags.mk")


def read_flags(text):
    """The lines ``NAME = words`` of flags.mk: name -> list of words."""
    return {name: words.split() for name, words in re.findall(r"^(\w+) =(.*)$", text, re.M)}


def machine():
    """The processor to compile for. macOS: one, that of ARCHFLAGS or this one's; kernel sets of two do not mix."""
    if sys.platform == "darwin":
        os.environ.setdefault("ARCHFLAGS", f"-arch {platform.machine()}")
        return os.environ["ARCHFLAGS"].split()[-1].lower()
    return platform.machine().lower()


def compile_jobs(flags, machine, msvc=False, windows=False):
    """(source, folder for its object, flags, macros) of every C file but the compiled module's own.

    Windows has plain C only: MSVC lacks the vectors that the other sets are written in, and gcc leaves those of 32
    bytes unaligned on the stack there (GCC bug 54412).
    """
    sets = ["scalar"] if msvc or windows else flags.get(f"SETS_{machine}", ["scalar"])
    base = MSVC if msvc else flags["BASE"] + flags.get(f"BASE_{machine}", [])
    threads = [] if msvc or windows else flags["THREADS"]
    have = [(f"FL_HAVE_{name.upper()}", None) for name in sets if name != "scalar"]
    jobs = [(source, "core", base + threads, have) for source in SOURCES]
    for name in sets:
        own = [] if msvc else flags[f"FLAGS_{name}"]
        for bits in ("32", "64"):
            macros = [("FL_TARGET", name), ("FL_REAL", bits)]
            jobs += [(source, name + bits, base + own, macros) for source in KERNELS]
    return jobs


FLAGS = read_flags(FLAGS_FILE.read_text(encoding="utf-8"))
MACHINE = machine()  # before setuptools looks for ARCHFLAGS
MSVC = ["/O2", "/std:c11", "/fp:precise"]


class BuildKernels(build_ext):
    """Compiles every kernel file once per kernel set and float type, each into a folder of its own."""

    def build_extension(self, ext):
        msvc = self.compiler.compiler_type == "msvc"
        windows = sys.platform == "win32"
        jobs = compile_jobs(FLAGS, MACHINE, msvc, windows)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            ext.extra_objects = list(pool.map(self.compile, jobs))
        ext.extra_compile_args = MSVC if msvc else [*FLAGS["BASE"], "-O2"]
        threads = [] if windows else FLAGS["THREADS"]
        ext.extra_link_args = [*threads, "-s"] if sys.platform.startswith("linux") else threads
        super().build_extension(ext)

    def compile(self, job):
        """One object file; skipped where it is newer than its source and every header."""
        source, folder, flags, macros = job
        output = str(Path(self.build_temp, folder))
        (target,) = self.compiler.object_filenames([str(source)], output_dir=output)
        if self.force or newer_group([source, *HEADERS, FLAGS_FILE, "setup.py"], target):
            self.compiler.compile(
                [str(source)], output_dir=output, macros=macros, include_dirs=FLAGS["INCLUDES"], extra_preargs=flags
            )
        return target


def main():
    core = Extension(
        "fastloss._core",
        ["fastloss/_core.pyx"],
        include_dirs=[*FLAGS["INCLUDES"], numpy.get_include()],
        define_macros=[("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")],
        depends=["setup.py", *(str(p) for p in [FLAGS_FILE, *HEADERS, *SOURCES, *KERNELS, *PYX_PARTS])],
    )
    setup(
        ext_modules=cythonize([core], build_dir="build/cython", include_path=["fastloss"]),
        cmdclass={"build_ext": BuildKernels},
    )


if __name__ == "__main__":
    main()
