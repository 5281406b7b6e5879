"""Environments, pyproject.toml, constraints.txt and Makefile want the same versions."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base"}


def requirements(*, of_developers=True):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    tools = project["optional-dependencies"]["dev"] if of_developers else []
    for line in project["dependencies"] + tools:
        yield re.fullmatch(r"([\w-]+)(==|>=)([\w.]+)", line).groups()


@pytest.mark.parametrize("file", ["environment.yml", "workflow/envs/recap.yaml"])
def test_environments_and_pyproject_name_the_same_versions(file):
    *conda, pip = yaml.safe_load((ROOT / file).read_text())["dependencies"]
    environment = {tuple(line.split(" ")) for line in conda if " " in line}
    environment |= {tuple(line.split("==")) for line in pip["pip"]}
    by_pip = {name for line in pip["pip"] for name in [line.split("==")[0]]}
    expected = {("python", ">=3.11,<3.13")}
    for name, relation, version in requirements(of_developers=file == "environment.yml"):
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


def test_github_runs_the_same_script():
    workflow = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text())
    assert workflow["jobs"]["tests"]["steps"][-1] == {"run": ".ci/run"}


def test_make_names_the_python_that_it_wants(tmp_path):
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    older = tmp_path / "python3.10"
    pretend = 'import sys; sys.version_info = (3, 10, 2); sys.version = "3.10.2 (main)"'
    older.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{pretend}; exec(sys.argv[2])' \"$@\"\n")
    older.chmod(0o755)
    made = subprocess.run(
        ["make", "reproduce", f"PYTHON={older}"], cwd=tmp_path, capture_output=True, text=True
    )
    assert made.returncode != 0
    assert made.stderr.startswith(
        f"error: recap needs Python 3.11 or newer, and {older} is 3.10.2: add PYTHON=python3.11"
    )
    assert not (tmp_path / ".venv").exists()
