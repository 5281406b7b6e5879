"""Check a study's configuration and fill in its defaults."""

from collections import Counter
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError

from recap.decoders import Decoder, read_decoder
from recap.errors import InputError
from recap.recipe import NOT_IN_NUMPY, OF_REGIONS
from recap.sweeps import expand_lists, expand_models


def check_config(config: dict, schema: Path) -> dict:
    """Return the configuration with its defaults filled in, or say what is wrong with it.

    Lists within models and decoders are expanded: `models` then holds a recipe for each
    combination, `train` the names of those to train, and `decoders` the decoders' names.

    Parameters
    ----------
    config : dict
        As the config files and the command line give it.
    schema : Path
        JSON schema, as YAML.

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
    rules = _allow_lists(yaml.safe_load(Path(schema).read_text(encoding="utf-8")))
    config = _copy(config)
    validator = _filling_validator()(rules)
    _read_numbers(config, validator)
    mistakes = sorted(validator.iter_errors(config), key=lambda mistake: list(mistake.path))
    if mistakes:
        raise InputError(" ".join(f"Configuration: {_in_words(mistake)}." for mistake in mistakes))
    expanded = expand_models(config["models"])
    config["models"] = {name: recipe for one in expanded.values() for name, recipe in one.items()}
    config["train"] = [model for name in config["train"] for model in expanded.get(name, [name])]
    config["decoders"] = _decoder_names(config["decoders"])
    for key in ("train", "decoders"):
        twice = [name for name, count in Counter(config[key]).items() if count > 1]
        if twice:
            raise InputError(f"Configuration: `{key}` names {twice[0]} twice; name it once.")
    for name, recipe in config["models"].items():
        for key in NOT_IN_NUMPY:
            if recipe["backend"] == "numpy" and recipe[key]:
                raise InputError(
                    f"Configuration: `models.{name}` asks for `{key}`, which `backend: numpy` does"
                    f" not have; leave `{key}` out or set `backend: torch`."
                )
        for key in OF_REGIONS:
            if recipe[key] and name in config["train"] and not config["layer"].endswith("grid"):
                raise InputError(
                    f"Configuration: `models.{name}` asks for `{key}`, which needs features of"
                    " regions; set `layer: grid`."
                )
    scenes = config["shapes"]["train_scenes"]
    if config["dataset"] == "shapes" and scenes < config["pca_components"]:
        raise InputError(
            f"Configuration: {config['pca_components']} `pca_components` cannot be found in"
            f" {scenes} images; lower it to {scenes}, or raise `shapes.train_scenes`."
        )
    for name in config["train"]:
        if name not in config["models"]:
            raise InputError(
                f"Configuration: `train` names the model {name!r}, which `models` does not"
                f" describe; it has {', '.join(config['models'])}."
            )
    if config["dataset"] == "own" and not config["own"]:
        raise InputError(
            "Configuration: `dataset: own` needs `own`, with the images and annotations of the"
            " splits."
        )
    for split, files in config["own"].items():
        for key, path in files.items():
            if not Path(path).exists():
                raise InputError(
                    f"Configuration: `own.{split}.{key}` is {path}, which does not exist."
                )
    paths = {
        f"own.{split}.{key}": path
        for split, files in config["own"].items()
        for key, path in files.items()
    }
    for place, path in ({"weights": config["weights"]} | paths).items():
        if set(path) & set("{}"):
            raise InputError(
                f"Configuration: `{place}` is {path}, and Snakemake takes braces in the path of an"
                " input for a placeholder; rename the file or folder, or name a link to it."
            )
    suffix = "" if config["split"] == "official" else f"-{config['split']}"
    config["study"] = config["study"] or config["dataset"] + suffix
    return config


def _allow_lists(rules: dict) -> dict:
    """Return the schema with lists, too, where models and decoders have single values."""
    for definition in ("recipe", "decoder"):
        properties = rules["$defs"][definition]["properties"]
        for name, single in properties.items():
            properties[name] = {
                "if": {"type": "array"},
                "then": {"items": single, "minItems": 1, "uniqueItems": True},
                "else": single,
                "default": single["default"],
            }
    return rules


def _decoder_names(decoders: list[str | dict]) -> list[str]:
    """Return the names of the decoders that the configuration names or describes."""
    names = []
    for given in decoders:
        try:
            if isinstance(given, str):
                names.append(read_decoder(given).name)
            else:
                names += [Decoder(**options).name for options in expand_lists(given).values()]
        except InputError as error:
            raise InputError(f"Configuration: {error}") from None
    return names


def _read_numbers(config: dict, validator: Any) -> None:
    """Turn text into the numbers and truths that the schema wants in its place.

    Snakemake reads `--config seeds=[0,1]` as a list of text, and `spice=true` as text.
    """
    for mistake in list(validator.iter_errors(config)):
        wants_number = mistake.validator_value in ("integer", "number", "boolean")
        if mistake.validator == "type" and wants_number and isinstance(mistake.instance, str):
            number = yaml.safe_load(mistake.instance)
            if isinstance(number, int | float):
                *place, key = mistake.absolute_path
                holder = config
                for step in place:
                    holder = holder[step]
                holder[key] = number


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        # YAML reads a name such as 1 as a number; JSON, and the schema, know only text.
        return {str(key): _copy(item) for key, item in value.items()}
    return list(value) if isinstance(value, list) else value


def _filling_validator() -> type:
    """Return jsonschema's validator, which also fills in the defaults of `properties`."""
    check_properties = Draft202012Validator.VALIDATORS["properties"]

    def fill_and_check(validator, properties, instance, schema):
        if isinstance(instance, dict):
            for name, rules in properties.items():
                if "default" in rules:
                    instance.setdefault(name, _copy(rules["default"]))
        yield from check_properties(validator, properties, instance, schema)

    return validators.extend(Draft202012Validator, {"properties": fill_and_check})


