"""Show what a network sees, method by method, on one page."""

import textwrap
from collections.abc import Callable
from pathlib import Path

from recap.core.checks import require_seed
from recap.core.errors import InputError
from recap.core.files import atomic_path
from recap.core.outputs import OutputFolder
from recap.report.provenance import machine, versions
from recap.report.run_details import read_stages, side_by_side
from recap.report.shell import render
from recap.report.tables import WIDTH
from recap.report.vision.chapter import Chapter
from recap.report.vision.classes import classes_chapter
from recap.report.vision.classifier import classifier_chapter
from recap.report.vision.dreams import dreams_chapter
from recap.report.vision.fooling import fooling_chapter
from recap.report.vision.inversion import inversion_chapter
from recap.report.vision.saliency import saliency_chapter
from recap.report.vision.style import style_chapter

HERE = Path(__file__).parent

# By the method's folder, in the order of the page.
METHODS: dict[str, Callable[[Path, int], Chapter]] = {
    "classifier": classifier_chapter,
    "saliency": saliency_chapter,
    "fooling": fooling_chapter,
    "classes": classes_chapter,
    "inversion": inversion_chapter,
    "dreams": dreams_chapter,
    "style": style_chapter,
}


def compare_vision(study: Path, *, output: OutputFolder, seed: int = 0) -> None:
    """Show what the methods of vision found on one page.

    Writes `index.html`, which needs nothing but itself, and `summary.txt`, and prints the summary.

    Parameters
    ----------
    study : Path
        Folder of the study, such as `results/vision-scenes`, with a folder for each method.
    output : Path
        Folder to write into.
    seed : int
        Of the bootstrap.

    Raises
    ------
    InputError
        If the study has no method's scores, or a file is missing or damaged.
    """
    require_seed(seed)
    chapters = [_read(study / name, make, seed) for name, make in METHODS.items()]
    chapters = [chapter for chapter in chapters if chapter]
    if not chapters:
        raise InputError(f"{study} has no scores of a method of vision: run `snakemake vision`.")
    stages = read_stages((study / "benchmarks").rglob("*.tsv"), lambda rule, job: True)
    page = render(
        HERE / "page.html",
        scripts=[HERE / "page.js"],
        title="What the network sees",
        study=study.name,
        chapters=chapters,
        machine=side_by_side([machine() | versions()]),
        stages=stages,
        seconds={stage.rule: stage.seconds for stage in stages},
        seed=seed,
    )
    told = [f"{chapter.name}: {chapter.found}" for chapter in chapters]
    summary = "".join(f"{textwrap.fill(line, WIDTH, subsequent_indent='  ')}\n" for line in told)
    for name, text in (("summary.txt", summary), ("index.html", page)):
        with atomic_path(output / name) as scratch:
            scratch.write_text(text, encoding="utf-8", newline="\n")
    print(summary, end="")


def _read(folder: Path, make: Callable[[Path, int], Chapter], seed: int) -> Chapter | None:
    """Return a method's chapter; None where there is no such folder."""
    if not any(folder.glob("**/scores.json")):
        return None
    try:
        return make(folder, seed)
    except (KeyError, TypeError, ValueError, IndexError, ZeroDivisionError) as error:
        raise InputError(
            f"{folder} has scores that are not whole ({error!r}): make them again."
        ) from None
