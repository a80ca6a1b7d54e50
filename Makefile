# make demo: a study on real data, from nothing to an exported file and the answer whether its skill holds.
# make demo-service: on PostgreSQL with three workers, one of them killed.  make test: all that is quick.
# make test-service: real servers, real kills, and what is slow.  make test-ray: a real cluster; installs Ray.  make test-browser: the
# pages in a real Chromium, skipped where there is none.  make pictures: the study that the README shows, and its
# pictures.  make peers: the same trials by others' tools, which it installs.  make docs: these pages as a site in
# build/site, which needs no network.  make docs-reference: docs/reference/ anew.  CI checks all four tests.
PYTHON ?= python3
BIN := .venv/bin
SLOWER := tests/service tests/chaos tests/ray tests/browser
# What ships the samples that are no part of arch; docs/data.md says why without dependencies.
SAMPLES := skfolio bokeh-sampledata backtesting
DEMO_STORE := sqlite:///demo/ballast.db

.PHONY: setup demo demo-service test test-service test-ray test-browser pictures peers docs docs-reference lint imports types unit clean

setup: .venv/installed-test

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Ballast needs Python 3.11 or newer; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

demo: .venv/installed
	mkdir -p demo
	$(BIN)/ballast run configs/studies/sp500-volatility.yaml --store $(DEMO_STORE)
	$(BIN)/ballast export sp500-volatility --store $(DEMO_STORE) -o demo/best.yaml
	$(BIN)/ballast verify demo/best.yaml --store $(DEMO_STORE) || [ $$? -eq 1 ]  # 1: the answer is no, and it is printed

demo-service: .venv/installed-test
	$(BIN)/python -m benchmarks.demo_service

test: lint imports types unit

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

imports: setup
	$(BIN)/lint-imports --no-cache

types: setup
	$(BIN)/mypy

unit: setup
	$(BIN)/pytest -n 2 -m "not slow" $(SLOWER:%=--ignore=%)

test-service: setup
	$(BIN)/pytest -n 2 tests/service tests/chaos
	$(BIN)/pytest -n 2 -m slow $(SLOWER:%=--ignore=%)

test-ray: .venv/installed-ray
	$(BIN)/pytest tests/ray

test-browser: .venv/installed-browser .venv/installed-docs
	$(BIN)/pytest tests/browser

pictures: .venv/installed-browser
	$(BIN)/python -m benchmarks.pictures

peers: .venv/installed-peers
	$(BIN)/python -m benchmarks.peers

docs: .venv/installed-docs
	$(BIN)/python -m docs.generate.site

docs-reference: setup
	$(BIN)/python -m docs.generate

.venv/installed-test: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[test]"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -c constraints.txt $(SAMPLES)
	touch $@

.venv/installed-%: .venv/installed-test
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[test,$*]"
	touch $@

clean:
	rm -rf .venv demo build *.egg-info .mypy_cache .ruff_cache .hypothesis
