# Build, run and test Tutti.
#
#   make run          build everything, start the server with the demo on this machine only
#   make build        leave the release binary at target/release/tutti
#   make test         install what tests need, then run all of them; stops at the first failure
#   make test-unit    one step of it: install, format, lint, tidy, unit, web, e2e
#   make bench-join   join to first decoded frame in Chromium, joins per second
#   make bench-forward  the packet path against seal + send alone, and against a str0m fan-out
#   make bench-load   headless clients against the built server: joins, delay, loss, CPU for each packet
#   make fuzz         every fuzz target for FUZZ_SECONDS (60) each, then merge what is new into the corpora
#   make soak         20,000 simulated calls on seeds that make test does not try; NETSIM_FIRST, NETSIM_SEEDS
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

.PHONY: run build demo test $(STEPS:%=test-%) bench-join bench-forward bench-data bench-load fuzz soak clean tools

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

test-unit: export TEST_POSTGRES := required
test-unit:
	cargo test --workspace --locked

test-web: web/node_modules/.package-lock.json
	cd web && npm run check && npm test

test-e2e: build
	$(MAKE) -C tests/e2e all TUTTI_BIN=$(BIN)

bench-join: build
	$(MAKE) -C benches/join TUTTI_BIN=$(BIN)

# Callgrind's count is written down beside the ratios; the bench itself needs no valgrind.
bench-forward:
	cargo run --release --locked -p tutti-bench-forward
	@if command -v valgrind >/dev/null; then sh benches/forward/instructions.sh $(TARGET); fi

# PEER_BIN=/path/to/livekit-server measures that one beside it.
bench-data: build
	TUTTI_BIN=$(BIN) cargo run --release --locked -p tutti-bench-data

bench-load: build
	@TUTTI_BIN=$(BIN) sh benches/load/run.sh

# Without a sanitizer: all but a few modules are safe Rust, and a target runs three times as often. FUZZ_TARGETS names some.
FUZZ := cargo +nightly fuzz
FUZZ_TARGETS ?= $(shell cd fuzz && $(FUZZ) list 2>/dev/null)

fuzz:
	@$(FUZZ) --version >/dev/null 2>&1 || { echo "missing: rustup toolchain install nightly && cargo install cargo-fuzz"; exit 1; }
	cd fuzz && for target in $(FUZZ_TARGETS); do \
	  mkdir -p grown/$$target; \
	  $(FUZZ) run -s none $$target grown/$$target corpus/$$target -- -max_total_time=$${FUZZ_SECONDS:-60} -timeout=10; \
	  $(FUZZ) run -s none $$target corpus/$$target grown/$$target -- -set_cover_merge=1 -use_counters=0; \
	done

soak:
	NETSIM_FIRST=$${NETSIM_FIRST:-500} NETSIM_SEEDS=$${NETSIM_SEEDS:-20000} cargo test --locked -p tutti-netsim --test seeds -- --nocapture

clean:
	cargo clean
	rm -rf web/demo/dist web/node_modules tests/e2e/node_modules tests/e2e/python/.venv tests/e2e/gstreamer/.venv
