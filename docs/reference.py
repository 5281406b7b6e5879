"""Write every key of the configuration as a page: `python docs/reference.py` writes it here."""

from pathlib import Path

import yaml

from recap.core.checks import BOUNDS, bounds_in_words

DOCS = Path(__file__).parent
SCHEMA = DOCS.parent / "workflow/schemas/config.schema.yaml"

HEAD = """# Every key of the configuration

`python docs/reference.py` makes this page from `workflow/schemas/config.schema.yaml`, by which a
configuration is checked before anything runs. [Configuration](../config/README.md) shows how keys
are set, with examples.
"""

# What a `$ref` of the schema stands for.
REFERENCES = {
    "own_split": "[block](#a-split-of-own)",
    "recipe": "[a captioner](../config/README.md#captioners)",
    "decoder": "[a decoder](../config/README.md#decoders)",
    "gan": "[a GAN](generative.md#gans)",
    "painting": "[a painting](vision.md#style)",
}

WORDS = {"string": "text", "boolean": "`true`, `false`", "integer": "a whole number"}


def write_reference() -> str:
    """Return the page."""
    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    parts = [HEAD, *_sections("The study", schema)]
    parts += _sections("A split of own", schema["$defs"]["own_split"])
    return "\n".join(parts)


def _sections(name: str, block: dict, parent: str = "") -> list[str]:
    """Return the table of a block, and those of the blocks in it."""
    lines = [f"## {name}\n", "| key | default | values | |", "|---|---|---|---|"]
    inner = []
    for key, rules in block["properties"].items():
        described = rules.get("description", f"The split `{key}`.")
        lines.append(f"| `{key}` | {_default(rules)} | {_values(rules)} | {described} |")
        if "properties" in rules:
            inner += _sections(f"{parent}{key}", rules, f"{parent}{key}.")
    if name == "vision":
        lines.append("\nThe [options of each method](vision.md#settings) are blocks in it, too.")
    return [*lines, "", *inner]


def _default(rules: dict) -> str:
    if "properties" in rules or rules.get("default") is None:
        return ""
    return f"`{yaml.safe_dump(rules['default'], default_flow_style=True).splitlines()[0]}`"


def _values(rules: dict) -> str:
    """Return in words what a key may be."""
    match rules:
        case {"$ref": name}:
            return REFERENCES[name.rpartition("/")[2]]
        case {"enum": values}:
            return ", ".join(f"`{value}`" if value else "empty" for value in values)
        case {"properties": _}:
            return "block"
        case {"if": {"const": value}, "else": other}:
            return f"`{value}`, or {_values(other)}"
        case {"then": mapping, "else": other}:
            return f"{_values(other)}, or {_values(mapping)}"
        case {"items": single}:
            return f"list: {_values(single)}"
        case {"additionalProperties": single}:
            return f"by name: {_values(single)}"
    bounds = {keyword: rules[keyword] for keyword in BOUNDS if keyword in rules}
    kind = rules["type"] if isinstance(rules["type"], str) else rules["type"][0]
    return bounds_in_words(bounds) or WORDS[kind]


if __name__ == "__main__":
    (DOCS / "configuration.md").write_text(write_reference(), encoding="utf-8")
