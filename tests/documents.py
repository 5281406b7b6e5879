"""The documents, and the commands that they show."""

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[1]
CARDS = ROOT.glob("src/recap/pretrained/*/README.md")
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "config/README.md", *CARDS])

BLOCK = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`]+)`")


def blocks(program):
    """Return the command lines of a program that stand in blocks, each as its words."""
    lines = [line for page in PAGES for block in all_blocks(page) for line in block.split("\n")]
    return _of(program, lines)


def spans(program):
    """Return the command lines of a program that stand within sentences."""
    within = [span for page in PAGES for span in SPAN.findall(BLOCK.sub("", _text(page)))]
    return _of(program, [" ".join(span.split()) for span in within])


def all_blocks(page):
    """Return the blocks of a page."""
    return BLOCK.findall(_text(page))


def block_with(page, words):
    """Return the one block of a page that holds these words."""
    (block,) = [block for block in all_blocks(page) if words in block]
    return block


def _text(page):
    return page.read_text(encoding="utf-8")


def _of(program, lines):
    """Return the words of each different line, without its comment."""
    found = [
        tuple(shlex.split(line, comments=True)) for line in lines if line.startswith(f"{program} ")
    ]
    return sorted(set(found))
