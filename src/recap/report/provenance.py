"""What a study was made from and where: records of files, the machine, versions."""

import os
import platform
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import recap
from recap.core.code_hash import PACKAGE, package_hash
from recap.core.files import file_hash
from recap.core.progress import progress
from recap.core.threads import available_threads
from recap.report.numbers import size

PACKAGES = ("numpy", "torch", "scipy", "pillow", "h5py", "pycocoevalcap", "snakemake")


@dataclass(frozen=True)
class FileRecord:
    """A file that went into a study or came out of it, or the photos of a split.

    Attributes
    ----------
    path : str
        As it was named when it was recorded; of photos, `photos of` and the split.
    bytes : int
        Its size; of photos, that of all together.
    sha256 : str
        Of its bytes; of photos, of their checksums in order. What the feature files tell of photos
        and weights is copied from them: it is of the bytes that were used.
    """

    path: str
    bytes: int
    sha256: str


def file_records(
    paths: list[Path], known: Sequence[str | None], threads: int | None
) -> list[dict[str, Any]]:
    """Return the fields of a `FileRecord` of each file; `known` has the SHA-256 that are known."""
    with ThreadPoolExecutor(available_threads(threads)) as pool:
        records = pool.map(_file_record, paths, known)
        return list(progress(records, desc="checksums", total=len(paths), unit="file"))


def _file_record(path: Path, known: str | None) -> dict[str, Any]:
    return {"path": str(path), "bytes": path.stat().st_size, "sha256": known or file_hash(path)}


def machine() -> dict[str, str]:
    """Return the processor, its threads and the system that this runs on."""
    return {
        "processor": _processor(),
        "threads": str(available_threads(None)),
        "memory": size(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")),
        "GPUs": ", ".join(_gpus()) or "none found",
        "system": f"{platform.system()} {platform.machine()}",
    }


def _processor() -> str:
    """Return the processor's name, as Linux tells it or else as Python does."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def _gpus() -> list[str]:
    """Return the names of NVIDIA's GPUs, as the driver of Linux tells them."""
    told = Path("/proc/driver/nvidia/gpus").glob("*/information")
    lines = [line for path in sorted(told) for line in path.read_text().splitlines()]
    return [line.partition(":")[2].strip() for line in lines if line.startswith("Model")]


def source_code() -> dict[str, str]:
    """Return which code this is: a digest of the package, and git's commit where it is a clone."""
    told = {"code digest": package_hash()}
    # Of a package that is installed within another's clone, that commit tells nothing.
    if _git("ls-files", "--error-unmatch", "__init__.py"):
        told["git commit"] = _git("rev-parse", "HEAD")
        changed = _git("status", "--porcelain", "--untracked-files=no", ":/")
        told["git state"] = "changed since" if changed else "clean"
    return told


def _git(*words: str) -> str:
    """Return what git says about the package; nothing if it fails, or is not there."""
    try:
        done = subprocess.run(
            ["git", "-C", str(PACKAGE), *words], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


def versions() -> dict[str, str]:
    """Return the versions of recap, Python and the packages that compute results."""
    found = {"recap": recap.__version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found
