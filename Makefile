# SPDX-License-Identifier: BSD-3-Clause
# One command per job, each from a clean clone: Python 3.10 or newer (PY=...), a C compiler and make are all it takes.
# The package is built once, as a wheel, and every environment installs that wheel: what runs is what users get.

PY ?= python3
V := .venv
P := .venv-peers
SOURCES := setup.py pyproject.toml MANIFEST.in README.md \
           $(shell find fastloss src_c -type f ! -name '*.so' ! -path '*/__pycache__/*')
WHEEL = $$(echo $(V)/wheel/*.whl)
# Formatting differs between versions.
RUFF := ruff==0.17.5
PEERS := torch==2.13.0 keras==3.15.1
BENCH_PEERS := jax numba scikit-learn matplotlib

.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help demo test test-peers bench bench-peers lint format clean

help:
	@echo "make demo        train the SVM and the softmax classifier on handwritten digits, against NumPy"
	@echo "make test        all tests but those against PyTorch, and the examples in the docstrings"
	@echo "make test-peers  the tests against PyTorch"
	@echo "make bench       times against the NumPy baseline; BENCH='--threads 2' or '-k Adam' passes options on"
	@echo "make bench-peers  times against PyTorch, JAX, scikit-learn and numba; BENCH='--help' shows the options"
	@echo "make lint        style checks; make format mends what it can"
	@echo "make clean       remove what the others made"

demo: $(V)/.demo
	$(V)/bin/python examples/demo.py

# From the folder tests, and with pytest's own script: the uncompiled package in this folder must not be found before
# the installed one, neither by the tests nor by the processes that they start.
test: $(V)/.test
	cd tests && ../$(V)/bin/pytest --ignore=peers .
	cd tests && ../$(V)/bin/pytest --doctest-modules --pyargs fastloss

test-peers: $(P)/.test
	cd tests && ../$(P)/bin/pytest peers

bench: $(V)/.bench
	OPENBLAS_NUM_THREADS=1 $(V)/bin/pytest --benchmark-quiet benchmarks/test_bench.py $(BENCH)

bench-peers: $(P)/.bench
	mkdir -p benchmarks/results
	$(P)/bin/python benchmarks/run.py --json benchmarks/results/latest.json $(BENCH)

lint: $(V)/.ruff
	$(V)/bin/ruff check .
	$(V)/bin/ruff format --check .

format: $(V)/.ruff
	$(V)/bin/ruff check --fix .
	$(V)/bin/ruff format .

clean:
	rm -rf $(V) $(P) build dist fastloss.egg-info .pytest_cache .hypothesis .ruff_cache .benchmarks demo.png
	rm -f fastloss/*.so
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ---- environments: a stamp file says that a step is done ----

$(V)/.python $(P)/.python:
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

$(P)/.bench: $(P)/.test
	$(P)/bin/pip install --quiet --no-compile $(BENCH_PEERS)
	@touch $@
