"""Check a study's configuration and fill in its defaults."""

import math
import os
import sys
import zipfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import yaml

from recap.captioners.recipe import Recipe
from recap.config_schema import fill_in, schema_of
from recap.core.errors import InputError
from recap.datasets.annotations import iterate_captions, iterate_images
from recap.datasets.course import find_course_files
from recap.downloads import CATALOGUE
from recap.evaluation.decoders import Decoder, read_decoder
from recap.evaluation.scoring.corenlp import CORENLP
from recap.features.layers import choose_layer, numbers_in, regions_in
from recap.generative.recipe import GAN
from recap.sweeps import expand_lists, expand_models
from recap.vision.settings import METHODS

# Of a file's name most systems take 255 bytes; the workflow adds a seed and an ending.
LONGEST_NAME = 200

# What `pca_components: auto` finds at most.
MOST_COMPONENTS = 512

# Photos of one's own below which a warning comes, and bytes of a file that lists more.
FEW_TO_LEARN, FEW_TO_SCORE = 1000, 100
SIZE_OF_FEW = 4_000_000

# Paths of what the workflow downloads where it is named.
DOWNLOADED = {f"resources/{path}" for path in CATALOGUE}

# Definitions of the schema that are made from the options of a dataclass.
OPTIONS = {"recipe": Recipe, "decoder": Decoder, "gan": GAN}


def check_config(config: dict, schema: Path, typed: Sequence[str] = ()) -> dict:
    """Return the configuration with its defaults filled in, or say what is wrong with it.

    Lists within models and decoders are expanded: `models` then holds a recipe for each
    combination, `train` the names of those to train, and `decoders` the decoders' names.

    Parameters
    ----------
    config : dict
        As the config files and the command line give it.
    schema : Path
        JSON schema, as YAML; the definitions of `OPTIONS` and the methods of vision are added.
    typed : sequence of str
        What the command line set, such as `study=2024_01`, as it was typed.

    Returns
    -------
    dict
        The same keys, and those that were left out.

    Raises
    ------
    InputError
        With a sentence for each mistake: unknown keys, wrong types, values out of range, and
        names that do not fit together.
    """
    rules = yaml.safe_load(Path(schema).read_text(encoding="utf-8"))
    rules["$defs"] |= {name: schema_of(options) for name, options in OPTIONS.items()}
    rules["properties"]["vision"]["properties"] |= {
        name: {**schema_of(options, lists=False), "default": {}}
        for name, options in METHODS.items()
    }
    rules["$defs"]["painting"] = _painting_schema()
    config = fill_in(config, rules, typed)
    try:
        layer = choose_layer(config["backbone"], config["layer"])
        expanded = expand_models(config["models"])
        config["models"] = {
            name: _check_recipe(name, recipe)
            for recipes in expanded.values()
            for name, recipe in recipes.items()
        }
        config["train"] = [
            model for name in config["train"] for model in expanded.get(name, [name])
        ]
        config["decoders"] = _decoder_names(config["decoders"])
        _check_names(config)
        _check_own(config)
        _check_choice(config)
        _choose_components(config, layer)
        _check_layer(config, layer)
        _check_course(config)
        _check_braces(config)
        if config["spice"]:
            CORENLP.expecting(config["checksums"].get(CORENLP.name))
        suffix = "" if config["split"] == "official" else f"-{config['split']}"
        config["study"] = config["study"] or config["dataset"] + suffix
        _check_vision(config["vision"], config["study"])
        _check_generative(config["generative"], config["study"], config["vision"]["study"])
    except InputError as error:
        raise InputError(f"Configuration: {error}") from None
    return config


def _painting_schema() -> dict:
    """Return the schema of a painting: its picture, and what differs from `style`."""
    schema = schema_of(METHODS["style"], lists=False)
    for rules in schema["properties"].values():
        del rules["default"]
    schema["properties"]["picture"] = {"type": "string", "minLength": 1}
    return schema | {"required": ["picture"]}


def _check_recipe(name: str, options: dict) -> dict:
    """Return a recipe's options if a captioner can be trained with them."""
    try:
        return Recipe(**options).settings()
    except InputError as error:
        raise InputError(f"`models.{name}`: {error}") from None


def _decoder_names(decoders: list[str | dict]) -> list[str]:
    """Return the names of the decoders that the configuration names or describes."""
    names = []
    for given in decoders:
        if isinstance(given, str):
            names.append(read_decoder(given).name)
        else:
            names += [Decoder(**options).name for options in expand_lists(given).values()]
    return names


def _check_names(config: dict) -> None:
    """Refuse names that stand for nothing, stand twice, or are too long."""
    for key in ("train", "decoders"):
        twice = [name for name, count in Counter(config[key]).items() if count > 1]
        if twice:
            raise InputError(f"`{key}` names {twice[0]} twice; name it once.")
    for name in config["train"]:
        if name not in config["models"]:
            raise InputError(
                f"`train` names the model {name!r}, which `models` does not describe; it has"
                f" {', '.join(config['models'])}."
            )
    model, decoder = max(config["train"], key=len), max(config["decoders"], key=len)
    if len(model) + len(decoder) > LONGEST_NAME:
        raise InputError(
            f"The names {model} and {decoder} are together longer than {LONGEST_NAME} characters,"
            " too long for a file; vary fewer options in lists, or give the model a short name."
        )
    if config["ensemble"] and len(config["seeds"]) == 1:
        raise InputError("`ensemble` needs several `seeds`; give two or more, or leave it out.")


