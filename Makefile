# `make demo` shows what OpenBraket does; `make test` runs everything that CI checks.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -ec
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# An editable installation knows the modules that were there when it was made.
MODULES := $(shell find src/openbraket -name '*.py' | LC_ALL=C sort | cksum | cut -d' ' -f1)
INSTALLED := $(VENV)/.installed-$(MODULES)
KERNEL_SOURCES := $(shell find src/openbraket/kernels -name '*.cpp' -o -name '*.hpp' -o -name CMakeLists.txt)
# Files of tests run side by side; those that kill services or start clusters have the machine alone.
WORKERS ?= 2
SIDE_BY_SIDE := --numprocesses $(WORKERS) --dist loadfile
# What also runs with the records in PostgreSQL; the rest of the engine meets no database.
POSTGRESQL_TESTS := tests/unit/store tests/unit/engine/jobs/test_recovery.py $(addprefix tests/unit/engine/test_, dispatcher.py events.py job_states.py lead.py \
  machine.py queue.py states.py) $(addprefix tests/contract/test_, jobs.py logs.py quantum_tasks.py s3_listing.py \
  s3_objects.py s3_results.py)

.PHONY: help install demo test check serve bench arm format lock clean

help:  ## Show the targets.
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "%-9s %s\n", $$1, $$2}' Makefile

$(VENV)/.locked: requirements-dev.lock
	@echo "Preparing $(VENV) (once, about a minute)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install --quiet --requirement requirements-dev.lock
	@touch $@

$(INSTALLED): $(VENV)/.locked pyproject.toml CMakeLists.txt $(KERNEL_SOURCES)
	@echo "Building OpenBraket"
	@$(PIP) install --quiet --no-build-isolation --no-deps --editable .
	@rm -f $(VENV)/.installed-*
	@touch $@

install: $(INSTALLED)  ## Prepare .venv in this folder.

demo: $(INSTALLED)  ## Run real programs through unmodified clients and show their results.
	@$(BIN)/openbraket demo

serve: $(INSTALLED)  ## Keep a service running and print the lines that point clients at it.
	@$(BIN)/openbraket serve --exports --data-dir .openbraket

check: $(INSTALLED)  ## Fast half of the tests: format, lint, types, imports, unit tests.
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/ruff check --quiet
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports | tail -n 6
	@$(BIN)/clang-format --dry-run --Werror $(filter %.cpp %.hpp,$(KERNEL_SOURCES))
	@$(BIN)/pytest -q $(SIDE_BY_SIDE) tests/unit tests/wire

test: check  ## Everything that CI checks.
	@$(BIN)/pytest -q $(SIDE_BY_SIDE) tests/numerics tests/contract
	@$(BIN)/pytest -q tests/faults
	@OPENBRAKET_TEST_DATABASE=postgresql $(BIN)/pytest -q $(POSTGRESQL_TESTS)

$(VENV)/.bench-locked: $(VENV)/.locked requirements-bench.lock
	@echo "Installing the simulators to compare with"
	@$(PIP) install --quiet --requirement requirements-bench.lock
	@touch $@

bench: $(INSTALLED) $(VENV)/.bench-locked  ## Measure; figures go to docs/benchmarks.md by hand.
	@for file in benchmarks/bench_*.py; do $(BIN)/python $$file || exit 1; done

STATE_SOURCES := $(patsubst %,src/openbraket/kernels/%.cpp,\
	fuse gates operators plan reductions rotations state steps sweeps)

arm:  ## Compile the state vector for arm64 and check it under an emulator.
	@mkdir -p build/arm
	@aarch64-linux-gnu-g++ -std=c++20 -O3 -ffp-contract=fast -Wall -Wextra -Wno-psabi -static -pthread \
		-Isrc/openbraket/kernels $(STATE_SOURCES) tests/native/check_kernels.cpp -o build/arm/check
	@qemu-aarch64-static build/arm/check

format: $(INSTALLED)  ## Format Python and C++.
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix
	@$(BIN)/clang-format -i $(filter %.cpp %.hpp,$(KERNEL_SOURCES))

lock: $(VENV)/.locked  ## Take the versions in .venv as the locked ones.
	@$(PIP) freeze --exclude openbraket --exclude-editable \
	  | grep --invert-match --fixed-strings --line-regexp --file requirements-bench.lock \
	  > requirements-dev.lock

clean:  ## Remove .venv, build output and the local service's data.
	rm -rf $(VENV) build .openbraket
