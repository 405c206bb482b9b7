# SPDX-License-Identifier: BSD-3-Clause
"""Builds the compiled module. Everything that is not a compiler matter stands in pyproject.toml."""

import os
import platform
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
INCLUDES = ["fastloss/include", "src_c", "src_c/kernels", "src_c/simd"]


def machine():
    """The processor to compile for. macOS: one, that of ARCHFLAGS or this one's; kernel sets of two do not mix."""
    if sys.platform == "darwin":
        os.environ.setdefault("ARCHFLAGS", f"-arch {platform.machine()}")
        return os.environ["ARCHFLAGS"].split()[-1].lower()
    return platform.machine().lower()


MACHINE = machine()
GNU = ["-O3", "-g0", "-std=c11", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden"]
if MACHINE == "s390x":
    GNU.append("-fexcess-precision=fast")  # gcc computes there with doubles where C11 lets it, for floats, too

# The kernel sets and what makes the compiler emit their instructions.
TARGETS = {"scalar": ["-O2", "-ftree-vectorize"]}  # -O3 makes it half as large again, and no faster
if sys.platform == "win32":
    pass  # gcc leaves 32-byte vectors unaligned on the stack there (GCC bug 54412)
elif MACHINE in ("x86_64", "amd64"):
    TARGETS["avx2"] = ["-mavx2", "-mfma"]
    TARGETS["avx512"] = ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx2", "-mfma"]
elif MACHINE in ("aarch64", "arm64"):
    TARGETS["neon"] = []


class BuildKernels(build_ext):
    """Compiles every kernel file once per kernel set and float type, each into a folder of its own."""

    def build_extension(self, ext):
        msvc = self.compiler.compiler_type == "msvc"
        targets = {"scalar": []} if msvc else TARGETS
        base = ["/O2", "/std:c11", "/fp:precise"] if msvc else GNU
        threads = [] if sys.platform == "win32" else ["-pthread"]
        have = [(f"FL_HAVE_{name.upper()}", None) for name in targets if name != "scalar"]
        jobs = [(source, "core", base + threads, have) for source in SOURCES]
        for name, flags in targets.items():
            for bits in ("32", "64"):
                macros = [("FL_TARGET", name), ("FL_REAL", bits)]
                jobs += [(source, name + bits, base + flags, macros) for source in KERNELS]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            ext.extra_objects = list(pool.map(self.compile, jobs))
        ext.extra_compile_args = base if msvc else [*base, "-O2"]
        ext.extra_link_args = [*threads, "-s"] if sys.platform.startswith("linux") else threads
        super().build_extension(ext)

    def compile(self, job):
        """One object file; skipped where it is newer than its source and every header."""
        source, folder, flags, macros = job
        output = str(Path(self.build_temp, folder))
        (target,) = self.compiler.object_filenames([str(source)], output_dir=output)
        if self.force or newer_group([source, *HEADERS, "setup.py"], target):
            self.compiler.compile(
                [str(source)], output_dir=output, macros=macros, include_dirs=INCLUDES, extra_preargs=flags
            )
        return target


core = Extension(
    "fastloss._core",
    ["fastloss/_core.pyx"],
    include_dirs=[*INCLUDES, numpy.get_include()],
    define_macros=[("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")],
    depends=["setup.py", *(str(p) for p in [*HEADERS, *SOURCES, *KERNELS, *PYX_PARTS])],
)

setup(
    ext_modules=cythonize([core], build_dir="build/cython", include_path=["fastloss"]),
    cmdclass={"build_ext": BuildKernels},
)
