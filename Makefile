# make quickstart   set everything up; then four commands: two recorded questions, one of them asked again, and how far that agrees
# make test         the tests
# make check        what CI holds: format, lint, types, tests
# make docs         the documentation as a site, in build/site
# make package      the sdist and the wheel, built and tried, in dist

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUNS := $(VENV)/.runs
READY := $(VENV)/.ready

# Bytecode is kept, even where the environment says otherwise: compiling all modules at each start is a quarter of the tests' time.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: quickstart setup test test-browser test-model check docs package format study reference lock audit bench calibration clean

# Each command is one for every day; make shows it before it runs. Few answers of a model decide nothing, so recorded ones do.
quickstart: $(RUNS)
	@printf '\n1 of 4: is it harder to choose from many steps than from 6? Answers that were recorded; no model is asked.\n'
	$(BIN)/phrasing run evals/tools.yaml --replay recorded
	@printf '\n2 of 4: does the format of the thread matter? Again from recorded answers.\n'
	$(BIN)/phrasing run evals/quickstart.yaml --replay recorded
	@printf '\n3 of 4: a part of that asked of the small model inside .venv: 8 cases in 3 formats; half a minute to a minute.\n'
	$(BIN)/phrasing run evals/quickstart.yaml --cases 8
	@printf '\n4 of 4: does your machine give the answers that were recorded?\n'
	$(BIN)/phrasing compare latest recorded
	@printf '\nGo on with docs/quickstart.md, step 2. For the commands there: . $(VENV)/bin/activate\n'

setup: $(READY)

# uv is quicker where it is there; both install exactly the lock, with every hash checked.
define install
	@if command -v uv >/dev/null 2>&1; then \
	  uv pip install --quiet --python $(BIN)/python $(1) ; \
	else \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check $(1) ; \
	fi
endef

# What runs suites, the embedded model and charts with it. An environment that is there is added to, never begun anew by this.
$(RUNS): pyproject.toml requirements-run.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11, 4) and "Python 3.11.4 or newer is needed: make PYTHON=python3.12")'
	rm -rf $(VENV)
	@echo "installing into $(VENV): about 1.4 GB, half a minute to two minutes the first time"
	@$(PYTHON) -m venv $(VENV)
	$(call install,--require-hashes -r requirements-run.lock)
	$(call install,--no-deps --no-build-isolation -e .)
	@touch $@

# And what tests, checks and builds it.
$(READY): $(RUNS) requirements.lock
	@echo "installing the tools for development into $(VENV): about 0.7 GB"
	$(call install,--require-hashes -r requirements.lock)
	@touch $@

test: $(READY)
	$(BIN)/pytest -q -n auto --dist worksteal

# The report in Chromium, which has to be there (Debian: apt-get install chromium).
test-browser: $(READY)
	$(BIN)/pytest -q -m browser

test-model: $(READY)
	$(BIN)/pytest -q -m model

# Which tests: all but those of the model and the browser.
CHECKED ?= not model and not browser
check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --platform darwin --cache-dir .mypy_cache/darwin
	$(BIN)/mypy --platform win32 --cache-dir .mypy_cache/win32
	$(BIN)/pytest -q -n auto --dist worksteal -m "$(CHECKED)"

docs: $(READY)
	$(BIN)/mkdocs build

package: $(READY)
	$(BIN)/python tools/try_wheel.py --keep dist

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Ask for so many minutes what the study (docs/study.md) still lacks: make study MINUTES=100
MINUTES ?= 100
study: $(READY)
	$(BIN)/python tools/study.py --minutes $(MINUTES)

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
	printf 'editables\nhatchling\n' | uv pip compile pyproject.toml - --extra local --extra charts --universal --python-version 3.11 \
	  -c requirements.lock --generate-hashes --no-emit-index-url --no-header --no-annotate --quiet -o requirements-run.lock

# Known vulnerabilities of the locked versions: needs the wide internet, and fails where they can't be looked up.
audit:
	$(PYTHON) tools/audit.py

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
