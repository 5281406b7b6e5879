"""The rules' commands: whatever a value is, it stays one word, and in its place."""

import re
from pathlib import Path

import pytest

RULES = sorted((Path(__file__).parents[1] / "workflow/rules").glob("*.smk"))

# `:q` makes no word of an empty value, so a value stands behind its option, in the same word, where
# it may begin with a dash too; a list that may be empty is one of such words.
SAFE = re.compile(
    r"--[a-z-]+(={[^{}]+:q})? "  # an option, with its value
    r"|{params\.\w+:q} "  # words that `options()` made, or a path within results/
    r"|{input:q} "  # paths within results/
)


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_no_option_vanishes_or_shifts(path):
    commands = re.findall(
        r"PYTHONPATH={params.package:q} python -m recap [a-z-]+ \\\n(.*?)2>&1 \| tee {log:q}",
        path.read_text(),
        re.S,
    )
    lines = [
        line.strip().removesuffix("\\") for command in commands for line in command.splitlines()
    ]
    assert [line for line in lines if line and not SAFE.fullmatch(line)] == []
    assert len(commands) == path.read_text().count("shell:")
