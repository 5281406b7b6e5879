"""How threads wait for each other, in training: on an idle machine, and beside busy processes.

    python benchmarks/waiting.py [--quick]

recap's vanilla RNN takes steps on 256 captions for some seconds, in a fresh process for each
setting of GNU OpenMP: `default`, as PyTorch comes; `passive`, threads that sleep at once; so many
looks for work before they sleep; and `recap`, whatever the package sets. The settings take turns.
The idle columns mean something only if nothing else runs. Beside them are the medians' ranges.
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
ROUNDS = 5
SETTINGS = {
    "default": {},
    "passive": {"OMP_WAIT_POLICY": "PASSIVE"},
    **{str(count): {"GOMP_SPINCOUNT": str(count)} for count in (1000, 2000, 10_000)},
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
    parser.add_argument("--quick", action="store_true", help=f"1 round instead of {ROUNDS}")
    rounds = 1 if parser.parse_args().quick else ROUNDS
    rates = {(setting, busy): [] for setting in SETTINGS for busy in (0, BUSY)}
    for _ in range(rounds):
        for setting, busy in rates:
            with busy_processes(busy):
                rates[setting, busy].append(captions_per_second(setting))

    print(f"{os.cpu_count()} cores, {rounds} rounds; recap sets GOMP_SPINCOUNT={recap.SPIN_COUNT}")
    print(f"{'captions/s':<12}{'idle':>24}{f'beside {BUSY} processes':>24}")
    for setting in SETTINGS:
        cells = [
            f"{statistics.median(taken):,.0f} ({min(taken):,.0f} to {max(taken):,.0f})"
            for taken in (rates[setting, busy] for busy in (0, BUSY))
        ]
        print(f"{setting:<12}" + "".join(f"{cell:>24}" for cell in cells))

    medians = {key: statistics.median(taken) for key, taken in rates.items()}
    figures = {
        f"{setting}_{'busy' if busy else 'idle'}": round(rate)
        for (setting, busy), rate in medians.items()
    }
    figures["idle_share"] = round(medians["recap", 0] / medians["default", 0], 3)
    figures["busy_share"] = round(medians["recap", BUSY] / medians["passive", BUSY], 3)
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
