# Needs make and Python 3.11 or newer; the rest goes into .venv and go-fixtures/bin.
#
#   make PYTHON=/path/to/python3.13      takes this interpreter for a new .venv
#   make test PYTEST_ARGS="-k relay -x"  passes options on to pytest

ifneq ($(PYTHON),)
CANDIDATES = $(PYTHON)
else
# Where pyenv has no version selected, its python3.x shims fail; the rest finds its own.
CANDIDATES = python3.13 python3.12 python3.11 python3 \
	$(wildcard $(HOME)/.pyenv/versions/3.1[1-9]*/bin/python3)
endif

VENV = .venv
BIN = $(VENV)/bin
INSTALLED = $(VENV)/.installed
SUITABLE = import sys, venv, ensurepip; assert sys.version_info >= (3, 11)

DEMO_FIXTURES = kv-plugin kv-host kv-host-mtls terraform-provider-time

# Measured on two cores: more workers than cores take longer, and slow the start of each
# plugin towards the 5 s that tests wait for it.
WORKERS = auto --maxprocesses 4
PYTEST = pytest -n $(WORKERS) --dist worksteal $(PYTEST_ARGS)

# What came of the tests, for the matrix.
RECORD = -p interop.matrix.recorder --matrix-results
LATEST = .pytest_cache/matrix/latest.json
FLOOR = .pytest_cache/matrix/floor.json

# The targets share .venv, and what takes long in them uses all cores by itself.
.NOTPARALLEL:

.PHONY: help install demo iglu test check lint format types generated proto fixtures \
	interop coverage wheel docs bench soak stress clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  \1	\2/p' Makefile | expand -t 14

install: $(INSTALLED) ## make .venv with the package and its development tools
	@:

$(INSTALLED): pyproject.toml
	@$(BIN)/python -c '$(SUITABLE)' 2>/dev/null || { \
	  found=; \
	  for python in $(CANDIDATES); do \
	    if "$$python" -c '$(SUITABLE)' >/dev/null 2>&1; then found=$$python; break; fi; \
	  done; \
	  if [ -z "$$found" ]; then \
	    echo "make: no Python >= 3.11 that can make a venv (on Debian, that needs" \
	      "python3-venv); tried: $(CANDIDATES). Name one with make PYTHON=..." >&2; \
	    exit 1; \
	  fi; \
	  "$$found" -m venv --clear $(VENV); }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

demo: $(INSTALLED) ## run examples/demo.py: both directions, against real Go programs
	@$(BIN)/python -m interop.fixtures $(DEMO_FIXTURES)
	@$(BIN)/python examples/demo.py

iglu: $(INSTALLED) ## run examples/iglu: plugins that crash, return and are replaced
	@$(BIN)/python -m interop.fixtures kv-plugin
	@$(BIN)/python examples/iglu/tour.py

test: fixtures peers ## run all tests
	@$(BIN)/python -m $(PYTEST)

check: lint types generated coverage ## all that must pass before a commit

lint: $(INSTALLED) ## check format and style
	@$(BIN)/ruff format --quiet --check . || { \
	  $(BIN)/ruff format --check .; echo "make format repairs this" >&2; exit 1; }
	@$(BIN)/ruff check --quiet .

format: $(INSTALLED) ## repair format, and of style what can be repaired safely
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format --quiet .

types: $(INSTALLED) ## check types
	@$(BIN)/mypy

generated: $(INSTALLED) ## check that generated code is what the protos give
	@$(BIN)/python proto/generate.py --check || { \
	  echo "out of date: make proto" >&2; exit 1; }
	@$(BIN)/python go-fixtures/generate.py --check || { \
	  echo "out of date: make proto" >&2; exit 1; }

proto: $(INSTALLED) ## generate Python and Go code from proto/ anew
	@$(BIN)/python proto/generate.py
	@$(BIN)/python go-fixtures/generate.py

fixtures: $(INSTALLED) ## build the Go programs of the tests; gets Go if there is none
	@$(BIN)/python -m interop.fixtures

