"""Compare the captioners of one study or of several: the last stage."""

from pathlib import Path
from typing import Literal

from recap.core.checks import require_seed
from recap.core.errors import InputError
from recap.core.files import atomic_path
from recap.core.outputs import OutputFolder
from recap.report.captioning.chapter import write_chapter
from recap.report.captioning.comparison import build_comparisons
from recap.report.captioning.curves import learning_curves
from recap.report.captioning.page import render_page
from recap.report.captioning.selection import Selection
from recap.report.captioning.study import read_study
from recap.report.captioning.tables import comparison_csv, notes, search_in_words, summary_text


def compare_captioners(
    *studies: Path,
    output: OutputFolder = Path("comparison"),
    models: list[str] | None = None,
    seeds: list[int] | None = None,
    decoders: list[str] | None = None,
    ensembles: bool = True,
    gallery: Literal["chosen", "all"] = "chosen",
    seed: int = 0,
) -> None:
    """Compare the captioners of one study, or of several side by side, on one page.

    Writes `index.html`, which needs nothing but itself, `comparison.csv`, `summary.txt` and, where
    there are training histories, `learning_curves.svg`, and prints the summary. Where the photos
    and captions lie is read from each study's `provenance.json`.

    Parameters
    ----------
    studies : Path
        Folders of studies, such as `results/shapes`. What was scored on the same images is
        compared; the rest stands beside it.
    output : Path
        Folder to write into.
    models : list of str, optional
        Compare only these models, in this order; all that were scored by default.
    seeds : list of int, optional
        Compare only trainings from these seeds; all that were scored by default.
    decoders : list of str, optional
        Compare only captions by these decoders; all that were scored by default.
    ensembles : bool
        Compare the ensemble of a model's seeds, too, as a model of its own; `--ensembles=false`
        leaves it out.
    gallery : {"chosen", "all"}
        The photos to look at and search: up to 240, which lie in the page, or all that were scored;
        the others then lie as small pictures in `photos` beside the page.
    seed : int
        Seed of the bootstrap, the permutations and the photos that are drawn.

    Raises
    ------
    InputError
        If no study is given, the seed is out of range, nothing was scored, what is named was not,
        or a file is missing, broken, or about other images.
    """
    if not studies:
        raise InputError("No study is given: name folders such as results/shapes.")
    require_seed(seed)
    selection = Selection(models, seeds, decoders, ensembles)
    read = [read_study(study, selection) for study in studies]
    comparisons = build_comparisons(read)
    if gallery == "all":
        # The rule's output, also where all photos lie in the page.
        (output / "photos").mkdir(parents=True, exist_ok=True)
    chapters = [
        write_chapter(
            comparison, number=number, seed=seed, beside=output if gallery == "all" else None
        )
        for number, comparison in enumerate(comparisons, 1)
    ]
    trained = {
        model if len(comparisons) == 1 else f"{item.name}, {model}": runs
        for item in comparisons
        for model, runs in item.models.items()
    }
    summaries = [
        summary_text(
            chapter.rows,
            f"{chapter.verdict.title}. {chapter.verdict.text}",
            [
                *filter(None, [search_in_words(chapter.rows, chapter.verdict)]),
                *chapter.warnings,
                *notes(chapter.comparison),
            ],
            chapter.comparison.full_names,
        )
        for chapter in chapters
    ]
    files = {
        "comparison.csv": comparison_csv(
            {item.comparison.name: item.rows for item in chapters},
            {short: full for item in comparisons for short, full in item.full_names.items()},
        ),
        "summary.txt": "\n".join(summaries),
        "index.html": render_page(chapters, read, seed=seed),
    }
    if any(chapter.curves for chapter in chapters):
        files["learning_curves.svg"] = f"{learning_curves(trained)}\n"
    for name, text in files.items():
        with atomic_path(output / name) as scratch:
            scratch.write_text(text, encoding="utf-8", newline="\n")
    print(files["summary.txt"], end="")
