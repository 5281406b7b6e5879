"""The commands of Snakemake that the documents show are planned where nothing has run."""

from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import pytest
from documents import ROOT, block_with, blocks, spans
from miniatures import course, write_photos_of_own

pytestmark = pytest.mark.slow

# What is done with finished studies is tested with one (test_workflow.py).
OF_FINISHED = {"--report", "--unlock"}

# What the profiles of a cluster set are options of this plugin.
SLURM = find_spec("snakemake_executor_plugin_slurm")


def commands():
    """Return the words after `snakemake`, once whatever the number of cores."""
    found = {}
    for words in blocks("snakemake") + spans("snakemake"):
        if not OF_FINISHED & set(words) and (SLURM or "--profile" not in words):
            alike = " ".join(words).replace("--cores all", "--cores 8")
            found.setdefault(alike, words[1:])
    return list(found.values())


@pytest.fixture(scope="module")
def documented(fresh):
    """Return a fresh copy with what the documents take as given."""
    (fresh.folder / "FOLDER").mkdir()
    (fresh.folder / "FOLDER/squeezenet1_0_imagenet.safetensors").touch()
    course(fresh.folder / "coco_captioning", ["_pca"])
    write_photos_of_own(fresh.folder)
    tutorial = ROOT / "docs/tutorial.md"
    (fresh.folder / "numpy.yaml").write_text(block_with(tutorial, "backend: numpy"))
    return fresh


def test_documented_commands_are_planned(documented):
    def plan(words):
        # Jobs are planned, not sent.
        executor = ["--executor", "local"] if "--profile" in words else []
        return documented.run(*words, *executor, "--dry-run", config="")

    with ThreadPoolExecutor(2) as pool:
        outputs = dict(zip(commands(), pool.map(plan, commands()), strict=True))
    assert len(outputs) > 10
    assert [words for words, output in outputs.items() if "Job stats:" not in output] == []
