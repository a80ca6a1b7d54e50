# make demo: a study on real data, from nothing to an exported file.  make test: all that needs no cluster.
# make test-ray: what needs one; it installs Ray.  CI checks both.
PYTHON ?= python3
BIN := .venv/bin
DEMO_STORE := sqlite:///demo/ballast.db

.PHONY: setup demo test test-ray lint types unit clean

setup: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Ballast needs Python 3.11 or newer; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[samples,test]"
	touch $@

demo: setup
	mkdir -p demo
	$(BIN)/ballast run configs/studies/sp500-volatility.yaml --store $(DEMO_STORE)
	$(BIN)/ballast export sp500-volatility --store $(DEMO_STORE) -o demo/best.yaml

test: lint types unit

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

unit: setup
	$(BIN)/pytest -n 2

test-ray: .venv/installed-ray
	$(BIN)/pytest tests/ray

.venv/installed-ray: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[samples,test,ray]"
	touch $@

clean:
	rm -rf .venv demo build *.egg-info .mypy_cache .ruff_cache .hypothesis
