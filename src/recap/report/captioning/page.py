"""The comparison as one HTML page that needs nothing but itself."""

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

import recap
from recap.report.captioning.breakdown import FEWEST_IMAGES
from recap.report.captioning.chapter import Chapter
from recap.report.captioning.curves import colour_of, shape_of
from recap.report.captioning.run_details import (
    FEATURES,
    PCA,
    feature_rows,
    machine_rows,
    read_stages,
    recipe_rows,
    study_rows,
    training_rows,
    version_rows,
)
from recap.report.captioning.study import Study
from recap.report.captioning.tables import best_values, metrics_of, notes, percent
from recap.report.captioning.verdict import decoder_in_words
from recap.report.statistics import LEVEL, RESAMPLES

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Scale:
    """A scale of scores along a strip, with a margin at both ends.

    Attributes
    ----------
    low, high : float
        Scores at the ends.
    """

    low: float
    high: float

    def place(self, score: float) -> float:
        """Return where a score lies, in percent of the strip's width."""
        return round(4 + 92 * (score - self.low) / ((self.high - self.low) or 1.0), 2)


def scale_of(*scores: float) -> Scale:
    """Return the scale that holds these scores."""
    return Scale(min(scores), max(scores))


def duration(seconds: float) -> str:
    """Return a time as people read it: `48.2 s`, `3 min 20 s`, `2 h 05 min`."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60:,} h {minutes % 60:02d} min"


def size(count: int) -> str:
    """Return a number of bytes as people read it: `12 kB`, `3.4 MB`."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} B"


def signed(score: float) -> str:
    """Return a difference of scores times 100, with its sign."""
    return f"{100 * score:+.1f}".replace("-", "−")


def title_of(chapters: list[Chapter]) -> str:
    """Return the heading of the page."""
    if len(chapters) == 1:
        return chapters[0].verdict.title
    return f"{', '.join(chapter.comparison.name for chapter in chapters)}: side by side"


def render_page(chapters: list[Chapter], studies: list[Study], *, seed: int) -> str:
    """Return the page as HTML. Whatever a caption, a name or a setting holds is escaped.

    Parameters
    ----------
    chapters : list of Chapter
        A chapter for each set of images.
    studies : list of Study
        All studies, in the order in which they were given.
    seed : int
        Seed of bootstrap, permutations and gallery, to be told.
    """
    environment = Environment(
        loader=FileSystemLoader([HERE, HERE.parent]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=percent, duration=duration, size=size, signed=signed)
    environment.globals.update(
        decoder_in_words=decoder_in_words,
        feature_rows=feature_rows,
        scale_of=scale_of,
    )
    script = (HERE / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template("page.html").render(
        title=title_of(chapters),
        chapters=[_in_full(chapter) for chapter in chapters],
        studies=studies,
        settings=study_rows(studies),
        machines=machine_rows(studies),
        attribute_files=[FEATURES, PCA],
        stages={study.name: read_stages(study) for study in studies},
        resamples=RESAMPLES,
        level=LEVEL,
        fewest=FEWEST_IMAGES,
        seed=seed,
        version=recap.__version__,
        script=script,
        script_digest=digest,
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
            model: {"colour": colour_of(index), "shape": shape_of(index)}
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
