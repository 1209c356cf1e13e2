# make demo   the whole service on this machine, evaluating real potentials
# make test   everything needed to run and pass all tests
# Both make their own environment (.venv) first.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
ARGS   ?=
# How many processes share the tests, a file at a time, each with a database of its own. 0 runs them
# in one, which stops at a breakpoint.
JOBS   ?= 2
PYTEST  = $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder

# A folder shared/data beside the checkout is taken for the local mirror of reference data.
MIRROR := $(abspath $(wildcard ../shared/data))
ifneq ($(MIRROR),)
export TOUCHSTONE_DATA_MIRROR ?= $(MIRROR)
endif

# Environments of the families that tests evaluate, built once for each machine; others are tested where
# they are built (touchstone runtime build NAME).
TESTED_RUNTIMES := classical torch chgnet mace matgl sevennet

.PHONY: demo screenshots test test-fast lint types check bench coverage constraints licences clean bubblewrap chromium \
	runtimes

$(STAMP): pyproject.toml deploy/constraints.txt deploy/install.sh
	PYTHON="$(PYTHON)" VENV="$(VENV)" bash deploy/install.sh
	touch $@

demo: $(STAMP) bubblewrap
	$(BIN)/python -m deploy.demo $(ARGS)

# Pictures of all pages in var/screenshots/, those of the README in docs/screenshots/.
screenshots: $(STAMP) bubblewrap chromium
	$(BIN)/python -m deploy.screenshots $(ARGS)

# One more than there are cores of a small machine: much of the whole suite waits for workers.
test: JOBS := $(if $(filter file default,$(origin JOBS)),3,$(JOBS))
test: $(STAMP) bubblewrap chromium runtimes lint types
	$(PYTEST) $(ARGS)

test-fast: $(STAMP)
	$(PYTEST) -m "not slow" $(ARGS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/djlint --lint --quiet templates

types: $(STAMP)
	$(BIN)/python -m mypy

check: lint types

coverage: $(STAMP) bubblewrap chromium runtimes
	$(PYTEST) --cov --cov-report=term-missing:skip-covered $(ARGS)

bench: $(STAMP) bubblewrap
	$(BIN)/python -m tests.performance $(ARGS)

# Rewrites the pinned versions and their hashes from the environment as it stands.
constraints: $(STAMP)
	bash deploy/freeze.sh

# Rewrites docs/licences.md.
licences: $(STAMP)
	$(BIN)/python -m deploy.licences

# In the folder that tests look in (tests/environment.py).
runtimes: $(STAMP)
	TOUCHSTONE_RUNTIMES_DIR="$${TOUCHSTONE_RUNTIMES_DIR:-$${XDG_CACHE_HOME:-$$HOME/.cache}/touchstone/runtimes}" \
		$(BIN)/touchstone runtime build $(TESTED_RUNTIMES)

bubblewrap:
	@bash deploy/need.sh bwrap bubblewrap

chromium:
	@bash deploy/need.sh chromium chromium || echo "The browser tests will be skipped."

clean:
	rm -rf $(VENV) var .pytest_cache .mypy_cache .ruff_cache
