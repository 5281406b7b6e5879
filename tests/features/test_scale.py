"""The simulation of docs/scale.md."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def simulate(*options):
    command = [sys.executable, str(ROOT / "benchmarks/scale.py"), *options]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return output.splitlines()


@pytest.mark.parametrize("kind", ["gpu", "cpu"])
def test_more_nodes_are_quicker_and_not_cheaper(kind):
    *table, last = simulate("--node", kind)
    hours = json.loads(last)
    assert hours["1"] > 4 * hours["10"] > 4 * hours["100"]
    dollars = [float(line.split()[8]) for line in table[2:]]
    assert dollars == sorted(dollars)


@pytest.mark.parametrize(
    "options",
    [[], ["--node", "cpu"], ["--archives"], ["--images", "1000000"], ["--images", "10000000"]],
)
def test_the_document_quotes_the_simulation(options):
    text = (ROOT / "docs/scale.md").read_text()
    *lines, last = simulate(*options)
    for value in json.loads(last).values():
        assert any(f"{value:.{digits}f}" in text for digits in (0, 1, 2)), value
    if not options:
        for line in lines[2:]:
            assert line.rpartition(": ")[2] in text


def test_half_the_images_take_half_the_time():
    whole, half = (
        json.loads(simulate("--images", str(images))[-1]) for images in (10**8, 5 * 10**7)
    )
    assert half["1"] == pytest.approx(whole["1"] / 2, rel=0.03)
