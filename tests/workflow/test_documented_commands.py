"""The commands of Snakemake that the documents show are planned where nothing has run."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest import copy_workflow
from documents import ROOT, block_with, blocks, spans
from miniatures import course

pytestmark = pytest.mark.slow

# What is done with finished studies is tested with one (test_workflow.py).
OF_FINISHED = {"--report", "--unlock"}


def commands():
    """Return the words after `snakemake`, once whatever the number of cores."""
    found = {}
    for words in blocks("snakemake") + spans("snakemake"):
        if not OF_FINISHED & set(words):
            alike = " ".join(words).replace("--cores all", "--cores 8")
            found.setdefault(alike, words[1:])
    return list(found.values())


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    workflow = copy_workflow(tmp_path_factory.mktemp("documented") / "recap")
    # What the documents take as given.
    (workflow.folder / "FOLDER").mkdir()
    (workflow.folder / "FOLDER/squeezenet1_0_imagenet.safetensors").touch()
    course(workflow.folder / "coco_captioning", ["_pca"])
    tutorial = ROOT / "docs/tutorial.md"
    (workflow.folder / "numpy.yaml").write_text(block_with(tutorial, "backend: numpy"))
    return workflow


def test_documented_commands_are_planned(fresh):
    def plan(words):
        # Slurm's plugin is installed by those who have Slurm.
        executor = ["--executor", "local"] if "--profile" in words else []
        return fresh.run(*words, *executor, "--dry-run", config="")

    with ThreadPoolExecutor(2) as pool:
        outputs = dict(zip(commands(), pool.map(plan, commands()), strict=True))
    assert len(outputs) > 10
    assert [words for words, output in outputs.items() if "Job stats:" not in output] == []
