"""Every step makes the same bytes again, whatever became of the run before."""

import signal
import subprocess
import sys

import pytest

from recap.vision.classes import visualize_classes
from recap.vision.dreams import dream_images
from recap.vision.fooling import fool_network
from recap.vision.inversion import invert_features
from recap.vision.saliency import show_saliency
from recap.vision.settings import (
    ClassVisualization,
    Dream,
    Fooling,
    Inversion,
    Saliency,
    SceneClassifier,
    StyleTransfer,
)
from recap.vision.style import transfer_style
from recap.vision.train_scene_classifier import train_scene_classifier

CLASSIFIER = SceneClassifier(scenes=12, held_out=6, kept=3, examples=1, epochs=2, batch_size=4)


def look(classifier, output):
    settings = Saliency(samples=2, steps=2, erasures=2, checked=1)
    scenes = classifier / "scenes.npz"
    show_saliency(scenes, output=output, network=str(classifier), settings=settings, threads=1)


def fool(classifier, output):
    fool_network(
        classifier / "scenes.npz",
        output=output,
        target=["red star"],
        network=str(classifier),
        settings=Fooling(steps=2),
        threads=1,
    )


def visualize(classifier, output):
    visualize_classes(
        "red ring",
        output=output,
        network=str(classifier),
        settings=ClassVisualization(steps=2, course_steps=2),
        frames=output / "frames",
        threads=1,
    )


def invert(classifier, output):
    settings = Inversion(steps=2, layers=("conv2",))
    scenes = classifier / "examples.npz"
    invert_features(scenes, output=output, network=str(classifier), settings=settings, threads=1)


def dream(classifier, output):
    dream_images(
        classifier / "examples.npz",
        output=output,
        network=str(classifier),
        settings=Dream(size=64, octaves=2, steps=2),
        frames=output / "frames",
        threads=1,
    )


def paint(classifier, output):
    transfer_style(
        classifier / "examples.npz",
        style=[classifier / "grounds" / "grass.png"],
        output=output,
        network=str(classifier),
        settings=StyleTransfer(size=64, style_size=64, steps=3, start="random"),
        frames=output / "frames",
        threads=1,
    )


def train(classifier, output):
    train_scene_classifier(output=output, settings=CLASSIFIER, threads=1)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classifier")
    train(None, folder)
    return folder


def bytes_below(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("step", [train, look, fool, visualize, invert, dream, paint])
def test_a_step_makes_the_same_bytes_twice(step, classifier, tmp_path):
    step(classifier, tmp_path / "once")
    step(classifier, tmp_path / "again")
    made = bytes_below(tmp_path / "once")
    assert "scores.json" in made
    assert made == bytes_below(tmp_path / "again")


# Runs recap, and kills it in place of the renaming of a finished file, by that one's number.
KILLED = """
import itertools, os, runpy, signal, sys
number, renamings, rename = int(sys.argv.pop(1)), itertools.count(), os.replace
def rename_or_die(*paths):
    if next(renamings) == number:
        os.kill(os.getpid(), signal.SIGKILL)
    rename(*paths)
os.replace = rename_or_die
runpy.run_module("recap", run_name="__main__")
"""
TRAIN = "train-scene-classifier --scenes=12 --held-out=6 --kept=3 --examples=1 --epochs=2"
LOOK = "show-saliency {0}/scenes.npz --network={0} --samples=2 --steps=2 --erasures=2 --checked=1"


@pytest.mark.parametrize(
    ("step", "command", "number"),
    [(train, f"{TRAIN} --batch-size=4", 10), (look, LOOK, 7)],
    ids=["train", "look"],
)
def test_a_killed_step_leaves_whole_files_and_starts_again(
    step, command, number, classifier, tmp_path
):
    output = tmp_path / "killed"
    words = [*command.format(classifier).split(), f"--output={output}", "--threads=1"]
    killed = subprocess.run([sys.executable, "-c", KILLED, str(number), *words])
    assert killed.returncode == -signal.SIGKILL
    step(classifier, tmp_path / "whole")
    left, whole = bytes_below(output), bytes_below(tmp_path / "whole")
    (scratch,) = left.keys() - whole.keys()
    assert ".recap-" in scratch
    del left[scratch]
    assert len(left) == number
    assert left.items() <= whole.items()
    step(classifier, output)
    assert bytes_below(output) == whole
