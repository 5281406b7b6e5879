"""All that the page tells of one comparison."""

from dataclasses import dataclass
from pathlib import Path

from recap.captions.encode import LEARNT_FROM
from recap.core.hdf5 import open_hdf5, read_attributes
from recap.core.text import counted
from recap.datasets.annotations import read_annotations
from recap.report.captioning.anchors import ANCHORS, Anchor, same_images
from recap.report.captioning.breakdown import Slice, by_category, by_reference_length
from recap.report.captioning.comparison import Comparison
from recap.report.captioning.curves import learning_curves
from recap.report.captioning.encoding import CAPTIONS, Encoding, read_encoding
from recap.report.captioning.explanations import Explanations, read_explanations
from recap.report.captioning.gallery import Gallery, build_gallery, shown_models
from recap.report.captioning.judge import judge
from recap.report.captioning.run_details import FEATURES, file_attributes
from recap.report.captioning.study import Study
from recap.report.captioning.tables import ScoreRow, human_scores, score_rows, search_in_words
from recap.report.captioning.verdict import Verdict
from recap.report.captioning.wording import (
    Wording,
    wording_of_models,
    wording_of_references,
    words_of,
)
from recap.report.numbers import signed
from recap.report.statistics import mean_and_deviation


@dataclass(frozen=True)
class Chapter:
    """All that the page tells of one comparison.

    Attributes
    ----------
    id : str
        What the ids of its parts begin with.
    comparison : Comparison
        What was scored.
    verdict : Verdict
        Which captioner is better.
    warnings : list of str
        Reasons not to trust the scores.
    remarks : list of str
        Whether the lead is real and where it comes from, a sentence or two each.
    rows : list of ScoreRow
        The score table.
    human_scores : dict of str to float
        What one person's captions score against the others'; empty where there are too few.
    comparable, elsewhere : list of Anchor
        Published scores of the same images, and of other images.
    curves : str
        SVG of the learning curves; empty where there is no history.
    wording : dict of str to Wording
        Language of each model.
    people : Wording
        Language of people.
    perplexities : dict of str to (float, float or None)
        Perplexity of the references under each model that it was measured for: the mean over the
        seeds and their standard deviation.
    lengths, categories : list of Slice
        Scores by length of the references and by what is in the image.
    gallery : Gallery
        Photos with what is said of them.
    explanations : Explanations
        Which pixels made the models say it.
    encodings : list of Encoding
        The captions that the models of each study learn from, in numbers.
    """

    id: str
    comparison: Comparison
    verdict: Verdict
    warnings: list[str]
    remarks: list[str]
    rows: list[ScoreRow]
    human_scores: dict[str, float]
    comparable: list[Anchor]
    elsewhere: list[Anchor]
    curves: str
    wording: dict[str, Wording]
    people: Wording
    perplexities: dict[str, tuple[float, float | None]]
    lengths: list[Slice]
    categories: list[Slice]
    gallery: Gallery
    explanations: Explanations
    encodings: list[Encoding]

    @property
    def data(self) -> str:
        """Which images were scored against how many references."""
        return data_in_words(self.comparison)

    @property
    def features(self) -> list[str]:
        """What the models of each study saw of the images."""
        studies = self.comparison.studies
        return [
            f"{f'{study.name}: ' if len(studies) > 1 else ''}{features_in_words(study)}"
            for study in studies
        ]


