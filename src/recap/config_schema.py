"""Hold a configuration against its JSON schema: read its values, fill in its defaults."""

import inspect
import re
import sys
from collections.abc import Sequence
from dataclasses import fields
from datetime import date
from typing import Any, get_args, get_origin

from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError

from recap.core.checks import BOUNDS, bounds_in_words, is_finite
from recap.core.errors import InputError

TYPES = {
    "array": "a list",
    "object": "a mapping",
    "integer": "a whole number",
    "number": "a finite number",
    "boolean": "true or false",
    "string": "text",
}

NAMES = {int: "integer", float: "number", bool: "boolean", str: "string"}

IN_WORDS = {bool: "`true`, `false`", str: "text"}

# As YAML reads them.
TRUTHS = dict.fromkeys(("true", "yes", "on"), True) | dict.fromkeys(("false", "no", "off"), False)


def schema_of(options: type, *, lists: bool = True) -> dict:
    """Return the JSON schema of a dataclass of options.

    Parameters
    ----------
    options : type
        Dataclass, as `require_options` takes it.
    lists : bool
        Whether a list may stand for each of its items, except where the option itself is one.
    """
    properties = {}
    for field in fields(options):
        is_list = get_origin(field.type) is tuple
        kind = get_args(field.type)[0] if is_list else field.type
        choices = get_args(kind)
        single = {"enum": choices} if choices else {"type": NAMES[kind], **field.metadata}
        if is_list:
            default = list(field.default)
            properties[field.name] = {"type": "array", "items": single, "default": default}
            continue
        several = {"items": single, "minItems": 1, "uniqueItems": True}
        either = {"if": {"type": "array"}, "then": several, "else": single}
        properties[field.name] = {**(either if lists else single), "default": field.default}
    return {"type": "object", "additionalProperties": False, "properties": properties}


def table_of(options: type) -> str:
    """Return a dataclass of options as a Markdown table, described by its docstring.

    Parameters
    ----------
    options : type
        Dataclass with a NumPy docstring.
    """
    attributes = inspect.cleandoc(options.__doc__).partition("Attributes\n")[2].partition("\n\n")[0]
    described = re.findall(r"^(\w+) : .*\n((?:    .*\n?)+)", attributes, re.MULTILINE)
    descriptions = {name: " ".join(text.split()) for name, text in described}
    lines = ["| key | default | values | |", "|---|---|---|---|"]
    for field in fields(options):
        is_list = get_origin(field.type) is tuple
        kind = get_args(field.type)[0] if is_list else field.type
        choices = [f"`{choice}`" for choice in get_args(kind)]
        values = bounds_in_words(field.metadata) or ", ".join(choices) or IN_WORDS[kind]
        if is_list:
            values = f"list: {values}"
        default = ", ".join(map(str, field.default)) if is_list else f"{field.default}".lower()
        lines.append(f"| `{field.name}` | {default} | {values} | {descriptions[field.name]} |")
    return "\n".join(lines)


