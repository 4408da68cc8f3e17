# Burnline's commands. `make` alone lists them.
.DEFAULT_GOAL := help
SHELL := /bin/sh

UV := $(or $(shell command -v uv 2>/dev/null),.uv/bin/uv)
PYTHON := .venv/bin/python
SYNC := UV_LINK_MODE=copy $(UV) sync --frozen --quiet $(if $(shell command -v npm 2>/dev/null),,--group node)
PYTEST := $(PYTHON) -m pytest
ROOMS := core customers metering pricing billing console portal config
CLIENT := clients/python
# Some machines forbid it; then each of the many processes that `up` and `test` start would compile everything anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help up test check bench gateways mutants fmt clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up: .venv/run.stamp ## Start everything on this machine (Ctrl-C stops it)
	@exec $(PYTHON) -m config.up --with-parent

test: .venv/dev.stamp static/vendor/lock.sha256 ## Run the whole test suite
	$(PYTEST) -n 2 --dist worksteal

check: .venv/dev.stamp ## Check format, lints, types, import contracts, and run the fast tests
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy $(ROOMS)
	.venv/bin/mypy --config-file $(CLIENT)/pyproject.toml $(CLIENT)/src
	.venv/bin/lint-imports
	$(PYTHON) manage.py makemigrations --check --dry-run
	$(PYTEST) -q tests/pricing/engine tests/core tests/test_tidy.py tests/test_docs.py -m "not slow and not browser and not faults"

bench: .venv/run.stamp ## Measure the numbers that the design promises (only=ingest for one part)
	$(PYTHON) -m benchmarks $(only)

gateways: $(UV) ## Fetch LiteLLM (300 MB), for the tests of its callbacks
	@UV_PROJECT_ENVIRONMENT=.gateways UV_LINK_MODE=copy $(UV) sync --frozen --quiet --only-group gateways

mutants: .venv/dev.stamp ## Change the arithmetic, one place at a time, and list what no test notices (hours; only=NAME for a part)
	@UV_LINK_MODE=copy $(UV) pip install --quiet --python $(PYTHON) mutmut==3.8.1
	.venv/bin/mutmut run $(only)
	.venv/bin/mutmut results

fmt: .venv/dev.stamp ## Format the code and fix what lints can fix
	.venv/bin/ruff check --fix-only --quiet .
	.venv/bin/ruff format .

clean: ## Remove what was built and cached; the data in var/ stays
	rm -rf .venv .uv .gateways node_modules static/vendor .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache mutants

# Without it, tests that look at a drawn chart are skipped.
static/vendor/lock.sha256: package-lock.json | .venv/dev.stamp
	-@$(PYTHON) -c 'from config.front_end import ROOT, vendor_front_end; vendor_front_end(ROOT)' && touch $@

.uv/bin/uv:
	@python3 -m venv .uv
	@.uv/bin/python -m pip install --quiet uv

# --inexact: what the tests brought may stay.
.venv/run.stamp: pyproject.toml uv.lock | $(UV)
	@echo "Fetching Burnline's packages …"
	@$(SYNC) --inexact --no-dev
	@touch $@

.venv/dev.stamp: pyproject.toml uv.lock | $(UV)
	@$(SYNC)
	@touch $@ .venv/run.stamp
