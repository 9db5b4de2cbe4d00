# Everything a developer runs. Needs only python3 (3.10 to 3.13) and make: the environments are
# made here, from the lock files in requirements/, and a second run finds them ready.
#
#   make test-all ARGS="-k upload -x"   arguments for pytest
#   make test PYTHON=python3.12         another interpreter

SHELL := /bin/sh
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
ARGS ?=
# `make test REQUIRE_AIRFLOW2=1` fails if Airflow 2.11 cannot be installed, instead of a note.
REQUIRE_AIRFLOW2 ?=
# The same for the browser; tests/support/find_browser.py reads it, and BROWSER_BINARY.
REQUIRE_BROWSER ?=

# Without byte code every start of Kedro and Airflow takes several times as long.
unexport PYTHONDONTWRITEBYTECODE
# An activated environment of the caller is not ours.
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME
export UV_PYTHON_DOWNLOADS := never
export KEDRO_DISABLE_TELEMETRY := 1
export DO_NOT_TRACK := 1

PYTHONS := 3.10 3.11 3.12 3.13
PYTHONS2 := 3.10 3.11 3.12

# An interpreter is run to learn its version: a pyenv shim may be on PATH and still not work.
VERSION_CODE := -c 'import sys; print("%d.%d" % sys.version_info[:2])'
EXECUTABLE_CODE := -c 'import sys; print(sys.executable)'
VERSION := $(shell $(PYTHON) $(VERSION_CODE) 2>/dev/null)

# Airflow 2.11 supports Python up to 3.12: with a newer python3 an older one beside it is used.
ifneq ($(filter $(VERSION),$(PYTHONS2)),)
PYTHON2 := $(PYTHON)
else
PYTHON2 := $(shell for p in python3.12 python3.11 python3.10; do \
	$$p $(VERSION_CODE) >/dev/null 2>&1 && echo $$p && break; done)
endif
VERSION2 := $(if $(PYTHON2),$(shell $(PYTHON2) $(VERSION_CODE)))

UV := .venv-tools/bin/uv
RUN := .venv/bin/python
RUN2 := .venv-airflow2/bin/python
# The version is in the stamp's name, so another PYTHON remakes the environment.
TOOLS := .venv-tools/.ready
READY := .venv/.ready-$(VERSION)
# `make demo` installs only the part of .venv that it needs, and `make test` completes it.
READY_DEMO := $(if $(or $(wildcard $(READY)),$(filter-out demo,$(MAKECMDGOALS))),$(READY),.venv/.ready-demo-$(VERSION))
READY2 := $(if $(PYTHON2),.venv-airflow2/.ready-$(VERSION2))
# Older versions of Kedro, and kedro-mlflow with the newest, for the tests that run on several.
READY_KEDROS := .venv-kedro-1.0/.ready-$(VERSION) .venv-kedro-1.5/.ready-$(VERSION)
READY_MLFLOW := .venv-mlflow/.ready-$(VERSION)
# Spark, Ray and Dask, for the tests of clusters in `make test-all`.
READY_ENGINES := .venv-engines/.ready-$(VERSION)
# Airflow 3 with OpenLineage, for a test in `make test-all`.
READY_LINEAGE := .venv-openlineage/.ready-$(VERSION)

PYTEST = $(if $(READY2),AIRFLOW2_PYTHON="$(CURDIR)/$(RUN2)") \
	KEDRO_1_0_PYTHON="$(CURDIR)/.venv-kedro-1.0/bin/python" \
	KEDRO_1_5_PYTHON="$(CURDIR)/.venv-kedro-1.5/bin/python" \
	MLFLOW_PYTHON="$(CURDIR)/.venv-mlflow/bin/python" \
	$(if $(wildcard $(READY_ENGINES)),ENGINES_PYTHON="$(CURDIR)/.venv-engines/bin/python") \
	$(if $(wildcard $(READY_LINEAGE)),OPENLINEAGE_PYTHON="$(CURDIR)/.venv-openlineage/bin/python") \
	$(RUN) -m pytest -n auto
# The tests of a file share their Airflow, so one process runs them.
BY_FILE := --dist loadfile
# What the tests of Airflow need.
TEST_ENVIRONMENTS := check-airflow2 $(READY) $(READY2) $(READY_KEDROS) $(READY_MLFLOW) check-browser
# What `make lint` looks at, as far as it exists.
CODE := $(wildcard kedro_airflow_k8s tests benchmarks scripts examples docs)
# What people read: scripts/check_words.py reports words that they would have to read twice.
PROSE := $(CODE) README.md CHANGELOG.md CONTRIBUTING.md Makefile setup.cfg pyproject.toml .github
TYPED := $(wildcard kedro_airflow_k8s tests benchmarks scripts docs)

