"""Write down what a study was made from and what came of it, with checksums."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recap.core.errors import InputError
from recap.core.hdf5 import read_attributes
from recap.core.json_files import read_json, write_json
from recap.datasets.annotations import read_annotations
from recap.features.files import IMAGES_BYTES, IMAGES_SHA256, open_features
from recap.report.captioning.crate import write_crate
from recap.report.captioning.selection import RUNS, Selection
from recap.report.provenance import FileRecord, file_records, machine, versions

RECORD = "provenance.json"
TRAINED = ("model.safetensors", "config.json", "history.csv")
FEATURE_FILE = "2014_vgg16_fc7_pca.h5"
PERPLEXITY = "perplexity.json"
SOURCES = ("images", "annotations", "train_annotations", "categories")


@dataclass(frozen=True)
class Record:
    """What a study was made from and what came of it.

    Attributes
    ----------
    images : Path or None
        Photos that were scored.
    annotations : Path
        COCO caption file of the photos that were scored.
    train_annotations : Path or None
        COCO caption file of the photos that were learnt from.
    categories : Path or None
        Objects in the photos that were scored, in the format of COCO's instances.
    settings : dict
        What the study was configured with.
    sizes : dict of str to int
        How many photos and captions it has: `train_images`, `train_captions`, `images`,
        `captions`.
    machine : dict of str to str
        Where it was recorded.
    versions : dict of str to str
        Of Python and the packages, where it was recorded.
    inputs, outputs : list of FileRecord
        What went in and what came out.
    shared_jobs : list of Path
        Benchmark files of the jobs that made what the study shares with others.
    """

    images: Path | None
    annotations: Path
    train_annotations: Path | None
    categories: Path | None
    settings: dict[str, Any]
    sizes: dict[str, int]
    machine: dict[str, str]
    versions: dict[str, str]
    inputs: list[FileRecord]
    outputs: list[FileRecord]
    shared_jobs: list[Path]


def record_provenance(
    study: Path,
    *,
    annotations: Path,
    images: Path | None = None,
    train_annotations: Path | None = None,
    categories: Path | None = None,
    inputs: list[Path] | None = None,
    models: list[str] | None = None,
    seeds: list[int] | None = None,
    decoders: list[str] | None = None,
    ensembles: bool = True,
    settings: dict[str, Any] | None = None,
    command: str | None = None,
    shared_jobs: list[Path] | None = None,
    threads: int | None = None,
) -> None:
    """Write down what a study was made from and what came of it, with checksums.

    Writes `provenance.json` into the study's folder. `recap compare-captioners` finds there the
    photos, captions and objects that belong to the study. Photos and weights are recorded as they
    were read when the features were made, which the feature files tell; other files as they are.
    What differs from run to run, the date, the command and the commit, goes into a file of its own,
    `ro-crate-metadata.json`.

    Parameters
    ----------
    study : Path
        Folder of the study, `results/S`.
    annotations : Path
        COCO caption file of the photos that were scored.
    images : Path, optional
        Zip archive or folder of these photos; a study of given features has none.
    train_annotations : Path, optional
        COCO caption file of the photos that were learnt from.
    categories : Path, optional
        Objects in the photos that were scored, in the format of COCO's instances.
    inputs : list of Path, optional
        What else the study was made from: archives, weights.
    models : list of str, optional
        Record only these models; all by default.
    seeds : list of int, optional
        Record only trainings from these seeds; all by default.
    decoders : list of str, optional
        Record only captions by these decoders; all by default.
    ensembles : bool
        Record the captions of ensembles, too; `--ensembles=false` leaves them out.
    settings : dict, optional
        What the study was configured with; JSON on the command line.
    command : str, optional
        What made the study, to be told of it.
    shared_jobs : list of Path, optional
        Snakemake's benchmark files, or folders of them, of the jobs that made what studies share.
        What is not there is left out.
    threads : int, optional
        Files to read at once; as many as the machine has threads by default.

    Raises
    ------
    InputError
        If a file is missing, or the annotations are in another format.
    """
    named = {
        "images": images,
        "annotations": annotations,
        "train_annotations": train_annotations,
        "categories": categories,
    }
    given = [path for path in [*named.values(), *(inputs or [])] if path is not None]
    inputs = list(dict.fromkeys(map(Path, given)))
    outputs = _outputs(study, Selection(models, seeds, decoders, ensembles))
    for path in [study, *inputs]:
        if not path.exists():
            raise InputError(f"{path} does not exist: check the path.")
    photos, known = _read_features(outputs)
    inputs = [path for path in inputs if not path.is_dir()]
    checksums = [known.get(path.name) for path in inputs] + [None] * len(outputs)
    files = file_records([*inputs, *outputs], checksums, threads)
    record = {
        **{
            name: os.path.relpath(path, study) if path is not None else None
            for name, path in named.items()
        },
        "settings": settings or {},
        "sizes": _sizes(annotations, train_annotations),
        "machine": machine(),
        "versions": versions(),
        "inputs": photos + files[: len(inputs)],
        "outputs": files[len(inputs) :],
        "shared_jobs": [
            os.path.relpath(file, study)
            for path in shared_jobs or []
            for file in ([path] if path.is_file() else sorted(path.rglob("*.tsv")))
        ],
    }
    write_json(study / RECORD, record, record_digest=True, indent=1)
    write_crate(study, record, command=command or "unknown")


def read_record(study: Path) -> Record:
    """Read a study's `provenance.json`.

    Raises
    ------
    InputError
        If the file is missing or not whole.
    """
    path = study / RECORD
    if not path.exists():
        raise InputError(
            f"{path} is missing, which tells where the photos and captions of the study lie: make"
            " it with `snakemake report`, or with `recap record-provenance`."
        )
    content = read_json(path)
    try:
        for name in SOURCES:
            if content[name] is not None:
                content[name] = Path(os.path.normpath(study / content[name]))
        for name in ("inputs", "outputs"):
            content[name] = [FileRecord(**entry) for entry in content[name]]
        content["shared_jobs"] = [
            Path(os.path.normpath(study / path)) for path in content["shared_jobs"]
        ]
        return Record(**content)
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{path} is not a whole record of a study ({error!r}): make it anew, with `snakemake"
            " --forcerun record_provenance`."
        ) from None


def _outputs(study: Path, selection: Selection) -> list[Path]:
    """Return the files that a study made, those of the selected runs and decoders only."""

    def selected(path: Path) -> bool:
        part, model, run, name = path.relative_to(study).parts
        of_all_decoders = part == "models" or name == PERPLEXITY
        decoder = name.removesuffix(".json").removesuffix(".words")
        return selection.holds(model, run, None if of_all_decoders else decoder)

    shared = [*study.glob("coco_captioning/*"), *study.glob("features/*.h5")]
    trained = [
        *(path for name in TRAINED for path in study.glob(f"models/*/seed*/{name}")),
        *(path for run in RUNS for path in study.glob(f"captions/*/{run}/*.json")),
        *(path for run in RUNS for path in study.glob(f"scores/*/{run}/*.json")),
    ]
    found = [*shared, *filter(selected, trained)]
    # A killed job may leave a scratch file, whose name begins with a dot.
    return sorted(path for path in found if path.is_file() and not path.name.startswith("."))


def _read_features(outputs: list[Path]) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Return the records of the photos that were read, and checksums of files by their names."""
    photos, known = [], {}
    for path in outputs:
        if not path.name.endswith(FEATURE_FILE):
            continue
        with open_features(path) as file:
            attributes = read_attributes(file)
        if IMAGES_SHA256 in attributes:
            split = path.name.removesuffix(FEATURE_FILE)
            size, digest = int(attributes[IMAGES_BYTES]), attributes[IMAGES_SHA256]
            photos.append({"path": f"photos of {split}", "bytes": size, "sha256": digest})
        if attributes.get("weights_sha256"):
            known[attributes["weights"]] = attributes["weights_sha256"]
    return photos, known


def _sizes(annotations: Path, train_annotations: Path | None) -> dict[str, int]:
    scored = read_annotations(annotations)
    sizes = {"images": len(scored.images), "captions": len(scored.captions)}
    if train_annotations is not None:
        learnt = read_annotations(train_annotations)
        sizes["train_images"] = len(learnt.images)
        sizes["train_captions"] = len(learnt.captions)
    return sizes