def fill_in(config: dict, rules: dict, typed: Sequence[str] = ()) -> dict:
    """Return a configuration with its values in the types of the schema, and with its defaults.

    A key without a value is as one that is left out, where it has a default.

    Parameters
    ----------
    config : dict
        As the config files and the command line give it.
    rules : dict
        JSON schema.
    typed : sequence of str
        What the command line set, such as `study=2024_01`. Snakemake reads numbers in it even
        where the schema wants text; here is how they were written.

    Returns
    -------
    dict
        A copy.

    Raises
    ------
    InputError
        With a sentence for each mistake.
    """
    config = _copy(config)
    validator = _VALIDATOR(rules)
    _restore_text(config, rules, typed)
    for mistake in list(validator.iter_errors(config)):
        if mistake.validator == "type":
            _read_value(config, mistake)
    mistakes = sorted(validator.iter_errors(config), key=lambda mistake: list(mistake.path))
    if mistakes:
        # Of keys that are missing at one place each is a mistake, and one sentence tells all.
        sentences = dict.fromkeys(f"Configuration: {_in_words(mistake)}." for mistake in mistakes)
        raise InputError(" ".join(sentences))
    return config


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        # YAML reads a name such as 1 as a number; JSON, and the schema, know only text.
        return {str(key): _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


def _restore_text(config: dict, rules: dict, typed: Sequence[str]) -> None:
    """Put back what was typed where text is wanted and Snakemake made a number or truth of it."""
    for entry in typed:
        key, _, text = entry.partition("=")
        wanted = rules["properties"].get(key, {}).get("type", [])
        read = config.get(key)
        if "string" in wanted and isinstance(read, int | float) and read == _number(text):
            config[key] = text


def _read_value(config: dict, mistake: ValidationError) -> None:
    """Turn a value of another type than the schema wants into that type, if it is meant so.

    Snakemake reads `--config seeds=[0,1]` as a list of text, and `spice=true` as text; YAML reads
    `1e-3` as text, and a study's name such as 2024 as a number.
    """
    value, wanted = mistake.instance, mistake.validator_value
    if isinstance(value, str) and wanted in ("integer", "number", "boolean"):
        value = _number(value)
    if isinstance(value, float) and value.is_integer() and wanted == "integer":
        value = int(value)
    elif isinstance(value, date) and "string" in wanted:
        value = str(value)
    elif type(value) is int and "string" in wanted:
        value = str(value)
        print(
            f"note: `{_place(mistake)}` is a number to YAML, and is taken as the name {value}; if"
            " it was written otherwise, such as 2024_01, put it in quotes",
            file=sys.stderr,
        )
    *steps, key = mistake.absolute_path
    holder = config
    for step in steps:
        holder = holder[step]
    holder[key] = value


def _number(text: str) -> Any:
    """Return the number or truth that a text stands for, or else the text."""
    for read in (int, float, TRUTHS.__getitem__):
        try:
            return read(text.lower())
        except (ValueError, KeyError):
            continue
    return text


def _fill_and_check(validator, properties, instance, schema):
    """Check `properties` as jsonschema does, and fill in their defaults before."""
    if isinstance(instance, dict):
        for name, rules in properties.items():
            if "default" in rules and instance.get(name) is None:
                instance[name] = _copy(rules["default"])
    yield from Draft202012Validator.VALIDATORS["properties"](
        validator, properties, instance, schema
    )


def _is_integer(checker, value: Any) -> bool:
    # A range is looked at only of what is a number, too.
    return type(value) is int and is_finite(value)


def _is_number(checker, value: Any) -> bool:
    return type(value) in (int, float) and is_finite(value)


# JSON has neither NaN nor infinite numbers, and so jsonschema lets them through every range.
_VALIDATOR = validators.extend(
    Draft202012Validator,
    {"properties": _fill_and_check},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine_many(
        {"integer": _is_integer, "number": _is_number}
    ),
)


def _place(mistake: ValidationError) -> str:
    return ".".join(map(str, mistake.absolute_path))


def _in_words(mistake: ValidationError) -> str:
    place = _place(mistake)
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
            wanted = " or ".join(TYPES.get(name, name) for name in names if name != "null")
            sentence = f"{key} must be {wanted}, not {mistake.instance!r}"
            if "array" in names and re.fullmatch(r"[\w.-]+", str(mistake.instance)):
                return f"{sentence}; write [{mistake.instance}]"
            if "string" in names and isinstance(mistake.instance, int | float):
                return f"{sentence}; put it in quotes"
            return sentence
        case "enum":
            return f"{key} must be one of {', '.join(map(str, value))}, not {mistake.instance!r}"
        case keyword if keyword in BOUNDS:
            wanted = bounds_in_words({keyword: value})
            return f"{key} must be {wanted}, not {mistake.instance!r}"
        case "multipleOf":
            return f"{key} must be a multiple of {value}, not {mistake.instance!r}"
        case "required":
            missing = ", ".join(f"`{name}`" for name in value if name not in mistake.instance)
            remedy = "" if place else "; start from a copy of recap's config/config.yaml"
            return f"{key} lacks {missing}{remedy}"
        case "minLength":
            return f"{key} is empty; leave it out or give a text"
        case "maxLength":
            return f"{key} has {len(mistake.instance)} characters; it may have {value}"
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
