# The few verbs of the repository. `make demo` and `make test` work on a fresh clone; they install everything else into .venv.
# Needed on the machine: Python 3.11+, cargo with rustc 1.89+, a C compiler, make; the tests also call the openssl command.

PYTHON ?= python3
UV := build/bootstrap/bin/uv
UV_VERSION := 0.13.9
BIN := .venv/bin
export CARGO_TARGET_DIR ?= $(CURDIR)/target
export UV_PROJECT_ENVIRONMENT := $(CURDIR)/.venv
# A node starts in half the time when nothing has to be compiled first.
export UV_COMPILE_BYTECODE := 1
# Packages come from the index the machine is set up for; nothing is fetched after the build.
PYTEST := $(BIN)/python -m pytest

.PHONY: help prerequisites build demo test test-python test-rust test-slow lint format docs bench loadtest loadtest-env clean

help: ## List the verbs
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort

prerequisites:
	@command -v $(PYTHON) >/dev/null || { echo "missing: $(PYTHON) (Python 3.11 or newer)"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than 3.11; set PYTHON=…"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "missing: the venv module of $(PYTHON)"; exit 1; }
	@command -v cargo >/dev/null || { echo "missing: cargo (Rust 1.89 or newer)"; exit 1; }
	@command -v cc >/dev/null || { echo "missing: cc (a C compiler)"; exit 1; }

$(UV):
	@$(PYTHON) -m venv build/bootstrap
	@build/bootstrap/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

build: prerequisites $(UV) ## Build everything into .venv
	@$(UV) sync --quiet --python $(PYTHON) --all-packages --all-groups --no-group loadtest
	@$(BIN)/python -m compileall -q hnnode plugins

demo: build ## Start four validators and run the whole story (ONCE=1: run it and exit)
	@$(BIN)/hnnode dev demo $(if $(ONCE),--once,)

test: build test-rust test-python ## Run all tests

test-rust:
	cargo test --quiet --workspace --exclude hn-py

test-python:
	$(PYTEST) -q -m "not slow"

test-slow: build loadtest-env ## Long sets, sized for hours
	HN_SIM_SEEDS=200000 HN_PROPTEST_CASES=20000 HN_FUZZ_CASES=10000000 HN_SM3_STREAM_MIB=500 HN_TIMING_RUNS=1000000 cargo test --release --quiet --workspace --exclude hn-py
	HN_INTEROP_CASES=10000 $(PYTEST) -q

lint: build ## ruff, mypy, cython-lint, import contracts, rustfmt, clippy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/cython-lint hnnode
	$(BIN)/lint-imports
	cargo fmt --all --check
	cargo clippy --quiet --workspace --all-targets -- -D warnings

format: build ## Rewrite formatting
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	cargo fmt --all

docs: build ## Render the generated reference pages
	$(BIN)/python -m hnnode.cli.reference docs/reference

bench: build ## Throughput of a four-validator chain on this machine
	$(BIN)/hnnode bench chain --nodes 4 --app evidence --seconds 20

loadtest-env: $(UV) ## An environment of its own for Locust
	@UV_PROJECT_ENVIRONMENT=$(CURDIR)/build/loadtest $(UV) sync --quiet --python $(PYTHON) --only-group loadtest

loadtest: build loadtest-env ## Two minutes of mixed users on a four-node network, report in build/loadtest-report
	$(BIN)/hnnode bench locust --seconds 120 --shape stress --users mixed --report build/loadtest-report

clean: ## Remove everything that was built
	rm -rf .venv build target
