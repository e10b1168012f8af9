# The front door. Meson and Ninja do the building; scripts/parts runs and counts the tests.
#
#   make run      install what is missing, build, show a tunnel at work
#   make build    release build: build/adit, the libraries, the test programs
#   make test     every test under ASan and UBSan; 6 minutes at most on two processors
#   make check    analyzers, TSan, clang, fuzzers, coverage, long tests; 18 minutes on two processors
#   make fuzz     every fuzzer, for MINUTES of processor time in all
#   make soak     a server under mixed work while publishers die; MINUTES=30
#   make bench    the benchmarks, or one: make bench AREA=snitun
#   make demo-vpn two network namespaces joined by a VPN (root): its figures beside the cable's
#   make fmt      format the sources
#   make install  install the release build; DESTDIR= and PREFIX= as usual
#   make clean    remove every build directory
#
# PART="name…" runs some parts of test or check alone.

SHELL := /bin/sh
PREFIX ?= /usr/local
DESTDIR ?=
AREA ?=
PART ?=
MINUTES ?= 30

.PHONY: run build test check fuzz soak bench demo-vpn fmt install clean help

run: build
	build/adit demo

build:
	@scripts/install-packages build
	@test -f build/build.ninja || meson setup build --prefix '$(PREFIX)'
	@ninja -C build

test:
	@scripts/install-packages build test
	@scripts/parts test $(PART)

check:
	@scripts/install-packages build test check
	@scripts/parts check $(PART)

fuzz:
	@scripts/install-packages build test check
	@MINUTES='$(MINUTES)' scripts/parts fuzz

soak: build
	@scripts/install-packages build test
	@ADIT_BUILD='$(CURDIR)/build' /usr/bin/python3 tests/e2e/soak.py --minutes '$(MINUTES)'

bench: build
	@scripts/install-packages build test bench
	@bench/run $(AREA)

demo-vpn:
	@scripts/demo-vpn --check
	@$(MAKE) --no-print-directory build
	@scripts/demo-vpn build/adit

fmt:
	@git ls-files '*.c' '*.h' | xargs clang-format -i

install: build
ifneq ($(origin PREFIX),file)
	@meson configure build -Dprefix='$(PREFIX)' && ninja -C build
endif
	@DESTDIR='$(abspath $(DESTDIR))' meson install -C build --no-rebuild

clean:
	rm -rf build build-*

help:
	@sed -n 's/^#   make/make/p' Makefile
