# What the files beside this one share: the checked configuration, and where files lie.

import hashlib
import json
import re
import shlex
import sys
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError

# In a clone the package serves from src/ without being installed; where there is no such folder, as
# beside an installed workflow, it is the installed one that serves. The path goes out from this file,
# not from the main Snakefile: that is another's where this workflow is its module.
SOURCE = Path(str(workflow.current_basedir)).parents[1] / "src"
sys.path.insert(0, str(SOURCE))

from recap.features.layers import choose_layer, regions_in
from recap.backbones.weights import weights_source
from recap.core.code_hash import code_hash
from recap.datasets.course import find_course_files
from recap.config import check_config
from recap.datasets.categories import READERS
from recap.datasets.digits.files import NAMES as DIGIT_NAMES, describe_pictures
from recap.datasets.registry import OFFICIAL, find_dataset
from recap.core.errors import InputError
from recap.datasets.describe_photos import describe_photos
from recap.datasets.shards import FORM
from recap.core.remote_file import RemoteFile
from recap.downloads import CATALOGUE
from recap.evaluation.decoders import decoder_order, read_decoder

try:
    config.update(
        check_config(
            config,
            workflow.source_path("../schemas/config.schema.yaml"),
            typed=workflow.config_settings.config_args,
        )
    )
    WEIGHTS = weights_source(config["backbone"], config["weights"])
    VISION = config["vision"]
    TRAINED_HERE = VISION["network"] == "scenes"
    VISION_WEIGHTS = None if TRAINED_HERE else weights_source(VISION["network"], VISION["weights"])
    GENERATIVE = config["generative"]
    OWN_PICTURES = GENERATIVE["dataset"] == "own"
    OTHER_WEIGHTS = (
        weights_source(VISION["other"], VISION["other_weights"]) if VISION["other"] else None
    )
    LAYER = choose_layer(config["backbone"], config["layer"])
    OWN = config["dataset"] == "own"
    COURSE = None
    if config["dataset"] == "course":
        COURSE = find_course_files(Path(config["course"]))
    # Of the captions some are chosen, or they are parted into words first.
    CHOSEN = config["max_images"] is not None or config["words"] != "spaces"
    # Features that are given are not extracted.
    GIVEN = OWN and all("features" in files for files in config["own"].values())
    DATASET = None if OWN or COURSE else find_dataset(config["dataset"], config["split"])
except InputError as error:
    sys.exit(f"error: {error}")

STUDY = config["study"]
# Folders below resources/: of scenes, by their parameters, and of the data set.
DRAWN = "-".join(f"{name}={value}" for name, value in sorted(config["shapes"].items()))
DATA = f"shapes/{DRAWN}" if config["dataset"] == "shapes" else config["dataset"]
DIGITS = "-".join(f"{name}={value}" for name, value in sorted(GENERATIVE["digits"].items()))
SPLITS = COURSE.splits if COURSE else list(config["own"]) if OWN else list(DATASET.images)
HAS_DEV = "dev" in SPLITS

# Features of the network, if they are wanted in one file, and reduced ones; the course's folder may
# hold these alone.
WHOLE = [""] if config["whole_features"] else []
KINDS = list(dict.fromkeys([*(COURSE.kinds if COURSE else WHOLE), "_pca"]))
# The components are not among the course's files.
PCA = [] if COURSE and "_pca" in COURSE.kinds else ["results/{study}/features/pca.h5"]


def one_of(names):
    """Return the regular expression of a wildcard that is one of these names."""
    return "|".join(map(re.escape, names))


wildcard_constraints:
    study=one_of([STUDY]),
    vision=one_of([VISION["study"]]),
    generative=one_of([GENERATIVE["study"]]),
    gan=one_of(GENERATIVE["gans"]),
    digits=one_of([DIGITS]),
    split=one_of(SPLITS),
    data=one_of([DATA]),
    drawn=one_of([DRAWN]),
    splits=one_of([config["split"]]),
    download=one_of(CATALOGUE),
    model=one_of(config["models"]),
    seed=r"\d+",
    run=r"seed\d+|ensemble",
    decoder=r"(greedy|sample|(beam|mbr)\d+)(-[a-z_]+=[^/]+)*",


