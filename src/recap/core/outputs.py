"""Parameters that name outputs: the command line refuses impossible ones before any work."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from recap.core.files import check_output, check_output_folder


def _checked_by(check: Callable[[Path], None]) -> Parameter:
    def validate(annotation: Any, value: Path | None) -> None:
        if value is not None:
            check(value)

    return Parameter(validator=validate)


OutputFile = Annotated[Path, _checked_by(check_output)]
OutputFolder = Annotated[Path, _checked_by(check_output_folder)]
