# One command a habit: make demo, test, check, build, install, lock, vectors, clean.
# Each installs what it needs first (apt, .venv), by root or sudo; but install,
# uninstall and clean, which need nothing.

PYTHON := /usr/bin/python3
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
APT_BUILD := gcc libc6-dev libpam0g-dev python3-venv
APT := $(APT_BUILD) bash ca-certificates clang git groff-base libclang-rt-dev \
       login openssh-client openssh-server openssl passwd rsync spin strace sudo systemd \
       util-linux valgrind
BENCH_APT := libpam-duo
PROXIES := caddy nginx
PICTURES_APT := fonts-dejavu-core fonts-roboto-unhinted pngquant
BROWSER_APT := chromium dbus-daemon firefox-esr webkit2gtk-driver xvfb
BIN := .venv/bin
MODULE := build/pam_pushmfa.so
SOURCES := pushmfa tests hatch_build.py
JOBS ?= auto

.PHONY: build dist demo test check format lint types imports c-check vectors vectors-check \
        unit app-tests app-browsers app-screens integration e2e kill-matrix faults models models-check flood pam-tests \
        bench bench-timeline bench-programs bench-startup bench-app docs module install uninstall by-root install-needs \
        lock clean

# The whole system in a sandbox: try it, or DEMO=auto and watch it play by itself.
demo: install-needs module
	$(SUDO) $(BIN)/pushmfa demo --module $(MODULE) $(if $(filter auto,$(DEMO)),--auto)

# Everything: what CI runs is what people run.
test: check vectors-check unit app-tests app-screens pam-tests integration models-check e2e

check: install-needs lint types imports c-check

lint: install-needs
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)

types: install-needs
	$(BIN)/mypy

imports: install-needs
	$(BIN)/lint-imports

