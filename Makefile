# SPDX-License-Identifier: BSD-3-Clause
# One command per job, each from a clean clone: Python 3.10 or newer (PY=...), a C compiler and make are all it takes.
# The package is built once, as a wheel, and every environment installs that wheel: what runs is what users get.

PY ?= python3
V := .venv
P := .venv-peers
O := .venv-oldest
SOURCES := setup.py pyproject.toml MANIFEST.in README.md \
           $(shell find fastloss src_c -type f ! -name '*.so' ! -path '*/__pycache__/*')
WHEEL = $$(echo $(V)/wheel/*.whl)
# Formatting differs between versions.
RUFF := ruff==0.17.5
# The oldest that the estimators promise, with NumPy and SciPy of that time: wheels exist for Python 3.10 and 3.11.
OLDEST := scikit-learn==1.6.0 scipy==1.11.1 numpy==1.25.2 'pytest>=8,<9'
# xgboost-cpu is XGBoost without what GPUs need, 200 MB of it.
PEERS := torch==2.13.0 keras==3.15.1 jax==0.10.2 xgboost-cpu==3.2.0 lightgbm==4.7.0 numba==0.68.1

BENCH_PEERS := scikit-learn matplotlib
COVERAGE := coverage==7.17.3

.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help demo test test-peers test-oldest test-versions bench bench-peers lib install-lib accuracy lint format clean \
        sanitize sanitize-memory sanitize-threads machines fuzz fuzz-python coverage coverage-c coverage-branches coverage-python need-clang

help:
	@echo "make demo            train the SVM and the softmax classifier on handwritten digits, against NumPy"
	@echo "make test            all tests but those against other libraries, and the examples in the docstrings"
	@echo "make test-peers      the tests against PyTorch, XGBoost, LightGBM, JAX, Keras and numba"
	@echo "make test-oldest     the estimators' tests with the oldest scikit-learn; wants Python 3.10 or 3.11"
	@echo "make test-versions   the core tests on every Python here, with the oldest NumPy and the newest"
	@echo "make bench           times against the NumPy baseline; BENCH='--threads 2' or '-k Adam' passes options on"
	@echo "make bench-peers     times against PyTorch, JAX, scikit-learn and numba; BENCH='--help' shows the options"
	@echo "make lib             libfastloss.a and .so in build/c, without Python; -j4 is faster"
	@echo "make install-lib     PREFIX=/usr/local DESTDIR= installs them with headers and fastloss.pc"
	@echo "make accuracy        the errors of the elementary functions, over all float32 numbers; takes half an hour"
	@echo "make sanitize        the C core's own test under address, undefined-behaviour and thread sanitizers"
	@echo "make machines        the C core's test on every machine that can be emulated here, and their bits compared"
	@echo "make fuzz            feed the C core hostile calls for FUZZ_SECONDS=60; make fuzz-python: the package"
	@echo "make coverage        which lines and branches of C and Python the tests reach"
	@echo "make lint            style checks; make format mends what it can"
	@echo "make clean           remove what the others made"

demo: $(V)/.demo
	$(V)/bin/python examples/demo.py

# From the folder tests, and with pytest's own script: the uncompiled package in this folder must not be found before
# the installed one, neither by the tests nor by the processes that they start. A worker for each processor takes whole
# files (-n 0: none), and so BLAS gets one thread.
test: $(V)/.test
	cd tests && OPENBLAS_NUM_THREADS=1 ../$(V)/bin/pytest -n auto --dist loadfile --ignore=peers .
	cd tests && ../$(V)/bin/pytest --doctest-modules --ignore-glob='/*/fastloss/interop/*' --pyargs fastloss

test-peers: $(P)/.test
	cd tests && OPENBLAS_NUM_THREADS=1 ../$(P)/bin/pytest -n auto --dist loadfile peers
	cd tests && ../$(P)/bin/pytest --doctest-modules --pyargs fastloss.interop

test-oldest: $(O)/.oldest
	cd tests && OPENBLAS_NUM_THREADS=1 ../$(O)/bin/pytest test_sklearn.py

# VERSIONS='3.12 --numpy oldest' takes one only; .ci/run does that.
test-versions:
	$(PY) tests/run_versions.py $(VERSIONS)

fuzz-python: $(V)/.test
	cd tests && FASTLOSS_FUZZ_SECONDS=$(FUZZ_SECONDS) nice ../$(V)/bin/pytest -s test_fuzz.py

# What sees the Python files only: the compiled ones are not traced. In the environment of test-peers, as fastloss.interop,
# and what it alone asks of the other files, is tested against the libraries themselves.
TRACE = cd tests && ../$(P)/bin/coverage run --branch --source=fastloss --data-file=../$(P)/.coverage
coverage-python: $(P)/.test
	$(P)/bin/pip install --quiet $(COVERAGE)
	$(TRACE) -m pytest --ignore=peers .
	$(TRACE) --append -m pytest peers/test_interop_*.py peers/test_arrays_of_others.py
	$(P)/bin/coverage report --data-file=$(P)/.coverage --show-missing --fail-under=100

bench: $(V)/.bench
	OPENBLAS_NUM_THREADS=1 $(V)/bin/pytest --benchmark-quiet benchmarks/test_bench.py $(BENCH)

bench-peers: $(P)/.bench
	mkdir -p benchmarks/results
	$(P)/bin/python benchmarks/run.py --json benchmarks/results/latest.json $(BENCH)

accuracy: $(V)/.test
	cd tests && ../$(V)/bin/python measure_accuracy.py $(ACCURACY)

lib:
	$(MAKE) -C src_c

install-lib:
	$(MAKE) -C src_c install

lint: $(V)/.ruff
	$(V)/bin/ruff check .
	$(V)/bin/ruff format --check .

format: $(V)/.ruff
	$(V)/bin/ruff check --fix .
	$(V)/bin/ruff format .

clean:
	rm -rf $(V) $(P) $(O) build dist fastloss.egg-info .pytest_cache .hypothesis .ruff_cache .benchmarks demo.png
	rm -f fastloss/*.so
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ---- the C core by itself: tests/c/Makefile compiles it without Python ----

CACHE := $(if $(shell command -v ccache),ccache )
CORE := $(MAKE) -s -j$(shell nproc 2>/dev/null || echo 2) -C tests/c
# Those of the kernel sets that this machine runs.
SETS := scalar $(if $(shell grep -m1 -o ' avx2 ' /proc/cpuinfo 2>/dev/null),avx2) \
        $(if $(shell grep -m1 -o ' avx512vl ' /proc/cpuinfo 2>/dev/null),avx512) \
        $(if $(filter aarch64 arm64,$(shell uname -m)),neon)
CHECKED := -O1 -g1 -fno-omit-frame-pointer -fno-sanitize-recover=all
# Small parts, and threads from 64 entries on: what takes large arrays otherwise happens in small ones as well.
SMALL := -DFL_PART_ENTRIES=64 -DFL_UPDATE_PART=64 -DFL_PARALLEL_WORK=64.0
ASAN := $(CHECKED) -fsanitize=address,undefined,float-cast-overflow,fuzzer-no-link $(SMALL)
FUZZ_SECONDS ?= 60
FUZZ_RUNS ?= -1

sanitize: sanitize-memory sanitize-threads

sanitize-memory: need-clang
	$(CORE) OUT=../../build/c/asan CC="$(CACHE)clang" TARGETS="$(SETS)" CFLAGS="$(ASAN)" core
	build/c/asan/core.exe quick > build/c/asan/hashes.txt

sanitize-threads: need-clang
	$(CORE) OUT=../../build/c/tsan CC="$(CACHE)clang" TARGETS="$(SETS)" CFLAGS="$(CHECKED) -fsanitize=thread $(SMALL)" core
	FORKS=0 build/c/tsan/core.exe quick > build/c/tsan/hashes.txt

# Its corpus stays in build/c/corpus; what it finds is written to build/c/found-*.
fuzz: need-clang
	$(CORE) OUT=../../build/c/asan CC="$(CACHE)clang" TARGETS="$(SETS)" CFLAGS="$(ASAN)" fuzz
	mkdir -p build/c/corpus
	build/c/asan/fuzz.exe build/c/corpus -max_total_time=$(FUZZ_SECONDS) -runs=$(FUZZ_RUNS) -max_len=400 \
		-len_control=0 -entropic=0 -rss_limit_mb=6000 -timeout=60 -artifact_prefix=build/c/found- \
		-print_final_stats=1 -verbosity=0

machines:
	tests/c/machines.sh $(MACHINES)

coverage: coverage-c coverage-branches coverage-python

coverage-c:
	find build/c/coverage -name '*.gcda' -delete 2>/dev/null || true
	$(CORE) OUT=../../build/c/coverage CC=gcc TARGETS="$(SETS)" CFLAGS="-O0 --coverage -DCOVERAGE $(SMALL)" core
	build/c/coverage/core.exe quick > build/c/coverage/hashes.txt
	ATFORK_FAILS=1 FASTLOSS_TARGET=scalar build/c/coverage/core.exe quick > build/c/coverage/hashes.txt
	python3 tests/c/coverage.py build/c/coverage --least 100

# Of the same program by clang, which counts a condition once however often it is inlined. Needs llvm-cov.
coverage-branches: need-clang
	$(CORE) OUT=../../build/c/branches CC=clang TARGETS="$(SETS)" \
		CFLAGS="-O0 -fprofile-instr-generate -fcoverage-mapping -DCOVERAGE $(SMALL)" core
	rm -f build/c/branches/*.profraw
	LLVM_PROFILE_FILE=build/c/branches/%p.profraw build/c/branches/core.exe quick > build/c/branches/hashes.txt
	ATFORK_FAILS=1 FASTLOSS_TARGET=scalar LLVM_PROFILE_FILE=build/c/branches/%p.profraw \
		build/c/branches/core.exe quick > build/c/branches/hashes.txt
	llvm-profdata merge build/c/branches/*.profraw -o build/c/branches/core.profdata
	python3 tests/c/branches.py build/c/branches

need-clang:
	@command -v clang >/dev/null || { echo "this needs clang with its sanitizers (apt-get install clang)"; exit 1; }

# ---- environments: a stamp file says that a step is done ----

$(V)/.python $(P)/.python $(O)/.python:
	@command -v $(PY) >/dev/null || { echo "fastloss needs Python 3.10 or newer, but there is no $(PY): give PY=..."; exit 1; }
	@$(PY) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
		echo "fastloss needs Python 3.10 or newer, but $(PY) is $$($(PY) --version 2>&1): give PY=..."; exit 1; }
	$(PY) -m venv $(@D)
	@touch $@

$(V)/.wheel: $(V)/.python $(SOURCES)
	rm -rf $(V)/wheel build/lib* build/bdist*
	$(V)/bin/pip wheel --quiet --no-deps --wheel-dir $(V)/wheel .
	@touch $@

$(V)/.package: $(V)/.wheel
	$(V)/bin/pip install --quiet --no-deps --force-reinstall $(WHEEL)
	@touch $@

$(V)/.demo $(V)/.test $(V)/.bench: $(V)/.package
	$(V)/bin/pip install --quiet --no-compile "$(WHEEL)[$(patsubst .%,%,$(@F))]"
	@touch $@

$(V)/.ruff: $(V)/.python
	$(V)/bin/pip install --quiet $(RUFF)
	@touch $@

$(P)/.test: $(P)/.python $(V)/.wheel
	$(P)/bin/pip install --quiet --no-deps --force-reinstall $(WHEEL)
	$(P)/bin/pip install --quiet --no-compile "$(WHEEL)[test]" $(PEERS)
	@touch $@

$(O)/.oldest: $(O)/.python $(V)/.wheel
	$(O)/bin/pip install --quiet --no-deps --force-reinstall $(WHEEL)
	$(O)/bin/pip install --quiet --no-compile $(OLDEST)
	@touch $@

$(P)/.bench: $(P)/.test
	$(P)/bin/pip install --quiet --no-compile $(BENCH_PEERS)
	@touch $@
