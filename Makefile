# Everything a developer does, one word each; needs python3 and make.
# VENV and PYTHON may be given: make test PYTHON=python3.13 VENV=.venv313

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Tests that need them, or take long with them; see pyproject.toml.
SERVERS := s3servers or kafka or mockkafka or metricservers or site or breaking
FAULTS ?= faults or full
# Such as -s tests-3.13: some of its sessions only
NOX ?=
# More workers than cores: most tests wait for a process or a server.
JOBS ?= 4
# Without caches of bytecode each worker compiles all modules anew.
unexport PYTHONDONTWRITEBYTECODE
PYTEST := $(BIN)/python -m pytest
PARALLEL := -n $(JOBS) --dist worksteal
# uv takes seconds where pip takes minutes; it does not read pip's own
# configuration, so pip is asked where it finds nothing.
INSTALL = $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python $(1) \
	  || $(BIN)/python -m pip install --quiet --disable-pip-version-check $(1)
EXTRAS := test,test-kafka,test-prometheus,test-s3,test-web,docs,lint,demo,yaml

.DEFAULT_GOAL := help

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(VENV)/.installed: setup.cfg pyproject.toml
	@$(PYTHON) -m venv $(VENV) || { echo "python3 has no venv module here: install python3-venv, or give PYTHON=…"; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(call INSTALL,-e '.[$(EXTRAS)]')
	@touch $@

install: $(VENV)/.installed  ## Set up .venv with everything the other commands need

demo: install  ## Train a classifier, serve it, and look at what it logged
	$(BIN)/python examples/digits_service.py

check: install lint types  ## Run lint, types and the tests that wait for nothing, while you write
	$(PYTEST) $(PARALLEL) -q --quick -m 'not (waits or $(SERVERS) or frameworks)'

test: install lint types  ## Run lint, types and all tests but those below, before you commit
	$(PYTEST) $(PARALLEL) -m 'not ($(SERVERS) or frameworks)'

kafka: install  ## Fetch Apache Kafka for the tests: needs Java and Maven
	@$(BIN)/python tests/servers/kafka_jars.py

test-servers: kafka  ## Run the tests with servers (S3, Kafka, …) and faults in small size
	$(PYTEST) $(PARALLEL) -m '$(SERVERS)'

test-frameworks: install  ## Run real frameworks of training and serving (15 GB)
	@$(call INSTALL,-e '.[test-frameworks]')
	$(PYTEST) -m frameworks
	$(PYTHON) -m venv $(VENV)-deepsparse
	$(VENV)-deepsparse/bin/python -m pip install --quiet --disable-pip-version-check -e '.[test,test-deepsparse]'
	$(VENV)-deepsparse/bin/python -m pytest -m frameworks tests/integrations/test_deepsparse.py
	for each in kserve bentoml torchserve ray vllm; do \
	  $(PYTHON) -m venv $(VENV)-$$each && \
	  $(VENV)-$$each/bin/python -m pip install --quiet --disable-pip-version-check -e ".[test-$$each]" && \
	  $(VENV)-$$each/bin/python -m pytest -m frameworks tests/recipes/test_$$each.py || exit 1; done

test-faults: kafka  ## Run the fault tests in full size
	$(PYTEST) $(PARALLEL) --full-faults -m '$(FAULTS)'

test-versions: install  ## Run the tests on every Python that is on PATH
	@$(call INSTALL,nox)
	$(BIN)/nox $(NOX)

fmt: install  ## Format the code
	$(BIN)/ruff format mllog tests benchmarks examples docs
	$(BIN)/ruff check --fix mllog

lint: install  ## Check style
	$(BIN)/ruff format --check --quiet mllog tests benchmarks examples docs
	$(BIN)/ruff check mllog

types: install  ## Check types
	$(BIN)/mypy

bench: install  ## Measure mllog beside its peers, and print the tables
	@$(call INSTALL,-e '.[bench]')
	$(BIN)/python -m benchmarks

docs: install  ## Build the documentation, and serve it at localhost:8000
	@$(call INSTALL,-e '.[docs]')
	$(BIN)/python -m sphinx -q -W --keep-going -b html docs docs/_build/html
	$(BIN)/python -m http.server 8000 --bind 127.0.0.1 --directory docs/_build/html

figures: install  ## Draw the picture and the tables of the docs anew
	$(BIN)/python docs/images/console.py
	$(BIN)/python docs/images/report.py
	$(BIN)/python docs/tables.py

clean:  ## Remove what the commands above made
	rm -rf $(VENV) build dist docs/_build docs/reference/python *.egg-info logs .mypy_cache .pytest_cache .ruff_cache .hypothesis

.PHONY: help install check demo kafka test test-servers test-frameworks test-faults test-versions docs figures fmt lint types bench clean
