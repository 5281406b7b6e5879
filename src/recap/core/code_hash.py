"""Fingerprint the code of a stage, so that editing it reruns the stage."""

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1]

# Errors and progress bars never get into results.
EXCLUDED = {"recap", "recap.core.errors", "recap.core.progress"}


def code_hash(*modules: str) -> str:
    """Return a digest of the modules' source and of every module of recap that they import.

    Imports are read from the source and followed without running it, so this is quick and needs
    none of the packages that the modules use. Data files of a module's stage, such as templates,
    count where the module names them in quotes, or one of them names another.

    Parameters
    ----------
    *modules : str
        Such as `recap.captions.vocabulary`.

    Returns
    -------
    str
        Sixteen hexadecimal digits, equal as long as no byte of that code changes.
    """
    return _digest({path for module in modules for path in _sources(module)})


def package_hash() -> str:
    """Return a digest of all files of recap that are code or data of it, sixteen digits."""
    files = PACKAGE.rglob("*.*")
    return _digest(path for path in files if path.is_file() and path.suffix != ".pyc")


def _digest(files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0")
        digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _sources(module: str) -> set[Path]:
    """Return the source files of a module and of what it imports from recap."""
    for name in EXCLUDED:
        if _source(name) is None:
            raise ValueError(f"there is no module {name} to exclude")
    found: dict[str, set[Path]] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        path = _source(name)
        if path is None:
            raise ValueError(f"there is no module {name}")
        found[name] = {path, *_data_files(path)}
        # Importing a.b.c runs a and a.b too; recap itself holds nothing that changes a result.
        parents = [name.rpartition(".")[0]] if name.count(".") > 1 else []
        waiting += parents + [other for other in _imports(path) if other not in EXCLUDED]
    return set().union(*found.values())


def _source(module: str) -> Path | None:
    path = PACKAGE.joinpath(*module.split(".")[1:])
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def _data_files(path: Path) -> set[Path]:
    """Return the data files of a module's stage that it names, and those that they name."""
    stage = PACKAGE / path.relative_to(PACKAGE).parts[0]
    there = [other for other in stage.rglob("*.*") if other.suffix not in {".py", ".pyc"}]
    found: set[Path] = set()
    waiting = [path]
    while waiting:
        text = waiting.pop().read_bytes()
        named = {other for other in there if f'"{other.name}"'.encode() in text}
        waiting += named - found
        found |= named
    return found


@cache
def _imports(path: Path) -> frozenset[str]:
    """Return the modules of recap that a file imports anywhere in its code."""
    names = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {node.module} | {name for name in members if _is_ours(name)}
    return frozenset(name for name in names if _is_ours(name))


def _is_ours(name: str) -> bool:
    return name.split(".")[0] == "recap" and _source(name) is not None
