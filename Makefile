# Every target sets up what it needs; README.md explains them. Paths are relative, so a space in one is fine.
SHELL := /bin/sh
.DEFAULT_GOAL := help
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PYTHONDONTWRITEBYTECODE := 1
export JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION := 1

ifneq ($(shell test -w "$$HOME" && echo yes),yes)
# CDK's runtime unpacks itself below HOME, unless it is told of another place.
export JSII_RUNTIME_PACKAGE_CACHE_ROOT ?= $(CURDIR)/build/jsii
endif

DATA ?=
CLASSIFIER ?= vehicles
KEEP ?=
ENV ?= dev
TESTS ?= tests
# `exec`, so that a signal to make reaches the demo itself and no shell in between.
DEMO = SCONES_SETUP_SECONDS=$$(cat build/setup.seconds); export SCONES_SETUP_SECONDS; exec .venv/bin/python -m scones.demo

BASE ?= build/base/cdk.out/$(ENV)
CDK = node node_modules/aws-cdk/bin/cdk

.PHONY: help demo up down test test-fast test-full lint format typecheck checks snapshots synth diff deploy destroy lock clean
.PHONY: setup-synth setup-cli setup-local setup-dev

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

demo: setup-local ## Deploy, train, classify, destroy on this machine (DATA=<folder> CLASSIFIER=<name> KEEP=1)
	@$(DEMO) --classifier "$(CLASSIFIER)" $(if $(DATA),--data "$(DATA)") $(if $(KEEP),--keep)

up: setup-local ## The first half of the demo: leave a deployed, trained classifier running (DATA=<folder>)
	@$(DEMO) up --classifier "$(CLASSIFIER)" $(if $(DATA),--data "$(DATA)")

down: setup-local ## The second half: destroy it, check that nothing is left
	@$(DEMO) down

test: setup-dev ## Every test that fits 25 minutes on 2 cores
	@.venv/bin/python -m pytest -n 2 --no-loadscope-reorder -m "not slow" $(TESTS)

test-fast: setup-dev ## Unit and infra tests, a minute or a little more on 2 cores
	@.venv/bin/python -m pytest tests/unit tests/infra

test-full: setup-dev ## Everything, the slow tests too
	@.venv/bin/python -m pytest $(TESTS)

lint: setup-dev ## Style, import rules
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/lint-imports

format: setup-dev ## Write the style
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .

typecheck: setup-dev ## mypy --strict on everything
	@.venv/bin/mypy

checks: setup-dev ## What can be known of a deployment without an account, in one table
	@.venv/bin/python -m stacks.checks

snapshots: setup-dev ## Write tests/snapshots/ anew, for the pull request to show what changed
	@.venv/bin/python -m stacks.checks.snapshots

synth: setup-synth ## Templates of one environment into cdk.out/ (ENV=dev|prod)
	@$(CDK) synth --quiet --app ".venv/bin/python app.py" --output "cdk.out/$(ENV)" -c env="$(ENV)"

diff: setup-synth ## What changed since other templates (ENV=dev|prod BASE=<their folder>); after `make synth`
	@.venv/bin/python tools/diff.py "cdk.out/$(ENV)" "$(BASE)"

deploy: setup-synth ## Deploy to AWS without questions, as CI does (ENV=dev|prod)
	@$(CDK) deploy --all --require-approval never --app ".venv/bin/python app.py" -c env="$(ENV)"

destroy: setup-synth ## Destroy on AWS without questions (ENV=dev|prod)
	@$(CDK) destroy --all --force --app ".venv/bin/python app.py" -c env="$(ENV)"

lock: setup-dev ## Resolve constraints.txt and package-lock.json anew
	@.venv/bin/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
	  --no-header --no-annotate --no-emit-index-url --no-emit-find-links --upgrade -o constraints.txt
	@npm install --package-lock-only --no-audit --no-fund --omit-lockfile-registry-resolved

clean: ## Remove what set-up and runs made
	@rm -rf .venv node_modules build cdk.out *.egg-info

setup-synth:
	@tools/python tools/setup.py synth

setup-cli:
	@tools/python tools/setup.py cli

setup-local:
	@tools/python tools/setup.py local

setup-dev:
	@tools/python tools/setup.py dev
