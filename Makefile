# chipledger: `make run` shows the whole way on a sample fleet; `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
LOCK := requirements.lock
# the FOCUS validator has an environment of its own, of Python 3.12: its pins contradict ours
FOCUS := .venv-focus
FOCUS_LOCK := tests/focus/requirements.lock
FOCUS_PYTHON ?= $(firstword $(wildcard $(HOME)/.pyenv/versions/3.12*/bin/python3.12) python3.12)
export GX_ANALYTICS_ENABLED := false
unexport PYTHONDONTWRITEBYTECODE  # the tests start many processes: each would compile Airflow and the rest again

.PHONY: help run test test-all focus mutation check fix docs lock clean setup
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: $(STAMP) ## a sample fleet from files to marts, findings and alerts, through the DAGs
	@$(BIN)/chipledger run --sample --airflow

test: $(STAMP) ## the fast tests (under four minutes)
	@$(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow" tests

test-all: $(STAMP) ## all tests, the slow ones too
	@$(BIN)/python -m pytest -n 2 --dist loadfile tests

focus: $(STAMP) $(FOCUS)/.installed ## mart_focus of a fresh world through the FinOps Foundation's own validator
	@$(BIN)/python -m pytest -m slow tests/integration/test_focus.py -s

mutation: $(STAMP) ## break the code in known ways, one at a time: a test must notice each
	@$(BIN)/python -m tests.mutation.run

check: $(STAMP) ## lint, format, types, import laws, header contracts, docs fresh
	@echo "· ruff";           $(BIN)/ruff check .
	@echo "· ruff format";    $(BIN)/ruff format --check .
	@echo "· mypy";           $(BIN)/mypy
	@echo "· import laws";    $(BIN)/lint-imports --no-cache
	@echo "· sqlfluff";       $(BIN)/sqlfluff lint sql --processes 2
	@echo "· model headers";  $(BIN)/python -c 'from pipeline import steps; print(len(steps.models_here()), "models keep their contract")'
	@echo "· docs fresh";     $(BIN)/python -m pipeline.catalog --check
	@echo "· compose file";   $(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml

fix: $(STAMP) ## let ruff and sqlfluff repair what they can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .
	@$(BIN)/sqlfluff fix sql --processes 2

docs: $(STAMP) ## write the generated docs again
	@$(BIN)/python -m pipeline.catalog

lock: $(STAMP) ## resolve requirements.in again
	@$(BIN)/uv pip compile --universal --python-version 3.11 --no-emit-index-url --generate-hashes --no-header \
	  --upgrade --quiet requirements.in -o $(LOCK)

clean: ## remove the sample ledger, the environment and every cache
	@rm -rf $(VENV) $(FOCUS) ledger .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

setup: $(STAMP)

# uv comes from pip, into the project's own environment; it reads the index from UV_* or, failing that, from PIP_INDEX_URL.
$(STAMP): $(LOCK) pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "chipledger needs Python 3.11 or newer; this is " + sys.version.split()[0] + ": make PYTHON=python3.12")'
	@echo "[1/3] environment in $(VENV)"
	@[ -x $(BIN)/pip ] || $(PYTHON) -m venv $(VENV)
	@[ -x $(BIN)/uv ] || $(BIN)/pip install --quiet --disable-pip-version-check "$$(grep -oE '^uv==[0-9.]+' $(LOCK))"
	@echo "[2/3] $$(grep -cE '^[a-z0-9].*==' $(LOCK)) locked packages (a few minutes the first time, seconds after)"
	@export VIRTUAL_ENV="$(CURDIR)/$(VENV)" UV_PYTHON_DOWNLOADS=never UV_SYSTEM_CERTS=$${UV_SYSTEM_CERTS:-true} UV_LINK_MODE=$${UV_LINK_MODE:-copy}; \
	if [ -z "$${UV_DEFAULT_INDEX:-}$${UV_INDEX_URL:-}" ] && [ -n "$${PIP_INDEX_URL:-}" ]; then export UV_DEFAULT_INDEX="$$PIP_INDEX_URL"; fi; \
	$(BIN)/uv pip sync --python $(BIN)/python $(LOCK) || $(BIN)/pip install --disable-pip-version-check -r $(LOCK)
	@echo "[3/3] chipledger itself"
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

$(FOCUS)/.installed: $(FOCUS_LOCK) | $(STAMP)
	@$(FOCUS_PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 12))' 2>/dev/null \
	  || { echo "the FOCUS validator needs Python 3.12, and $(FOCUS_PYTHON) is none: make focus FOCUS_PYTHON=/path/to/python3.12" >&2; exit 1; }
	@[ -x $(FOCUS)/bin/python ] || $(FOCUS_PYTHON) -m venv $(FOCUS)
	@$(FOCUS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(FOCUS_LOCK)
	@touch $(FOCUS)/.installed
