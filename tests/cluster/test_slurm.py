"""Extraction on a real Slurm ends in the same bytes, whatever ends jobs or the head."""

import os
import signal
import socket
import time

import pytest
from documents import blocks
from slurm import PATIENCE, SCENES

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("words", blocks("sbatch"), ids=" ".join)
def test_the_documented_check_tells_what_a_partition_can_run(cluster, words):
    assert "to start at" in cluster.ask(*words)
    assert "configuration is not available" in cluster.ask(*words, "--mem=65000")
    other = [word.replace("=gpu", "=cpu") for word in words]
    told = "configuration is not available" if "--gpus=1" in words else "to start at"
    assert told in cluster.ask(*other)


def test_the_documented_limit_of_time_is_told(cluster):
    (words,) = blocks("sinfo")
    assert cluster.ask(*words[:-1], "--noheader", words[-1]) == "20:00:00"


def test_a_cancelled_extraction_and_a_killed_one_go_on(extraction, cluster):
    extraction.start()
    cancelled = extraction.owner()
    cluster.ask("scancel", cancelled["job"])
    killed = extraction.owner(after=cancelled)
    assert killed["job"] != cancelled["job"]
    os.kill(killed["process"], signal.SIGKILL)
    (computed,) = extraction.end()
    assert computed <= SCENES - 2 * 16  # the batch of each of the others, or more


def kill_the_head(extraction):
    """Kill Snakemake in the middle; returns what is told of the job that it leaves behind."""
    extraction.start()
    orphan = extraction.owner()
    extraction.head.kill()
    extraction.head.wait()
    return orphan


def test_a_job_that_a_killed_head_left_is_waited_for(extraction, cluster):
    orphan = kill_the_head(extraction)
    os.kill(orphan["process"], signal.SIGSTOP)
    extraction.workflow.run("--unlock")
    extraction.start()
    told = f"on host {socket.gethostname()}, job {orphan['job']}) is making"

    def is_waited_for():
        # Meanwhile the job computes little, and shows that it lives.
        os.kill(orphan["process"], signal.SIGCONT)
        time.sleep(0.1)
        os.kill(orphan["process"], signal.SIGSTOP)
        time.sleep(2)
        return any(told in log.read_text() for log in extraction.logs.glob("*/*.log"))

    extraction.wait_for(is_waited_for)
    os.kill(orphan["process"], signal.SIGCONT)
    assert extraction.end() == [SCENES, 0]


def test_what_a_killed_heads_job_has_made_is_not_made_again(extraction, cluster):
    kill_the_head(extraction)
    cluster.wait_for(lambda: not cluster.jobs(), PATIENCE)
    extraction.workflow.run("--unlock")
    extraction.start()
    assert extraction.end() == [SCENES]
