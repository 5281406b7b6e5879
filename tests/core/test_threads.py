import builtins
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from joblib import cpu_count

import recap
from recap.core.errors import InputError
from recap.core.threads import available_threads


@pytest.mark.parametrize(
    ("quota", "threads"), [("max 100000", 8), ("200000 100000", 2), ("150000 100000", 2)]
)
def test_the_quota_of_a_container_counts(monkeypatch, tmp_path, quota, threads):
    """Containers are given a share of the processors' time, and see all of them."""
    (tmp_path / "cpu.max").write_text(f"{quota}\n")
    path, opened, exists = "/sys/fs/cgroup/cpu.max", builtins.open, os.path.exists

    def open_quota(name, *arguments, **options):
        name = tmp_path / "cpu.max" if name == path else name
        return opened(name, *arguments, **options)

    monkeypatch.setattr(os.path, "exists", lambda name: name == path or exists(name))
    monkeypatch.setattr(builtins, "open", open_quota)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert available_threads() == threads
    assert available_threads(1) == 1
    assert available_threads(64) == threads


@pytest.mark.parametrize("threads", [0, -1])
def test_never_none(threads):
    with pytest.raises(InputError, match=f"`threads` must be at least 1, not {threads}"):
        available_threads(threads)
    assert available_threads() == cpu_count()


# --- how threads wait for each other ------------------------------------------------------------

# That of PyTorch; there is none where it was built with another OpenMP.
LIBGOMP = [*(Path(find_spec("torch").origin).parent / "lib").glob("libgomp*")]
LOAD = f"import recap, ctypes; ctypes.CDLL({str(LIBGOMP and LIBGOMP[0])!r})"
LOAD_BY_COMMANDS = """
from importlib import import_module
from recap.cli import COMMANDS
for path in COMMANDS:
    import_module(path.partition(":")[0])
"""


@pytest.mark.skipif(not LIBGOMP, reason="PyTorch was built with another OpenMP")
@pytest.mark.parametrize(
    ("program", "settings", "count"),
    [
        (LOAD_BY_COMMANDS, {}, str(recap.SPIN_COUNT)),
        (LOAD, {}, str(recap.SPIN_COUNT)),
        (LOAD, {"OMP_WAIT_POLICY": "PASSIVE"}, "0"),
        (LOAD, {"GOMP_SPINCOUNT": "77"}, "77"),
    ],
)
def test_waiting_threads_spin_for_a_bounded_time_or_as_the_user_says(program, settings, count):
    """Each libgomp says with what setting it was loaded: PyTorch's, and scikit-learn's."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("OMP", "GOMP"))
    }
    shown = subprocess.run(
        [sys.executable, "-c", program],
        env=environment | {"OMP_DISPLAY_ENV": "VERBOSE"} | settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    ).stdout
    assert set(re.findall(r"GOMP_SPINCOUNT = '(\d+)'", shown)) == {count}
