# Two commands matter: `make demo` and `make test`. Both set up all that is missing.
.DEFAULT_GOAL := help
.PHONY: help setup demo test check lint types contract bench bench-calls bench-router bench-speech bench-ledger bench-web \
  bench-adversaries bench-floods simulate lock clean
SHELL := /bin/bash

PYTHON := .venv/bin/python
SETUP := tollbridge/setup.sh
TOOLS := .tollbridge/tools
.PHONY: audit advisories sbom licences

help: ## list these commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-17s %s\n", $$1, $$2 }'

setup: ## set up all that is missing: Python packages, Asterisk, web parts
	@$(SETUP)

demo: ## start a node, sell a real call, stay up (ONCE=1: stop after the sale, end with one line of JSON)
	@$(SETUP) --demo 1>&2
	@$(PYTHON) -m tollbridge demo $(if $(ONCE),--once)

test: ## set up all that is missing and run every test
	@$(SETUP) --tests
ifdef TESTS
	@$(PYTHON) -m pytest --dist loadfile -n 2 $(TESTS)
else
	@tests/run_all.sh
endif

check: lint types contract test ## everything CI asks for

lint: .venv/checks ## ruff
	@$(PYTHON) -m ruff check .

types: .venv/checks ## strict types, of Python and of the web's islands
	@$(PYTHON) -m mypy
	@npm run --silent types

contract: .venv/checks ## rooms import downwards only
	@.venv/bin/lint-imports --no-cache

bench: bench-calls bench-router bench-speech bench-ledger bench-web bench-adversaries bench-floods ## every benchmark

bench-calls: .venv/checks ## call set-up and CPU beside a bare-dialplan Asterisk
	@$(PYTHON) -m tests.bench.calls

bench-router: .venv/checks ## the router: decisions, reload, leases, races, turns, auctions
	@$(PYTHON) -m tests.bench.router

bench-speech: .venv/checks ## what callers say, by real calls (QUICK=1: a little of it; MODEL=folder: a Vosk model)
	@$(PYTHON) -m tests.bench.speech_set
	@QUICK=$(QUICK) MODEL=$(MODEL) $(PYTHON) -m tests.bench.speech

bench-ledger: .venv/checks ## money: settlement beside pgbench, verify, reports (QUICK=1: smaller)
	@$(PYTHON) -m tests.bench.ledger

bench-web: .venv/checks ## the pages over a million calls, the live board, the editor (QUICK=1: smaller; PARTS="pages live editor")
	@QUICK=$(QUICK) $(PYTHON) -m tests.bench.web

bench-floods: .venv/checks ## pings beside wrong keys, pages beside pings, a crowd at the door (SECONDS=10)
	@SECONDS=$(or $(SECONDS),10) $(PYTHON) -m tests.bench.floods

bench-adversaries: .venv/checks ## parties that try to gain against the whole market (MOVES=20000 SEED=n)
	@$(PYTHON) -m tests.adversaries --moves $(or $(MOVES),20000) $(if $(SEED),--seed $(SEED))

simulate: .venv/checks ## calls x faults against the real settlement (CALLS=1000000 SEED=n)
	@$(PYTHON) -m tests.simulate --calls $(or $(CALLS),20000) $(if $(SEED),--seed $(SEED))

lock: ## renew requirements*.lock from requirements*.in
	@$(SETUP) --lock

audit: .venv/checks $(TOOLS)/made ## known faults of our packages, by the registries and by the snapshot (OFFLINE=1: asks nobody)
	@$(PYTHON) -m tollbridge.packages.audit $(if $(OFFLINE),,$(TOOLS)/bin/pip-audit)

advisories: .venv/checks ## renew the snapshot of known faults (FROM="NAME DAY FOLDER", as docs/security.md says)
	@$(PYTHON) -m tollbridge.packages.refresh $(FROM)

sbom: .venv/checks $(TOOLS)/made ## CycloneDX lists of what a node runs, into sbom/
	@mkdir -p sbom
	@npm sbom --sbom-format cyclonedx --package-lock-only --omit dev >sbom/web.cdx.json
	@$(TOOLS)/bin/cyclonedx-py requirements requirements.lock --output-reproducible --of JSON -o sbom/python.cdx.json

licences: .venv/checks ## write docs/licences.md from what is installed
	@$(PYTHON) -m tollbridge.packages.licences

clean: ## forget this clone's node and environment (keeps the shared cache)
	rm -rf .venv .tollbridge node_modules

$(TOOLS)/made: requirements-tools.lock
	@$(SETUP) --tools
	@touch $(TOOLS)/made

.venv/checks: requirements-dev.lock
	@$(SETUP) --tests
	@touch .venv/checks
