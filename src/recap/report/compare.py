"""Compare the captioners of a study: the last stage."""

from pathlib import Path
from typing import Any

from recap.annotations import read_annotations
from recap.errors import InputError
from recap.files import atomic_path
from recap.report.curves import learning_curves
from recap.report.gallery import build_gallery
from recap.report.page import render_page
from recap.report.study import read_study
from recap.report.tables import comparison_csv, notes, score_rows, summary_text
from recap.report.verdict import judge


def compare_captioners(
    study: Path,
    *,
    images: Path,
    annotations: Path,
    output: Path,
    models: list[str] | None = None,
    seeds: list[int] | None = None,
    decoders: list[str] | None = None,
    settings: dict[str, Any] | None = None,
    seed: int = 0,
) -> None:
    """Compare the captioners of a study on one self-contained page.

    Writes `index.html`, `comparison.csv`, `learning_curves.svg` and `summary.txt`, and prints
    the summary.

    Parameters
    ----------
    study : Path
        Folder of the study, `results/S`.
    images : Path
        Zip archive or folder of the photos that were scored.
    annotations : Path
        COCO caption file of the photos that were scored.
    output : Path
        Folder to write into.
    models : list of str, optional
        Compare only these models, in this order; all that were scored by default.
    seeds : list of int, optional
        Compare only trainings from these seeds; all that were scored by default.
    decoders : list of str, optional
        Compare only captions by these decoders; all that were scored by default.
    settings : dict, optional
        What the study was configured with, to be shown; JSON on the command line.
    seed : int
        Seed of the bootstrap and of the photos that are drawn.

    Raises
    ------
    InputError
        If nothing was scored, what is named was not, or a file is missing, broken, or about
        other images.
    """
    scored = read_study(study, models=models, seeds=seeds, decoders=decoders)
    references = read_annotations(annotations)
    known = {image["id"] for image in references.images}
    for image_id in scored.image_ids:
        if image_id not in known:
            raise InputError(
                f"{annotations} does not list image {image_id}, which was scored: give the"
                " annotations of the scored split."
            )
    rows = score_rows(scored)
    verdict = judge(scored, seed=seed)
    curves = learning_curves(scored.models)
    gallery = build_gallery(scored, references, images, decoder=verdict.decoder, seed=seed)
    page = render_page(
        scored,
        references,
        rows=rows,
        verdict=verdict,
        curves=curves,
        gallery=gallery,
        settings=settings or {},
        seed=seed,
    )
    summary = summary_text(rows, verdict.text, notes(scored))
    for name, text in {
        "comparison.csv": comparison_csv(rows),
        "learning_curves.svg": f"{curves}\n",
        "summary.txt": summary,
        "index.html": page,
    }.items():
        with atomic_path(output / name) as scratch:
            scratch.write_text(text, encoding="utf-8", newline="\n")
    print(summary, end="")
