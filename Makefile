# SPDX-License-Identifier: BSD-3-Clause
# Every command a developer or a newcomer needs; each installs what it needs first, into .venv (or .venv-peers).
PYTHON ?= python3
VENV = .venv
PEERS = .venv-peers
SOURCES = setup.py pyproject.toml MANIFEST.in README.md $(wildcard fastloss/*.p* fastloss/losses/*.py fastloss/include/*) \
          $(wildcard src_c/*.[ch] src_c/*/*.[ch])
PIP = -m pip install --quiet --disable-pip-version-check

.PHONY: demo test test-peers bench lint clean
.DELETE_ON_ERROR:

demo: $(VENV)/.demo
	$(VENV)/bin/python examples/demo.py

# The pytest program, not `python -m pytest`: that would import the sources here instead of what was installed.
test: $(VENV)/.test
	$(VENV)/bin/pytest tests --ignore=tests/peers
	$(VENV)/bin/pytest --doctest-modules --pyargs fastloss --ignore-glob='*/__main__.py'

test-peers: $(PEERS)/.test
	$(PEERS)/bin/pytest tests/peers

bench: $(VENV)/.bench
	$(VENV)/bin/pytest benchmarks --benchmark-disable-gc --benchmark-quiet

lint: $(VENV)/.lint
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .

clean:
	rm -rf build dist *.egg-info $(VENV) $(PEERS)

# ---- environments: one stamp file per set of extras, renewed when a source is newer ----

%/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	    { echo "fastloss needs Python 3.10 or newer; try: make PYTHON=/path/to/python3.12"; exit 1; }
	$(PYTHON) -m venv $*
	touch $@

# The package is built once and installed from the wheel.
$(VENV)/.wheel: $(VENV)/.python $(SOURCES)
	rm -rf build/wheel
	$(VENV)/bin/python -m pip wheel --quiet --disable-pip-version-check --no-deps -w build/wheel .
	touch $@

$(VENV)/.demo $(VENV)/.test $(VENV)/.bench: $(VENV)/.%: $(VENV)/.wheel
	$(VENV)/bin/python $(PIP) --force-reinstall --no-deps build/wheel/*.whl
	$(VENV)/bin/python $(PIP) "$$(ls build/wheel/*.whl)[$*]"
	touch $@

$(PEERS)/.test: $(PEERS)/.python $(VENV)/.wheel
	$(PEERS)/bin/python $(PIP) torch==2.13.0
	$(PEERS)/bin/python $(PIP) --force-reinstall --no-deps build/wheel/*.whl
	$(PEERS)/bin/python $(PIP) "$$(ls build/wheel/*.whl)[test]"
	touch $@

$(VENV)/.lint: $(VENV)/.python
	$(VENV)/bin/python $(PIP) "ruff==0.17.*"
	touch $@
