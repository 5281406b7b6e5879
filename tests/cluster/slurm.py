"""A cluster of three nodes on this host, of Slurm's daemons, and what runs on it."""

import getpass
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import yaml

# An extraction that takes a while, to end it in the middle.
LONG = """
study: long
pca_components: 8
backbone: squeezenet1_0
shapes: {train_scenes: 320, val_scenes: 6}
"""
SCENES = 320
PATIENCE = 400  # seconds
FEATURES = "results/long/coco_captioning/train2014_vgg16_fc7.h5"

PACKAGES = "slurmctld slurmd slurm-client"
NODES = ("n1", "n2", "n3")  # the last has no GPU
NEEDED = ("slurmctld", "slurmd", "sbatch", "srun", "squeue", "sinfo", "scancel", "scontrol")

CONF = """
ClusterName=recap
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/none
CredType=cred/none
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
SchedulerParameters=sched_interval=2,batch_sched_delay=0
EnforcePartLimits=NO
ReturnToService=2
SlurmdTimeout=10
InactiveLimit=0
KillWait=2
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
SlurmdParameters=config_overrides
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
NodeName=DEFAULT CPUs=16 RealMemory=64000
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} Gres=gpu:1
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} Gres=gpu:1
NodeName=n3 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[3]}
PartitionName=gpu Nodes=n1,n2 Default=YES MaxTime=1200
PartitionName=cpu Nodes=n3 MaxTime=1200
"""


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@dataclass
class Cluster:
    """The daemons, and what a user asks them."""

    folder: Path
    daemons: dict[str, subprocess.Popen] = field(default_factory=dict)

    def start(self) -> None:
        host = socket.gethostname().split(".")[0]
        conf = CONF.format(
            host=host, ports=free_ports(4), folder=self.folder, user=getpass.getuser()
        )
        (self.folder / "slurm.conf").write_text(conf)
        (self.folder / "gres.conf").write_text("NodeName=n[1-2] Name=gpu File=/dev/null\n")
        for name in ("state", *NODES, "bin"):
            (self.folder / name).mkdir()
        # The executor's plugin hides SLURM_CONF from the step of a job, as on clusters it is
        # /etc/slurm/slurm.conf.
        srun = self.folder / "bin/srun"
        srun.write_text(
            f'#!/bin/sh\nSLURM_CONF={self.folder}/slurm.conf exec {shutil.which("srun")} "$@"\n'
        )
        srun.chmod(0o755)
        self.daemon("slurmctld", "-D")
        for node in NODES:
            self.daemon("slurmd", "-D", "-N", node, name=node)
        ready = ("sinfo", "--noheader", "--states=idle", "--Node", "--format=%N")
        self.wait_for(lambda: self.ask(*ready).split() == [*NODES], 30)

    def daemon(self, *words: str, name: str = "") -> None:
        name = name or words[0]
        log = open(self.folder / f"{name}.out", "a")  # noqa: SIM115
        # They end with the tests even if those are killed.
        self.daemons[name] = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", *words],
            env=self.environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    @property
    def environment(self) -> dict[str, str]:
        path = f"{self.folder}/bin{os.pathsep}{os.environ['PATH']}{os.pathsep}/usr/sbin"
        return os.environ | {"SLURM_CONF": f"{self.folder}/slurm.conf", "PATH": path}

    def ask(self, *words: str) -> str:
        """Return what a command of Slurm says."""
        asked = subprocess.run(
            words,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        return asked.stdout.strip()

    def jobs(self) -> dict[str, str]:
        """Return the states of jobs that wait or run, by their numbers."""
        return dict(line.split() for line in self.ask("squeue", "-h", "-o", "%i %T").splitlines())

    def lose(self, job: str) -> None:
        """Let the node of a job vanish, with all that runs there."""
        node = self.ask("squeue", "-h", "-j", job, "-o", "%N")
        self.daemons[node].kill()
        for place in Path("/proc").glob("[0-9]*"):
            try:
                of_job = f"SLURM_JOB_ID={job}".encode() in (place / "environ").read_bytes()
                if of_job or f"slurmstepd: [{job}." in (place / "cmdline").read_text():
                    os.kill(int(place.name), signal.SIGKILL)
            except OSError:  # It has ended.
                continue

    def wait_for(self, condition, seconds: float):
        """Return what a condition gives as soon as it is true."""
        end = time.monotonic() + seconds
        while not (given := condition()):
            if time.monotonic() > end:
                raise TimeoutError(f"waited for {seconds} s")
            time.sleep(0.2)
        return given

    def stop(self) -> None:
        self.ask("scancel", "--user", getpass.getuser())
        try:
            self.wait_for(lambda: not self.jobs(), 20)
        finally:
            for daemon in reversed(self.daemons.values()):
                daemon.terminate()
            for daemon in self.daemons.values():
                try:
                    daemon.wait(10)
                except subprocess.TimeoutExpired:
                    daemon.kill()


def adapt(workflow, name, threads, groups=None):
    """Return a profile that is cut down to few threads and jobs; what it says else stays."""
    path = workflow.folder / "workflow/profiles" / name / "config.yaml"
    profile = yaml.safe_load(path.read_text())
    profile["set-threads"] = dict.fromkeys(profile["set-threads"], threads)
    profile["set-scatter"] = {"shards": 1}
    profile["groups"] = groups or profile["groups"]
    # Only so that the tests need not wait long.
    profile["slurm-init-seconds-before-status-checks"] = 2
    profile["slurm-keep-successful-logs"] = True
    path.write_text(yaml.safe_dump(profile))
    return str(path.parent.relative_to(workflow.folder))


class Extraction:
    """The extraction of those features by jobs of Slurm, from nothing."""

    def __init__(self, workflow, cluster):
        self.workflow, self.cluster = workflow, cluster
        self.profile = adapt(workflow, "slurm-gpu", 1)
        self.features = workflow.folder / FEATURES
        self.local = self.features.read_bytes()
        (self.shard,) = workflow.folder.glob("resources/features/*/train/1-of-1.h5")
        self.part, self.lock = (
            self.shard.with_name(self.shard.name + ending) for ending in (".part", ".lock")
        )
        self.logs = workflow.folder / ".snakemake/slurm_logs/rule_extract_features"
        for old in (self.features, self.shard):
            old.unlink()
        shutil.rmtree(self.logs, ignore_errors=True)
        self.head = None

    def start(self):
        self.head = self.workflow.start("--profile", self.profile, FEATURES)

    def end(self):
        """Wait for Snakemake's end; returns how many images each job computed that ended well."""
        output, _ = self.head.communicate(timeout=PATIENCE)
        assert self.head.returncode == 0, output
        assert self.features.read_bytes() == self.local
        assert not self.part.exists() and not self.lock.exists()
        logs = sorted(self.logs.glob("*/*.log"), key=lambda path: int(path.stem))
        found = [re.search(r"images: (\d+) images in", log.read_text()) for log in logs]
        return [int(match[1]) for match in found if match]

    def wait_for(self, condition):
        """Return what a condition gives as soon as it is true, while Snakemake runs."""

        def met():
            assert self.head.poll() is None, self.head.stdout.read()
            return condition()

        return self.cluster.wait_for(met, PATIENCE)

    def told(self):
        try:
            return json.loads(self.lock.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None

    def owner(self, after=None):
        """Return what is told of the process that extracts, after another, once it added rows."""
        owner = self.wait_for(lambda: (told := self.told()) != after and told)
        rows = self.part.stat().st_size if self.part.exists() else 4096
        self.wait_for(lambda: self.part.exists() and self.part.stat().st_size > rows)
        return owner
