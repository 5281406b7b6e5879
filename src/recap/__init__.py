"""recap: REproducible image CAPtioning, from raw COCO to a comparison report."""

import os

__version__ = "0.2.0"

# How often a thread of GNU OpenMP looks for work before it sleeps. By default it looks for
# milliseconds: beside other programs, which then wait for it, training is many times slower. If it
# slept at once, training on an idle machine would lose a third. docs/benchmarks.md has the figures.
SPIN_COUNT = 5000

# libgomp reads it once, when PyTorch loads it: hence here, before any other module.
# A user's own setting stands. Other OpenMPs, such as LLVM's, have variables of their own.
if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
    os.environ["GOMP_SPINCOUNT"] = str(SPIN_COUNT)
