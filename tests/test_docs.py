"""The documents: their links lead somewhere, and there is what their commands name."""

import re
import subprocess

import pytest
from documents import BLOCK, PAGES, ROOT, all_blocks, blocks, spans

from recap.backbones.weights import WEIGHTS
from recap.cli import make_app
from recap.datasets.registry import DATASETS
from recap.vision.files import VISION_FILES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_within_the_repository_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#\s]+)\)", page.read_text())
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_row_belongs_to_a_table(page):
    text = BLOCK.sub("", page.read_text())
    alone = re.findall(r"^[^|\n].*\n(\|.*)\n(?!\|[-: |]+\n)", text, re.MULTILINE)
    assert alone == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_overlays_that_are_named_exist(page):
    named = set(re.findall(r"--configfile (config/\S+\.yaml)", page.read_text()))
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_page_of_the_data_says_what_the_code_knows():
    files = {file for found in DATASETS.values() for file in found.files}
    files |= {file for known in WEIGHTS.values() for file in known.values()}
    files |= set(VISION_FILES.values())
    rows = {
        line.split("`")[1]: line
        for line in (ROOT / "docs/datasets.md").read_text().splitlines()
        if line.startswith("| `") and "." in line.split("`")[1]
    }
    for file in files:
        assert (f"{file.size:,}" if file.size else "not known") in rows[file.name]
        assert (file.md5 or file.sha256.rstrip("…")[:8]) in rows[file.name]


# Those of `snakemake` are planned in tests/workflow/test_documented_commands.py.
@pytest.mark.parametrize("words", blocks("recap"), ids=" ".join)
def test_commands_in_blocks_are_understood(words):
    make_app().parse_args(words[1:], exit_on_error=False, print_error=False)


@pytest.mark.parametrize("words", spans("recap"), ids=" ".join)
def test_commands_in_sentences_name_what_there_is(words):
    command = make_app()[words[1]]
    known = {"--help"} | {
        name for part in command.assemble_argument_collection() for name in part.names
    }
    assert {word for word in words if word.startswith("--")} <= known


@pytest.mark.parametrize("words", blocks("make"), ids=" ".join)
def test_targets_of_make_are_there(words):
    subprocess.run([*words, "--dry-run"], cwd=ROOT, check=True, capture_output=True)


def test_programs_that_are_named_are_there():
    named = {words[1] for words in spans("python") + blocks("python") + spans(".venv/bin/python")}
    assert [name for name in named - {"-m"} if not (ROOT / name).exists()] == []
    assert len(named) > 5


def test_the_chinese_readme_is_in_step_with_the_english_one():
    pages = ROOT / "README.md", ROOT / "README.zh.md"
    english, chinese = map(all_blocks, pages)
    assert english == chinese
    commands, pictures, scores = r"`((?:recap|snakemake|make) [^`]+)`", r'src="(.+?)"', r"\d\d\.\d"
    for told in (commands, pictures, scores):
        english, chinese = (set(re.findall(told, page.read_text("utf-8"))) for page in pages)
        assert english == chinese
