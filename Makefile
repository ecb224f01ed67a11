# Two commands on a fresh machine: `make demo` and `make test`. Both set up .venv first.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
WORKERS ?= 2

.PHONY: demo test test-all bench docs clean

demo: .venv/.core
	$(BIN)/cortex-sim run match

test: .venv/.dev .venv/.resolved
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal -m "not long"

test-all: .venv/.dev .venv/.resolved
	-@$(PIP) -e '.[opinions,docs]'
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal
	$(BIN)/python -m tests.mutants --jobs $(WORKERS)

bench: .venv/.dev
	@$(PIP) -e '.[bench]'
	for file in benchmarks/[a-z]*.py; do $(BIN)/python $$file || exit 1; done
	$(BIN)/python benchmarks/page.py

docs: .venv/.docs
	$(BIN)/python docs/write_reference.py
	$(BIN)/python docs/write_course.py
	$(BIN)/sphinx-build -W -q -b html docs build/docs
	@echo "docs: build/docs/index.html"

.venv/.docs: .venv/.core
	@echo "adding Sphinx to .venv"
	@$(PIP) -e '.[docs]'
	@touch $@

.venv/.core: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "cortex-sim needs Python 3.11 or newer; call make PYTHON=python3.11"; exit 1; }
	@test -x $(BIN)/python || { echo "setting up .venv (a few minutes, once)"; $(PYTHON) -m venv .venv; }
	@$(PIP) -e .
	@touch $@

.venv/.dev: .venv/.core
	@echo "adding the test tools to .venv"
	@$(PIP) -e '.[dev]'
	@touch $@

.venv/.resolved: .venv/.dev .ci/resolves.py
	@$(BIN)/python .ci/resolves.py 3.12 3.13
	@touch $@

clean:
	rm -rf .venv build dist runs .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
