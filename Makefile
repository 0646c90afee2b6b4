# Build, run and test Tutti.
#
#   make run          build everything, start the server with the demo on this machine only
#   make build        leave the release binary at target/release/tutti
#   make test         install what tests need, then run all of them; stops at the first failure
#   make test-unit    one step of it: install, format, lint, tidy, unit, web, e2e
#   make bench-join   join to first decoded frame in Chromium, joins per second
#   make clean        remove what was built
#
# Needs Rust, a C compiler and Node.js 20 or newer.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := build
MAKEFLAGS += --no-print-directory

TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
BIN := $(TARGET)/release/tutti
DEMO := web/demo/dist/index.html
DEMO_SOURCES := $(shell find web/demo -path '*/node_modules' -prune -o -path web/demo/dist -prune -o -type f -print 2>/dev/null)
STEPS := install format lint tidy unit web e2e

.PHONY: run build demo test $(STEPS:%=test-%) bench-join clean tools

run: build
	@exec $(BIN) serve --dev

build: tools demo
	cargo build --release --locked -p tutti
	@echo "built $(BIN)"

demo: $(DEMO)

$(DEMO): web/node_modules/.package-lock.json $(DEMO_SOURCES)
	cd web && npm run build
	@touch $@

web/node_modules/.package-lock.json: web/package-lock.json
	cd web && npm ci --no-audit --no-fund
	@touch $@

tools:
	@missing=""; \
	for tool in cargo cc node npm; do command -v $$tool >/dev/null || missing="$$missing $$tool"; done; \
	if [ -n "$$missing" ]; then \
	  echo "missing:$$missing"; \
	  echo "Rust: https://rustup.rs   Node.js 20 or newer: https://nodejs.org   cc: apt-get install build-essential"; \
	  exit 1; \
	fi

test:
	@for step in $(STEPS); do \
	  printf '\n==> %s\n' "$$step"; \
	  $(MAKE) test-$$step || { printf '\n==> FAILED: %s (alone: make test-%s)\n' "$$step" "$$step"; exit 1; }; \
	done; \
	printf '\n==> all passed\n'

# As root or with sudo that asks nothing it installs; else it says what is missing.
test-install: tools
	@cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 || rustup component add rustfmt clippy
	@if [ "$$(id -u)" = 0 ] || ! sudo -n true 2>/dev/null; then sh tests/e2e/install.sh; else sudo -n sh tests/e2e/install.sh; fi

test-format:
	cargo fmt --all --check

test-lint:
	cargo clippy --workspace --all-targets --locked -- -D warnings

test-tidy:
	cargo xtask tidy

test-unit:
	cargo test --workspace --locked

test-web: web/node_modules/.package-lock.json
	cd web && npm run check && npm test

test-e2e: build
	$(MAKE) -C tests/e2e all TUTTI_BIN=$(BIN)

bench-join: build
	$(MAKE) -C benches/join TUTTI_BIN=$(BIN)

clean:
	cargo clean
	rm -rf web/demo/dist web/node_modules tests/e2e/node_modules tests/e2e/python/.venv
