"""Group studies: those scored on the same images are compared."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from recap.core.errors import InputError
from recap.datasets.annotations import Annotations, read_annotations
from recap.datasets.categories import read_categories
from recap.evaluation.decoders import decoder_order
from recap.report.captioning.names import short_names
from recap.report.captioning.study import Decoding, Run, Study


@dataclass(frozen=True)
class Comparison:
    """Captioners that were scored on the same images against the same references.

    Attributes
    ----------
    studies : list of Study
        Where they come from.
    image_ids : list of int
        The images that were scored, N of them.
    models : dict of str to list of Run
        By name, which is short for a sweep's and tells the study too if there are several.
    full_names : dict of str to str
        Of each model the name in full.
    study_of : dict of str to Study
        Study of each model.
    decoder_names : list of str
        Every decoder of any run, the narrowest beam first unless a study has another order.
    annotations : Annotations
        References of the scored images.
    categories : dict of str to set of int
        The images that show each kind of object; empty where nothing tells.
    """

    studies: list[Study]
    image_ids: list[int]
    models: dict[str, list[Run]]
    full_names: dict[str, str]
    study_of: dict[str, Study]
    decoder_names: list[str]
    annotations: Annotations
    categories: dict[str, set[int]]

    @property
    def name(self) -> str:
        """The names of the studies."""
        return " and ".join(study.name for study in self.studies)

    @property
    def images(self) -> Path | None:
        """Archive or folder of the photos; None if there is none, or none where it was."""
        places = [study.record.images for study in self.studies]
        return next((place for place in places if place and place.exists()), None)

    @cached_property
    def references(self) -> list[list[str]]:
        """The references of each scored image, in the order of `image_ids`."""
        by_image = self.annotations.captions_by_image()
        return [by_image[image_id] for image_id in self.image_ids]

    def decoders(self, model: str) -> list[str]:
        """Return the decoders by which a model was scored from any seed."""
        names = {name for run in self.models[model] for name in run.decodings}
        return [name for name in self.decoder_names if name in names]

    def decodings(self, model: str, decoder: str) -> list[Decoding]:
        """Return a model's decodings by one decoder, in the order of the seeds."""
        runs = self.models[model]
        return [run.decodings[decoder] for run in runs if decoder in run.decodings]

    def all_decodings(self) -> list[Decoding]:
        """Return every decoding of every model and seed."""
        return [
            decoding
            for runs in self.models.values()
            for run in runs
            for decoding in run.decodings.values()
        ]


def build_comparisons(studies: list[Study]) -> list[Comparison]:
    """Group the studies that were scored on the same images with the same references.

    Returns
    -------
    list of Comparison
        In the order of their first studies.

    Raises
    ------
    InputError
        If two studies have one name, or annotations are missing or lack a scored image.
    """
    names = [study.name for study in studies]
    for name in names:
        if names.count(name) > 1:
            raise InputError(
                f"Two of the folders are named {name}, so that their models could not be told"
                " apart: give each study once, or rename a folder."
            )
    alike: list[tuple[list[Study], Annotations]] = []
    for study in studies:
        annotations = read_annotations(study.record.annotations)
        truth = _truth(study, annotations)
        for group, others in alike:
            if truth == _truth(group[0], others):
                group.append(study)
                break
        else:
            alike.append(([study], annotations))
    return [_put_together(group, annotations) for group, annotations in alike]


def _truth(study: Study, annotations: Annotations) -> dict[int, list[str]]:
    """Return the references of the images that a study was scored on."""
    references = annotations.captions_by_image()
    for image_id in study.image_ids:
        if image_id not in references:
            raise InputError(
                f"{study.record.annotations} does not list image {image_id}, which was scored in"
                f" {study.folder}: record the annotations of the scored split."
            )
    return {image_id: references[image_id] for image_id in study.image_ids}


def _put_together(studies: list[Study], annotations: Annotations) -> Comparison:
    models: dict[str, list[Run]] = {}
    full_names: dict[str, str] = {}
    study_of: dict[str, Study] = {}
    for study in studies:
        called = short_names(list(study.models))
        for model, runs in study.models.items():
            beginning = f"{study.name}: " if len(studies) > 1 else ""
            name = f"{beginning}{called[model]}"
            full_names[name] = f"{beginning}{model}"
            models[name] = [run.in_order(study.image_ids, studies[0].image_ids) for run in runs]
            study_of[name] = study
    decoders = list(dict.fromkeys(name for study in studies for name in study.decoder_names))
    if len(studies) > 1:
        decoders.sort(key=decoder_order)
    records = [study.record for study in studies if study.record.categories is not None]
    return Comparison(
        studies=studies,
        image_ids=studies[0].image_ids,
        models=models,
        full_names=full_names,
        study_of=study_of,
        decoder_names=decoders,
        annotations=annotations,
        categories=read_categories(records[0].categories) if records else {},
    )
