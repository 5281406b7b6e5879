"""A study on a real Slurm has the bytes of a local run: part of `make test-long`."""

import re

from documents import ROOT
from slurm import adapt

# What precedes the extraction, and what follows on it: a job each.
BEFORE = "prepare_annotations prepare_categories list_images build_vocabulary encode_captions"
STAGES_AFTER = ("features", "training", "evaluation", "report")


def groups():
    texts = [(ROOT / f"workflow/rules/{stage}.smk").read_text() for stage in STAGES_AFTER]
    after = re.findall(r"^rule (\w+):", "".join(texts), re.MULTILINE)
    others = {"extract_features", *BEFORE.split()}
    return dict.fromkeys([rule for rule in after if rule not in others], "after") | dict.fromkeys(
        BEFORE.split(), "before"
    )


def test_a_study_has_the_bytes_of_a_local_run(cluster, finished, workflow):
    workflow.run("--profile", adapt(workflow, "slurm-cpu", 2, groups()))
    assert workflow.hashes() == finished.hashes()
    assert cluster.jobs() == {}