.PHONY: help demo check unit test test-all nightly e2e lint fmt docs reference bench golden schema screenshots lock clean .venv \
	.venv-airflow2 .venv-mlflow .venv-engines .venv-openlineage check-python check-airflow2 check-browser say-airflow2 say-browser

help: ## show this list
	@awk -F ':.*## ' '/^[a-z.0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile

demo: $(READY_DEMO) ## compile examples/spaceflights and run it in the sandbox, on this machine alone
	@cd examples/spaceflights && ../../.venv/bin/kedro airflow-k8s sandbox run
	@echo
	@echo "That was a Kedro pipeline, compiled to a DAG and run as pods by a real Airflow. Next:"
	@echo "  less examples/spaceflights/dags/*.py                 its DAGs, as compiled for the repository"
	@echo "  cd examples/spaceflights && ../../.venv/bin/kedro airflow-k8s compile --help"
	@echo "  README.md                                            the same for your own project"

check: lint unit ## lint and the unit tests, in two minutes

unit: $(READY) ## the unit tests: no process, no network
	HYPOTHESIS_PROFILE=quick $(RUN) -m pytest -n auto --dist worksteal $(ARGS) tests/unit

# In the order of the files: the slow ones come first, the unit tests fill what is left.
test: $(TEST_ENVIRONMENTS) ## the unit tests, and the core of the others on Airflow 3 and 2.11, in ten minutes
	HYPOTHESIS_PROFILE=quick $(PYTEST) $(BY_FILE) --no-loadscope-reorder -p no:randomly \
		-m "core or (core_once and not airflow2)" $(ARGS)
	@$(MAKE) --no-print-directory say-airflow2 say-browser

test-all: $(TEST_ENVIRONMENTS) $(READY_ENGINES) $(READY_LINEAGE) ## all tests but those on a real cluster, in random order
	$(PYTEST) $(BY_FILE) $(ARGS)
	@$(MAKE) --no-print-directory say-airflow2 say-browser

nightly: $(TEST_ENVIRONMENTS) ## the tests with generated examples, with ten times as many of them
	HYPOTHESIS_PROFILE=nightly $(PYTEST) --dist worksteal -m hypothesis $(ARGS)

e2e: $(READY) $(READY_MLFLOW) ## run the DAG on the Kubernetes cluster of KUBECONFIG, see docs/contributing/cluster-tests.md
	@$(RUN) -m tests.cluster
	MLFLOW_PYTHON="$(CURDIR)/.venv-mlflow/bin/python" $(RUN) -m pytest tests/cluster $(ARGS)

lint: $(READY) ## ruff, mypy --strict, import-linter, odd words, actionlint, shellcheck, zizmor
	.venv/bin/ruff check $(CODE)
	.venv/bin/ruff check --select AIR,E,F,I examples/*/dags/*.py examples/features/*/dag.py
	.venv/bin/ruff format --check $(CODE)
	.venv/bin/mypy $(TYPED)
	.venv/bin/lint-imports
	$(RUN) scripts/check_words.py $(PROSE)
	.venv/bin/shellcheck .ci/run
	.venv/bin/actionlint -shellcheck .venv/bin/shellcheck
	.venv/bin/zizmor --offline --pedantic --quiet .github

fmt: $(READY) ## format the code and fix what ruff can fix
	.venv/bin/ruff check --fix-only $(CODE)
	.venv/bin/ruff format $(CODE)

docs: $(READY) ## build the documentation into docs/_build/html; a warning is an error
	$(RUN) -m sphinx --builder html --fail-on-warning --keep-going --jobs auto \
		--doctree-dir docs/_build/doctrees $(ARGS) docs docs/_build/html

bench: $(READY) $(READY_MLFLOW) ## measure against the budgets, into benchmarks/RESULTS.md
	MLFLOW_PYTHON="$(CURDIR)/.venv-mlflow/bin/python" $(RUN) -m benchmarks $(ARGS)

golden: $(READY) ## regenerate the golden DAGs in examples/
	$(RUN) scripts/regenerate_golden.py $(ARGS)

reference: $(READY) ## regenerate the pages of docs/reference that are made from the code
	$(RUN) -m scripts.write_reference
	$(RUN) scripts/draw_machines.py

