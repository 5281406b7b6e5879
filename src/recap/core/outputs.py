"""Parameters that name outputs: the command line refuses impossible ones before any work."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from recap.core.errors import InputError
from recap.core.files import check_output, check_output_folder

# Pictures that are written, by the ending of their names, and what Pillow calls them.
PICTURES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}

# Endings that tell of a picture, and would make a folder.
OTHER_PICTURES = (".gif", ".tif", ".tiff", ".bmp", ".ppm", ".jp2", ".avif", ".heic", ".pdf", ".svg")


def is_picture(path: Path) -> bool:
    """Return whether a path names a picture by its ending, and not a folder of them."""
    return path.suffix.lower() in PICTURES


def check_pictures(path: Path) -> None:
    """Refuse a path at which no picture can be made, or no folder of them.

    Parameters
    ----------
    path : Path
        A picture, by the ending of its name, or a folder.

    Raises
    ------
    InputError
        As `check_output` and `check_output_folder` do, or if it ends as pictures do that are read
        and not written.
    """
    if path.suffix.lower() in OTHER_PICTURES:
        raise InputError(
            f"{path} would be no {path.suffix}: name a file that ends in {', '.join(PICTURES)},"
            " or a folder."
        )
    (check_output if is_picture(path) else check_output_folder)(path)


OutputFile = Annotated[Path, check_output]
OutputFolder = Annotated[Path, check_output_folder]
OutputPictures = Annotated[Path, check_pictures]


def check_of(annotation: Any) -> Callable[[Path], None] | None:
    """Return the check of a parameter by its annotation; None if it names no output."""
    for kind in (OutputFile, OutputFolder, OutputPictures):
        if annotation in (kind, kind | None):
            return kind.__metadata__[0]
    return None
