# SPDX-License-Identifier: BSD-3-Clause
"""Programs, extension modules and Cython code of others, built out of tree: against the installed package's headers and
what `make lib` makes. The files of docs/embedding.md are taken from the page.

Every function of fastloss/kernels.pxd is called in test_kernels_pxd.py.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from building import ENV, ROOT, WARNINGS, c_compiler, run
from scipy.special import log_softmax, softmax

import fastloss as fl

PAGE = (ROOT / "docs/embedding.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"`(\w+\.(?:c|cpp|pyx))`[^`]*?:\n\n```\w+\n(.*?)^```", PAGE, re.M | re.S))
COMMANDS = [line for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.M | re.S) for line in block.splitlines()]
SETUPS = re.findall(r"```python\n((?:(?!```).)*?setup\(.*?)^```", PAGE, re.M | re.S)
needs_cpp = pytest.mark.skipif(not shutil.which("c++"), reason="no C++ compiler is installed")


@pytest.fixture(scope="session")
def prefix(tmp_path_factory):
    """A folder with what `make install-lib` installs. Kept in build/c, the library is compiled when sources change."""
    folder = tmp_path_factory.mktemp("prefix")
    make = ["make", "-C", ROOT / "src_c", f"CC={shlex.join(c_compiler())}"]
    run([*make, f"-j{os.cpu_count()}"])
    run([*make, "install", f"PREFIX={folder}"])
    return folder


def build_as_the_page_says(name, prefix, folder):
    """The file of that name from the page, compiled by every command of the page that names it."""
    (folder / name).write_text(FILES[name])
    commands = [c for c in COMMANDS if f" {name} " in c]
    assert commands
    for command in commands:
        words = shlex.split(command.replace("$PREFIX", str(prefix)))
        compiler = c_compiler() if words[0] == "cc" else ["c++"]
        run([*compiler, *WARNINGS, *words[1:]], cwd=folder)


def run_program(path, prefix, **variables):
    return run([path], env={**os.environ, "LD_LIBRARY_PATH": str(prefix / "lib"), **variables}).split()


def compile_and_run(source, prefix, folder, *flags):
    """A C program of the test's own, linked statically: its words."""
    (folder / "program.c").write_text(source)
    library = [prefix / "lib/libfastloss.a", "-lm", "-pthread"]
    run([*c_compiler(), "-std=c99", *WARNINGS, *flags, f"-I{prefix}/include", "program.c", *library, "-o", "program"],
        cwd=folder)  # fmt: skip
    return run([folder / "program"]).split()


# ---- C and C++


@pytest.mark.parametrize("program", ["softmax", "softmax_static"])
def test_the_c_program_of_the_page_gives_the_softmax_cross_entropy(program, prefix, tmp_path):
    build_as_the_page_says("softmax.c", prefix, tmp_path)
    logits, labels = np.array([[1, 2, 3], [0.5, -1, 0]]), np.array([2, 1])
    value, grad = map(float, run_program(tmp_path / program, prefix))
    # a sum of two terms, each within 4 ULP
    assert value == pytest.approx(-log_softmax(logits, axis=1)[[0, 1], labels].mean(), rel=1e-15)
    assert grad == pytest.approx(softmax(logits, axis=1)[0, 0] / 2, rel=1e-15)


@needs_cpp
def test_the_cpp_program_of_the_page_steps_like_adam(prefix, tmp_path):
    build_as_the_page_says("step.cpp", prefix, tmp_path)
    param, steps = map(float, run_program(tmp_path / "step", prefix))
    # with one gradient throughout, every step of Adam is lr; eps / 0.5 = 2e-8 of it and rounding of floats aside
    assert param == pytest.approx(1 - 3 * 0.01, abs=3 * 2**-24 + 1e-9)
    assert steps == 3


@pytest.mark.parametrize(
    ("compiler", "flags"),
    [
        ("gcc", "-x c -std=c99"),
        ("clang", "-x c -std=c99"),
        ("g++", "-x c++ -std=c++11"),
        ("clang++", "-x c++ -std=c++11"),
    ],
)
def test_the_header_is_clean(compiler, flags, tmp_path):
    if not shutil.which(compiler):
        pytest.skip(f"{compiler} is not installed")
    source = tmp_path / "empty"
    source.write_text("#include <fastloss.h>\nint main(void) { return !fl_compatible(FASTLOSS_VERSION); }\n")
    command = [compiler, *flags.split(), "-pedantic", *WARNINGS, f"-I{fl.get_include()}", "-c", source]
    run([*command, "-o", tmp_path / "empty.o"])