schema: $(READY) ## regenerate the fields of Kubernetes' API and the JSON Schema of airflow-k8s.yaml
	$(RUN) scripts/write_kubernetes_fields.py > kedro_airflow_k8s/config/kubernetes_fields.json.new
	mv kedro_airflow_k8s/config/kubernetes_fields.json.new kedro_airflow_k8s/config/kubernetes_fields.json
	$(RUN) -m kedro_airflow_k8s.config.schema > kedro_airflow_k8s/config/airflow-k8s.schema.json.new
	mv kedro_airflow_k8s/config/airflow-k8s.schema.json.new kedro_airflow_k8s/config/airflow-k8s.schema.json

screenshots: $(READY) $(READY_MLFLOW) ## regenerate the screenshots in docs/images
	@REQUIRE_BROWSER=1 $(RUN) -m tests.support.find_browser --install
	DOCS_SCREENSHOTS=docs/images $(RUN) -m pytest -k "every_task and airflow3" $(ARGS) tests/e2e/test_browser.py
	DOCS_SCREENSHOTS=docs/images $(RUN) -m pytest -k airflow3 $(ARGS) tests/e2e/test_assets.py
	DOCS_SCREENSHOTS=docs/images $(RUN) -m pytest -k "page_of_a_run and airflow3" $(ARGS) \
		tests/airflow/sandbox/test_visible_groups.py
	DOCS_SCREENSHOTS=docs/images $(RUN) -m pytest -k light_and_dark $(ARGS) tests/e2e/test_usage_page.py
	DOCS_SCREENSHOTS=docs/images MLFLOW_PYTHON="$(CURDIR)/.venv-mlflow/bin/python" $(RUN) -m pytest $(ARGS) \
		tests/e2e/test_mlflow_page.py

# Keeps what is locked unless the inputs forbid it; ARGS=--upgrade takes the newest of everything,
# ARGS="--upgrade-package ruff" of one.
LOCK = $(UV) pip compile --quiet --universal --python-version 3.10 --generate-hashes \
	--no-annotate --custom-compile-command "make lock" $(ARGS)

lock: $(TOOLS) ## resolve requirements/*.in again into the lock files
	$(LOCK) requirements/tools.in -o requirements/tools.txt
	$(LOCK) --no-emit-package kedro-airflow-k8s requirements/airflow3.in -o requirements/airflow3.txt
	$(LOCK) --no-emit-package kedro-airflow-k8s --constraints requirements/airflow3.txt \
		requirements/demo.in -o requirements/demo.txt
	$(LOCK) requirements/airflow2.in -o requirements/airflow2.txt
	$(LOCK) --no-emit-package kedro-airflow-k8s requirements/mlflow.in -o requirements/mlflow.txt
	$(LOCK) --no-emit-package kedro-airflow-k8s requirements/engines.in -o requirements/engines.txt
	$(LOCK) --constraints requirements/airflow3.txt requirements/openlineage.in -o requirements/openlineage.txt
	for v in 1.0 1.5; do $(LOCK) --no-emit-package kedro-airflow-k8s \
		requirements/kedro-$$v.in -o requirements/kedro-$$v.txt || exit; done

clean: ## remove the environments and everything built or cached
	rm -rf .venv .venv-airflow2 .venv-kedro-1.0 .venv-kedro-1.5 .venv-mlflow .venv-engines .venv-openlineage .venv-tools build dist docs/_build *.egg-info .hypothesis \
		.import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find kedro_airflow_k8s tests benchmarks scripts examples -name __pycache__ -prune \
		-exec rm -rf {} + 2>/dev/null || true

.venv: $(READY) ## the environment of everything: the plugin, Airflow 3, tests and tools
.venv-airflow2: check-airflow2 $(READY2) ## Airflow 2.11 and its Kubernetes provider, nothing else
.venv-mlflow: $(READY_MLFLOW) ## the plugin with kedro-mlflow and MLflow
.venv-engines: $(READY_ENGINES) ## the plugin with Spark, Java, Ray and Dask
.venv-openlineage: $(READY_LINEAGE) ## Airflow 3 with its OpenLineage provider

# 1: the wanted version, 2: the interpreter, 3: the environment
define make_environment
	@$(3)/bin/python -c 'import sys; sys.exit("%d.%d" % sys.version_info[:2] != "$(1)")' 2>/dev/null \
		|| $(UV) venv --quiet --clear --python "$$($(2) $(EXECUTABLE_CODE))" $(3)
endef
INSTALL := --quiet --strict --compile-bytecode --python
SYNC := $(UV) pip sync --require-hashes $(INSTALL)

# 1: the lock file
define make_venv
	@$(CHECK_PYTHON)
	@echo "Making .venv from $(1), Python $(VERSION)"
	$(call make_environment,$(VERSION),$(PYTHON),.venv)
	$(SYNC) .venv $(1)
	$(UV) pip install --no-deps --no-build-isolation $(INSTALL) .venv --editable .
	@rm -f .venv/.ready-* && touch $@
