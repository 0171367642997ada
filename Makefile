# make demo | build | test | test-quick | test-long | format | lint | bench
# `make demo ARGS="--json --exit"` passes its arguments on.

SHELL := /bin/bash
RELEASE := .build-release
# The Swift runtime is linked in: one file to copy, and 5 to 20 % faster than with shared libraries. It has a build folder
# of its own because changed flags compile everything anew. Optimising across modules saves 5 to 7 % of a request.
RELEASE_FLAGS := -c release --scratch-path $(RELEASE) --static-swift-stdlib -Xswiftc -cross-module-optimization
BIN := $(RELEASE)/release

# Suites with deadlines of their own: they get the processors for themselves, those of sockets apart from those that block
# threads.
TIMED := '^(RastersTests|BlobsTests|ProcessesTests)\.'
SOCKETS := '^HTTPSupportTests\.'

.PHONY: help demo build test test-quick test-long format lint bench clean

help:
	@sed -n '1,2s/^# //p' Makefile

build:
	@scripts/needs.sh build
	swift build $(RELEASE_FLAGS) --product martlet-raster
	swift build $(RELEASE_FLAGS) --product martlet

demo: build
	@scripts/needs.sh demo
	@$(BIN)/martlet demo --folder out/demo $(ARGS)

# Unit and integration tests, then real clients against real nodes.
test:
	@scripts/needs.sh build test
	swift build --build-tests
	scripts/swift-test.sh --skip-build --parallel --skip $(TIMED) --skip $(SOCKETS)
	scripts/swift-test.sh --skip-build --parallel --filter $(TIMED)
	scripts/swift-test.sh --skip-build --parallel --filter $(SOCKETS)
	@scripts/venv.sh .venv Tests/Conformance/requirements.txt
	.venv/bin/python -m pytest -q -n 2 --dist loadfile Tests/Conformance $(ARGS)

# While you work: what needs no clients.
test-quick:
	@scripts/needs.sh build
	scripts/swift-test.sh --parallel --skip $(TIMED) --skip $(SOCKETS)
	scripts/swift-test.sh --parallel --filter $(TIMED)
	scripts/swift-test.sh --parallel --filter $(SOCKETS)

# Also what takes long: more rounds of crashes, larger objects.
test-long:
	MARTLET_LONG=1 $(MAKE) test

format:
	swift format --in-place --parallel --recursive Package.swift Sources Tests

lint:
	swift format lint --strict --parallel --recursive Package.swift Sources Tests

bench: build
	@scripts/needs.sh bench
	@scripts/venv.sh out/bench/venv Benchmarks/requirements.txt
	out/bench/venv/bin/python Benchmarks/bench.py --martlet $(BIN)/martlet $(ARGS)

clean:
	rm -rf .build $(RELEASE) .venv out
