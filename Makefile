# `make demo` and `make test` are all a new user needs; both create .venv themselves.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt

# compiled modules are kept, whatever the environment says: tests start many processes, which else compile them anew
export PYTHONDONTWRITEBYTECODE =

.PHONY: demo test tests lint style types docs bench clean

demo: .venv/all
	$(BIN)/contractive compare digits --out demo --force
	@echo "Open demo/report.html in a browser."

test: .venv/dev
	@$(MAKE) --no-print-directory -j 3 tests types style  # the checks take one core for a while, beside the tests

tests: .venv/dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

lint: style types

types: .venv/dev
	$(BIN)/pyright --pythonpath $(BIN)/python  # not whatever python comes first on the PATH

style: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/python scripts/structure.py
	$(BIN)/python scripts/words.py

docs: .venv/all
	$(PIP) -e ".[docs]"
	$(BIN)/mkdocs build --strict
	@echo "Open site/index.html in a browser."

bench: .venv/all
	$(PIP) -e ".[bench]"
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/step.py --slow --out benchmarks/results/step.json
	OMP_NUM_THREADS=2 $(BIN)/python benchmarks/step.py --threads 2 --out benchmarks/results/step_2_threads.json
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/throughput.py --out benchmarks/results/throughput.json
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/estimator.py --out benchmarks/results/estimator.json
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/packages.py --out benchmarks/results/packages.json
	$(BIN)/python benchmarks/render.py

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/all: .venv/bin/python pyproject.toml constraints.txt
	$(PIP) -e ".[all]"
	@touch $@

.venv/dev: .venv/all
	$(PIP) -e ".[test,lint]"
	@touch $@

clean:
	rm -rf .venv demo build dist
