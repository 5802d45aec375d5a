# What people who change the code run; `make help` lists it.
PYTHON ?= python
# napari needs a display; Xvfb is one without a screen.
XVFB := $(if $(DISPLAY),,xvfb-run -a -s "-screen 0 1400x1000x24 +extension GLX")

.PHONY: help check lint wheel docs test slow gallery generated

help:  ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

check: lint wheel docs test  ## all of the checks below but the slow ones: what a commit must pass

lint:  ## style, types and the direction of imports
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	$(PYTHON) -c "from importlinter.cli import lint_imports_command; lint_imports_command()"

wheel:  ## build the wheel and look at what is in it
	$(PYTHON) -m build --wheel --outdir build/wheel .
	$(PYTHON) -m check_wheel_contents build/wheel/*.whl

docs:  ## build the documentation site in build/docs; a broken link is an error
	NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --quiet --strict

test:  ## the quick tests
	$(XVFB) $(PYTHON) -m pytest

slow:  ## the tests that take minutes
	$(XVFB) $(PYTHON) -m pytest -m slow

gallery:  ## draw docs/gallery anew, with all its scores; minutes
	$(PYTHON) -m benchmarks.gallery

generated:  ## write anew what comes from code and measurements: tables, code map, public interface
	$(PYTHON) -m benchmarks.tables
	$(PYTHON) docs/code_map.py
	$(PYTHON) -m tests.public_interface
