# make reproduce   the whole study on the embedded data set, from nothing but python3
# make test        the tests
# make lint        style of code and workflow
# make mutants     which small changes of the package no test notices
#
# The first of them makes .venv and installs into it. On Linux the package index gives PyTorch's
# CUDA build, of several GB. Without a GPU, take the small one: look up the CPU package index on
# https://pytorch.org/get-started/locally and add TORCH_INDEX=<its address>.

PYTHON ?= python3
CORES ?= all
TORCH_INDEX ?=

export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: reproduce test lint mutants

reproduce: .venv/installed
	snakemake --cores $(CORES)

test: .venv/installed
	python -m pytest

lint: .venv/installed
	ruff check .
	ruff format --check .
	snakefmt --format-shell --check workflow
	snakemake --lint

mutants: .venv/installed
	python tests/mutate.py

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(if $(TORCH_INDEX),pip install --constraint constraints.txt --index-url $(TORCH_INDEX) torch)
	.venv/bin/python -m pip install --constraint constraints.txt --editable '.[dev]'
	touch $@
