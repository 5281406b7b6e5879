"""Check the files of a study against the digests that were recorded when they were made."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from recap.core.errors import InputError
from recap.core.files import DIGEST_ENDING, digest_record, file_hash
from recap.core.progress import progress
from recap.core.threads import available_threads

# What is not made of the study's data, or can be made again from what is checked.
NOT_CHECKED = {"report", "logs", "benchmarks", "tensorboard"}

OK, FAILED, UNKNOWN = "ok", "FAILED", "unknown"


def verify_study(study: Path, *, threads: int | None = None) -> None:
    """Check every file of a study but the report against the digest recorded when it was made.

    Prints a line a file: `ok`, `FAILED` for one that has changed or is missing, `unknown` for one
    of which no digest was recorded. Files whose names begin with a dot are left out.

    Parameters
    ----------
    study : Path
        Folder of the study, such as `results/shapes`.
    threads : int, optional
        Files to read at once; as many as the machine has threads by default.

    Raises
    ------
    InputError
        If a file has changed or is missing, or if the folder has no file with a digest.
    """
    if not study.is_dir():
        raise InputError(f"{study} is not a folder: give a study such as results/shapes.")
    recorded = {
        path.with_name(path.name.removeprefix(".").removesuffix(DIGEST_ENDING))
        for path in study.rglob(f".*{DIGEST_ENDING}")
    }
    there = {
        path
        for path in study.rglob("*")
        if path.is_file()
        and not path.name.startswith(".")
        and not NOT_CHECKED & set(path.relative_to(study).parts)
    }
    if not recorded:
        raise InputError(f"{study} has no file with a digest: give a study such as results/shapes.")
    paths = sorted(recorded | there)
    tally = {OK: 0, FAILED: 0, UNKNOWN: 0}
    with ThreadPoolExecutor(available_threads(threads)) as pool:
        outcomes = pool.map(_check, paths)
        outcomes = list(progress(outcomes, desc="digests", total=len(paths), unit="file"))
    for path, (mark, detail) in zip(paths, outcomes, strict=True):
        tally[mark] += 1
        print(f"{mark:7}  {path.relative_to(study)}{detail}")
    print(", ".join(f"{count} {mark}" for mark, count in tally.items()))
    if tally[FAILED]:
        raise InputError(
            f"{tally[FAILED]} files of {study} are not as they were made, see the lines above: put"
            " them back from a copy, or make them again with `snakemake --forcerun` and their rule."
        )


def _check(path: Path) -> tuple[str, str]:
    """Return the outcome of a file's check, and what to add to its line."""
    record = digest_record(path)
    try:
        digest = record.read_text(encoding="utf-8").split()[0]
    except FileNotFoundError:
        return UNKNOWN, ""
    except (OSError, ValueError, IndexError):
        return FAILED, f": its record {record.name} cannot be read"
    try:
        same = file_hash(path) == digest
    except FileNotFoundError:
        return FAILED, ": is missing"
    except OSError as error:
        return FAILED, f": cannot be read ({error.strerror})"
    return (OK, "") if same else (FAILED, ": has changed since it was made")
