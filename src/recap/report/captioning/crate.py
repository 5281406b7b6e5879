"""Tell of a study's run as an RO-Crate: what differs from run to run of the same study."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from recap.core.json_files import read_json, write_json
from recap.report.provenance import source_code

CRATE = "ro-crate-metadata.json"
"""The name that RO-Crate 1.1 gives the file, in the root of what it describes."""

CONTEXT = (
    "https://w3id.org/ro/crate/1.1/context",
    "https://w3id.org/ro/terms/workflow-run/context",
)
SPECIFICATION = "https://w3id.org/ro/crate/1.1"
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"

Entity = dict[str, Any]


def write_crate(study: Path, record: dict[str, Any], *, command: str) -> None:
    """Write what was run, when, where and with which code, in the terms of RO-Crate.

    https://w3id.org/ro/crate/1.1, profile Process Run Crate: a `CreateAction` with its
    `instrument`, `object`, `result`, `endTime` and `environment`. What has no term is a
    `PropertyValue`.

    Parameters
    ----------
    study : Path
        Folder of the study, in which the file is written.
    record : dict
        Content of its `provenance.json`.
    command : str
        Command that made the study.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    versions = dict(record["versions"])
    inputs = [_file(f"#{entry['path']}", entry) for entry in record["inputs"]]
    outputs = [_file(_within(entry["path"], study), entry) for entry in record["outputs"]]
    settings = [_value("setting", name, value) for name, value in _flat(record["settings"]).items()]
    hardware = [_value("machine", name, value) for name, value in record["machine"].items()]
    code = [_value("code", name, value) for name, value in source_code().items()]
    packages = [
        {
            "@id": f"#{name}",
            "@type": "SoftwareApplication",
            "name": name,
            "softwareVersion": version,
        }
        for name, version in versions.items()
    ]
    program, *required = packages
    program |= {"softwareRequirements": _refer(required), "additionalProperty": _refer(code)}
    action = {
        "@id": "#run",
        "@type": "CreateAction",
        "name": f"The study {study.resolve().name}",
        "description": command,
        "endTime": now,
        "instrument": {"@id": program["@id"]},
        "object": _refer([*inputs, *settings]),
        "result": _refer(outputs),
        "environment": _refer(hardware),
    }
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": action["name"],
        "description": "Captioners that recap trained, their captions and scores.",
        "datePublished": now,
        "conformsTo": {"@id": PROFILE},
        "hasPart": _refer(outputs),
        "mentions": {"@id": action["@id"]},
    }
    described = {
        "@id": CRATE,
        "@type": "CreativeWork",
        "conformsTo": {"@id": SPECIFICATION},
        "about": {"@id": root["@id"]},
    }
    profile = {"@id": PROFILE, "@type": "CreativeWork", "name": "Process Run Crate"}
    graph = [described, root, profile, action, *packages]
    graph += [*code, *hardware, *settings, *inputs, *outputs]
    write_json(study / CRATE, {"@context": CONTEXT, "@graph": graph}, record_digest=True, indent=1)


def read_run(study: Path) -> dict[str, str]:
    """Return when and by which command and code a study was made; nothing if that is not known."""
    path = study / CRATE
    if not path.exists():
        return {}
    entities = {entity["@id"]: entity for entity in read_json(path)["@graph"]}
    action = entities["#run"]
    program = entities[action["instrument"]["@id"]]
    code = [entities[entry["@id"]] for entry in program["additionalProperty"]]
    told = {"recorded": action["endTime"], "command": action["description"]}
    return told | {entity["name"]: str(entity["value"]) for entity in code}


def _file(identifier: str, entry: dict[str, Any]) -> Entity:
    """Return a file, or a split's photos, with its size and checksum."""
    return {
        "@id": quote(identifier, safe="#/"),
        # What lies elsewhere is no part of the crate.
        "@type": "CreativeWork" if identifier.startswith("#") else "File",
        "name": entry["path"],
        "contentSize": str(entry["bytes"]),
        "sha256": entry["sha256"],
    }


def _within(path: str, study: Path) -> str:
    return Path(path).relative_to(study).as_posix()


def _value(kind: str, name: str, value: Any) -> Entity:
    identifier = quote(f"#{kind}/{name}", safe="#/")
    return {"@id": identifier, "@type": "PropertyValue", "name": name, "value": value}


def _refer(entities: list[Entity]) -> list[Entity]:
    return [{"@id": entity["@id"]} for entity in entities]


def _flat(settings: dict[str, Any], before: str = "") -> dict[str, Any]:
    """Return settings by dotted names, as JSON-LD has no dictionaries."""
    flat = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{before}{name}.")
        else:
            flat[f"{before}{name}"] = value
    return flat
