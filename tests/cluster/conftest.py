"""What runs on a cluster of this host."""

import importlib.util
import os
import shutil
import signal

import pytest
from slurm import FEATURES, LONG, NEEDED, PACKAGES, PATIENCE, Cluster, Extraction
from study_copies import copy_workflow


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Cluster:
    """Return a running cluster, to which the commands of Slurm and Snakemake's jobs talk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", "/usr/sbin", prepend=os.pathsep)
        lacking = [name for name in NEEDED if not shutil.which(name)]
        if lacking:
            pytest.skip(f"needs Slurm (apt-get install {PACKAGES}): no {lacking[0]}")
        if not importlib.util.find_spec("snakemake_executor_plugin_slurm"):
            pytest.skip("needs pip install snakemake-executor-plugin-slurm")
        cluster = Cluster(tmp_path_factory.mktemp("slurm"))
        try:
            cluster.start()
        except (OSError, TimeoutError) as error:
            told = [line for log in cluster.folder.glob("*.out") for line in log.open()]
            pytest.skip(f"Slurm does not start here: {error}; {''.join(told[-3:])}")
        else:
            for name, value in cluster.environment.items():
                patch.setenv(name, value)
            yield cluster
        finally:
            cluster.stop()


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    """A copy in which features have been extracted on this machine."""
    workflow = copy_workflow(tmp_path_factory.mktemp("long") / "recap")
    (workflow.folder / "tiny.yaml").write_text(LONG)
    workflow.run("--cores", "1", FEATURES)
    return workflow


@pytest.fixture
def extraction(long, cluster):
    extraction = Extraction(long, cluster)
    yield extraction
    if extraction.head.poll() is None:
        extraction.head.send_signal(signal.SIGINT)  # It cancels its jobs.
        extraction.head.wait(PATIENCE)
