"""Which of the installed modules an environment with fewer packages would have."""

import importlib.metadata
from importlib.metadata import packages_distributions

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def requirements_of(name):
    """Return what a distribution requires here, without extras; nothing if it is not installed."""
    try:
        found = map(Requirement, importlib.metadata.requires(name) or [])
    except importlib.metadata.PackageNotFoundError:
        return []
    return [one for one in found if not one.marker or one.marker.evaluate({"extra": ""})]


def modules_lacking(*names):
    """Return the modules that are there, but not where only these distributions are installed."""
    waiting, brought = [*names], set()
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name not in brought:
            brought.add(name)
            waiting += [one.name for one in requirements_of(name)]
    return [
        module
        for module, names in packages_distributions().items()
        if not brought & set(map(canonicalize_name, names)) and module != "recap"
    ]