def test_the_library_exports_every_public_function_and_nothing_else(prefix):
    names = run(["nm", "-D", "--defined-only", prefix / "lib/libfastloss.so"]).split()[2::3]
    expected = {"fl_version"}
    for family, name in kernels():
        expected |= {f"fl_{name}"} if family in ("UPDATE", "OTHER") else {f"fl_{name}_f32", f"fl_{name}_f64"}
    assert set(names) == expected


def test_every_symbol_of_the_static_library_has_our_prefix(prefix):
    lines = run(["nm", "-g", "--defined-only", prefix / "lib/libfastloss.a"]).splitlines()
    names = [line.split()[2] for line in lines if len(line.split()) == 3]
    assert len(names) > 100
    assert all(name.startswith("fl_") for name in names)


def definitions():
    return Path(fl.get_include(), "fastloss_kernels.def").read_text(encoding="utf-8")


def kernels():
    """(family, name) of every line of fastloss_kernels.def."""
    lines = re.findall(r"^FL_(LOSS|UPDATE|REGULARIZER|FUNCTION)\((\w+), ", definitions(), re.M)
    return lines + [("OTHER", name) for name in re.findall(r"^FL_OTHER\([^,]+, (\w+),", definitions(), re.M)]


def test_pkg_config_describes_the_installation(prefix):
    text = (prefix / "lib/pkgconfig/fastloss.pc").read_text()
    assert f"Version: {fl.__version__}\n" in text
    assert "@" not in text
    if shutil.which("pkg-config"):
        env = {**os.environ, "PKG_CONFIG_PATH": str(prefix / "lib/pkgconfig")}
        words = run(["pkg-config", "--cflags", "--libs", "fastloss"], env=env).split()
        assert words == [f"-I{prefix}/include", f"-L{prefix}/lib", "-lfastloss"]


def test_the_shared_library_names_its_version(prefix):
    major, minor, _ = fl.__version__.split(".")
    series = f"0.{minor}" if major == "0" else major
    assert (prefix / f"lib/libfastloss.so.{series}").is_symlink()
    assert f"libfastloss.so.{series}]" in run(["readelf", "-d", prefix / "lib/libfastloss.so"])


def test_the_environment_chooses_the_kernels_of_a_program(prefix, tmp_path, kernel_target):
    source = "#include <fastloss.h>\n#include <stdio.h>\nint main(void) { puts(fl_target()); return 0; }\n"
    compile_and_run(source, prefix, tmp_path)
    assert run_program(tmp_path / "program", prefix, FASTLOSS_TARGET=kernel_target) == [kernel_target]


def test_a_bad_label_comes_back_as_a_status_with_nothing_written(prefix, tmp_path):
    source = (
        FILES["softmax.c"].replace("{2, 1}", "{2, 3}").replace("grad[2][3];", "grad[2][3] = {{7, 7, 7}, {7, 7, 7}};")
    )
    source = re.sub(
        r"if \(fl_softmax\S+ != FL_OK\) return 1;", "const fl_status s = fl_softmax_cross_entropy_f64(&call);", source
    )
    source = source.replace(
        '"%.17g %.17g\\n", call.value, grad[0][0]',
        '"%d %d %d %g %g\\n", s == FL_BAD_LABEL, (int)call.bad, FL_BAD_LABEL, grad[0][0], grad[1][2]',
    )
    assert compile_and_run(source, prefix, tmp_path) == ["1", "1", "1", "7", "7"]


def test_many_threads_of_a_program_get_the_same_bits(prefix, tmp_path):
    source = r"""
#define _POSIX_C_SOURCE 200809L
#include <fastloss.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { N = 200000, THREADS = 8 };
static double x[N], zero[N], grad[THREADS][N], value[THREADS];

static void *work(void *argument) {
    const int t = (int)(ptrdiff_t)argument;
    for (int i = 0; i < 20; i++)
        fl_plain_loss(fl_log_cosh_f64, 1, N, x, zero, 0, NULL, FL_MEAN, grad[t], &value[t]);
    return NULL;
}

int main(void) {
    pthread_t thread[THREADS];
    int same = 1;
    for (int i = 0; i < N; i++) x[i] = (i % 2001 - 1000) * 0.01;
    fl_set_num_threads(2);
    for (ptrdiff_t t = 0; t < THREADS; t++) pthread_create(&thread[t], NULL, work, (void *)t);
    for (int t = 0; t < THREADS; t++) pthread_join(thread[t], NULL);
    for (int t = 1; t < THREADS; t++)
        same &= value[t] == value[0] && memcmp(grad[t], grad[0], sizeof grad[0]) == 0;
    printf("%d %.17g\n", same, value[0]);
    return 0;
}
"""
    same, value = compile_and_run(source, prefix, tmp_path)
    x = (np.arange(200_000) % 2001 - 1000) * 0.01
    assert same == "1"
    assert float(value) == pytest.approx(np.mean(np.logaddexp(x, -x) - np.log(2)), rel=1e-14)


