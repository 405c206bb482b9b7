# SPDX-License-Identifier: BSD-3-Clause
"""What is installed and what it runs on: the report, the number of threads at start, limits of containers."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from processes import python

import fastloss as fl
from fastloss import _config, _core


def test_the_configuration_names_what_is_in_use(capsys):
    config = fl.show_config(mode="dicts")
    assert config["Kernels"]["target"] == _core.target() and _core.target() in config["Kernels"]["available"]
    assert config["Threads"]["used"] == fl.get_num_threads() and config["Threads"]["processors"] >= 1
    assert config["Versions"]["fastloss"] == fl.__version__ and config["Versions"]["numpy"] == np.__version__
    assert capsys.readouterr().out == ""
    assert fl.show_config() is None
    printed = capsys.readouterr().out
    for section, entries in config.items():
        assert f"{section}:\n" in printed
        assert all(f"  {name}: " in printed for name in entries)
    with pytest.raises(ValueError, match="show_config: mode is 'text', but must be one of 'stdout', 'dicts'"):
        fl.show_config("text")


def test_running_the_package_prints_the_configuration(capsys):
    runpy.run_module("fastloss", run_name="__main__")
    assert "Kernels:" in capsys.readouterr().out
    runpy.run_module("fastloss.__main__", run_name="imported")
    assert capsys.readouterr().out == ""


def test_the_include_folder_holds_the_public_header():
    assert (Path(fl.get_include()) / "fastloss.h").is_file()


def group(folder, **files):
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return folder


@pytest.mark.parametrize(
    "files, limit",
    [
        ({"cpu_dot_max": "150000 100000\n"}, 2),
        ({"cpu_dot_max": "max 100000\n"}, None),
        ({"cpu_dot_max": "0 100000\n"}, None),
        ({"cpu__cpu_dot_cfs_quota_us": "50000\n", "cpu__cpu_dot_cfs_period_us": "100000\n"}, 1),
        ({"cpu__cpu_dot_cfs_quota_us": "-1\n", "cpu__cpu_dot_cfs_period_us": "100000\n"}, None),
        ({"cpu_dot_max": "one two three\n"}, None),
        ({}, None),
    ],
)
def test_the_limit_of_a_container_is_rounded_up(files, limit, tmp_path):
    assert _config.cgroup_limit(str(group(tmp_path, **files))) == limit


def test_processors_are_those_of_the_container_and_the_affinity(monkeypatch):
    monkeypatch.setattr(_config.sys, "platform", "linux")
    monkeypatch.setattr(_config.os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    for limit, count in ((None, 4), (2, 2), (9, 4)):
        monkeypatch.setattr(_config, "cgroup_limit", lambda limit=limit: limit)
        assert _config.processors() == count
    monkeypatch.setattr(_config.sys, "platform", "darwin")
    monkeypatch.delattr(_config.os, "sched_getaffinity")
    monkeypatch.setattr(_config.os, "cpu_count", lambda: None)
    assert _config.processors() == 1


def test_threads_at_start_follow_the_environment(monkeypatch):
    monkeypatch.setattr(_config, "processors", lambda: 6)
    for own, omp, count in [
        (None, None, 6),
        ("3", "2", 3),
        (" 3 ", None, 3),
        ("99999999999", None, 2**31 - 1),
        (None, "2", 2),
        (None, "64", 6),
        (None, "4,2", 4),
        (None, "0", 6),
        (None, "many", 6),
    ]:
        for name, value in (("FASTLOSS_NUM_THREADS", own), ("OMP_NUM_THREADS", omp)):
            monkeypatch.delenv(name, raising=False)
            if value is not None:
                monkeypatch.setenv(name, value)
        assert _config.threads_at_start() == count


@pytest.mark.parametrize("nonsense", ["0", "-1", "many", "", "1" * 200])
def test_nonsense_in_the_number_of_threads_is_warned_of_and_ignored(nonsense, monkeypatch):
    monkeypatch.setattr(_config, "processors", lambda: 6)
    monkeypatch.setenv("FASTLOSS_NUM_THREADS", nonsense)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with pytest.warns(RuntimeWarning, match=r"FASTLOSS_NUM_THREADS is .*, but must be an integer of at least 1"):
        assert _config.threads_at_start() == 6


def test_a_kernel_set_that_does_not_run_here_is_an_import_error(tmp_path, monkeypatch):
    monkeypatch.setenv("FASTLOSS_TARGET", "abacus")
    run = python("import fastloss", folder=tmp_path)
    assert run.returncode == 1
    assert "ImportError: fastloss: FASTLOSS_TARGET is 'abacus', but this machine runs" in run.stderr
    monkeypatch.setenv("FASTLOSS_TARGET", "scalar")
    assert python("from fastloss import _core; assert _core.target() == 'scalar'", folder=tmp_path).returncode == 0
