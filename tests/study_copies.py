"""Copies of the workflow in folders of their own, with a study that takes half a minute."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]

TINY = """
backbone: squeezenet1_0
pca_components: 8
shapes: {train_scenes: 24, val_scenes: 6}
models:
  lstm: {wordvec_dim: 8, hidden_dim: 16, epochs: 2}
  reference: {architecture: rnn, backend: numpy, wordvec_dim: 8, hidden_dim: 16, epochs: 2}
train: [lstm, reference]
decoders: [beam2]
explained_photos: 2
"""

# Logs and times differ from run to run, and so does what quotes them.
QUOTES_TIMES = re.compile(
    r"/(logs|benchmarks)/|/\.?(history\.csv|(provenance|ro-crate-metadata)\.json)(\.recap-sha256)?$"
    r"|/report/index\.html$"
)


@dataclass
class Workflow:
    """A folder with the workflow, and what a user does in it."""

    folder: Path

    def start(self, *words: str, config: str = "tiny.yaml", **options) -> subprocess.Popen:
        """Start Snakemake with this Python on the PATH."""
        # A value of --configfile or --config would swallow targets: they come first.
        command = [sys.executable, "-m", "snakemake", *words]
        command += ["--configfile", *config.split()] if config else []
        binaries = Path(sys.executable).parent
        path = f"{binaries}{os.pathsep}{os.environ['PATH']}"
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=os.environ | {"PATH": path},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            **options,
        )

    def run(self, *words: str, config: str = "tiny.yaml", fails: bool = False):
        """Run Snakemake; returns all that it printed."""
        process = self.start(*words, config=config)
        output, _ = process.communicate(timeout=600)
        assert (process.returncode != 0) == fails, output
        return output

    def planned(self, *words: str, **options: str) -> set[str]:
        """Return the rules that a dry run lists."""
        table = re.search(
            r"^Job stats:\n.*\n-.*\n((?:.*\n)*?)total ",
            self.run("--dry-run", "--cores", "2", *words, **options),
            re.MULTILINE,
        )
        return {line.split()[0] for line in table[1].splitlines()} if table else set()

    def hashes(self) -> dict[str, str]:
        """Return the sha256 of every result that does not quote times."""
        return {
            str(path.relative_to(self.folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(self.folder.glob("results/*/**/*"))
            if path.is_file() and not QUOTES_TIMES.search(path.as_posix())
        }


def copy_workflow(folder: Path) -> Workflow:
    for name in ("workflow", "config", "src"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "tiny.yaml").write_text(TINY)
    return Workflow(folder)