# ---- versions


def test_header_package_and_metadata_have_one_version():
    text = Path(fl.get_include(), "fastloss.h").read_text(encoding="utf-8")
    parts = [
        re.search(rf"^#define FASTLOSS_VERSION_{part} (\d+)$", text, re.M)[1] for part in ("MAJOR", "MINOR", "PATCH")
    ]
    assert ".".join(parts) == fl.__version__
    assert f'version = "{fl.__version__}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    series = "_".join(parts[:2] if parts[0] == "0" else parts[:1])
    for name in ("_core.pxd", "kernels.pxd"):
        pxd = Path(fl.__file__).with_name(name).read_text(encoding="utf-8")
        assert re.search(rf"\bcompiled_for_fastloss_{series}\b", pxd)


@pytest.mark.parametrize(
    ("library", "header", "serves"),
    [
        ("1.2.3", "1.2.3", True),
        ("1.2.3", "1.2.9", True),
        ("1.3.0", "1.2.9", True),
        ("1.2.9", "1.3.0", False),
        ("2.0.0", "1.2.3", False),
        ("1.2.3", "2.0.0", False),
        ("0.1.5", "0.1.0", True),
        ("0.1.0", "0.1.5", True),
        ("0.2.0", "0.1.0", False),
        ("0.1.0", "0.2.0", False),
        ("1.0.0", "0.9.0", False),
        ("0.9.0", "1.0.0", False),
    ],
)
def test_which_versions_serve_which(library, header, serves, tmp_path):
    numbers = [sum(int(n) * 100**k for k, n in zip((2, 1, 0), v.split("."))) for v in (library, header)]
    claim = f"typedef char claim[FASTLOSS_COMPATIBLE({numbers[0]}, {numbers[1]}) == {int(serves)} ? 1 : -1];\n"
    (tmp_path / "claim.c").write_text("#include <fastloss.h>\n" + claim)
    run([*c_compiler(), f"-I{fl.get_include()}", "-c", "claim.c", "-o", "claim.o"], cwd=tmp_path)


# ---- extension modules


def headers_of_version(folder, version):
    """A copy of the headers that says another version."""
    shutil.copytree(fl.get_include(), folder)
    path = folder / "fastloss.h"
    text = path.read_text(encoding="utf-8")
    for part, number in zip(("MAJOR", "MINOR", "PATCH"), version.split(".")):
        text = re.sub(rf"(#define FASTLOSS_VERSION_{part}) \d+", rf"\1 {number}", text)
    path.write_text(text, encoding="utf-8")
    return folder


