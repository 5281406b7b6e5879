"""How long a run of Snakemake will take, and what took longest."""

import re
from collections.abc import Iterable
from pathlib import Path

from recap.core.errors import InputError
from recap.report.benchmark_files import read_benchmark
from recap.report.numbers import duration

SLOWEST = 5


def expected_time(jobs: Iterable[tuple[Path, int]], cores: int) -> str:
    """Return a sentence on how long jobs will take; nothing where none of them has run before.

    Parameters
    ----------
    jobs : iterable of (Path, int)
        Benchmark file and threads of each job. What the file of an earlier run says is what the
        job will take.
    cores : int
        How many threads run at a time.
    """
    known = new = 0
    seconds = longest = 0.0
    for path, threads in jobs:
        taken = _seconds(path)
        if taken is None:
            new += 1
            continue
        known += 1
        longest = max(longest, taken)
        seconds += taken * min(threads, cores) / cores
    if not known:
        return ""
    words = f"These {known} jobs" if known > 1 else "This job"
    beside = f"; {new} more have not run here before" if new else ""
    return f"{words} will take about {duration(max(seconds, longest))}, as before{beside}."


def slowest_rules(log: str) -> str:
    """Return a table of the rules that took longest, of the jobs that a log of Snakemake names."""
    taken: dict[str, list[float]] = {}
    for rule, path in re.findall(
        r"^\w*rule (\w+):\n(?: .*\n)*? +benchmark: (.+)$", log, re.MULTILINE
    ):
        seconds = _seconds(Path(path))
        if seconds is not None:
            taken.setdefault(rule, []).append(seconds)
    ranked = sorted(taken, key=lambda rule: -sum(taken[rule]))[:SLOWEST]
    if not ranked:
        return ""
    lines = [f"{'slowest rules':24}{'jobs':>6}{'time':>16}"]
    lines += [f"{rule:24}{len(taken[rule]):>6}{duration(sum(taken[rule])):>16}" for rule in ranked]
    return "\n".join(lines)


def _seconds(path: Path) -> float | None:
    """Return the seconds of a job's last run; None where no file tells."""
    try:
        return read_benchmark(path)[-1][0]
    except (OSError, InputError, IndexError):
        return None
