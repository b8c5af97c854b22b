# Two commands: `make demo` shows the provider at work, `make test` installs all it needs and tests it.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/uv pip install --quiet --python $(BIN)/python
COMPAT := compat-2.11 compat-3.0
SESSIONS := tests system $(COMPAT)

# Airflow starts twice as fast when Python may keep its bytecode
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test lint clean $(SESSIONS)

demo: $(VENV)/demo
	@$(BIN)/python .ci/demo.py

# Two sessions at a time, as they mostly wait
test: $(VENV)/dev
	@echo 'Each of $(SESSIONS) tells its results when it ends. All take about 20 minutes on 2 cores.'
	@$(MAKE) --no-print-directory --keep-going --jobs=2 $(addprefix --,$(filter output-sync,$(.FEATURES))) $(SESSIONS)

tests system: $(VENV)/dev
	@$(BIN)/nox --session $@

$(COMPAT): compat-%: $(VENV)/dev
	@$(BIN)/nox --session "compat(airflow='$*')"

lint: $(VENV)/dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf $(VENV) .demo .nox .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one by: make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

$(VENV)/demo: pyproject.toml | $(BIN)/uv
	@$(INSTALL) --editable '.[emulator]'
	@touch $@

$(VENV)/dev: pyproject.toml | $(BIN)/uv
	@$(INSTALL) --editable '.[emulator,pandas]' --group dev
	@touch $@