def _in_words(mistake: ValidationError) -> str:
    place = ".".join(str(step) for step in mistake.absolute_path)
    key = f"`{place}`" if place else "the file"
    value = mistake.validator_value
    match mistake.validator:
        case "additionalProperties":
            known = list(mistake.schema.get("properties", {}))
            unknown = [str(name) for name in mistake.instance if name not in known]
            inside = f" in {key}" if place else ""
            return f"unknown key `{', '.join(unknown)}`{inside}; known are {', '.join(known)}"
        case "type":
            names = value if isinstance(value, list) else [value]
            wanted = " or ".join({"array": "list", "object": "mapping"}.get(n, n) for n in names)
            return f"{key} must be of type {wanted}, not {mistake.instance!r}"
        case "enum":
            return f"{key} must be one of {', '.join(map(str, value))}, not {mistake.instance!r}"
        case "minimum" | "exclusiveMinimum":
            than = "at least" if mistake.validator == "minimum" else "more than"
            return f"{key} must be {than} {value}, not {mistake.instance!r}"
        case "maximum" | "exclusiveMaximum":
            than = "at most" if mistake.validator == "maximum" else "less than"
            return f"{key} must be {than} {value}, not {mistake.instance!r}"
        case "required":
            missing = [name for name in value if name not in mistake.instance]
            return f"{key} lacks `{missing[0]}`"
        case "minItems" | "minProperties":
            return f"{key} is empty; give at least {value}"
        case "uniqueItems":
            return f"{key} names something twice: {mistake.instance!r}"
        case "pattern" if place.startswith("checksums"):
            return f"{key} is {mistake.instance!r}; give md5:… or sha256:…, or unknown"
        case "pattern":
            return f"{key} is {mistake.instance!r}; use letters, digits, - and _ alone"
        case "dependentRequired":
            given = next(name for name in value if name in mistake.instance)
            return f"{key} has `{given}` but not `{value[given][0]}`"
        case _:
            return f"{key} is {mistake.instance!r}, but {mistake.message}"
