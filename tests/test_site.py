"""The pages of the site that are held against the code."""

import ast
import re
import runpy

from documents import ROOT

from recap.cli import COMMANDS


def test_the_reference_of_the_configuration_is_what_its_program_writes():
    write = runpy.run_path(ROOT / "docs/reference.py")["write_reference"]
    assert (ROOT / "docs/configuration.md").read_text(encoding="utf-8") == write()


def test_the_page_of_python_has_the_function_of_each_subcommand():
    page = (ROOT / "docs/api.md").read_text(encoding="utf-8")
    assert [path for path in COMMANDS if f"::: {path.replace(':', '.')}\n" not in page] == []


def test_the_messages_that_are_explained_are_in_the_code():
    page = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    shown = re.findall(r"^- `([^`]*…[^`]*)`", page, re.MULTILINE)
    known = "\n".join(_bare(text) for file in ROOT.glob("src/**/*.py") for text in _texts(file))
    assert [message for message in shown if _bare(message) not in known] == []
    assert len(shown) > 20


def test_the_diagram_of_the_workflow_is_what_its_program_draws():
    program = runpy.run_path(ROOT / "docs/workflow_diagram.py")
    drawn = (ROOT / "docs/workflow.svg").read_text(encoding="utf-8")
    assert drawn == program["draw"]().svg()
    for stage, (_, rules) in program["STAGES"].items():
        of_stage = (ROOT / f"workflow/rules/{stage}.smk").read_text(encoding="utf-8")
        assert [rule for rule in rules if f"rule {rule}:" not in of_stage] == []


def _texts(file):
    """Yield the strings of a program, with … for what is filled in."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            parts = (part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
            yield "".join(parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _bare(text):
    return " ".join(text.replace("`", "").split())
