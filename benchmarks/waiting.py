"""How threads wait for each other, in training: on an idle machine, and beside busy processes.

    python benchmarks/waiting.py [--rounds N] [--settings default recap ...]

recap's vanilla RNN takes steps on 256 captions for some seconds, in a fresh process for each
setting of GNU OpenMP: `default`, as PyTorch comes; `passive`, threads that sleep at once; so many
looks for work before they sleep; and `recap`, whatever the package sets. The settings take turns,
so that a share of two of them is the median of their rounds' shares: the machine's speed, which
drifts, falls out. The idle columns mean something only if nothing else runs.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import recap

SECONDS = 3  # of a measurement
BUSY = 2  # processes
SETTINGS = {
    "default": {},
    "passive": {"OMP_WAIT_POLICY": "PASSIVE"},
    **{str(count): {"GOMP_SPINCOUNT": str(count)} for count in (1000, 2000, 5000, 10_000)},
    "recap": {},
}

TRAIN = f"""
import {{first}}
import time
import torch
from recap.core.devices import choose_precision, keep_freed_memory, use_threads
from train import made_images, recap_epoch
use_threads(None)
keep_freed_memory()
device = torch.device("cpu")
images = made_images(batches=1)
epoch = recap_epoch("rnn", images, device, choose_precision(device))
epoch()
start, taken = time.perf_counter(), 0
while time.perf_counter() - start < {SECONDS}:
    epoch()
    taken += len(images)
print(taken / (time.perf_counter() - start))
"""
SPIN = "import time\nend = time.monotonic() + 120\nwhile time.monotonic() < end: pass"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5, help="5 by default")
    parser.add_argument(
        "--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS), metavar="SETTING"
    )
    arguments = parser.parse_args()
    rates = {(setting, busy): [] for setting in arguments.settings for busy in (0, BUSY)}
    for turn in range(arguments.rounds):
        # Every other round runs backward: what only grows or falls with time favours nobody.
        for setting, busy in list(rates)[:: 1 if turn % 2 == 0 else -1]:
            with busy_processes(busy):
                rates[setting, busy].append(captions_per_second(setting))

    setting = f"recap sets GOMP_SPINCOUNT={recap.SPIN_COUNT}"
    print(f"{os.cpu_count()} cores, {arguments.rounds} rounds; {setting}")
    print(f"{'captions/s':<12}{'idle':>24}{f'beside {BUSY} processes':>24}")
    for setting in arguments.settings:
        cells = [
            f"{statistics.median(taken):,.0f} ({min(taken):,.0f} to {max(taken):,.0f})"
            for taken in (rates[setting, busy] for busy in (0, BUSY))
        ]
        print(f"{setting:<12}" + "".join(f"{cell:>24}" for cell in cells))

    figures = {}
    for name, other, busy in (("idle_share", "default", 0), ("busy_share", "passive", BUSY)):
        if {"recap", other} <= set(arguments.settings):
            shares = [a / b for a, b in zip(rates["recap", busy], rates[other, busy], strict=True)]
            figures[name] = round(statistics.median(shares), 3)
            figures[f"{name}_range"] = [round(min(shares), 3), round(max(shares), 3)]
    print(json.dumps(figures))


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """Keep processes busy; they would end by themselves if this one were killed."""
    processes = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def captions_per_second(setting: str) -> float:
    """Return the rate of training in a fresh process."""
    # recap sets nothing once PyTorch has loaded its OpenMP.
    first = "torch" if setting == "default" else "recap"
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))
    }
    process = subprocess.run(
        [sys.executable, "-c", TRAIN.format(first=first)],
        cwd=Path(__file__).parent,
        env=environment | SETTINGS[setting],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return float(process.stdout)


if __name__ == "__main__":
    main()
