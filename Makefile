# Everything sets itself up in .venv, on a machine that has Python 3.11+, git and make.
# `make demo` shows the product, `make test` proves it, `make check` is what CI runs.

PYTHON ?= $(shell for each in python3 python3.13 python3.12 python3.11; do \
	$$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$each && break; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test cover check format lint types floors deep guard bench test-fast test-oldest test-clean-room clean

help:  ## list what can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 18

demo: .venv/demo.stamp  ## dial 500 contacts on the emulator and watch
	@$(BIN)/talkstack demo

# The tests start hundreds of programs; without bytecode each would be compiled anew.
test cover test-fast deep: export PYTHONDONTWRITEBYTECODE :=

test: .venv/dev.stamp  ## run the tests (4 minutes)
	$(BIN)/python -m pytest -q -n 5 --dist worksteal

cover: .venv/dev.stamp  ## run the tests with coverage, and fail below 95 % (half as long again)
	@$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -q -n 5 --dist worksteal
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

# Everything that sends or reads a byte, on uvloop with orjson, and without both.
SENDING := tests/faults/test_answers_belong.py tests/faults/test_both_lanes.py \
	tests/faults/test_lost_replies.py tests/e2e/test_client.py tests/e2e/test_dispatcher.py \
	tests/e2e/test_lanes.py tests/e2e/test_extra_fast.py tests/e2e/test_credentials.py \
	tests/e2e/test_following.py tests/e2e/test_resources.py tests/e2e/test_resources_calls.py \
	tests/contract/test_client_contract.py tests/contract/test_make_call_contract.py \
	tests/unit/test_quick_json.py tests/unit/test_replies.py tests/unit/test_requests.py

test-fast: .venv/dev.stamp  ## the tests that send, with the extra `fast` and without
	$(BIN)/python -m pytest -q -n auto --maxprocesses 4 --extra-fast=with $(SENDING)
	$(BIN)/python -m pytest -q -n auto --maxprocesses 4 --extra-fast=without $(SENDING)

check: lint types floors guard test-fast test  ## what CI runs: format, lint, types, floors, speed, tests

format: .venv/dev.stamp  ## write the code in the house format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lint: .venv/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: .venv/dev.stamp
	$(BIN)/mypy
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright

floors: .venv/dev.stamp
	$(BIN)/lint-imports

deep: .venv/dev.stamp  ## long searches for rare faults (about 20 minutes)
	$(BIN)/python -m pytest -q -m deep

guard: .venv/dev.stamp  ## fail if a call costs more than half of plain aiohttp
	$(BIN)/python -m benchmarks guard

bench: .venv-bench/stamp  ## compare with other SDKs, write benchmarks/RESULTS.md (15 minutes)
	.venv-bench/bin/python -m benchmarks --write

test-oldest: .venv-oldest/stamp  ## the tests on the oldest versions pyproject.toml allows
	.venv-oldest/bin/python -m pytest -q tests

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python"; exit 2; }
	@$(PYTHON) -m venv .venv

.venv/demo.stamp: pyproject.toml constraints.txt | .venv/bin/python
	@test -e .venv/dev.stamp || $(PIP) --editable '.[cli,campaign]'
	@touch $@

.venv/dev.stamp: pyproject.toml constraints.txt | .venv/bin/python
	@echo "setting up .venv (once)"
	@$(PIP) --editable '.[dev]'
	@touch $@

# One that cannot be installed is left out, and reported as missing by what is measured.
.venv-bench/stamp: pyproject.toml constraints.txt benchmarks/requirements.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python"; exit 2; }
	@$(PYTHON) -m venv .venv-bench
	@grep -v '^#' benchmarks/requirements.txt > .venv-bench/wanted.txt
	@while read each; do \
		.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check \
			--constraint .venv-bench/wanted.txt "$$each" || echo "goes without $$each"; \
	done < .venv-bench/wanted.txt
	@grep -v '^pydantic' constraints.txt > .venv-bench/ours.txt  # theirs need an older one
	@.venv-bench/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint .venv-bench/ours.txt --editable '.[cli,campaign,fast]'
	@touch $@

.venv-oldest/stamp: pyproject.toml constraints-oldest.txt
	@$(PYTHON) -m venv .venv-oldest
	@.venv-oldest/bin/python -m pip install --quiet --editable '.[dev]' --constraint constraints-oldest.txt
	@touch $@

clean:  ## remove what was set up
	rm -rf .venv .venv-oldest .venv-bench .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage*
