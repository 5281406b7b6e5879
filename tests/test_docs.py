"""The documents: their links lead somewhere."""

import re
from pathlib import Path

import pytest

from recap.backbones.weights import WEIGHTS
from recap.datasets.registry import DATASETS

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "config/README.md"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_within_the_repository_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#\s]+)\)", page.read_text())
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_overlays_that_are_named_exist(page):
    named = set(re.findall(r"--configfile (config/\S+\.yaml)", page.read_text()))
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_page_of_the_data_says_what_the_code_knows():
    files = {file for found in DATASETS.values() for file in found.files}
    files |= {file for known in WEIGHTS.values() for file in known.values()}
    rows = {
        line.split("`")[1]: line
        for line in (ROOT / "docs/data.md").read_text().splitlines()
        if line.startswith("| `") and "." in line.split("`")[1]
    }
    for file in files:
        assert (f"{file.size:,}" if file.size else "not known") in rows[file.name]
        assert (file.md5 or file.sha256.rstrip("…")[:8]) in rows[file.name]
