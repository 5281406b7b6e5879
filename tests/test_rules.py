"""The rules' commands: whatever a value is, it stays one word, and in its place."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from installed import modules_lacking

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
    assert len(commands) == path.read_text().count("        package=package,\n")


# What `snakemake --jobs 100` plans with an executor of a cluster, whatever has been made here.
ON_A_CLUSTER = """
from pathlib import Path
from snakemake.api import SnakemakeApi
from snakemake.settings.types import DAGSettings, OutputSettings, ResourceSettings

with SnakemakeApi(OutputSettings(dryrun=True)) as api:
    nodes = ResourceSettings(nodes=100, overwrite_threads={"fit_pca": 16})
    workflow = api.workflow(nodes, snakefile=Path("workflow/Snakefile"))
    workflow.dag(DAGSettings(forceall=True)).execute_workflow("dryrun")
"""


def test_a_cluster_has_no_number_of_cores():
    planned = subprocess.run(
        [sys.executable, "-c", ON_A_CLUSTER],
        cwd=RULES[0].parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    threads = re.findall(r"rule (\w+):(?:\n    .*)*?\n    threads: (\d+)", planned.stderr)
    assert {"train_captioner": "8", "fit_pca": "16"}.items() <= dict(threads).items()


def test_rules_use_public_interfaces_alone():
    """But for one, which alone tells how `--config study=2024_01` was typed: YAML has a number."""
    rules = "".join(path.read_text() for path in RULES)
    assert re.findall(r"workflow\.(\w*_settings)", rules) == ["config_settings"]


def test_in_int8_every_extraction_takes_the_scales_of_the_training_photos():
    words = ["--dry-run", "--forceall", "--cores", "2", "--printshellcmds"]
    planned = subprocess.run(
        [sys.executable, "-m", "snakemake", *words, "--config", "feature_precision=int8"],
        cwd=RULES[0].parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    plan = planned.stdout + planned.stderr
    (scales,) = re.findall(r"recap calibrate-extraction .*--output=(\S+)", plan)
    taken = re.findall(r"recap extract-features .*--precision=int8 +--calibration=(\S+)", plan)
    assert taken == [scales, scales]
    (train,) = re.findall(r"--output=(resources/\S+)/train/1-of-1\.h5", plan)
    assert scales == f"{train}/calibration.json"


def test_snakemake_alone_reads_the_workflow(tmp_path):
    """With `--sdm conda`, only the jobs have recap's packages."""
    lacking = modules_lacking("snakemake")
    assert {"numpy", "PIL", "cyclopts", "tqdm"} <= set(lacking)
    # Plugins are found by what is installed, and Snakemake alone has none.
    (tmp_path / "sitecustomize.py").write_text(
        "import pkgutil, sys\n"
        f"sys.modules.update(dict.fromkeys({lacking}))\n"
        "installed = pkgutil.iter_modules\n"
        "pkgutil.iter_modules = lambda *of: (\n"
        "    each for each in installed(*of) if not each.name.startswith('snakemake_executor')\n"
        ")\n"
    )
    # Photos in a folder are looked at before the jobs.
    (tmp_path / "1.jpg").touch()
    captions = {"images": [{"id": 1, "file_name": "1.jpg"}], "annotations": []}
    (tmp_path / "captions.json").write_text(json.dumps(captions))
    split = {"images": str(tmp_path), "annotations": str(tmp_path / "captions.json")}
    own = json.dumps({"train": split, "val": split})
    words = ["--dry-run", "--forceall", "--cores", "2", "--config", "dataset=own", f"own={own}"]
    planned = subprocess.run(
        [sys.executable, "-m", "snakemake", *words],
        cwd=RULES[0].parents[2],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert "rule extract_features" in planned.stderr + planned.stdout