def images_of(split):
    """Return the archives, or the folder, that hold a split's photos; nothing where there are none."""
    if COURSE or OWN and "images" not in config["own"][split]:
        return []
    if OWN:
        images = config["own"][split]["images"]
        # A folder's time tells of files that nobody lists, and not of all that are listed.
        return [ancient(images) if Path(images).is_dir() else images]
    return [f"resources/{DATA}/{archive}" for archive in DATASET.images[split]]


def all_cores(wildcards):
    """Return the threads of a job that runs alone; it uses no more than the machine has.

    A cluster has no number of cores; its profile says otherwise with `set-threads`.
    """
    try:
        return workflow.cores
    except WorkflowError:
        return 8


def memory(megabytes):
    """Return the memory of a job, which grows with each attempt."""
    return lambda wildcards, attempt: megabytes * attempt


def package(wildcards, output):
    """Return where the package lies.

    Of a parameter whose function takes the output, Snakemake does not compare the value with that of
    the last run: a clone that is moved reruns nothing.
    """
    return str(SOURCE)


def command_line(wildcards, output):
    """Return the command that started Snakemake; it is told, and not compared (see `package`)."""
    return shlex.join(["snakemake", *sys.argv[1:]])


def archives_of_annotations():
    """Return the archive that holds the data set's captions in a list; empty for given files."""
    return [f"resources/{DATA}/{DATASET.annotations}"] if DATASET else []


@cache
def photos_of(split):
    """Return what tells a split's photos in a folder from others; nothing for archives."""
    return describe_photos(images_of(split), all_annotations_of(split))


def annotations_of(split):
    """Return the captions that the study takes of a split, as a COCO caption file."""
    if COURSE or CHOSEN:
        return f"results/{STUDY}/annotations/captions_{split}.json"
    return all_annotations_of(split)


def all_annotations_of(split):
    """Return all of a split's captions as a COCO caption file."""
    if OWN:
        return config["own"][split]["annotations"]
    return f"resources/{DATA}/annotations/{config['split']}/captions_{split}.json"


def places_of_own_photos():
    """Return where the photos of your own splits lie, as JSON; empty for published splits."""
    places = {split: images_of(split)[0] for split in SPLITS if images_of(split)}
    return json.dumps(places) if OWN else ""


def components_to_find(split):
    """Return the options that say what is to be found in a split's features.

    Published data sets have more photos than any layer has numbers.
    """
    if not OWN or split != "train":
        return []
    return options(components=str(config["pca_components"]), regions=str(regions_in(LAYER)))


def categories_of(split):
    """Return the file that tells what is in a split's photos in a list; empty where none does."""
    if OWN:
        return [path for key, path in config["own"][split].items() if key == "categories"]
    if config["dataset"] not in READERS or config["split"] != OFFICIAL:
        return []
    return [f"resources/{DATA}/annotations/{OFFICIAL}/categories_{split}.json"]


def sources():
    """Return all files that the study is made from."""
    if COURSE:
        return list(map(str, COURSE.paths))
    images = {path: None for split in SPLITS for path in images_of(split)}
    captions = [all_annotations_of(split) for split in SPLITS]
    captions += [config["own"][split]["features"] for split in SPLITS if GIVEN]
    return [*images, *archives_of_annotations(), *captions, *weights_of_backbone()]


def weights_of_backbone():
    """Return the file of the backbone's weights in a list, or an empty one where none is read."""
    if GIVEN:
        return []
    return file_of_weights(WEIGHTS)


def file_of_weights(source):
    """Return the file of weights from this source in a list, or an empty one for random weights."""
    if isinstance(source, RemoteFile):
        return [f"resources/weights/{source.name}"]
    return [source] if source else []


def downloads(paths):
    """Return which of these files are downloaded, by their paths below resources/."""
    return [path for path in CATALOGUE if f"resources/{path}" in map(str, paths)]


def verified(paths):
    """Return the records that say what the downloads among these files are."""
    return [f"resources/{path}.verified.json" for path in downloads(paths)]


def runs(pattern):
    """Return a path for each captioner, seed and decoder of the study."""
    return expand(
        pattern,
        study=STUDY,
        model=config["train"],
        seed=config["seeds"],
        decoder=config["decoders"],
    )


