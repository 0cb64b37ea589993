# `make run` prunes the built-in digits and compares the methods; `make test` runs every check.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
.DEFAULT_GOAL := help

.PHONY: help install run ui smoke images generate test tests campaigns lint types docs lock clean

help:  ## What can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

$(VENV)/installed: requirements/dev.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "prunegap needs Python 3.11 or newer, found " + sys.version.split()[0])'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --requirement requirements/dev.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch $@

install: $(VENV)/installed  ## Create .venv with everything pinned in requirements/dev.lock

run: install  ## Prune the built-in digits with every method and compare them (workspace: runs/digits)
	$(BIN)/prunegap run experiments/digits.yaml

ui: install  ## Browse the runs in MLflow
	$(BIN)/prunegap ui runs/digits

smoke: install  ## Compile the smoke pipeline for Kubeflow and run the compiled file here, a process a task
	$(BIN)/prunegap-pipelines run-local experiments/smoke.yaml

images: install  ## Build the container images (needs Docker) and note them in docker/images.lock.json
	$(BIN)/prunegap-pipelines build-images

generate: install  ## Write what is derived from the stages: components, compose services
	$(BIN)/python -m prunegap_components.generate

lint: install  ## ruff, import-linter, and whether what is generated is fresh
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/python -m prunegap_components.generate --check

types: install  ## pyright (strict on src)
	$(BIN)/pyright

# A worker a core; a module's tests stay together, those with the slow ones first (tests/conftest.py).
WORKERS := --numprocesses auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder
tests: install  ## Every test but the campaigns
	OMP_NUM_THREADS=1 $(BIN)/pytest $(WORKERS) -m "not campaign"

campaigns: install  ## Whole platforms run, broken, laden and put back, one after the other (minutes each; needs Docker)
	OMP_NUM_THREADS=1 $(BIN)/pytest -m campaign

docs: install  ## The documentation, as pages in site
	$(BIN)/mkdocs build --strict --quiet

test: lint types docs tests  ## Every check, and every test but the campaigns

COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate
lock: install  ## Resolve the dependencies anew
	$(COMPILE) --extra dev pyproject.toml --output-file requirements/dev.lock
	$(COMPILE) --constraint requirements/dev.lock pyproject.toml --output-file requirements/stage.lock
	for image in build mlflow objectstore; do \
	  $(COMPILE) --constraint requirements/dev.lock docker/$$image.in --output-file requirements/$$image.lock || exit 1; \
	done

clean:  ## Remove what make created
	rm -rf $(VENV) runs site .pytest_cache .ruff_cache