# Twice: with the newest grpcio and protobuf, and what is in the matrix with the oldest.
# The page tells of a failure, too.
interop: $(INSTALLED) peers ## run all tests against Go programs, and write interop/MATRIX.md
	@$(BIN)/python -m interop.fixtures --full
	@$(BIN)/python -m interop.matrix --floor
	@rm -f $(LATEST) $(FLOOR)
	@failed=; \
	$(BIN)/python -m $(PYTEST) $(RECORD)=$(LATEST) -m "" interop || failed=1; \
	PYTHONPATH=$(CURDIR)/.venv-floor \
	  $(BIN)/python -m $(PYTEST) $(RECORD)=$(FLOOR) -m "" interop/test_matrix.py \
	  || failed=1; \
	$(BIN)/python -m interop.matrix $(LATEST) $(FLOOR) && [ -z "$$failed" ]

# The second report is the stricter one for the pure code.
coverage: fixtures peers ## run all tests and see what they reach
	@$(BIN)/coverage erase
	@$(BIN)/coverage run -m $(PYTEST)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report
	@$(BIN)/coverage report --include='goplugin_py/wire/*' --fail-under=95

# What is copied lacks the package, so that the tests can only find the installed one.
WHEEL_TREE = build/wheel
WHEEL_TESTS = tests/wire tests/hclog tests/test_errors.py tests/test_plugin.py \
	interop/test_cli.py interop/test_examples.py interop/test_go_host.py \
	interop/test_python_host.py interop/test_terraform_host.py

wheel: fixtures ## build the wheel, install it elsewhere, and test it there
	@rm -rf dist .venv-wheel $(WHEEL_TREE)
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps -w dist .
	@$(BIN)/python -m venv .venv-wheel
	@.venv-wheel/bin/python -m pip install --quiet --disable-pip-version-check \
	  "$$(echo dist/*.whl)[dev]"
	@mkdir -p $(WHEEL_TREE)
	@tar -cf - --exclude=./goplugin_py --exclude=./go-fixtures/bin --exclude='./.*' \
	  --exclude=./build --exclude=./dist . | tar -xf - -C $(WHEEL_TREE)
	@ln -s $(CURDIR)/go-fixtures/bin $(WHEEL_TREE)/go-fixtures/bin
	@cd $(WHEEL_TREE) && PATH="$(CURDIR)/.venv-wheel/bin:$$PATH" \
	  $(CURDIR)/.venv-wheel/bin/python -m $(PYTEST) $(WHEEL_TESTS)

# In an environment of its own: nothing else needs what it is built with.
docs: $(INSTALLED) ## build the site from docs/ into build/site; warnings are errors
	@$(BIN)/python -m venv .venv-docs
	@.venv-docs/bin/python -m pip install --quiet --disable-pip-version-check '.[docs]'
	@NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --strict --clean \
	  --config-file website/mkdocs.yml

bench: $(INSTALLED) ## measure beside other libraries, on a quiet machine
	@$(BIN)/python -m interop.fixtures echo-host echo-plugin callback-plugin-1.8.0 \
	  schema-provider terraform-provider-time
	@$(BIN)/python -m interop.bench

# Here, so that no test waits for a download.
peers: $(INSTALLED)
	@$(BIN)/python -m interop.bench --install

# Takes SOAK_ARGS, such as "--minutes 3".
soak: $(INSTALLED) ## see for ten minutes whether a host with 50 plugins grows
	@$(BIN)/python -m interop.fixtures echo-plugin callback-plugin-1.8.0
	@$(BIN)/python -m interop.soak $(SOAK_ARGS)

stress: $(INSTALLED) ## 1,000 starts, every fault, a million log lines, random cases
	@$(BIN)/python -m interop.fixtures echo-plugin judge
	@$(BIN)/python -m interop.stress

clean: ## remove what these targets made
	@rm -rf $(VENV) .venv-bench .venv-docs .venv-floor .venv-proto .venv-protoc-go .venv-wheel \
	  go-fixtures/bin build dist .coverage .coverage.* .hypothesis .mypy_cache \
	  .pytest_cache .ruff_cache
	@find goplugin_py interop tests examples proto go-fixtures website \
	  -name __pycache__ -prune -exec rm -rf {} +
