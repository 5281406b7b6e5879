"""An installed recap serves by itself: `recap init`, and what a wheel must hold for it."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from study_copies import Workflow

import recap
from recap.core.errors import InputError
from recap.init import init

PACKAGE = Path(recap.__file__).parent
ROOT = PACKAGE.parents[1]


def test_a_wheel_has_the_workflow_and_its_configuration():
    """Setuptools looks for these patterns as `glob` does, which follows links."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    packed = {
        path for pattern in settings["package-data"]["recap"] for path in PACKAGE.glob(pattern)
    }
    for folder in ("workflow", "config"):
        files = {path.relative_to(ROOT) for path in (ROOT / folder).rglob("*") if path.is_file()}
        assert len(files) > 8
        assert files <= {path.relative_to(PACKAGE) for path in packed}


def test_a_study_is_laid_out_and_planned(tmp_path, monkeypatch):
    """A copy of the package alone stands for the installed one."""
    installed = tmp_path / "installed"
    shutil.copytree(PACKAGE, installed / "recap", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("PYTHONPATH", str(installed))
    command = [sys.executable, "-m", "recap", "init", "studies/mine"]
    subprocess.run(command, cwd=tmp_path, env=os.environ, check=True)
    study = tmp_path / "studies/mine"
    # Pages that are not there are named, and no links.
    text = (study / "config/README.md").read_text(encoding="utf-8")
    assert "docs/recipes.md of recap tells" in text
    assert "../docs" not in text
    planned = Workflow(study).planned(config="config/flickr8k.yaml")
    assert {"download_file", "train_captioner", "compare_captioners"} <= planned


def test_a_folder_with_something_in_it_is_refused(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match="is not empty: name another folder"):
        init(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
