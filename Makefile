# `make demo` and `make test` set everything up by themselves; the other targets do, too.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
FOR ?= 60
N ?= 10000
SHARE ?= 1
ROWS ?= 1000000
# Each worker, and each command that tests start, would compile all modules again.
export PYTHONDONTWRITEBYTECODE :=
REQUESTS := $(shell ls policies/x/requests/*.json | sort -V)

.DEFAULT_GOAL := help
.PHONY: help demo test whole documents coverage check pyright fmt test-databases exact-filters postgresql java test-browser statements chromium golden bench bench-peers fuzz turns exact exact-partial breaches kills killers clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# Made again when pyproject.toml changes. interegular is apart: Lark, where it can import it,
# compares all regular expressions of a grammar on every start, which only one test wants.
$(READY): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=…")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --upgrade --target $(VENV)/strict interegular
	@touch $@

demo: $(READY) ## Answer real requests by the policies of the X developer platform, and make a site of them in build/x
	@$(BIN)/policyengine decide policies/x $(REQUESTS:%=--request %)
	@printf '\n== why, and what would allow it\n'
	@$(BIN)/policyengine explain policies/x --audience developer --request $(word 5,$(REQUESTS))
	@printf '\n== when the answer changes\n'
	@$(BIN)/policyengine timeline policies/x --request $(word 6,$(REQUESTS))
	@printf '\n== who may do what, as a site\n'
	@mkdir -p build
	@$(BIN)/policyengine report policies/x --out build/x --title 'The X developer platform'

test: $(READY) ## Run all tests
	$(BIN)/python -m pytest -n auto --dist worksteal

whole: $(READY) ## Try all of what `make test` tries a share of: all planted faults, more cases of each law; some minutes
	WHOLE=1 $(BIN)/python -m pytest -n auto --dist worksteal -m sampled tests

test-databases: $(READY) ## Run the tests that start PostgreSQL and Spark (`make postgresql java` installs Debian's); minutes
	$(BIN)/python -m pip install --quiet --editable '.[spark]'
	TEST_DATABASES=1 $(BIN)/python -m pytest -n auto tests/filters tests/tables -k 'postgresql or spark'

exact-filters: $(READY) ## Hold every printing of filters on every engine against their meaning; ROWS=1000000 rows each, an hour or two
	$(BIN)/python -m pip install --quiet --editable '.[spark]'
	$(BIN)/python -m tests.filters.exact_filters --rows $(ROWS)
	$(BIN)/python -m tests.filters.filter_law --sets 2000 --in sqlite duckdb
	$(BIN)/python -m tests.filters.shipped_filters --requests 2000 --in sqlite duckdb

postgresql: ## Install Debian's PostgreSQL, without a server that runs all the time
	mkdir -p /etc/postgresql-common
	echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf
	apt-get update --quiet
	apt-get install --quiet --yes --no-install-recommends postgresql

java: ## Install Debian's Java, for Spark
	apt-get update --quiet
	apt-get install --quiet --yes --no-install-recommends default-jre-headless

test-browser: $(READY) ## Look at reports in a browser (`make chromium` installs Debian's); some minutes
	$(BIN)/python -m pip install --quiet --editable '.[browser]'
	TEST_BROWSER=1 $(BIN)/python -m pytest -n auto --dist worksteal tests/browser

statements: $(READY) ## Compare what reports say with what is decided, STATEMENTS=100000; a minute or two
	$(BIN)/python -m tests.statements --statements $(or $(STATEMENTS),100000)

chromium: ## Install Debian's chromium
	apt-get update --quiet
	apt-get install --quiet --yes --no-install-recommends chromium

documents: $(READY) ## Run every command line of the documents as it is written; some minutes
	$(BIN)/python -m tests.documents

coverage: $(READY) ## Run the tests that are no laws with branch coverage, which takes some minutes
	$(BIN)/python -m pytest -n auto --dist worksteal -m 'not no_cover' --cov --cov-report=term:skip-covered --cov-fail-under=95

check: $(READY) ## Lint and type-check the code; check, lint, test and mutate the policies
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/policyengine check --strict --each policies
	$(BIN)/policyengine lint --each policies --now 2026-11-30  # until when all of their waivers hold
	$(BIN)/policyengine test --each policies --fail-under mcdc=90 --fail-under mutation=95
	$(BIN)/policyengine fmt --check policies

pyright: $(VENV)/pyright/stubs ## Check the types of the examples and of the services in docs/ with pyright, in its strict mode
	$(BIN)/python -m tests.adapters.tutorials build/tutorials
	$(VENV)/pyright/bin/pyright

$(VENV)/pyright/stubs: $(READY)
	$(PYTHON) -m venv $(VENV)/pyright
	$(VENV)/pyright/bin/python -m pip install --quiet 'pyright>=1.1.400'
	$(VENV)/pyright/bin/python -m pip install --quiet --no-deps --target $(VENV)/pyright/stubs django-stubs django-stubs-ext
	@touch $@

fmt: $(READY) ## Format the code and the policies
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/policyengine fmt policies

golden: $(READY) ## Rewrite the golden files; read the difference before committing it
	UPDATE_GOLDEN=1 $(BIN)/python -m pytest -q tests/golden tests/slips tests/compiler/test_generate.py

bench: $(READY) ## Measure the targets, then time all worlds; some minutes, without peers
	$(BIN)/python -m bench questions
	$(BIN)/python -m bench growth --sizes 10,100,1000,10000 --contestant 'policyengine, decide'

bench-peers: $(VENV)/.peers ## Race all worlds and peers, up to 100,000 rules, and draw them; hours
	$(BIN)/python -m bench questions
	$(BIN)/python -m bench growth
	$(BIN)/python -m bench plot

$(VENV)/.peers: $(READY)
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	@touch $@

fuzz: $(READY) ## Test the laws of the language on new random input; FOR=3600 takes an hour
	$(BIN)/python -m tests.fuzz --seconds $(FOR)

turns: $(READY) ## Hold `valid_until` against every moment at which a decision may turn; N=100000 requests
	$(BIN)/python -m tests.turns --requests $(N)

exact: $(READY) ## Compare what lint, explain and prove say with all requests of a small world; N=10000 denied ones
	$(BIN)/python -m tests.analysis.exactness --requests $(N)

exact-partial: $(READY) ## Hold what is left of decisions against the whole ones; N=100000 requests take over half an hour
	$(BIN)/python -m tests.residuals --requests $(N)

breaches: $(READY) ## Plant breaches of promises in the shipped sets, and prove promises that hold; some minutes
	$(BIN)/python -m tests.breaches.harness

kills: $(READY) ## Kill processes that decide with a durable log, and look for decisions without a record; COUNT=300, a minute or two
	$(BIN)/python -m tests.kills --count $(or $(COUNT),300)

killers: $(READY) ## Paste the tests that are offered for the shipped sets, which are to notice what they are for; SHARE=0.1 SECONDS=20
	$(BIN)/python -m tests.mutation.killers --share $(SHARE) $(SECONDS:%=--seconds %)

clean: ## Remove what was built and installed
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
