# One command a habit: make demo, test, check, lock, vectors, module, clean.
# Everything below installs what is missing first (apt, .venv); root or sudo.

PYTHON := /usr/bin/python3
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
APT := bash ca-certificates clang gcc git groff-base libc6-dev libclang-rt-dev \
       libpam0g-dev login openssh-client openssh-server openssl passwd python3-venv rsync \
       strace sudo util-linux valgrind
BIN := .venv/bin
MODULE := build/pam_pushmfa.so
SOURCES := pushmfa tests
JOBS ?= auto

.PHONY: demo test check format lint types imports c-check vectors vectors-check \
        unit integration e2e pam-tests module install uninstall install-needs lock clean

# The whole system in a sandbox: try it, or DEMO=auto and watch it play by itself.
demo: install-needs module
	$(SUDO) $(BIN)/pushmfa demo --module $(MODULE) $(if $(filter auto,$(DEMO)),--auto)

# Everything: what CI runs is what people run.
test: check vectors-check unit pam-tests integration e2e

check: install-needs lint types imports c-check

lint:
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)

types:
	$(BIN)/mypy

imports:
	$(BIN)/lint-imports

c-check: install-needs
	$(MAKE) --no-print-directory -C pam_module check BIN=$(abspath $(BIN))

format: install-needs
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)
	$(MAKE) --no-print-directory -C pam_module format BIN=$(abspath $(BIN))

# Vectors are made by a command; CI fails if they are not what the command makes.
vectors: install-needs
	$(BIN)/python -m tests.vectors.make

vectors-check: install-needs
	$(BIN)/python -m tests.vectors.make --check

unit: install-needs
	$(BIN)/pytest -q -n $(JOBS) tests/unit tests/property tests/vectors

pam-tests: install-needs
	$(MAKE) --no-print-directory -C pam_module test BIN=$(abspath $(BIN))

integration: install-needs
	$(BIN)/pytest -q -n $(JOBS) tests/integration

e2e: install-needs module
	$(SUDO) $(BIN)/pytest -q -n 3 --dist loadfile tests/e2e

module: $(MODULE)

$(MODULE): install-needs $(wildcard pam_module/*.c pam_module/*.h pam_module/*.map)
	$(MAKE) --no-print-directory -C pam_module OUT=$(abspath $@)

# The module and its page, under DESTDIR and PREFIX (/usr).
install uninstall:
	$(MAKE) --no-print-directory -C pam_module $@ OUT=$(abspath $(MODULE))

# New pins for everything, with hashes; look at the diff before you commit it.
lock: install-needs
	$(BIN)/pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --upgrade \
	    --generate-hashes --no-annotate --no-header pyproject.toml \
	    -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --upgrade \
	    --generate-hashes --no-annotate --no-header --group dev pyproject.toml \
	    -o requirements-dev.lock

install-needs: build/.apt .venv/.installed

build/.apt: Makefile
	@mkdir -p build
	@missing=$$(for p in $(APT); do \
	    dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' \
	        || echo $$p; done); \
	if [ -n "$$missing" ]; then \
	    echo "installing:" $$missing; \
	    $(SUDO) apt-get update -qq && $(SUDO) env DEBIAN_FRONTEND=noninteractive \
	        apt-get install -y -qq --no-install-recommends $$missing >build/apt.log 2>&1 \
	        || { cat build/apt.log; exit 1; }; fi
	@touch $@

.venv/.installed: requirements-dev.lock pyproject.toml build/.apt
	@echo "installing the Python packages into .venv"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes \
	    -r requirements-dev.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps \
	    --no-build-isolation -e .
	@touch $@

clean:
	rm -rf build .venv dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