def write_chapter(
    comparison: Comparison, *, number: int, seed: int, beside: Path | None = None
) -> Chapter:
    """Compute all that the page tells of one comparison.

    Parameters
    ----------
    comparison : Comparison
        What was scored.
    number : int
        Of the chapter on the page, from 1.
    seed : int
        Seed of the bootstrap, the permutations and the gallery.
    beside : Path, optional
        Folder of the page, in whose folder `photos` the pictures of all scored photos are put that
        do not lie in the page; without, the gallery lacks these photos.

    Raises
    ------
    InputError
        If the models share no decoder, or a file is missing or broken.
    """
    verdict = judge(comparison, seed=seed)
    learnt = {study.name: _training_captions(study) for study in comparison.studies}
    wording = wording_of_models(comparison, verdict.decoder, learnt)
    people = wording_of_references(comparison, learnt[comparison.studies[0].name])
    perplexities = {
        model: mean_and_deviation([run.perplexity for run in runs])
        for model, runs in comparison.models.items()
        if all(run.perplexity is not None for run in runs)
    }
    categories = by_category(comparison, verdict.decoder)
    rows = score_rows(comparison, seed=seed)
    settings = comparison.studies[0].record.settings
    images = len(comparison.image_ids)
    runs = [run for runs in comparison.models.values() for run in runs]
    name = f"c{number}-"
    models = shown_models(verdict)
    explanations = read_explanations(comparison, verdict, models, seed=seed)
    gallery = build_gallery(
        comparison,
        verdict,
        models,
        explained={photo.image_id for photo in explanations.photos},
        seed=seed,
        beside=None if beside is None else (beside, f"photos/{name}"),
    )
    encodings = [
        read_encoding(study, learnt[study.name], comparison.annotations, gallery.cards)
        for study in comparison.studies
    ]
    return Chapter(
        id=name,
        comparison=comparison,
        verdict=verdict,
        warnings=[*_of_photos(comparison), *_of_trainings(comparison)],
        remarks=remarks(verdict, rows, wording, people, perplexities, categories),
        rows=rows,
        human_scores=human_scores(comparison),
        comparable=[anchor for anchor in ANCHORS if same_images(anchor, settings, images)],
        elsewhere=[anchor for anchor in ANCHORS if not same_images(anchor, settings, images)],
        curves=learning_curves(comparison.models, prefix=name)
        if any(run.history for run in runs)
        else "",
        wording=wording,
        people=people,
        perplexities=perplexities,
        lengths=by_reference_length(comparison, verdict.decoder),
        categories=categories,
        gallery=gallery,
        explanations=explanations,
        encodings=[encoding for encoding in encodings if encoding is not None],
    )


def remarks(
    verdict: Verdict,
    rows: list[ScoreRow],
    wording: dict[str, Wording],
    people: Wording,
    perplexities: dict[str, tuple[float, float | None]],
    categories: list[Slice],
) -> list[str]:
    """Say in words whether the lead is real and where it comes from."""
    best = verdict.best
    sentences = []
    if not verdict.working:
        return sentences
    if verdict.leads:
        lead = verdict.leads[0]
        tied = f", and they tie on {lead.tied:.0%}" if lead.tied >= 0.005 else ""
        sentences.append(
            f"Image by image, {best.model} scores higher on {lead.won:.0%} and {lead.model} on"
            f" {lead.lost:.0%}{tied}. {_test_in_words(verdict)}"
        )
        sentences += _seeds_in_words(verdict)
        if categories:
            ordered = sorted(categories, key=lambda item: item.lead(best.model, lead.model))
            most, least = ordered[-1], ordered[0]
            sentences.append(
                f"By what is in the image, {best.model} is furthest ahead on “{most.name}”"
                f" ({signed(most.lead(best.model, lead.model))} on {most.images:,} images) and"
                f" least on “{least.name}” ({signed(least.lead(best.model, lead.model))} on"
                f" {least.images:,})."
            )
        if {best.model, lead.model} <= perplexities.keys():
            sentences.append(
                f"The references have a perplexity of {perplexities[best.model][0]:.2f} under"
                f" {best.model} and of {perplexities[lead.model][0]:.2f} under {lead.model}."
            )
    if lowered := search_in_words(rows, verdict):
        sentences.append(lowered)
    mine = wording[best.model]
    novel = (
        ""
        if mine.novel_captions is None
        else f" and {mine.novel_captions:.0%} are in no training caption"
    )
    sentences.append(
        f"Of the captions by {best.model}, {mine.distinct_captions:.0%} differ from each"
        f" other{novel}. They use {mine.distinct_words:,.0f} different words; people use"
        f" {people.distinct_words:,.0f}."
    )
    return sentences


