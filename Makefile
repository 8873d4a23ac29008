PYTHON ?= python3

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install -c constraints.txt
SOURCES := pyproject.toml setup.py constraints.txt $(wildcard csrc/*)

.PHONY: demo test check sanitize bench docs clean

demo: $(VENV)/.core
	$(BIN)/assay demo

test: $(VENV)/.dev
	$(BIN)/python -m pytest --numprocesses logical --maxprocesses 4 --dist loadfile $(TEST_FLAGS)

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m pytest -q tests/test_packaging.py -k "links or constraints"
	$(MAKE) --no-print-directory docs

sanitize: $(VENV)/.dev
	$(BIN)/python tests/sanitize.py address,undefined thread

bench: $(VENV)/.dev
	$(BIN)/python bench/run.py $(BENCH_FLAGS)
	$(BIN)/python bench/readme.py

# Strict, so not quiet, which hides warnings from it. The banner is about another mkdocs.
docs: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build
	@echo "read build/docs/index.html, or with search: $(BIN)/python -m http.server -d build/docs"

clean:
	rm -rf $(VENV) build dist src/*.egg-info src/assay/_native.*.so

$(VENV)/.core: EXTRAS := [demo]
$(VENV)/.core: $(SOURCES)
	$(INSTALL_ASSAY)
	touch $@

$(VENV)/.dev: EXTRAS := [test,lint,docs]
$(VENV)/.dev: $(SOURCES)
	$(INSTALL_ASSAY)
	touch $(VENV)/.core $@

# Build isolation would fetch unpinned build tools, so they are installed first.
define INSTALL_ASSAY
$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"assay needs Python 3.11 or newer, $(PYTHON) is {sys.version}; name another: make PYTHON=...")'
$(PYTHON) -m venv $(VENV)
$(PIP) setuptools pybind11
$(PIP) --no-build-isolation -e '.$(EXTRAS)'
endef
