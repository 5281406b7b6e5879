"""Where the data of notebooks lie: in the course's folders, or in those of a study."""

from collections.abc import Iterator
from pathlib import Path

import recap
from recap.core.errors import InputError
from recap.core.json_files import read_json

COURSE_DATA = Path("cs231n/datasets/coco_captioning")

# The folder of data that was loaded last: its pictures are those of its study.
_loaded: list[Path] = []


def remember(folder: Path) -> None:
    """Look for pictures near this folder first."""
    _loaded[:] = [folder.resolve()]


def _roots(*folders: Path) -> Iterator[Path]:
    """Yield the folders that `results/` and `resources/` may lie in."""
    for folder in (*folders, Path.cwd()):
        yield from (folder, *folder.parents)
    yield Path(recap.__file__).parents[2]


def find_data() -> Path:
    """Return the course's folder of data, or else that of the newest study.

    Raises
    ------
    InputError
        If there is neither.
    """
    captions = "coco2014_captions.h5"
    if (COURSE_DATA / captions).exists():
        return COURSE_DATA
    for root in _roots():
        made = list(root.glob(f"results/*/coco_captioning/{captions}"))
        if made:
            return max(made, key=lambda path: path.stat().st_mtime).parent
    raise InputError(
        f"There is no {COURSE_DATA} here, and no study in results/: run `snakemake` in recap's"
        " folder, or name the folder of data as `base_dir`."
    )


def find_scenes(name: str) -> Path:
    """Return an archive of `shapes`: the study's own, whose data were loaded, or else the newest.

    Raises
    ------
    InputError
        If there is none.
    """
    for folder in _loaded:
        provenance = folder.parent / "provenance.json"
        if provenance.exists():
            own = folder.parent / read_json(provenance)["images"]
            if own.with_name(name).exists():
                return own.with_name(name)
    found = find_resource(f"shapes/*/{name}")
    if found is None:
        raise InputError(
            f"There is no resources/shapes/*/{name}: run `snakemake` in recap's folder."
        )
    return found


def find_resource(pattern: str) -> Path | None:
    """Return the newest file of `resources/` whose path matches, if there is one."""
    for root in _roots(*_loaded):
        found = list(root.glob(f"resources/{pattern}"))
        if found:
            return max(found, key=lambda path: path.stat().st_mtime)
    return None
