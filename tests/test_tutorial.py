import contextlib
import io
import re
import runpy
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest
from PIL import Image
from places import SCENES

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "tutorial.md").read_text(encoding="utf-8")
BEFORE_THE_STUDY = PAGE.partition("## The data")[0]
PICTURES = re.findall(r"^!\[.+\]\((tutorial/.+)\)$", PAGE, re.MULTILINE)
BLOCK = re.compile(r"^```python\n(.*?)^```$(?:\n\n^```text\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def session(shapes_study, tmp_path_factory):
    """Run the page in a folder of its own; return what each block printed, and the folder."""
    folder = tmp_path_factory.mktemp("tutorial")
    (folder / "results").symlink_to(shapes_study / "results")
    # A small study in the place of the default one.
    scenes = folder / "resources/shapes/seed=0-train_scenes=2000-val_scenes=300"
    scenes.parent.mkdir(parents=True)
    scenes.symlink_to(shapes_study / SCENES)
    printed, namespace = [], {}
    plt.switch_backend("Agg")
    # The page sets how NumPy prints; other tests should not notice.
    with contextlib.chdir(folder), np.printoptions():
        for number, block in enumerate(BLOCK.finditer(PAGE), start=1):
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                exec(compile(block[1], f"block {number} of tutorial.md", "exec"), namespace)
            printed.append(output.getvalue())
    plt.close("all")
    return printed, namespace, folder


def test_the_blocks_print_what_the_page_shows(session):
    printed, _, _ = session
    shown = [block[2] or "" for block in BLOCK.finditer(BEFORE_THE_STUDY)]
    assert len(shown) >= 8
    assert printed[: len(shown)] == shown


def test_every_block_that_prints_has_its_output_shown(session):
    printed, _, _ = session
    shown = [block[2] or "" for block in BLOCK.finditer(PAGE)]
    assert [text.count("\n") for text in printed] == [text.count("\n") for text in shown]


def test_both_captioners_learn_fifty_captions_by_heart(session):
    _, namespace, _ = session
    assert len(namespace["rnn_losses"]) == len(namespace["lstm_losses"]) == 100
    assert namespace["rnn_losses"][-1] < 0.1
    assert namespace["lstm_losses"][-1] < 0.5
    assert namespace["right"] == 50


def test_open_gates_and_the_identity_keep_the_gradient_that_others_lose(session):
    _, namespace, _ = session
    kept = {name: values[-1] for name, values in namespace["norms"].items()}
    for name in ("tanh", "tanh, Wh orthogonal", "LSTM", "GRU"):
        assert kept[name] < 1e-9
    assert 1e-10 < kept["ReLU"] < 1e-6
    for name in ("ReLU, Wh identity", "LSTM, bias of f 3"):
        assert 0.1 < kept[name] < 10
    assert 0.01 < kept["GRU, bias of z 3"] < 0.1
    assert kept["tanh, Wh three times as large"] > 1e3


def test_captions_by_hand_are_those_of_sample_and_a_beam_finds_likelier_ones(session):
    _, namespace, _ = session
    assert namespace["same"] == 10
    likelihoods = namespace["likelihoods"]
    assert likelihoods["greedy"] < likelihoods["beam3-length_penalty=0"]


def test_the_page_shows_the_pictures_that_its_code_makes(session):
    _, _, folder = session
    made = sorted(path.relative_to(folder / "docs") for path in (folder / "docs").rglob("*.png"))
    kept = sorted(path.relative_to(DOCS) for path in (DOCS / "tutorial").glob("*.png"))
    assert made == kept == sorted(Path(name) for name in PICTURES if name.endswith(".png"))
    for name in made:
        assert (DOCS / name).stat().st_size < 60_000
        with Image.open(folder / "docs" / name) as new, Image.open(DOCS / name) as shown:
            assert new.size == shown.size


def test_the_diagrams_are_what_their_program_draws():
    diagrams = runpy.run_path(DOCS / "tutorial/diagrams.py")["DIAGRAMS"]
    assert sorted(f"tutorial/{name}.svg" for name in diagrams) == sorted(
        name for name in PICTURES if name.endswith(".svg")
    )
    for name, draw in diagrams.items():
        assert draw().svg() == (DOCS / f"tutorial/{name}.svg").read_text(encoding="utf-8")
