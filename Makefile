# Nothing but Python 3.11 or newer (with venv) and an ssh client is needed before `make demo`.
# Every target makes what it needs in .venv, once.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PINS := $(wildcard requirements/*.txt) pyproject.toml scripts/make-venv
PYTEST := $(BIN)/python -m pytest -p tests.plugins.skips -p tests.plugins.fault_table \
	--durations=10 --durations-min=15
TESTS ?= tests
# Most tests wait for ssh and for timers more than they compute.
JOBS ?= 4

.DEFAULT_GOAL := help
.PHONY: help demo run test check faults bench soak fuzz attack lint format image screenshots recording clean

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 20

demo: $(VENV)/.demo  ## open the app on tunnels that really run, with servers of its own
	@$(BIN)/tunnel-tui demo

run: $(VENV)/.demo  ## open the app on your configuration; ARGS="status" runs a command
	@$(BIN)/tunnel-tui $(ARGS)

test: $(VENV)/.dev  ## run all tests; TESTS=tests/unit for some of them
	scripts/install-test-packages
	@status=0; \
	$(PYTEST) -n $(JOBS) --dist loadfile --no-loadscope-reorder -m "not container and not alone" $(TESTS) || test $$? -eq 5 || status=1; \
	$(PYTEST) -m "container or alone" $(TESTS) || test $$? -eq 5 || status=1; \
	exit $$status

check: lint  ## lint, and the fast tests
	$(PYTEST) tests/unit tests/tui

faults: $(VENV)/.dev  ## do harm of every kind and write docs/faults.md
	scripts/install-test-packages
	$(PYTEST) -n $(JOBS) --dist loadfile --no-loadscope-reorder --fault-table docs/faults tests/faults

bench: $(VENV)/.dev  ## measure everything beside its floor and write docs/figures.md
	$(BIN)/python -m benchmarks docs/figures

MINUTES ?= 20
SEED ?= $(shell date +%s)
soak: $(VENV)/.dev  ## random faults for MINUTES=n minutes, SEED=n for the same ones again
	scripts/install-test-packages
	$(BIN)/python -m tests.soak --minutes $(MINUTES) --seed $(SEED) --table docs/soak

INPUTS ?= 1000000
fuzz: $(VENV)/.dev  ## a million made-up inputs for the state file and the logs, INPUTS=n
	$(BIN)/python -m tests.fuzz --inputs $(INPUTS) --seed $(SEED)

attack: $(VENV)/.dev  ## a hostile local user for MINUTES=n minutes, INPUTS=n texts of a hostile server
	$(BIN)/python -m tests.security.fuzz_local --minutes $(MINUTES) --seed $(SEED)
	$(BIN)/python -m tests.security.fuzz_server --banners $(INPUTS) --real 1000 --seed $(SEED)

lint: $(VENV)/.dev  ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint docker/Dockerfile

format: $(VENV)/.dev  ## put the code into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

image:  ## build the container image tunnel-tui
	scripts/build-image tunnel-tui

screenshots: $(VENV)/.dev  ## take the pictures of the README from the running demo
	$(BIN)/python scripts/screenshots.py screenshots

recording: $(VENV)/.dev  ## record the app of the README from a script of key presses
	$(BIN)/python scripts/recording.py screenshots/recording.svg

clean:  ## remove .venv and everything that can be made again
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find src tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.demo: $(PINS)
	@scripts/make-venv $(PYTHON) $(VENV) demo
	@touch $@

$(VENV)/.dev: $(PINS)
	@scripts/make-venv $(PYTHON) $(VENV) dev
	@touch $@ $(VENV)/.demo
