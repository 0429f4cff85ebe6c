SHELL := /bin/bash
# make demo: from nothing to a finished simulation.   make test: every test.
# Both make .venv first; a second call does only what changed files ask for.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
TORCH  := 2.13.0
SOURCES := $(shell find CMakeLists.txt cmake plugin python pyproject.toml models/graphene-water -type f -not -name '*.pyc')
CHECKED := $(SOURCES) $(shell find tests inputs benchmarks README.md Makefile requirements.txt -type f -not -name '*.pyc')
export OMP_NUM_THREADS ?= $(shell nproc)

.PHONY: help setup demo test clean
help:
	@echo "make demo    set up .venv, run inputs/graphene_water.in, show the results"
	@echo "make test    set up .venv, run every test (FAST=1: without the slow ones)"
	@echo "make clean   remove .venv and build"

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit("mdbench needs Python 3.11 or newer: make PYTHON=/path/to/python3.11" if sys.version_info < (3, 11) else 0)'
	@command -v cmake g++ >/dev/null || { echo "mdbench needs g++ and CMake 3.25 or newer"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

# Without a GPU torch's CPU build is taken, from wherever pip finds it; CUDA builds are several GB.
$(VENV)/.torch: $(VENV)/.python
	@if command -v nvidia-smi >/dev/null && nvidia-smi -L >/dev/null 2>&1; then \
	  $(BIN)/pip install -q torch==$(TORCH); \
	else \
	  $(BIN)/pip install -q torch==$(TORCH)+cpu 2>/dev/null \
	  || $(BIN)/pip install -q torch==$(TORCH)+cpu --extra-index-url https://download.pytorch.org/whl/cpu \
	  || $(BIN)/pip install -q torch==$(TORCH); \
	fi
	@touch $@

$(VENV)/.requirements: requirements.txt $(VENV)/.torch
	$(BIN)/pip install -q -r requirements.txt
	@touch $@

$(VENV)/.installed: $(SOURCES) $(VENV)/.requirements
	$(BIN)/pip install -q --no-build-isolation --no-deps --config-settings=build-dir=build/wheel .
	@touch $@

setup: $(VENV)/.installed

build/demo/.done: inputs/graphene_water.in inputs/graphene_water.data $(VENV)/.installed
	@mkdir -p build/demo
	$(BIN)/lmp -in inputs/graphene_water.in -var out build/demo/graphene_water
	$(BIN)/python inputs/show_results.py build/demo/graphene_water
	@touch $@

demo: build/demo/.done
	@echo; echo "Results of inputs/graphene_water.in, in build/demo/ (thermo and timing: graphene_water.log):"
	@cat build/demo/graphene_water.summary

# Two workers of one thread each; what measures time runs after them, by itself.
build/test/.passed: export OMP_NUM_THREADS = 1
build/test/.passed: $(CHECKED) $(VENV)/.installed
	@mkdir -p build/test; rm -f $@
	@set -o pipefail; { \
	  $(BIN)/python -m pytest -n 2 -m "not alone $(if $(FAST),and not slow)" --durations=10 && \
	  $(if $(FAST),true,$(BIN)/python -m pytest -m alone); } 2>&1 | tee build/test/report
	@touch $@

test: build/test/.passed
	@echo "Tests passed on the files as they are (report: build/test/report):"
	@grep -E '^=+ .*passed' build/test/report

clean:
	rm -rf $(VENV) build