def _check_layer(config: dict, layer: str) -> None:
    """Refuse captioners and components that the features cannot serve."""
    numbers, regions = numbers_in(config["backbone"], layer), regions_in(layer)
    for name in config["train"]:
        try:
            Recipe(**config["models"][name]).require_regions(regions)
        except InputError as error:
            raise InputError(f"`models.{name}`: {error}") from None
    components = config["pca_components"]
    given = config["course"] or any("features" in files for files in config["own"].values())
    if components > numbers and not given:
        raise InputError(
            f"{components} `pca_components` cannot be found in the {numbers} numbers that the layer"
            f" {layer} has; lower it to {numbers}."
        )
    # Of the data sets that are downloaded, each has more photos than any layer has numbers; your
    # own are counted where they are listed.
    scenes = config["shapes"]["train_scenes"]
    if config["dataset"] == "shapes" and components > scenes * regions:
        raise InputError(
            f"{components} `pca_components` cannot be found in {scenes} images; lower it to"
            f" {scenes * regions}, or raise `shapes.train_scenes` to"
            f" {math.ceil(components / regions)}."
        )


def _check_own(config: dict) -> None:
    """Refuse own data that is not there, is something else, or is both chosen by and scored on."""
    own = config["own"]
    if config["dataset"] == "own" and not own:
        raise InputError(
            "`dataset: own` needs `own`, with the images and annotations of the splits."
        )
    if own and config["dataset"] != "own":
        raise InputError(
            f"`own` describes your photos, but `dataset` is {config['dataset']}; set `dataset: own`"
            " or leave `own` out."
        )
    if own and config["split"] != "official":
        raise InputError("`split` is of data sets with published splits; leave it out.")
    with_features = [split for split, files in own.items() if "features" in files]
    if with_features and len(with_features) < len(own):
        raise InputError(
            f"`own.{with_features[0]}` has `features`, but not every split has: give all or none."
        )
    for split, files in own.items():
        if not {"images", "features"} & files.keys():
            raise InputError(f"`own.{split}` needs `images`, or `features` in their place.")
        for key, name in files.items():
            # Of a name that no file can have, such as a long one, Path.exists raises an error.
            if not os.path.exists(name):  # noqa: PTH110
                raise InputError(f"`own.{split}.{key}` is {name!r}, which does not exist.")
            path = Path(name)
            if key == "images" and not path.is_dir() and not zipfile.is_zipfile(path):
                raise InputError(
                    f"`own.{split}.images` is {name!r}, which is neither a folder nor a zip"
                    " archive."
                )
            if key != "images" and not path.is_file():
                raise InputError(f"`own.{split}.{key}` is {name!r}, which is no file.")
    if "dev" in own and Path(own["dev"]["annotations"]).samefile(own["val"]["annotations"]):
        raise InputError(
            "`own.dev` and `own.val` have the same annotations: the checkpoint would be chosen on"
            " what is scored; give `dev` other photos, or leave it out."
        )


def _check_choice(config: dict) -> None:
    """Refuse a choice among captions that were numbered, or whose features were made, before."""
    chosen = {"max_images": config["max_images"], "words": config["words"] != "spaces"}
    for key, given in chosen.items():
        features = any("features" in files for files in config["own"].values())
        if given and (config["dataset"] == "course" or key == "max_images" and features):
            raise InputError(
                f"`{key}` is chosen before features and numbered captions are made, and yours are"
                " given: leave it out."
            )