def build_extension(name, folder, include=None):
    """The page's file of that name with its setup.py, built in place."""
    (folder / name).write_text(FILES[name])
    (setup,) = (s for s in SETUPS if name in s)
    if include:
        setup = setup.replace("fastloss.get_include()", repr(str(include)))
    (folder / "setup.py").write_text(setup)
    run([sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"], cwd=folder, env=ENV)


def python(code, folder):
    return subprocess.run([sys.executable, "-c", code], cwd=folder, env=ENV, capture_output=True, text=True)


def test_the_c_extension_of_the_page_calls_through_the_capsule(tmp_path):
    build_extension("mylosses.c", tmp_path)
    code = "from array import array; import mylosses; "
    done = python(code + "print(mylosses.huber(array('d', [0, 3]), array('d', [0.5, 0]), 1.0))", tmp_path)
    assert done.stdout.split() == ["1.3125"], done.stderr  # (0.5^2 / 2 + 1 * (3 - 1/2)) / 2


@pytest.mark.parametrize("version", ["0.0.9", "0.99.0", "1.0.0", "99.0.0"])
def test_an_extension_compiled_for_another_version_says_so_when_imported(version, tmp_path):
    build_extension("mylosses.c", tmp_path, headers_of_version(tmp_path / "include", version))
    done = python("import mylosses", tmp_path)
    compiled = ".".join(version.split(".")[:2])
    said = f"fastloss: this module was compiled for version {compiled}, but version {fl.__version__} is installed"
    assert done.stderr.splitlines()[-1].startswith(f"ImportError: {said}")


def test_get_function_address_refuses_names_that_are_not_there():
    with pytest.raises(ValueError, match="get_function_address: name is 'fl_huber_f64', but must be"):
        fl.get_function_address("fl_huber_f64")
    for family, name in kernels():
        assert fl.get_function_address(name if family in ("UPDATE", "OTHER") else f"{name}_f32")


# ---- Cython


@pytest.fixture(scope="module")
def blocks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("blocks")
    build_extension("blocks.pyx", folder)
    sys.path.insert(0, str(folder))
    try:
        import blocks
    finally:
        sys.path.remove(str(folder))
    return blocks


def test_the_cython_module_of_the_page_sums_over_blocks(blocks, rng):
    logits, labels = rng.normal(size=(1001, 7)), rng.integers(0, 7, 1001)
    grad = np.empty_like(logits)
    value = blocks.loss_in_blocks(logits, labels, grad, 64)
    assert value == pytest.approx(-log_softmax(logits, axis=1)[np.arange(1001), labels].sum(), rel=1e-13)
    np.testing.assert_allclose(grad, softmax(logits, axis=1) - np.eye(7)[labels], rtol=0, atol=4 * 2**-52)


def test_a_bad_label_makes_nan_and_leaves_its_block(blocks, rng):
    logits, labels = rng.normal(size=(30, 4)), rng.integers(0, 4, 30)
    labels[15] = 4
    grad = np.full_like(logits, 7.0)
    assert np.isnan(blocks.loss_in_blocks(logits, labels, grad, 10))
    assert (grad[10:20] == 7).all()
    assert (grad[:10] != 7).all() and (grad[20:] != 7).all()


def test_cython_code_may_be_called_from_many_threads(blocks, rng):
    logits, labels = rng.normal(size=(3000, 10)), rng.integers(0, 10, 3000)
    results = []

    def work():
        grad = np.empty_like(logits)
        for _ in range(10):
            blocks.loss_in_blocks(logits, labels, grad, 3000)
        results.append(grad)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(results) == 6
    assert all(np.array_equal(r, results[0]) for r in results)


def test_a_cython_module_compiled_for_another_version_is_refused_when_imported(tmp_path):
    package = tmp_path / "fastloss"  # the declarations of a later version, in the place of the installed ones
    package.mkdir()
    (package / "__init__.pxd").write_text("")
    for path in Path(fl.__file__).parent.glob("*.pxd"):
        text = path.read_text(encoding="utf-8")
        (package / path.name).write_text(re.sub(r"compiled_for_fastloss_\w+", "compiled_for_fastloss_0_99", text))
    (tmp_path / "blocks.pyx").write_text(FILES["blocks.pyx"])
    run([sys.executable, "-m", "cython", "-I", tmp_path, "blocks.pyx"], cwd=tmp_path)
    shutil.rmtree(package)
    (tmp_path / "setup.py").write_text(
        "import fastloss\nfrom setuptools import Extension, setup\n"
        "module = Extension('blocks', ['blocks.c'], include_dirs=[fastloss.get_include()])\n"
        "setup(name='blocks', ext_modules=[module])\n"
    )
    run([sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"], cwd=tmp_path, env=ENV)
    done = python("import blocks", tmp_path)
    assert "ImportError" in done.stderr and "compiled_for_fastloss_0_99" in done.stderr


# ---- the page's Python


def test_python_of_the_page_runs_and_prints_what_its_comments_say(capsys):
    blocks = [b for b in re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S) if "setup(" not in b]
    assert len(blocks) == 2
    for block in blocks:
        exec(compile(block, "embedding.md", "exec"), {})
    promised = re.findall(r"print\(.*\)  # (.*)", "\n".join(blocks))
    assert capsys.readouterr().out.splitlines() == promised


def test_every_file_of_the_page_is_built_here():
    assert set(FILES) == {"softmax.c", "step.cpp", "mylosses.c", "blocks.pyx"}
    assert len(SETUPS) == 2
    assert len(COMMANDS) == 5 and COMMANDS[:2] == ["make lib -j4", "make install-lib PREFIX=$PREFIX"]
