# Needs python3 (3.11 or newer), make and git; everything else is obtained on first need, and kept.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv/bin
PART ?= $(patsubst benchmarks/%/__main__.py,%,$(wildcard benchmarks/*/__main__.py))
STARTED := $(shell date +%s)
# One thread per library: two runs can share a machine, and timings mean something.
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export TIMEFORMAT := %1R s

.DEFAULT_GOAL := help
.PHONY: help demo demo-cluster test test-slow check bench tools docs api crds lock environment

help: ## Show these lines
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## See the whole loop on a real Prometheus: train, score, decide, verdict (ARGS="--help" shows what it can do)
	@$(PYTHON) -m tools.bootstrap demo
	@$(PYTHON) -m tools prometheus
	@$(VENV)/python -m testbed --prometheus -- aiops demo $(ARGS)

demo-cluster: environment tools ## See it on a real Kubernetes control plane beside the plain HPA, two hours in four minutes
	@$(VENV)/python -m testbed.demo_cluster $(ARGS)

test: check tools ## Everything that must hold before a commit: check, then all tests but the slow ones
	@time $(VENV)/python -m pytest --quiet --durations=15 --durations-min=1 $(ARGS)
	@echo "make test: $$(($$(date +%s) - $(STARTED))) s"

test-slow: environment tools ## The tests that take minutes
	@$(PYTHON) -m tools prometheus3
	@time $(VENV)/python -m pytest --quiet --durations=10 -m slow --timeout=1800 $(ARGS)

check: environment ## The static checks: style, types, layers
	$(call quietly,ruff check,$(VENV)/ruff check --quiet .)
	$(call quietly,ruff format --check,$(VENV)/ruff format --check --quiet .)
	$(call quietly,mypy --strict,$(VENV)/mypy)
	$(call quietly,lint-imports,$(VENV)/lint-imports --no-logo)

bench: environment tools ## Measure, and keep the result files that the README's tables read (PART=scaling: one part only)
	@set -e; for part in $(PART); do echo "benchmarks.$$part"; time $(VENV)/python -m benchmarks.$$part $(ARGS); done

tools: ## Obtain the real components that tests and demos talk to, into a cache of the user (first time: ten minutes)
	@$(PYTHON) -m tools

docs: environment tools ## Write the reference pages that are made from the code
	@mkdir -p docs/reference
	@$(VENV)/python -m typer aiops.cli.main utils docs --name aiops --output docs/reference/command-line.md
	@$(VENV)/python -m typer operators.main utils docs --name "python -m operators" --output docs/reference/operator.md
	@$(VENV)/python -m benchmarks.readme
	@$(VENV)/python -m pytest --quiet tests/contracts/test_bad_input.py tests/contracts/test_predictive_scaler.py tests/server/test_calls.py --write-reference

api: environment ## Write aiops/api anew from protos/
	@$(VENV)/buf lint
	@$(VENV)/buf generate

crds: environment ## Write the chart's CustomResourceDefinitions anew from the models
	@$(VENV)/python -m tools.crds

lock: environment ## Write requirements/*.txt anew from pyproject.toml (UPGRADE=1: to the newest allowed versions)
	@$(PYTHON) -m tools.lock $(if $(UPGRADE),--upgrade)

environment:
	@$(PYTHON) -m tools.bootstrap dev

# $(call quietly,NAME,COMMAND): name and seconds; what the command prints is shown when it fails.
define quietly
	@{ printf '%-22s' '$(1)'; time { said=$$($(2) 2>&1) || { echo failed; echo "$$said"; false; }; }; } 2>&1
endef
