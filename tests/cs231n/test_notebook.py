"""Notebooks on recap's modules, as a student runs them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from notebooks import NOTEBOOKS

import recap
from recap.captioners.recipe import Recipe
from recap.core.errors import InputError
from recap.cs231n.notebook import run_notebook
from recap.training.train import train_captioner

pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

OURS = sorted((Path(__file__).parents[2] / "docs/notebooks").glob("*.ipynb"))

COLAB = [
    "from google.colab import drive\ndrive.mount('/content/drive')",
    "FOLDERNAME = None\n%cd drive/My\\ Drive\n%cp -r $FOLDERNAME ../../\n%cd ../../",
]


def write_notebook(path, cells, **metadata):
    cells = [
        {"cell_type": "code", "metadata": {}, "outputs": [], "source": source.strip()}
        for source in cells
    ]
    cells.insert(0, {"cell_type": "markdown", "metadata": {}, "source": "# A notebook"})
    book = {"nbformat": 4, "nbformat_minor": 0, "metadata": metadata, "cells": cells}
    for cell in cells[1:]:
        cell["execution_count"] = None
    path.write_text(json.dumps(book))
    return path


def run(notebook, folder, *options):
    return subprocess.run(
        [sys.executable, "-m", "recap.cs231n", notebook, *options],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(Path(recap.__file__).parents[1])},
        capture_output=True,
        text=True,
    )


def outputs(path, kind):
    """Return what the cells of a notebook printed or drew."""
    cells = json.loads(path.read_text())["cells"]
    found = [output for cell in cells for output in cell.get("outputs", ())]
    if kind == "text":
        return "".join(
            "".join(output["text"]) for output in found if output.get("name") == "stdout"
        )
    return [output for output in found if "image/png" in output.get("data", ())]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "pictures"), [("RNN_Captioning", 7), ("LSTM_Captioning", 5)])
def test_a_notebook_with_the_courses_purposes_runs(name, pictures, shapes_study, tmp_path):
    for folder in ("resources", "results"):
        (tmp_path / folder).symlink_to(shapes_study / folder)
    folder = tmp_path / "lab"
    folder.mkdir()
    ran = run(write_notebook(tmp_path / f"{name}.ipynb", NOTEBOOKS[name]), folder)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    cells = len(NOTEBOOKS[name])
    assert ran.stdout.splitlines()[-1] == f"{cells} cells, all ran"
    written = folder / f"{name}.run.ipynb"
    study = tmp_path / "results/shapes/coco_captioning"
    assert f"base dir  {study}: " in outputs(written, "text")
    assert len(outputs(written, "picture")) == pictures


@pytest.mark.parametrize("notebook", OURS, ids=lambda path: path.stem)
def test_a_notebook_of_the_documents_runs(notebook, shapes_study, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    files = shapes_study / "results/shapes/coco_captioning"
    study = tmp_path / "results/shapes"
    train_captioner(
        files / "train2014_vgg16_fc7_pca.h5",
        files / "coco2014_captions.h5",
        files / "coco2014_vocab.json",
        output=study / "models/lstm/seed0",
        recipe=Recipe(wordvec_dim=16, hidden_dim=32, epochs=3),
        threads=1,
    )
    (study / "features").symlink_to(shapes_study / "results/shapes/features")
    ran = run(notebook, tmp_path, "--output", "ran.ipynb")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    shown, made = (outputs(path, "picture") for path in (notebook, tmp_path / "ran.ipynb"))
    assert len(shown) == len(made) > 0
    assert notebook.stat().st_size < 200_000


def test_each_cell_is_told_and_a_failure_stops_none(tmp_path):
    (tmp_path / "cs231n").mkdir()
    (tmp_path / "cs231n/__init__.py").write_text("raise RuntimeError('a student's file')")
    cells = [
        *COLAB,
        "import cs231n, cs231n.optim\nprint cs231n.optim.__file__",
        "raise ValueError('no such word')",
        "\n",
        "total = 0\nfor key, value in {1: 2}.iteritems():\n  total += value\nprint 'total', total",
    ]
    notebook = write_notebook(
        tmp_path / "any.ipynb",
        cells,
        kernelspec={"name": "python2", "display_name": "Python 2", "language": "python"},
    )
    before = notebook.read_bytes()
    ran = run(notebook, tmp_path, "--output", "out.ipynb")
    assert ran.returncode == 1
    lines = ran.stdout.splitlines()
    assert all(line.endswith("left out, as it is for Google Colab") for line in lines[:2])
    assert lines[2].startswith("[3/5] import cs231n, cs231n.optim: ")
    assert lines[3].endswith("failed, ValueError: no such word")
    assert lines[4].startswith("[5/5] total = 0: ")
    assert lines[5:] == ["5 cells, failed: 4"]
    assert not ran.stderr
    assert notebook.read_bytes() == before
    text = outputs(tmp_path / "out.ipynb", "text")
    package = Path(recap.__file__).parent
    assert text == f"{package}/cs231n/optim.py\ntotal 2\n"


def test_a_process_that_ends_is_told(tmp_path):
    notebook = write_notebook(tmp_path / "any.ipynb", ["x = 1", "import os\nos._exit(3)", "x"])
    ran = run(notebook, tmp_path)
    assert ran.returncode == 1
    assert ran.stderr == (
        f"error: The process of {notebook} ended in cell 2: it may have been out of memory.\n"
    )
    assert list(tmp_path.iterdir()) == [notebook]


def test_an_impossible_output_is_refused_before_the_work(tmp_path):
    notebook = write_notebook(tmp_path / "any.ipynb", ["open('ran', 'w')"])
    with pytest.raises(InputError, match=r"any\.ipynb"):
        run_notebook(notebook, output=notebook / "out.ipynb")
    assert list(tmp_path.iterdir()) == [notebook]


@pytest.mark.parametrize("content", [None, "no JSON", "{}", '{"nbformat": 4, "cells": 3}'])
def test_what_is_no_notebook_is_refused(content, tmp_path):
    path = tmp_path / "any.ipynb"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match="does not exist" if content is None else "not a notebook"):
        run_notebook(path)


def test_missing_packages_are_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "nbclient", None)
    with pytest.raises(InputError, match=r"nbclient is missing.*pip install nbclient ipykernel"):
        run_notebook(tmp_path / "any.ipynb")