endef

$(READY): requirements/airflow3.txt setup.cfg | $(TOOLS)
	$(call make_venv,requirements/airflow3.txt)

ifneq ($(READY_DEMO),$(READY))
$(READY_DEMO): requirements/demo.txt setup.cfg | $(TOOLS)
	$(call make_venv,requirements/demo.txt)
endif

ifneq ($(READY2),)
$(READY2): requirements/airflow2.txt | $(TOOLS)
	@echo "Making .venv-airflow2 from requirements/airflow2.txt, Python $(VERSION2)"
	$(call make_environment,$(VERSION2),$(PYTHON2),.venv-airflow2)
	$(SYNC) .venv-airflow2 requirements/airflow2.txt
	@rm -f .venv-airflow2/.ready-* && touch $@
endif

$(READY_KEDROS): .venv-kedro-%/.ready-$(VERSION): requirements/kedro-%.txt setup.cfg | $(TOOLS)
	@$(CHECK_PYTHON)
	@echo "Making .venv-kedro-$* from requirements/kedro-$*.txt, Python $(VERSION)"
	$(call make_environment,$(VERSION),$(PYTHON),.venv-kedro-$*)
	$(SYNC) .venv-kedro-$* requirements/kedro-$*.txt
	$(UV) pip install --no-deps --no-build-isolation $(INSTALL) .venv-kedro-$* --editable .
	@rm -f .venv-kedro-$*/.ready-* && touch $@

# Not byte-compiled: tests import a quarter of it, which costs less than to compile it all.
$(READY_MLFLOW): requirements/mlflow.txt setup.cfg | $(TOOLS)
	@$(CHECK_PYTHON)
	@echo "Making .venv-mlflow from requirements/mlflow.txt, Python $(VERSION)"
	$(call make_environment,$(VERSION),$(PYTHON),.venv-mlflow)
	$(UV) pip sync --require-hashes --quiet --strict --python .venv-mlflow requirements/mlflow.txt
	$(UV) pip install --no-deps --no-build-isolation --quiet --python .venv-mlflow --editable .
	@rm -f .venv-mlflow/.ready-* && touch $@

$(READY_ENGINES): requirements/engines.txt setup.cfg | $(TOOLS)
	@$(CHECK_PYTHON)
	@echo "Making .venv-engines from requirements/engines.txt, Python $(VERSION)"
	$(call make_environment,$(VERSION),$(PYTHON),.venv-engines)
	$(UV) pip sync --require-hashes --quiet --strict --python .venv-engines requirements/engines.txt
	$(UV) pip install --no-deps --no-build-isolation --quiet --python .venv-engines --editable .
	@rm -f .venv-engines/.ready-* && touch $@

$(READY_LINEAGE): requirements/openlineage.txt | $(TOOLS)
	@echo "Making .venv-openlineage from requirements/openlineage.txt, Python $(VERSION)"
	$(call make_environment,$(VERSION),$(PYTHON),.venv-openlineage)
	$(SYNC) .venv-openlineage requirements/openlineage.txt
	@rm -f .venv-openlineage/.ready-* && touch $@

$(TOOLS): requirements/tools.txt
	@$(CHECK_PYTHON)
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
		echo "$(PYTHON) has no venv module. On Debian and Ubuntu: apt-get install python3-venv." >&2; \
		echo "Or name another interpreter: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -m venv --clear .venv-tools
	@.venv-tools/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
		-r requirements/tools.txt
	@touch $@

CHECK_PYTHON = $(if $(filter $(VERSION),$(PYTHONS)),:,{ \
	echo "$(PYTHON) is $(if $(VERSION),Python $(VERSION),not an interpreter that runs); needed is one of $(PYTHONS)." >&2; \
	echo "Name one: make PYTHON=python3.12" >&2; exit 1; })

check-python:
	@$(CHECK_PYTHON)

check-airflow2: say-airflow2
	@$(if $(READY2),:,$(if $(REQUIRE_AIRFLOW2),echo "REQUIRE_AIRFLOW2 is set." >&2; exit 1,:))

say-airflow2:
	@$(if $(READY2),:,echo "NOTE: Airflow 2.11 is left out and its tests are skipped: it needs \
	one of Python $(PYTHONS2), $(PYTHON) is $(VERSION), and PATH has no other.")

check-browser: $(READY)
	@$(RUN) -m tests.support.find_browser --install

say-browser: $(READY)
	@$(RUN) -m tests.support.find_browser
