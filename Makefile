# Branchline. `make demo` shows it, `make test` checks it; nothing needs to be installed before but Python, make and git.

PYTHON ?= python3
PORT   ?= 8080
OPEN   ?= 1
COUNT  ?= 100000
SEED   ?= 1

BIN     := .venv/bin
BOOT    := $(PYTHON) tools/bootstrap.py
PYTEST  := $(BIN)/python -m pytest
LIBRARY := build/library

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: ## make .venv with everything that developing needs
	@$(BOOT) demo test quality

demo: environment-demo ## package the sample story and serve it (PORT=8080; OPEN=0 opens no browser)
	$(BIN)/python media/make_footage.py
	$(BIN)/branchline package media/sample/story.yaml --library $(LIBRARY)
	exec $(BIN)/branchline serve --library $(LIBRARY) --state build/state --port $(PORT) $(if $(filter 1,$(OPEN)),--open)

test: install ## run the tests, all but those that need a browser or a player; every branch of the core is to be reached
	$(PYTEST) -n 2 -m "not (players or e2e or film)" --cov --cov-report=term-missing
	$(PYTEST) -n 2 -m "(e2e or film) and not players"

players: install ## run the tests with a real browser, real players and real caches (as root, installs them)
	tools/players.sh
	$(PYTEST) -m players

players-full: install ## run the whole table of docs/players.md, cell by cell; hours, goes on where it was left
	tools/players.sh
	$(BIN)/python -m tests.players.bench.run

simulate: install ## simulate ten thousand decisions with players that do not run here
	$(BIN)/python -m tests.simulated.decisions

fuzz: install ## read 100,000 story files spoilt by chance (COUNT=…, SEED=…); writes build/fuzz.json
	nice $(BIN)/python -m tests.fuzz --count $(COUNT) --seed $(SEED)

bench: install ## measure polls, segments, choices, memory and stories beside baselines; some ten minutes; writes build/bench.json
	$(BIN)/python -m tests.bench.run

format: install ## put the code in its form
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

lint: install ## check form, types, imports, spelling and the Dockerfile
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/hadolint Dockerfile

golden: install ## write the golden files anew; read the difference before you commit it
	$(PYTEST) -m "not players" --golden-update

lock: install ## resolve the dependencies anew and export the lock files made from uv.lock
	$(BIN)/uv lock
	$(BIN)/uv export --quiet --frozen --no-header --no-annotate --no-default-groups --no-emit-project --output-file requirements.lock
	$(BIN)/uv export --quiet --frozen --no-header --no-annotate --only-group environment --output-file tools/uv.lock.txt

ci: lint test players ## all that has to pass before a change lands

clean: ## remove what was built, but not .venv
	rm -rf build dist .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache media/sample/footage
	find . -path ./.venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

environment-demo:
	@$(BOOT) demo

.PHONY: help install demo test players players-full simulate fuzz bench format lint golden lock ci clean environment-demo