def decodings(pattern):
    """Return a path for each captioner, run and decoder: the seeds' runs, and their ensemble's."""
    ensemble = ["ensemble"] if config["ensemble"] and len(config["seeds"]) > 1 else []
    return expand(
        pattern,
        study=STUDY,
        model=config["train"],
        run=[f"seed{seed}" for seed in config["seeds"]] + ensemble,
        decoder=config["decoders"],
    )


def explained(pattern):
    """Return a path for each captioner whose captions are explained: the report's gallery has these.

    Features that are given are of photos that this study's network has not seen.
    """
    if COURSE or GIVEN or not config["explained_photos"]:
        return []
    return expand(
        pattern,
        study=STUDY,
        model=config["train"],
        run=f"seed{config['seeds'][0]}",
        decoder=max(config["decoders"], key=decoder_order),
    )


def trained(file):
    """Return an input function: this file of each trained captioner that takes part in a run."""

    def of_run(wildcards):
        runs = [wildcards.run]
        if wildcards.run == "ensemble":
            runs = [f"seed{seed}" for seed in config["seeds"]]
        return expand(
            "results/{study}/models/{model}/{run}/{file}",
            study=wildcards.study,
            model=wildcards.model,
            run=runs,
            file=file,
        )

    return of_run


def features_of(split):
    """Return the name of the folder of a split's shards, which studies share.

    It tells the settings and the places of the inputs. What lies there, and the code, are compared
    by Snakemake.
    """
    # In int8 the features of every split depend on training photos, too.
    splits = [split, "train"] if config["feature_precision"] == "int8" else [split]
    inputs = [path for each in splits for path in [*images_of(each), annotations_of(each)]]
    inputs += weights_of_backbone()
    settings = [config[key] for key in ("backbone", "device", "feature_precision", "feature_batch")]
    decides = json.dumps([LAYER, *settings, *map(str, inputs)])
    digest = hashlib.sha256(decides.encode()).hexdigest()[:16]
    return f"{config['dataset']}-{config['backbone']}-{LAYER}-{digest}"


def calibration():
    """Return the file that int8 needs in a list; an empty one for other precisions."""
    if config["feature_precision"] != "int8":
        return []
    return [f"resources/features/{features_of('train')}/calibration.json"]


def shards_of(split, pattern):
    """Return a path for each shard of a split; features that are given are one."""
    items = ["1-of-1"] if GIVEN or COURSE else scatter.shards("{scatteritem}")
    return expand(pattern, scatteritem=items, split=split, study=STUDY, features=features_of(split))


def features_in_shards(split):
    """Return the files of a split's features before PCA, a shard each."""
    if GIVEN or COURSE:
        return shards_of(split, "results/{study}/coco_captioning/{split}2014_vgg16_fc7.h5")
    return shards_of(split, "resources/features/{features}/{split}/{scatteritem}.h5")


def shard(split, scatteritem):
    """Return the file of one of them."""
    return features_in_shards(split)[int(scatteritem.partition("-")[0]) - 1]


def options(**values):
    """Return `--name=value` for each value, or for each of a list of them, as words of a command.

    What is empty is left out: Snakemake's `:q` makes no word of an empty text.
    """
    words = []
    for name, given in values.items():
        listed = [given] if isinstance(given, str) else given
        words += [f"--{name.replace('_', '-')}={value}" for value in listed if value != ""]
    return words


def source_of_downloads(wildcards, output):
    """Return the options that say where a download comes from, and what it is.

    As they do not say what the bytes are made of, they are not compared (see `package`).
    """
    return options(
        mirror=config["mirror"],
        urls=json.dumps(config["urls"]),
        checksums=json.dumps(config["checksums"]),
    )


def settings_to_tell():
    """Return the configuration as JSON: not where bytes come from, and not the models' recipes."""
    untold = ["mirror", "urls", "models", "own", "course", "vision", "generative"]
    if COURSE or GIVEN:
        # They tell of what was made elsewhere.
        untold += ["shapes", "backbone", "weights", "layer"]
    if COURSE:
        untold += ["vocabulary", "max_words"]
    return json.dumps({key: value for key, value in config.items() if key not in untold})
