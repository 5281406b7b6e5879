# make reproduce   the whole study on the embedded data set, from nothing but python3
# make test        the tests
# make lint        style of code and workflow
# make docs        the documentation as pages, in site/
# make test-long   two hours: Slurm, a lost node, damaged inputs, and small changes that no test notices
#
# The first of them makes .venv, and each installs into it what it needs. On Linux the package index
# gives PyTorch's CUDA build, of several GB. Without a GPU, take the small one: look up the CPU package
# index on https://pytorch.org/get-started/locally and add TORCH_INDEX=<its address>.

PYTHON ?= python3
CORES ?= all
TORCH_INDEX ?=

export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: reproduce test test-long lint docs

reproduce: .venv/workflow
	snakemake --cores $(CORES)

# A file's tests stay together, for they share what it made.
test: .venv/test
	python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test-long: .venv/test
	python -m pytest tests/cluster/whole_study.py tests/cluster/losing_a_node.py
	python tests/fuzz.py
	python tests/mutate.py

lint: .venv/lint
	ruff check .
	ruff format --check .
	snakefmt --format-shell --check workflow
	snakemake --lint

docs: .venv/docs
	mkdocs build --strict

# An extra of pyproject.toml each: `test` and `lint` have in them what `workflow` has.
.venv/workflow .venv/test .venv/lint .venv/docs: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info < (3, 11) and sys.exit("error: recap needs Python\
	 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0] + ": add PYTHON=python3.11, or another.")'
	$(PYTHON) -m venv .venv
	$(if $(TORCH_INDEX),.venv/bin/python -m pip install --constraint constraints.txt --index-url $(TORCH_INDEX) torch)
	.venv/bin/python -m pip install --constraint constraints.txt --editable '.[$(@F)]'
	touch $@
