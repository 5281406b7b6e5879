"""environment.yml, pyproject.toml and constraints.txt name the same versions."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base"}


def requirements():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for line in project["dependencies"] + project["optional-dependencies"]["dev"]:
        yield re.fullmatch(r"([\w-]+)(==|>=)([\w.]+)", line).groups()


def test_environment_and_pyproject_name_the_same_versions():
    *conda, pip = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    environment = {tuple(line.split(" ")) for line in conda if " " in line}
    environment |= {tuple(line.split("==")) for line in pip["pip"]}
    by_pip = {name for line in pip["pip"] for name in [line.split("==")[0]]}
    expected = {("python", ">=3.11,<3.13")}
    for name, relation, version in requirements():
        if name in by_pip:
            expected.add((name, version))
        else:
            sign = "=" if relation == "==" else relation
            expected.add((CONDA_NAMES.get(name, name), sign + version))
    assert environment == expected


def test_constraints_pin_what_pyproject_asks_for():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {name.lower(): version for name, _, version in (x.partition("==") for x in lines)}
    for name, _, version in requirements():
        assert pinned[name] == version, name
