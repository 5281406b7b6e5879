"""Snakemake's benchmark files: what a job took."""

import csv
from pathlib import Path

from recap.core.errors import InputError


def read_benchmark(path: Path) -> list[tuple[float, float, float]]:
    """Read what each run of a job took.

    Format: https://snakemake.readthedocs.io/en/stable/snakefiles/rules.html#benchmark-rules

    Returns
    -------
    list of tuple of float
        Running time and processor time in seconds, and the largest resident memory in MB; 0 for
        what was too short to be measured.

    Raises
    ------
    InputError
        If the file lacks the columns that Snakemake writes.
    """
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return [
                (_number(row["s"]), _number(row["cpu_time"]), _number(row["max_rss"]))
                for row in csv.DictReader(file, delimiter="\t")
            ]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path} is not one of Snakemake's benchmark files ({error!r}): run its job again."
        ) from None


def _number(cell: str) -> float:
    return 0.0 if cell in ("-", "NA") else float(cell)
