# One word per habit. `make` lists the targets; the text behind ## is the help.

BIN := .venv/bin
SOURCES := $(wildcard requirements*.txt)
LOCKED := $(filter-out requirements-dev.txt,$(SOURCES))

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-long coverage lint format types imports docs lock audit check

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(BIN)/.ready ## make .venv with everything that runs, tests and checks

$(BIN)/.ready: $(SOURCES)
	test -x $(BIN)/python || python3 -m venv .venv
	$(BIN)/pip install -q -r requirements-dev.txt
	@touch $@

demo: setup ## load the built-in sandbox account into harvest_demo.duckdb
	$(BIN)/python harvest_pipeline.py --demo

test: setup ## run the tests, on all cores
	$(BIN)/pytest -n auto

test-long: setup ## run the tests that take long
	$(BIN)/pytest -n auto -m long

# what is read and loaded is what users count on: there every branch is tested, but for lines that say why not
coverage: setup ## measure which branches the tests reach; LONG=1 takes the tests that take long as well
	failed=; \
	$(BIN)/pytest -n auto --cov --cov-report= --cov-fail-under=0 $(if $(LONG),-m "long or not long") || failed=yes; \
	$(BIN)/coverage report || failed=yes; \
	$(BIN)/coverage report --include='harvest_source/reading/*,harvest_source/loading/*' --fail-under=100 || failed=yes; \
	test -z "$$failed"

lint: setup ## look for mistakes and for files that are not formatted; changes nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

format: setup ## format all files and mend what can be mended by itself
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

types: setup ## check the types
	$(BIN)/mypy

imports: setup ## check that imports point one way
	$(BIN)/lint-imports

docs: setup ## write the generated pages in docs/ and the dbt project anew
	$(BIN)/python docs/generate.py

# one lock for Linux, macOS and Windows and for every Python from 3.11 on; what a lock names already stays, if it fits
lock: setup ## bring locks/ in line with the requirements files; UPGRADE=--upgrade takes the newest versions
	for each in $(LOCKED); do $(BIN)/uv pip compile -q $(UPGRADE) --universal --python-version 3.11 --generate-hashes \
		--no-annotate --custom-compile-command "make lock" --output-file locks/$$each requirements.txt $$each || exit 1; done

audit: setup ## ask for known vulnerabilities of what the locks name
	$(BIN)/python .ci/audit.py $(BIN)/pip-audit

check: lint types imports test test-long ## all that CI checks, in the same words
