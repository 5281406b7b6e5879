"""Where modules stand: a package a stage, and imports that point one way."""

import ast
import importlib
from pathlib import Path

import pytest

import recap

PACKAGE = Path(recap.__file__).parent
ROOT = PACKAGE.parents[1]

# In the order in which data flows. A stage uses its own modules and those of the lines above it;
# stages of one line do not use each other.
ORDER = [
    ["core"],
    ["datasets"],
    ["backbones"],
    ["features", "captions", "vision", "generative"],
    ["captioners"],
    ["training"],
    ["evaluation"],
    ["report", "cs231n"],
]
STAGES = [stage for line in ORDER for stage in line]

# What knows all stages, and is imported by none.
ABOVE = {"cli", "__main__", "config", "config_schema", "sweeps", "downloads", "init"}


def modules():
    return {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def imports(path):
    """Return the modules that a file imports, and refuse relative imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import, which code_hash does not follow"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def stage_of(name):
    return name.split(".")[0]


def test_every_module_stands_in_a_stage():
    assert {stage_of(name) for name in modules()} == {*STAGES, *ABOVE, "__init__"}


def test_every_stage_is_a_package():
    assert [stage for stage in STAGES if not (PACKAGE / stage / "__init__.py").exists()] == []


@pytest.mark.parametrize("name", [name for name in modules() if stage_of(name) in STAGES])
def test_a_module_imports_only_from_its_stage_and_those_before(name):
    stage = stage_of(name)
    (line,) = [number for number, stages in enumerate(ORDER) if stage in stages]
    allowed = {stage, "__version__"}.union(*ORDER[:line])
    ours = [
        other.split(".") for other in imports(modules()[name]) if f"{other}.".startswith("recap.")
    ]
    used = {[*other, "__version__"][1] for other in ours}
    assert used - allowed == set()


KIT = [name for name in modules() if stage_of(name) == "report" and name.count(".") == 1]


@pytest.mark.parametrize("name", KIT)
def test_what_all_pages_share_imports_no_page(name):
    used = [other.split(".") for other in imports(modules()[name])]
    pages = {path.parent.name for path in (PACKAGE / "report").glob("*/__init__.py")}
    assert {parts[2] for parts in used if parts[:2] == ["recap", "report"]} & pages == set()
    assert {parts[1] for parts in used if parts[0] == "recap" and len(parts) > 1} <= {
        "__version__",
        "core",
        "report",
    }


@pytest.mark.parametrize("name", modules())
def test_no_module_imports_snakemake(name):
    assert "snakemake" not in {other.split(".")[0] for other in imports(modules()[name])}


@pytest.mark.parametrize("folder", STAGES)
def test_the_tests_of_a_stage_stand_in_its_folder(folder):
    assert list((ROOT / "tests" / folder).rglob("test_*.py"))


def test_names_of_test_files_are_unique():
    """Of two with one name, pytest reads neither, and ends before any test."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert [name for name in names if names.count(name) > 1] == []


# Stages of the workflow: a rule file each; two more hold functions alone.
IN_WORKFLOW = sorted(
    {path.stem for path in ROOT.glob("workflow/rules/*.smk")} - {"common", "messages", "studies"}
)


@pytest.mark.parametrize("stage", IN_WORKFLOW)
def test_a_stage_of_the_workflow_has_one_name(stage):
    assert stage in STAGES
    assert f"\nrule {stage}:\n" in (ROOT / f"workflow/rules/{stage}.smk").read_text()
    chapter = ROOT / f"docs/{stage}.md"
    assert chapter.read_text().startswith(f"# {stage}: ")
    assert f"(docs/{stage}.md)" in (ROOT / "README.md").read_text()


def test_contributing_tells_the_stages():
    rows = [
        line.split("|")[1].strip(" `/")
        for line in (ROOT / "CONTRIBUTING.md").read_text().splitlines()
        if line.startswith("| `")
    ]
    assert rows == STAGES


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_says_what_it_is(stage):
    assert importlib.import_module(f"recap.{stage}").__doc__
