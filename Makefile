# One door for developers; `make help` says what is behind it.
# `make demo` and `make test` work in a fresh clone: they build .venv themselves.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= auto
DEMO_DIR ?= demo
SOURCES := consentfilter benchmarks tests $(wildcard pipelines) $(wildcard examples) $(wildcard scripts) hatch_build.py
KERNELS := hatch_build.py $(wildcard consentfilter/kernels/*.[ch])
RUN_READY := $(VENV)/.ready-to-run
TEST_READY := $(VENV)/.ready-to-test

.DEFAULT_GOAL := help
.PHONY: help demo test check lint format types layers bench fuzz sanitize twins docs flink-test clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$$($(PYTHON) --version) found, Python 3.11 or newer wanted: make PYTHON=/path/to/python3.11 ..." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(RUN_READY): pyproject.toml constraints.txt $(KERNELS) | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e .
	@touch $@

$(TEST_READY): pyproject.toml constraints.txt $(KERNELS) | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[test]'
	@touch $@ $(RUN_READY)

demo: $(RUN_READY) ## Make a small dump, filter it, verify it, say what happened
	@rm -rf $(DEMO_DIR)
	@$(BIN)/consentfilter demo $(DEMO_DIR)
	@command -v consentfilter >/dev/null || printf '\nThe command is %s/consentfilter; to call it as above: source %s/activate\n' $(BIN) $(BIN)

test: $(TEST_READY) ## Run every test
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

check: lint types layers test ## Format, lint, types, layers, tests

lint: $(TEST_READY) ## Check format and lint rules
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)

format: $(TEST_READY) ## Rewrite the sources in the one format
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)

types: $(TEST_READY) ## Check types (mypy strict)
	$(BIN)/mypy

layers: $(TEST_READY) ## Check that imports point down
	$(BIN)/lint-imports

sanitize: $(TEST_READY) ## Test the compiled loops under sanitizers
	scripts/sanitize.sh $(BIN)/python

twins: $(TEST_READY) ## Test what has compiled loops without them
	CONSENTFILTER_NO_KERNELS=1 $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadgroup tests/lineage tests/kernels tests/test_ids.py tests/decide tests/contract

bench: $(TEST_READY) ## Filter 10 M rows beside hand-written DuckDB and Polars jobs
	$(BIN)/python -m benchmarks.filter $(BENCH)

fuzz: $(TEST_READY) ## Search for a difference to the reference (FUZZ='--seconds 600')
	$(BIN)/python -m tests.fuzz $(or $(FUZZ),--seconds 60)

docs: $(TEST_READY) ## Regenerate what the docs take from the code, then check the docs
	$(BIN)/python -m tests.docs.generate
	$(BIN)/python -m pytest tests/docs -q

flink-test: $(TEST_READY) ## Run the Beam engine on a local Flink cluster
	@if [ -f scripts/flink-test.sh ]; then bash scripts/flink-test.sh; else echo "scripts/flink-test.sh is not there: nothing to run on Flink" >&2; exit 2; fi

clean: ## Remove caches and the demo; keep .venv
	rm -rf $(DEMO_DIR) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache benchmarks/.cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
