# Two commands: `make demo` shows the provider at work, `make test` installs all it needs and tests it.
# And `make docs` builds the documentation.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SHELL := bash
.SHELLFLAGS := -o pipefail -c
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python
# Old versions of pip know only the authorities that they bring, and not the one of a company
SYSTEM_CERTIFICATES := $(BIN)/python -c 'import ssl; paths = ssl.get_default_verify_paths(); print(paths.cafile or paths.capath)'
COMPAT := compat-2.11 compat-3.0 compat-3.1
SESSIONS := tests system $(COMPAT) lowest

# Sessions that run at the same time: each line says whose it is, and when it came
LABELLED = 2>&1 | while IFS= read -r line; do printf '%s %4d s | %s\n' $@ "$$SECONDS" "$$line"; done

# Airflow starts twice as fast when Python may keep its bytecode
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test docs lint clean $(SESSIONS)

demo: $(VENV)/demo
	@$(BIN)/python .ci/demo.py

# Two sessions at a time, as they mostly wait
test: $(VENV)/dev
	@echo 'Running $(SESSIONS). All take about 40 minutes on 2 cores.'
	@$(MAKE) --no-print-directory --keep-going --jobs=2 $(SESSIONS)

tests system lowest: $(VENV)/dev
	@$(BIN)/nox --session $@ $(LABELLED)

$(COMPAT): compat-%: $(VENV)/dev
	@$(BIN)/nox --session "compat(airflow='$*')" $(LABELLED)

lint: $(VENV)/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/dev
	@$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going --builder html docs docs/_build
	@echo 'Open docs/_build/index.html.'

clean:
	rm -rf $(VENV) .demo docs/_build .nox .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one by: make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) uv || { echo 'Trying again with the certificates of the system.'; $(PIP) --cert "$$($(SYSTEM_CERTIFICATES))" uv; }

$(VENV)/demo: pyproject.toml | $(BIN)/uv
	@$(INSTALL) --editable '.[emulator]'
	@touch $@

$(VENV)/dev: pyproject.toml | $(BIN)/uv
	@$(INSTALL) --editable '.[emulator,openlineage,pandas,s3]' --group dev
	@touch $@
