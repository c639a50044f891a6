# Each target sets up what it needs: a .venv in this checkout, with the pinned dependencies.

VENV := .venv
BIN := $(VENV)/bin
# The first interpreter on PATH that is 3.11 or newer; PYTHON=… chooses another.
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11 python3.14 python; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
READY := $(VENV)/.ready

.PHONY: demo quick test check bench engines clean

demo: $(READY)
	IPYBOX_BACKEND=local $(BIN)/python examples/01_basic_usage.py

# Everything without engines and without processes that take seconds to start.
quick: $(READY)
	$(BIN)/python -m pytest -m 'not slow and not engine' $(ARGS)

test: $(READY)
	$(BIN)/python -m pytest $(ARGS)

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)
	$(BIN)/python -m benchmarks $(ARGS)

# Starts a Docker engine if none is reachable (Debian, as root), makes a base image if none can
# be pulled, and builds the images that the tests run.
engines: $(READY)
	settings="$$(.ci/docker)" && eval "$$settings" && $(BIN)/ipybox build --recipe minimal --backend docker && \
		$(BIN)/ipybox build --recipe default --backend docker

$(READY): pyproject.toml constraints.txt images/ipybox_runtime/__init__.py
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; none was found on PATH." >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@# Compile now, or the first start of a gateway would wait for it.
	-$(BIN)/python -m compileall -q $(VENV)/lib ipybox backends images >/dev/null 2>&1
	touch $(READY)

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
