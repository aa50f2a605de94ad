# Duka. Two commands do everything: `make run` and `make test`.
PYTHON ?= python3.11
export PORT ?= 8000
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes

.PHONY: help run test machines check audit licences format schema lock release lambda clean
.DEFAULT_GOAL := help

help: ## List the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/\1\t\2/' | expand -t 10

run: .venv/run.stamp ## Run the shop at http://127.0.0.1:8000 (PORT=8001 make run for another port)
	@exec $(BIN)/python manage.py run

test: .venv/dev.stamp .venv/lambda.stamp .venv/ops.stamp ## Run all tests with the coverage gate (ARGS="orders -k stock" for some of them)
	@if [ -n "$(ARGS)" ]; then exec $(BIN)/python -m pytest $(ARGS); fi; \
	$(BIN)/python -m pytest -n auto --dist worksteal --cov --cov-report=term

machines: .venv/dev.stamp .venv/ops.stamp ## Deploy to a Debian 12 and a Debian 13, from release to release (root; many minutes)
	$(BIN)/python -m pytest -n auto --dist worksteal -m whole_machine tests

check: .venv/dev.stamp .venv/ops.stamp ## Format, lint, types, imports, migrations, drift of the two schemas, delivery
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy .
	$(BIN)/lint-imports
	$(BIN)/python manage.py makemigrations --check --dry-run
	DJANGO_SETTINGS_MODULE=config.settings.test $(BIN)/python manage.py lintmigrations --warnings-as-errors --quiet ok ignore
	$(BIN)/python manage.py check --fail-level WARNING
	$(BIN)/python manage.py spectacular --validate --fail-on-warn --file .venv/openapi.yaml
	diff -u openapi.yaml .venv/openapi.yaml || { echo "openapi.yaml is out of date: run make schema"; exit 1; }
	$(BIN)/python manage.py graphql_contract schema.graphql
	$(BIN)/python manage.py graphql_examples docs/graphql --check
	.ci/lint

audit: .venv/dev.stamp .venv/ops.stamp ## Compare the lock files with known vulnerabilities (AUDIT_SOURCE=online or offline)
	.ci/lint audit

licences: .venv/dev.stamp .venv/ops.stamp ## Write docs/licences.md anew
	$(BIN)/python -m ops.licences --write

format: .venv/dev.stamp ## Format the code and mend what lint can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

schema: .venv/dev.stamp ## Write openapi.yaml and schema.graphql anew; names what breaks callers
	$(BIN)/python manage.py spectacular --validate --fail-on-warn --file openapi.yaml
	$(BIN)/python manage.py graphql_contract schema.graphql --write
	$(BIN)/python manage.py graphql_examples docs/graphql

lock: .venv/dev.stamp ## Resolve requirements/*.in into hashed lock files
	cd requirements && for name in base dev lambda ops build; do \
	  ../$(BIN)/uv pip compile $$name.in --output-file $$name.txt --universal --python-version 3.11 \
	    --generate-hashes --no-emit-index-url --no-annotate --upgrade; done

release: .venv/bin/python ## Prepare a version: make release VERSION=1.2.3
	@$(BIN)/python -m ops.release prepare "$(VERSION)"

lambda: .venv/dev.stamp ## Pack the shop for AWS Lambda: var/lambda/duka.zip (docs/serverless.md)
	$(BIN)/python -m serverless.package

clean: ## Remove the environment and caches; var/ (the demo shop's data) stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .coverage*

.venv/bin/python:
	@command -v $(PYTHON) >/dev/null || { echo "Duka needs Python 3.11 (python3.11 is not on the PATH; PYTHON=/path/to/it make …)."; exit 1; }
	@$(PYTHON) -m venv .venv

.venv/run.stamp: requirements/base.txt | .venv/bin/python
	@echo "Setting up (once; about half a minute)…"
	@$(PIP) -r requirements/base.txt
	@touch $@

.venv/dev.stamp: requirements/dev.txt | .venv/bin/python
	@echo "Setting up (once; about a minute)…"
	@$(PIP) -r requirements/dev.txt
	@touch $@ .venv/run.stamp

# AWS's own client of Lambda's Runtime API, for tests, in a folder apart: by the mere presence of
# what it brings along (simplejson) `requests` raises other errors.
.venv/lambda.stamp: requirements/lambda.txt | .venv/bin/python
	@rm -rf .venv/lambda
	@$(PIP) --target .venv/lambda -r requirements/lambda.txt
	@touch $@

# What delivers the shop, and checks that: nothing that the shop itself imports.
.venv/ops.stamp: requirements/ops.txt | .venv/bin/python
	@rm -rf .venv/ops
	@$(PYTHON) -m venv .venv/ops
	@.venv/ops/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/ops.txt
	@touch $@
