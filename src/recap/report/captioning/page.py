"""The comparison as one page."""

from pathlib import Path

from recap.report.captioning.breakdown import FEWEST_IMAGES
from recap.report.captioning.chapter import Chapter
from recap.report.captioning.run_details import (
    FEATURES,
    PCA,
    feature_rows,
    machine_rows,
    recipe_rows,
    seconds_on_coco,
    stages_of,
    study_rows,
    training_rows,
    version_rows,
)
from recap.report.captioning.study import Study
from recap.report.captioning.tables import best_values, metrics_of, notes
from recap.report.captioning.verdict import decoder_in_words
from recap.report.figures import colour_of, shape_of
from recap.report.shell import KIT, render
from recap.report.statistics import LEVEL, RESAMPLES

HERE = Path(__file__).parent


def title_of(chapters: list[Chapter]) -> str:
    """Return the heading of the page."""
    if len(chapters) == 1:
        return chapters[0].verdict.title
    return f"{', '.join(chapter.comparison.name for chapter in chapters)}: side by side"


def render_page(chapters: list[Chapter], studies: list[Study], *, seed: int) -> str:
    """Return the page as HTML."""
    stages = {study.name: stages_of(study) for study in studies}
    return render(
        HERE / "page.html",
        scripts=[KIT / "maps.js", HERE / "page.js"],
        pictures_beside=any(chapter.gallery.others for chapter in chapters),
        title=title_of(chapters),
        chapters=[_in_full(chapter) for chapter in chapters],
        studies=studies,
        settings=study_rows(studies),
        machines=machine_rows(studies),
        attribute_files=[FEATURES, PCA],
        feature_rows=feature_rows,
        stages=stages,
        on_coco={study.name: seconds_on_coco(stages[study.name], study) for study in studies},
        decoder_in_words=decoder_in_words,
        resamples=RESAMPLES,
        level=LEVEL,
        fewest=FEWEST_IMAGES,
        seed=seed,
    )


def _in_full(chapter: Chapter) -> dict:
    """Return what the template wants to know of a chapter beside the chapter itself."""
    comparison = chapter.comparison
    items = comparison.all_decodings()
    working = [standing.model for standing in chapter.verdict.working]
    return {
        "it": chapter,
        "id": chapter.id,
        "marks": {
            model: {
                "colour": colour_of(index),
                "shape": shape_of(index),
                "full": comparison.full_names[model],
            }
            for index, model in enumerate(comparison.models)
        },
        "metrics": metrics_of(comparison),
        "best": best_values(chapter.rows, [] if chapter.verdict.too_few_images else working),
        "working": working,
        "notes": notes(comparison),
        "tokenizers": list(dict.fromkeys(item.tokenizer for item in items if item.tokenizer)),
        "several_seeds": any(row.seeds > 1 for row in chapter.rows),
        "recipes": recipe_rows(comparison),
        "trainings": training_rows(comparison),
        "versions": version_rows(comparison),
    }
