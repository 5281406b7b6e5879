"""NumPy archives, read whatever they hold."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from recap.core.errors import InputError


def read_arrays(path: Path, *names: str, optional: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """Read arrays of a NumPy archive.

    Parameters
    ----------
    path : Path
        Archive, `.npz`.
    *names : str
        Arrays that it must have.
    optional : sequence of str
        Arrays that are read where it has them.

    Raises
    ------
    InputError
        If the file is missing, damaged or of another kind, or lacks an array.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {
                name: archive[name] for name in [*names, *optional] if name in {*names, *archive}
            }
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: check the path.") from None
    # NumPy has Python's parser read an array's header; it and zipfile have errors of their own.
    except Exception:
        raise InputError(
            f"{path} is not a whole NumPy archive with {', '.join(names)}: download or make it"
            " again."
        ) from None