c-check: install-needs bench-programs
	$(BIN)/clang-format --dry-run -Werror tests/bench/c/*.c
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

# The phone app: its types, and every vector by its code. Node and npm are in .venv.
app-tests: tests/app/node_modules/.installed
	cd tests/app && ../../$(BIN)/node node_modules/typescript/bin/tsc --project .
	cd tests/app && ../../$(BIN)/node --test

# The same in Chromium, Firefox and WebKitGTK.
app-browsers: install-needs build/.apt-browsers
	$(BIN)/python -m tests.app.browsers.run
	$(BIN)/python -m tests.app.browsers.real_app

# The app on a real relay and a real host, in Chromium. SHOTS=FOLDER keeps pictures.
app-screens: install-needs build/.apt-browsers tests/app/node_modules/.installed
	PUSHMFA_SHOTS=$(SHOTS) $(BIN)/pytest -q -n 2 tests/app/screens

# The pictures of the README, from the running system.
.PHONY: screenshots icons
screenshots: install-needs module build/.apt-browsers build/.apt-pictures
	$(SUDO) $(BIN)/python -m tests.app.pictures.take docs/images

# icon.png of icon.svg; app-screens checks that it is.
icons: install-needs build/.apt-browsers build/.apt-pictures
	$(BIN)/python -m tests.app.pictures.icons
	$(BIN)/node tests/app/version.js

tests/app/node_modules/.installed: tests/app/package-lock.json .venv/.installed
	@echo "installing the tools of the app into tests/app/node_modules"
	@cd tests/app && PATH="$(abspath $(BIN)):$$PATH" npm ci --silent --ignore-scripts
	@touch $@

# Debian's own proxies, for the samples of docs/operating-a-relay.md.  Unpacked and not
# installed: an installed one would start and take ports 80 and 443 of this machine.
build/proxies/.unpacked: build/.apt
	@rm -rf $(@D) && mkdir -p $(@D)
	@echo "fetching $(PROXIES) into $(@D)"
	@cd $(@D) && { apt-get -qq download $(PROXIES) 2>/dev/null || { $(SUDO) apt-get update -qq && \
	    apt-get -qq download $(PROXIES); }; }
	@for deb in $(@D)/*.deb; do dpkg-deb -x $$deb $(@D) || exit 1; done
	@touch $@

pam-tests: install-needs
	$(MAKE) --no-print-directory -C pam_module test BIN=$(abspath $(BIN))

# More than cores: many of them wait.
integration: install-needs build build/proxies/.unpacked
	$(BIN)/pytest -q -n 3 tests/integration

.PHONY: hostile
# Ten thousand logins against a hostile relay, and which check stops what.
RUNS := 10000
hostile: install-needs
	$(BIN)/python -m tests.fakes.hostile --runs $(RUNS)

# The protocol's models: full size (`make models`), and as small as CI has time for.
models: install-needs
	PUSHMFA_MODELS=full $(BIN)/pytest -q -s tests/model

models-check: install-needs
	$(BIN)/pytest -q -n $(JOBS) tests/model

# Floods of a real host at full size; `make e2e` runs them with fewer.
flood: install-needs module
	$(SUDO) env PUSHMFA_FLOOD=full $(BIN)/pytest -q -s tests/e2e/test_floods.py

e2e: install-needs build build/.apt-browsers tests/app/node_modules/.installed
	$(SUDO) $(BIN)/pytest -q -n 3 --dist loadfile tests/e2e

# pushmfa(1), from the commands themselves; the configuration: docs/configuration.md.
docs: build/man/pushmfa.1

build/man/pushmfa.1: install-needs $(wildcard pushmfa/cli/*.py)
	@mkdir -p $(@D)
	$(BIN)/python -m pushmfa.cli.manual > $@.new && mv $@.new $@

# How long the phone app takes to start: TLS, no cache, a page four times slower.
bench-app: install-needs build/.apt-browsers
	$(BIN)/python -m tests.bench.app_start

# How long commands take to start, beside python3 -c 'import click'.
bench-startup: install-needs
	$(BIN)/python -m tests.bench.startup

# kill -9 and SIGSTOP of every process at every step of a login, N times each.
N ?= 20
kill-matrix: install-needs module
	$(SUDO) $(BIN)/python -m tests.e2e.kill_matrix --times $(N) --jobs $(KILL_JOBS)
KILL_JOBS ?= 3

# Every other fault: what the person sees and how long it takes (docs/failures.md).
faults: install-needs module
	$(SUDO) $(BIN)/pytest -q -s tests/e2e/test_faults.py

# What a login costs, beside pam_duo and the least; docs/performance.md.
ROUNDS ?= 5
LOGINS ?= 300
bench: install-needs module build/.apt-bench bench-programs
	$(SUDO) $(BIN)/python -m tests.bench.run --rounds $(ROUNDS) --logins $(LOGINS)

bench-timeline: install-needs module build/.apt-bench bench-programs
	$(SUDO) $(BIN)/python -m tests.bench.timeline

bench-programs: install-needs
	@$(MAKE) --no-print-directory -C tests/bench/c OUT=$(abspath build/bench)

module: $(MODULE)

$(MODULE): build/.apt-build $(wildcard pam_module/*.c pam_module/*.h pam_module/*.map)
	$(MAKE) --no-print-directory -C pam_module OUT=$(abspath $@)

# What `make install` installs.  It needs the network, and no root but for apt.
build: module dist build/wheels/.complete

VERSION := $(shell sed -n 's/^VERSION: Final = "\(.*\)"/\1/p' pushmfa/terms.py)
WHEEL := dist/pushmfa-$(VERSION)-py3-none-any.whl
TOOLS := build/venv/bin
IN_WHEEL := $(shell find pushmfa systemd pam_module docs packaging -type f \
                -not -name '*.pyc') hatch_build.py pyproject.toml README.md LICENSE
# The same sources give the same bytes, whenever and wherever.
export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 1700000000)

dist: $(WHEEL)

$(WHEEL): build/venv/.installed $(IN_WHEEL)
	@rm -f dist/pushmfa-*
	@umask 022; $(TOOLS)/hatchling build -d dist

# Every package that the program needs, checked against its hash.
build/wheels/.complete: requirements.lock build/venv/.installed
	@rm -rf $(@D)
	@echo "fetching the Python packages into $(@D)"
	@$(TOOLS)/pip download --quiet --disable-pip-version-check --require-hashes \
	    --only-binary :all: --no-deps -r requirements.lock -d $(@D)
	@touch $@

build/venv/.installed: requirements-build.lock build/.apt-build
	@$(PYTHON) -m venv build/venv
	@$(TOOLS)/pip install --quiet --disable-pip-version-check --require-hashes \
	    -r requirements-build.lock
	@touch $@

# The program in PREFIX, the rest where systems look for it; all below DESTDIR.  It
# compiles and fetches nothing: that is for `make build`, which need not be root.
PREFIX ?= /opt/pushmfa
SYSTEM ?= /usr
PARTS := $(WHEEL) $(MODULE) build/wheels/.complete
INSTALL_SH = PREFIX='$(PREFIX)' SYSTEM='$(SYSTEM)' DESTDIR='$(DESTDIR)' \
    PYTHON='$(PYTHON)' WHEEL='$(WHEEL)' WHEELS=build/wheels LOCK=requirements.lock \
    PIP=$(TOOLS)/pip ROOT='$(CURDIR)' sh packaging/install.sh
IN_SYSTEM = $(MAKE) --no-print-directory -C pam_module PREFIX='$(SYSTEM)' \
    OUT=$(abspath $(MODULE))

by-root:
	@[ -n "$(DESTDIR)" ] || [ "$$(id -u)" = 0 ] || { echo "error: this changes the system, which only" \
	    "root may" >&2; echo "hint: sudo make $(MAKECMDGOALS)" >&2; exit 1; }

install: by-root
	@$(MAKE) -q --no-print-directory $(PARTS) || { echo "error: there is nothing to install, or it is" \
	    "older than its sources" >&2; echo "hint: make build" >&2; exit 1; }
	@$(IN_SYSTEM) install
	@$(INSTALL_SH) install

uninstall: by-root
	@$(INSTALL_SH) uninstall
	@$(IN_SYSTEM) uninstall

# New pins for everything, with hashes; look at the diff before you commit it.
lock: install-needs
	$(BIN)/pip install --quiet uv==0.13.9
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --upgrade \
	    --generate-hashes --no-annotate --no-header pyproject.toml \
	    -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --upgrade \
	    --generate-hashes --no-annotate --no-header --group dev pyproject.toml \
	    -o requirements-dev.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	    --generate-hashes --no-annotate --no-header --group build \
	    -c requirements-dev.lock -o requirements-build.lock

install-needs: build/.apt .venv/.installed

build/.apt: PACKAGES = $(APT)
build/.apt-build: PACKAGES = $(APT_BUILD)
build/.apt-bench: PACKAGES = $(BENCH_APT)
build/.apt-browsers: PACKAGES = $(BROWSER_APT)
build/.apt-pictures: PACKAGES = $(PICTURES_APT)
build/.apt build/.apt-build build/.apt-bench build/.apt-browsers build/.apt-pictures: Makefile
	@mkdir -p build
	@missing=$$(for p in $(PACKAGES); do \
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
	rm -rf build .venv dist tests/app/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis
