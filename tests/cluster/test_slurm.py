"""The profile on a real Slurm gives the bytes of a local run, whatever ends jobs or the head."""

import os
import signal
import socket

import pytest
from slurm import PROFILE, SCENES, adapt

pytestmark = pytest.mark.slow

GROUPS = {
    "captions": "prepare_annotations prepare_categories list_images build_vocabulary"
    " encode_captions",
    "rest": "gather_features fit_pca apply_pca train_captioner generate_captions measure_perplexity"
    " score_captions record_provenance compare_captioners",
}


def test_a_study_has_the_bytes_of_a_local_run(cluster, finished, workflow):
    adapt(workflow, 2, **GROUPS)
    workflow.run("--profile", PROFILE)
    assert workflow.hashes() == finished.hashes()
    assert cluster.jobs() == {}


def test_a_cancelled_extraction_and_a_killed_one_go_on(extraction, cluster):
    extraction.start()
    cancelled = extraction.owner()
    cluster.ask("scancel", cancelled["job"])
    killed = extraction.owner(after=cancelled)
    assert killed["job"] != cancelled["job"]
    os.kill(killed["process"], signal.SIGKILL)
    (computed,) = extraction.end()
    assert computed <= SCENES - 2 * 16  # the batch of each of the others, or more


def test_nothing_is_computed_twice_when_the_head_is_killed(extraction, cluster):
    extraction.start()
    orphan = extraction.owner()
    extraction.head.kill()
    extraction.head.wait()
    extraction.workflow.run("--unlock")
    extraction.start()
    (successor,) = extraction.wait_for(lambda: cluster.jobs().keys() - {orphan["job"]})
    (log,) = extraction.wait_for(lambda: list(extraction.logs.glob(f"*/{successor}.log")))
    told = f"on host {socket.gethostname()}, job {orphan['job']}) is making"
    extraction.wait_for(lambda: told in log.read_text())
    assert extraction.end() == [SCENES, 0]