def _choose_components(config: dict, layer: str) -> None:
    """Put a number in the place of `pca_components: auto`, and warn of few photos of one's own."""
    images = math.inf
    if config["dataset"] == "shapes":
        images = config["shapes"]["train_scenes"]
    elif config["dataset"] == "own":
        few = {
            split: _count_few(Path(config["own"][split]["annotations"]))
            for split in ("train", "val")
        }
        images, captions = few["train"]
        if images < FEW_TO_LEARN or few["val"][0] < FEW_TO_SCORE:
            print(_warning_of_few(few), file=sys.stderr)
    if config["max_images"]:
        images = min(images, config["max_images"])
    if config["pca_components"] == "auto":
        numbers = numbers_in(config["backbone"], layer)
        config["pca_components"] = max(1, min(MOST_COMPONENTS, numbers, images // 2))


def _count_few(annotations: Path) -> tuple[float, float]:
    """Return how many images and captions a file lists; infinity for a file of many."""
    if annotations.stat().st_size > SIZE_OF_FEW:
        return math.inf, math.inf
    try:
        images = sum(1 for _ in iterate_images(annotations))
        return images, sum(1 for _ in iterate_captions(annotations))
    except InputError:
        # The stage that reads it tells what is wrong.
        return math.inf, math.inf


def _warning_of_few(few: dict[str, tuple[float, float]]) -> str:
    told = {
        split: f"{images} photos ({captions} captions)" if math.isfinite(images) else "many photos"
        for split, (images, captions) in few.items()
    }
    return (
        f"warning: {told['train']} to learn from and {told['val']} to score on are few: below"
        f" {FEW_TO_LEARN} a captioner knows few words, below {FEW_TO_SCORE} scores differ by"
        " chance; Flickr8k has 6,000 (30,000) and 1,000 (5,000). config/own.yaml has networks"
        " for few photos"
    )


def _check_vision(vision: dict, study: str) -> None:
    """Refuse a study of vision in the folder of another, and files that nothing brings.

    The options of paintings are completed by those of `style`.
    """
    if vision["study"] == study:
        raise InputError(
            f"`vision.study` and `study` are both {study}: give one of them another name."
        )
    for place, path in _vision_files(vision).items():
        if not os.path.exists(path) and path not in DOWNLOADED:  # noqa: PTH110
            raise InputError(
                f"`{place}` is {path}, which does not exist: name a picture, a folder of pictures"
                " or an archive `.npz`."
            )
    for name, painting in vision["styles"].items():
        try:
            options = {key: value for key, value in painting.items() if key != "picture"}
            METHODS["style"](**vision["style"] | options)
        except InputError as error:
            raise InputError(f"`vision.styles.{name}`: {error}") from None
        vision["styles"][name] = vision["style"] | painting


def _check_generative(generative: dict, *studies: str) -> None:
    """Expand the lists within GANs, and refuse names and pictures that are not there.

    `gans` then holds a recipe for each combination, and `train` the names of those to train.
    """
    if generative["study"] in studies:
        raise InputError(
            f"`generative.study` is {generative['study']}, as another study is: give it another"
            " name."
        )
    expanded = expand_models(generative["gans"])
    generative["gans"] = {}
    for recipes in expanded.values():
        for name, options in recipes.items():
            try:
                generative["gans"][name] = asdict(GAN(**options))
            except InputError as error:
                raise InputError(f"`generative.gans.{name}`: {error}") from None
    generative["train"] = [
        gan for name in generative["train"] for gan in expanded.get(name, [name])
    ]
    for name in generative["train"]:
        if name not in generative["gans"]:
            raise InputError(
                f"`generative.train` names the GAN {name!r}, which `generative.gans` does not"
                f" describe; it has {', '.join(generative['gans'])}."
            )
        if generative["train"].count(name) > 1:
            raise InputError(f"`generative.train` names {name} twice; name it once.")
        if len(name) > LONGEST_NAME:
            raise InputError(
                f"The name {name} is longer than {LONGEST_NAME} characters, too long for a file;"
                " vary fewer options in lists, or give the GAN a short name."
            )
    pictures, needed = generative["pictures"], generative["dataset"] == "own"
    if needed and not os.path.isdir(pictures):  # noqa: PTH112
        raise InputError(
            "`generative.dataset: own` needs `generative.pictures`, a folder with a sub-folder a"
            f" class; it is {pictures!r}, which is no folder."
        )
    if pictures and not needed:
        raise InputError(
            f"`generative.pictures` is your folder {pictures}, but `generative.dataset` is"
            f" {generative['dataset']}: set it to own, or leave `pictures` out."
        )


def _vision_files(vision: dict) -> dict[str, str]:
    """Return the files that vision looks at, by where the configuration names them."""
    paths = {
        f"vision.{key}.{place}": path
        for key in ("photos", "examples")
        for place, path in enumerate(vision[key])
    }
    return paths | {
        f"vision.styles.{name}.picture": painting["picture"]
        for name, painting in vision["styles"].items()
    }


def _check_course(config: dict) -> None:
    """Refuse a `coco_captioning` folder that is not asked for, or not whole."""
    if config["dataset"] != "course":
        if config["course"]:
            raise InputError(
                f"`course` names a folder, but `dataset` is {config['dataset']}; set `dataset:"
                " course` or leave `course` out."
            )
        return
    if not config["course"]:
        raise InputError("`dataset: course` needs `course`, the folder coco_captioning or its zip.")
    if config["split"] != "official":
        raise InputError("`split` is of data sets with published splits; leave it out.")
    # Of a name that no file can have, such as a long one, Path.is_dir raises an error.
    if not os.path.exists(config["course"]):  # noqa: PTH110
        raise InputError(f"`course` is {config['course']!r}, which does not exist.")
    find_course_files(Path(config["course"]))


def _check_braces(config: dict) -> None:
    """Refuse paths of inputs that Snakemake would take for patterns."""
    paths = {
        f"own.{split}.{key}": path
        for split, files in config["own"].items()
        for key, path in files.items()
    }
    paths |= {key: config[key] for key in ("weights", "course")}
    paths["generative.pictures"] = config["generative"]["pictures"]
    paths |= {"vision.weights": config["vision"]["weights"]} | _vision_files(config["vision"])
    for place, path in paths.items():
        if set(path) & set("{}"):
            raise InputError(
                f"`{place}` is {path}, and Snakemake takes braces in the path of an input for a"
                " placeholder; rename the file or folder, or name a link to it."
            )
