import builtins
import os

import pytest
from joblib import cpu_count

from recap.threads import available_threads


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


def test_never_none():
    assert available_threads(0) == available_threads() == cpu_count()