def _test_in_words(verdict: Verdict) -> str:
    """Say what the test of the lead found."""
    lead = verdict.leads[0]
    if verdict.too_few_images:
        return "No test can tell more from so few images."
    kind = "a t test over seeds and images" if lead.over_seeds else "a paired permutation test"
    negation = "" if lead.conclusive else "not "
    adjusted = f", adjusted for {verdict.pairs} pairs" if verdict.pairs > 1 else ""
    return f"By {kind}, the difference is {negation}significant ({lead.p_text}{adjusted})."


def _seeds_in_words(verdict: Verdict) -> list[str]:
    """Say how far the seeds of the best model and the runner-up reach."""
    lead = verdict.leads[0]
    if not lead.over_seeds:
        return []
    first, second = verdict.best, verdict.standing_of(lead.model)
    ranges = [
        f"{standing.model} from {100 * min(standing.by_seed):.1f} to"
        f" {100 * max(standing.by_seed):.1f} ({len(standing.by_seed)} seeds)"
        for standing in (first, second)
    ]
    apart = min(first.by_seed) > max(second.by_seed)
    more = "" if lead.conclusive else " More seeds would narrow the interval."
    return [f"Their seeds {'do not ' * apart}overlap: {' and '.join(ranges)}.{more}"]


def data_in_words(comparison: Comparison) -> str:
    """Say which images were scored against how many references."""
    counts = {len(captions) for captions in comparison.references}
    fewest, most = min(counts), max(counts)
    references = counted(most, "reference")
    if fewest != most:
        references = f"{fewest} to {references}"
    name = comparison.annotations.description or comparison.name
    return (
        f"{name}: {counted(len(comparison.image_ids), 'image')}, each scored against {references}."
    )


def features_in_words(study: Study) -> str:
    """Say what the models of a study saw of the images."""
    attributes = file_attributes(study.folder / FEATURES)
    if "backbone" not in attributes:
        return "The study does not say which backbone its image features come from."
    layer = f" ({attributes['layer']})" if "layer" in attributes else ""
    weights = attributes.get("weights", "unnamed")
    if weights == "random":
        return (
            f"The image features come from {attributes['backbone']}{layer} with random weights:"
            " they are a random projection of the pixels, and no network was trained to see."
        )
    return f"The image features come from {attributes['backbone']}{layer}, weights {weights}."


def _training_captions(study: Study) -> set[tuple[str, ...]] | None:
    path = study.record.train_annotations
    if path is None or not path.exists():
        return None
    return {words_of(caption) for _, caption in read_annotations(path).captions}


def _of_photos(comparison: Comparison) -> list[str]:
    """Say of which studies the scored photos were learnt from, as their encoded captions tell."""
    images = len(comparison.image_ids)
    warnings = []
    for study in comparison.studies:
        path = study.folder / CAPTIONS
        if not path.exists():
            continue
        with open_hdf5(path) as file:
            seen = int(read_attributes(file["val_image_idxs"]).get(LEARNT_FROM, 0))
        if seen:
            warnings.append(
                f"{study.name}: {seen:,} of the {images:,} scored photos are training photos, too;"
                " the scores measure memorisation, not captions of new photos."
            )
    return warnings


def _of_trainings(comparison: Comparison) -> list[str]:
    """Return what the trainings warned of, each warning once."""
    models: dict[str, list[str]] = {}
    for model, runs in comparison.models.items():
        for warning in dict.fromkeys(
            text for run in runs for text in run.config.get("warnings", [])
        ):
            models.setdefault(warning, []).append(model)
    return [f"{', '.join(names)}: {warning}." for warning, names in models.items()]
