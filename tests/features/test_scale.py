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
    *table, last = simulate("--node", kind, "--lists", "100")
    hours = json.loads(last)
    assert hours["1"] > 4 * hours["10"] > 4 * hours["100"]
    dollars = [float(line.split()[7]) for line in table[2:]]
    assert dollars == sorted(dollars)


def test_the_document_quotes_the_simulation():
    text = (ROOT / "docs/scale.md").read_text()
    for options in (["--lists", "100"], ["--lists", "100", "--node", "cpu"], []):
        hours = json.loads(simulate(*options)[-1]).values()
        for value in hours:
            assert any(f"{value:.{digits}f}" in text for digits in (0, 1)), value
    bottlenecks = [line.rpartition(": ")[2] for line in simulate("--lists", "100")[2:5]]
    for bottleneck in bottlenecks:
        assert f"{bottleneck} |" in text


def test_half_the_images_take_half_the_time():
    whole, half = (
        json.loads(simulate("--images", str(images), "--lists", str(images // 10**6))[-1])
        for images in (10**8, 5 * 10**7)
    )
    assert half["1"] == pytest.approx(whole["1"] / 2, rel=0.03)
