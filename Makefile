# `make run` opens the console on the embedded stack, `make test` runs every test. Each does its
# own set-up; both are quick the second time.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-header

.PHONY: run test test-servers test-sabotage test-long storm fuzz long test-bare lint format setup setup-dev servers lock wheel screenshots bench clean

run: setup servers
	@$(BIN)/devstack-tui up
	@$(BIN)/devstack-tui

# One worker for the tests of the live stack, one for those that start stacks of their own, and one
# for the stack that is broken on purpose; whoever is free takes what needs no server.
test: setup-dev servers test-servers
	@$(BIN)/pytest -n 3 --dist loadgroup

# Real stacks broken on purpose, in every way that there is. `make test` proves each kind of check once.
test-sabotage: setup-dev servers
	@SABOTAGES=all $(BIN)/pytest tests/sabotage

# All that takes hours.
test-long: storm fuzz long

# Random faults on a real stack, round after round, then generated values of every parameter; SEED
# repeats both. A short one is in `make test`.
ROUNDS ?= 100
VALUES ?= 1000
storm: setup-dev servers
	@$(BIN)/python -m tests.storm --rounds $(ROUNDS) --values $(VALUES) $(if $(SEED),--seed $(SEED))

# What reads a server's bytes, given a million mutations of what servers sent; SEED repeats them.
INPUTS ?= 1000000
fuzz: setup-dev
	@FUZZ=$(INPUTS) $(if $(SEED),SEED=$(SEED)) $(BIN)/pytest tests/unit/test_parsers_fuzz.py

# Every drill with every fault and victim, and what else is in tests/long. How often each file says
# for itself; TIMES= is for all of them, ONLY= for the drills.
long: setup-dev servers
	@$(BIN)/pytest -s tests/long

# The promise of `make run`, on Debian 12 and 13 as debootstrap leaves them; FULL=1: `make test` too.
test-bare:
	@$(PYTHON) .ci/bare.py $(if $(FULL),--full) $(if $(ONLY),--only $(ONLY))

lint: setup-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: setup-dev
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

# The stamps make the second run quick: a set-up is repeated when what it was made from changes.
setup: $(VENV)/.run-stamp
setup-dev: $(VENV)/.dev-stamp

$(VENV)/.run-stamp: requirements.lock pyproject.toml
	@sh .ci/venv.sh "$(PYTHON)" $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

$(VENV)/.dev-stamp: requirements-dev.lock $(VENV)/.run-stamp
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

# The server programs: asks the product what is missing, and installs that through apt.
servers: setup
	@$(BIN)/devstack-tui doctor --json >/dev/null 2>&1 || $(BIN)/devstack-tui doctor --install

# What the package in tests/plugin starts: no part of the product needs it.
test-servers: setup
	@command -v memcached >/dev/null || eval "$$($(BIN)/python -c \
		'from devstack_tui.core import programs; print(programs.apt_command(["memcached"]))')"

lock: setup-dev
	@$(BIN)/pip install --quiet --disable-pip-version-check uv
	@$(UV_LOCK) --extra stack pyproject.toml -o requirements.lock
	@$(UV_LOCK) --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock

wheel: setup-dev
	@$(BIN)/python -m build --wheel

# Of a stack of its own; nothing is replaced unless that is healthy and all that it shows passes.
screenshots: setup-dev servers
	@$(BIN)/python tests/bench/screenshots.py screenshots

bench: setup-dev servers
	@$(BIN)/python tests/bench/console.py
	@$(BIN)/devstack-tui up
	@PYTHONPATH=. $(BIN)/python tests/bench/verbs.py
	@PYTHONPATH=. $(BIN)/python tests/bench/engines.py
	@PYTHONPATH=. $(BIN)/python tests/bench/watching.py

clean:
	@rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
