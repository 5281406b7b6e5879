"""Compare the GANs of a study: the last stage."""

from pathlib import Path

from recap.core.files import atomic_path
from recap.core.json_files import read_json
from recap.core.outputs import OutputFolder
from recap.report.generative.figures import animation
from recap.report.generative.page import render_page, table_rows
from recap.report.generative.study import read_gans
from recap.report.generative.verdict import verdict
from recap.report.tables import text_table


def compare_gans(
    study: Path,
    *,
    output: OutputFolder,
    gans: list[str] | None = None,
    seeds: list[int] | None = None,
) -> None:
    """Compare the GANs of a study on one page.

    Writes `index.html`, which needs nothing but itself, `summary.txt`, and for each GAN the
    samples along its first training as `{gan}.gif`; prints the summary.

    Parameters
    ----------
    study : Path
        Folder of the study, such as `results/gan-digits`.
    output : Path
        Folder to write into.
    gans : list of str, optional
        Compare only these, in this order; all that were scored by default.
    seeds : list of int, optional
        Compare only trainings from these seeds; all that were scored by default.

    Raises
    ------
    InputError
        If what is named was not scored, or a file is missing or damaged.
    """
    groups = read_gans(study, gans, seeds)
    judge = read_json(study / "classifier" / "config.json")
    title, text = verdict(groups)
    rows = table_rows(groups)
    cells = [["GAN", "seeds", "Fréchet", "precision", "recall", "classes", "copies"]]
    cells += [
        [row.name, *("" if value is None else value for value in row.in_words())] for row in rows
    ]
    summary = text_table(cells, [f"{title}. {text}"], names=1)
    page = render_page(study, groups, judge, title, text, rows)
    for name, content in (("summary.txt", summary), ("index.html", page)):
        with atomic_path(output / name) as scratch:
            scratch.write_text(content, encoding="utf-8", newline="\n")
    for trainings in groups:
        with atomic_path(output / f"{trainings[0].gan}.gif") as scratch:
            scratch.write_bytes(animation(trainings[0]))
    print(summary, end="")
