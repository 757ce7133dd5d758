# make quickstart   set everything up and run evals/quickstart.yaml on the embedded model
# make test         the tests
# make check        what CI holds: format, lint, types, tests
# make docs         the documentation as a site, in build/site
# make package      the sdist and the wheel, built and tried, in dist

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# Bytecode is kept, even where the environment says otherwise: compiling all modules at each start is a quarter of the tests' time.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: quickstart setup test test-browser test-model check docs package format reference lock audit bench calibration clean

quickstart: $(READY)
	$(BIN)/phrasing run evals/quickstart.yaml

setup: $(READY)

# uv is quicker where it is there; both install exactly the lock, with every hash checked.
$(READY): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	rm -rf $(VENV)
	@echo "installing into $(VENV): about 2 GB, one to three minutes the first time"
	@if command -v uv >/dev/null 2>&1; then \
	  uv venv --quiet --python $(PYTHON) $(VENV) && \
	  uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock && \
	  uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e . ; \
	else \
	  $(PYTHON) -m venv $(VENV) && \
	  $(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock && \
	  $(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . ; \
	fi
	@touch $(READY)

test: $(READY)
	$(BIN)/pytest -q -n auto --dist worksteal

# The report in Chromium, which has to be there (Debian: apt-get install chromium).
test-browser: $(READY)
	$(BIN)/pytest -q -m browser

test-model: $(READY)
	$(BIN)/pytest -q -m model

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --platform darwin --cache-dir .mypy_cache/darwin
	$(BIN)/mypy --platform win32 --cache-dir .mypy_cache/win32
	$(BIN)/pytest -q -n auto --dist worksteal -m "not model and not browser"

docs: $(READY)
	$(BIN)/mkdocs build

package: $(READY)
	$(BIN)/python tools/try_wheel.py --keep dist

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Ask the embedded model anew, keep the answers, and rebuild what is made of them: make reference SUITE=difficulty
SUITE ?= quickstart
reference: $(READY)
	$(BIN)/python tools/reference.py --ask $(SUITE)

bench: $(READY)
	$(BIN)/python -m benchmarks $(TRACES) $(LOGS)

# Whether the statistics keep their promises, by simulation: about 25 minutes on two cores.
calibration: $(READY)
	$(BIN)/python -m benchmarks.calibration
	$(BIN)/python -m benchmarks.calibration.sequential

lock:
	uv pip compile pyproject.toml --extra local --extra dev --extra docs --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-header --quiet -o requirements.lock

# Known vulnerabilities of the locked versions: needs the wide internet, and fails where they can't be looked up.
audit:
	$(PYTHON) tools/audit.py

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
