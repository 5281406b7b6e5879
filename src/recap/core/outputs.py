"""Parameters that name outputs: the command line refuses impossible ones before any work."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from recap.core.files import check_output, check_output_folder

OutputFile = Annotated[Path, check_output]
OutputFolder = Annotated[Path, check_output_folder]


def check_of(annotation: Any) -> Callable[[Path], None] | None:
    """Return the check of a parameter by its annotation; None if it names no output."""
    for kind in (OutputFile, OutputFolder):
        if annotation in (kind, kind | None):
            return kind.__metadata__[0]
    return None
