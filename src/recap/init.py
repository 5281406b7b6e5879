"""Lay out a folder for studies with the recap that is installed."""

import re
import shutil
from pathlib import Path

import recap
from recap.core.errors import InputError
from recap.core.outputs import OutputFolder

# Here lie `workflow/` and `config/`: in a wheel as copies, in the repository as links.
PACKAGE = Path(recap.__file__).parent

# A link to the documentation, which is in the repository alone.
LINK_TO_DOCS = re.compile(r"\[([^][]*)\]\(\.\./docs/[^)]*\)")

SNAKEFILE = """\
# recap's workflow, as it is installed. Rules of your own can follow.

from importlib.resources import files


include: str(files("recap") / "workflow/Snakefile")


# What is made where no target is named.
rule default:
    input:
        rules.all.input,
"""


def init(folder: OutputFolder) -> None:
    """Lay out a folder for studies: a Snakefile, the configuration, and the profiles.

    There, `snakemake --cores all` runs recap's workflow, as it is installed, on the embedded data
    set; `config/README.md` explains the settings.

    Parameters
    ----------
    folder : Path
        Folder to make; it may be there if it is empty.

    Raises
    ------
    InputError
        If there is something in the folder, or it cannot be made.
    """
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty: name another folder, which will be made.")
    for name in ("config", "workflow/profiles"):
        shutil.copytree(PACKAGE / name, folder / name, copy_function=shutil.copyfile)
    page = folder / "config/README.md"
    text = page.read_text(encoding="utf-8")
    page.write_text(LINK_TO_DOCS.sub(r"\1 of recap", text), encoding="utf-8")
    (folder / "workflow/Snakefile").write_text(SNAKEFILE, encoding="utf-8")
    print(f"Made {folder}. There, `snakemake --cores all` runs the study of config/config.yaml.")
