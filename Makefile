# `make help` lists the targets. Each stage prints its time.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PY := .venv/bin/python

# $(call stage,name,command): run, then print how long it took; the command's exit status is kept
define stage
@start=$$EPOCHREALTIME; $(2); code=$$?; \
printf '%-8s %s  %s s\n' '$(1)' "$$([ $$code = 0 ] && echo ok || echo FAILED)" \
  "$$(( ($${EPOCHREALTIME/./} - $${start/./}) / 1000000 ))"; exit $$code
endef

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  \033[1m%-11s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: .venv/.stamp ## virtual environment with pinned, hashed dependencies; costs nothing when nothing changed

.venv/.stamp: requirements-dev.txt pyproject.toml tools/setup.sh
	$(call stage,setup,tools/setup.sh)

.PHONY: lock
lock: setup ## compile the hashed requirements*.txt from pyproject.toml
	$(call stage,lock,tools/lock.sh)

.PHONY: format
format: setup ## rewrite the sources in the house style
	@$(PY) -m ruff check --fix-only --quiet .
	@$(PY) -m ruff format --quiet .

.PHONY: check lint style types arch spelling
check: lint style types arch spelling ## everything that reads the sources without running them

lint: setup
	$(call stage,lint,$(PY) -m ruff check --quiet .)
style: setup
	$(call stage,style,$(PY) -m ruff format --check --quiet . || { echo 'run: make format'; false; })
types: setup
	$(call stage,types,$(PY) -m mypy)
arch: setup
	$(call stage,arch,.venv/bin/lint-imports --no-logo)
spelling: setup
	$(call stage,spelling,.venv/bin/codespell)

# Tests put PgBouncer between replica and database, and step clocks by libfaketime. Where these can simply be had, get
# them; elsewhere those tests say so.
.PHONY: helpers
helpers:
	@if ! { [ -x /usr/sbin/pgbouncer ] && command -v faketime; } >/dev/null && \
	  [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  (apt-get -qq update && \
	   DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends pgbouncer faketime) \
	    >/dev/null 2>&1 || true; fi

.PHONY: test
test: setup helpers ## all tests but chaos: unit, engine, model, simulation, store, cluster, demo, in that order
	@$(PY) -m pytest -m 'not chaos and not e2e' $(PYTEST_ARGS)

.PHONY: test-fast
test-fast: setup ## unit and engine tests: seconds
	@$(PY) -m pytest -m 'unit or engine' $(PYTEST_ARGS)

.PHONY: model
model: setup ## search the model of the launch protocol, with its guards and with each of them off
	$(call stage,model,$(PY) -m tests.model && $(PY) -m tests.model --guards)

.PHONY: chaos
chaos: setup helpers ## random faults over many schedules, on the real thing: SECONDS=300 SEED=1; the history is kept
	@exec $(PY) -m tests.chaos --seconds $(or $(SECONDS),300) --seed $(or $(SEED),1) $(CHAOS_ARGS)

# Two clusters at once take a little more than half the time of one after the other, where there is room for both.
KILLED := tests/chaos/test_matrix_killed.py
OTHERS := $(filter-out $(KILLED),$(wildcard tests/chaos/test_matrix_*.py))

.PHONY: chaos-short
chaos-short: setup helpers ## the crash matrix, and random faults of a fixed seed: what CI asks of every change
	$(call stage,matrix,$(PY) -m tools.beside $(PY) -m pytest -m chaos $(KILLED) + $(PY) -m pytest -m chaos $(OTHERS))
	$(call stage,soak,$(PY) -m tests.chaos --seconds 100 --seed 21 --schedules 24)

.PHONY: guards
guards: setup ## each guard taken out of the real program: the checker must find what goes wrong then
	$(call stage,guards,$(PY) -m tests.chaos.guards)

.PHONY: build
build: setup ## the control plane's binaries, from source, where they are not at hand
	$(call stage,build,$(PY) -m tools.devcluster.build)

.PHONY: demo
demo: setup ## two replicas on a real control plane, live; DEMO_SECONDS=60 ends it by itself
	@exec $(PY) -m tools.demo

.PHONY: bench
bench: setup ## launch lag beside the CronJob controller; writes docs/figures.md
	$(call stage,bench,$(PY) -m tools.bench)

.PHONY: clean
clean: ## remove what make setup and the linters made here; the cache of built binaries stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

.PHONY: image
image: ## the image of a replica, by docker: IMAGE=ticklock:0.1.0
	docker build -t $(or $(IMAGE),ticklock:$$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)) .

.PHONY: oci-images
oci-images: setup ## the same image and what stands beside it in a cluster without registry, by no docker, into dist/
	$(call stage,images,$(PY) -m tools.image)

.PHONY: e2e
e2e: setup ## images, and pods of them on two real nodes; as root on Linux, elsewhere it says that it was skipped
	@if reason=$$($(PY) -m tools.realnode --why-not); then echo "e2e      SKIPPED: $$reason"; \
	  else exec $(PY) -m pytest -m e2e $(PYTEST_ARGS); fi

.PHONY: kind-up
kind-up: ## a cluster by kind with the image on it; needs docker and kind, and is not run by any test here
	@tools/kind.sh up

.PHONY: kind-down
kind-down: ## remove that cluster
	@tools/kind.sh down

.PHONY: kind-e2e
kind-e2e: ## install, test and uninstall the chart on a cluster by kind; needs docker, kind, helm and kubectl, as kind-up
	@tools/kind.sh e2e
