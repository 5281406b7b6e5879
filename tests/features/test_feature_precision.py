"""The benchmark that holds bfloat16 features against float32."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from places import SCENES

from recap.captioners.folder import save_captioner

PROGRAM = Path(__file__).parents[2] / "benchmarks/feature_precision.py"


def run(*words):
    return subprocess.run([sys.executable, PROGRAM, *words], capture_output=True, text=True)


@pytest.fixture
def arguments(shapes_study, tmp_path, make_captioner):
    """Return a study with a captioner, and the photos and captions of its scored split."""
    study, resources = tmp_path / "study", shapes_study / SCENES
    study.mkdir()
    (study / "features").symlink_to(shapes_study / "results/shapes/features")
    save_captioner(study / "models/lstm/seed0", make_captioner(inputs=32))
    return study, resources / "val2014.zip", resources / "annotations/captions_val.json"


def test_both_precisions_are_extracted_captioned_and_scored(arguments):
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["images"] == 10
    # Not 1: features in bfloat16 are other ones.
    assert 0.999 < figures["features_cosine_min"] < 1
    captioner = figures["captioners"]["lstm/seed0"]
    assert 0 <= captioner["same"] <= 1
    for score in ("CIDEr-D", "BLEU-4"):
        low, high = captioner[f"{score}_interval"]
        assert low <= captioner[f"{score}_difference"] <= high


def test_a_study_without_captioners(arguments, tmp_path):
    done = run(tmp_path, *arguments[1:])
    assert done.returncode == 1
    assert "has no trained captioners: run the study first" in done.stderr
