"""How a study was run: settings side by side, time and memory of its stages."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recap.core.progress import seconds_of_work
from recap.report.benchmark_files import read_benchmark


@dataclass(frozen=True)
class SettingRow:
    """One setting, model by model or study by study.

    Attributes
    ----------
    name : str
        What is set.
    values : list of str
        Its value for each; an en dash where one does not have it.
    """

    name: str
    values: list[str]

    @property
    def differs(self) -> bool:
        """Whether they do not agree."""
        return len(set(self.values)) > 1


@dataclass(frozen=True)
class Stage:
    """What the jobs of one rule took.

    Attributes
    ----------
    rule : str
        Name of the stage.
    jobs : int
        How many jobs were measured.
    seconds : float
        Their running times, added up.
    cpu_seconds : float
        Their processor times, added up.
    peak_mb : float
        The largest resident memory of any of them, in MB.
    growing : float or None
        Seconds of them that grow with the number of photos or captions. None where a job's log does
        not tell them apart from the rest.
    """

    rule: str
    jobs: int
    seconds: float
    cpu_seconds: float
    peak_mb: float
    growing: float | None


def side_by_side(columns: list[dict[str, str]]) -> list[SettingRow]:
    """Return a row for each setting that any of the columns has."""
    names = dict.fromkeys(name for column in columns for name in column)
    return [SettingRow(name, [column.get(name, "–") for column in columns]) for name in names]


def as_text(value: Any) -> str:
    """Return a setting's value as text; what is no text, as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def read_stages(benchmarks: Iterable[Path], counts: Callable[[str, str], bool]) -> list[Stage]:
    """Add up Snakemake's benchmark files, a stage a folder, the longest stage first.

    What a job took for its photos or captions is read in its log, which lies in `logs` as its
    benchmark file does in `benchmarks`. Format: https://snakemake.readthedocs.io/en/stable/snakefiles/rules.html#benchmark-rules

    Parameters
    ----------
    benchmarks : iterable of Path
        Files such as `benchmarks/{rule}.tsv` and `benchmarks/{rule}/{job}.tsv`; one that has been
        removed is left out.
    counts : callable
        Whether a job belongs to what is shown, by the names of its rule and of the job.

    Raises
    ------
    InputError
        If a file lacks the columns that Snakemake writes.
    """
    jobs: dict[str, list[tuple[float, float, float]]] = {}
    work: dict[str, list[float | None]] = {}
    for path in sorted(benchmarks):
        folder = next(parent for parent in path.parents if parent.name == "benchmarks")
        job = path.relative_to(folder)
        rule = job.parts[0].removesuffix(".tsv")
        if not path.exists() or not counts(rule, path.stem):
            continue
        log = folder.with_name("logs") / job.with_suffix(".log")
        log_text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
        work.setdefault(rule, []).append(seconds_of_work(log_text))
        if measured := read_benchmark(path):
            jobs.setdefault(rule, []).extend(measured)
    stages = []
    for rule, measured in jobs.items():
        seconds, cpu_seconds, peak_mb = zip(*measured, strict=True)
        growing = None if None in work[rule] else min(sum(work[rule]), sum(seconds))
        stages.append(
            Stage(rule, len(measured), sum(seconds), sum(cpu_seconds), max(peak_mb), growing)
        )
    return sorted(stages, key=lambda stage: (-stage.seconds, stage.rule))
