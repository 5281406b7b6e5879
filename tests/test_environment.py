"""Environments, pyproject.toml, constraints.txt and Makefile want the same versions."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from installed import modules_lacking, requirements_of
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import recap

ROOT = Path(__file__).parents[1]
CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
PINNED = {
    canonicalize_name(name): version
    for name, _, version in (
        line.partition("==") for line in (ROOT / "constraints.txt").read_text().splitlines()
    )
    if version
}


def requirements(*extras):
    """Return what the package needs with some extras, and those within them."""
    lines = [*PROJECT["dependencies"]]
    for extra in extras:
        lines += EXTRAS[extra]
    found = set(map(Requirement, lines))
    for within in [one for one in found if one.name == PROJECT["name"]]:
        found = found - {within} | requirements(*within.extras)
    return found


@pytest.mark.parametrize(
    ("file", "extras"),
    [("environment.yml", ["test", "lint"]), ("workflow/envs/recap.yaml", ["workflow"])],
)
def test_environments_have_the_versions_of_constraints(file, extras):
    *conda, pip = yaml.safe_load((ROOT / file).read_text())["dependencies"]
    environment = {tuple(line.split(" ")) for line in conda if " " in line}
    environment |= {tuple(line.split("==")) for line in pip["pip"]}
    by_pip = {line.split("==")[0] for line in pip["pip"]}
    expected = {("python", ">=3.11,<3.14")}
    for requirement in requirements(*extras):
        name = requirement.name
        version = PINNED[canonicalize_name(name)]
        if name not in by_pip:
            # conda-forge need not have this PyTorch.
            version = f">={version}" if name == "torch" else f"={version}"
        expected.add((CONDA_NAMES.get(name, name), version))
    assert environment == expected


def test_constraints_pin_everything_within_its_range():
    waiting, known = [*requirements(*EXTRAS)], set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        assert requirement.specifier.contains(PINNED[name]), requirement
        # What PyTorch needs differs between its builds.
        if name not in known and name != "torch":
            waiting += requirements_of(name)
        known.add(name)
    assert len(known) > 100


def test_github_runs_the_same_script():
    workflow = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text())
    assert workflow["jobs"]["tests"]["steps"][-1] == {"run": ".ci/run"}


def test_the_version_is_one():
    told = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    newest = re.findall(r"^## (\d\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[0]
    assert recap.__version__ == told["version"] == newest


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


WITHOUT = """
import sys

class Lacking:
    def find_spec(name, path=None, target=None):
        if name in {lacking}:
            raise ModuleNotFoundError(f"No module named {{name}}", name=name)

sys.meta_path.insert(0, Lacking)
"""


@pytest.fixture
def without_extras(tmp_path):
    """Return a function that runs recap where nothing but `dependencies` bring is installed."""
    lacking = modules_lacking(*(requirement.name for requirement in requirements()))
    assert {"torch", "snakemake", "scipy", "h5py", "PIL"} <= set(lacking)
    (tmp_path / "sitecustomize.py").write_text(WITHOUT.format(lacking=lacking))

    def run(*words):
        path = os.pathsep.join([str(tmp_path), str(ROOT / "src")])
        return subprocess.run(
            [sys.executable, "-m", "recap", *words],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": path},
            capture_output=True,
            text=True,
        )

    return run


def test_scores_need_no_extra(without_extras, tmp_path):
    images = [{"id": 1, "file_name": "1.jpg"}, {"id": 2, "file_name": "2.jpg"}]
    captions = [{"image_id": 1, "caption": "a dog"}, {"image_id": 2, "caption": "the red car"}]
    annotations = {"images": images, "annotations": captions}
    (tmp_path / "annotations.json").write_text(json.dumps(annotations))
    (tmp_path / "results.json").write_text(json.dumps(captions))
    words = ["score-captions", "results.json", "annotations.json", "--meteor=false"]
    scored = without_extras(*words, "--format=json")
    assert scored.stderr == ""
    assert json.loads(scored.stdout)["scores"]["ROUGE-L"] == 1
    assert without_extras("--help").returncode == 0


def test_a_missing_extra_is_told_with_what_brings_it(without_extras):
    done = without_extras("train-captioner", "--help")
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(
        r"error: \w+ is missing, with which this command works: pip install"
        r" '\.\[train\]' in a clone of recap\n",
        done.stderr,
    )
