"""Run a notebook of the course's on recap's modules."""

import re
import time
import warnings
from pathlib import Path

from recap.core.errors import InputError
from recap.core.files import atomic_path, check_output
from recap.core.outputs import OutputFile
from recap.cs231n.python2 import to_python3

# Runs in the notebook's process, before its first cell.
PUT_IN_PLACE = "import recap.cs231n; recap.cs231n.put_in_place()"

# The drive of Google Colab, which a cell mounts or changes to.
OF_COLAB = re.compile(r"google\.colab|\bdrive/My\\? Drive")


def run_notebook(notebook: Path, *, output: OutputFile | None = None) -> bool:
    """Run a notebook with recap's modules as `cs231n`, cell by cell, and print how each went.

    It runs in the current folder. Cells that ask for Google Colab are left out, and Python 2 is run
    as Python 3. After a cell that fails the next ones are run all the same.

    Parameters
    ----------
    notebook : Path
        The notebook, `.ipynb`; it stays as it is.
    output : Path, optional
        Notebook to write, with what its cells printed and drew; by default `NAME.run.ipynb` in the
        current folder.

    Returns
    -------
    bool
        Whether all cells ran.

    Raises
    ------
    InputError
        If the file is no notebook, or Jupyter's packages are missing.
    """
    try:
        import nbformat
        from jupyter_client import AsyncKernelManager
        from jupyter_client.kernelspec import KernelSpecManager
        from nbclient import NotebookClient
        from nbclient.exceptions import CellExecutionError, DeadKernelError
    except ImportError as error:
        raise InputError(
            f"{error.name} is missing, with which notebooks run: `pip install nbclient ipykernel`."
        ) from None

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", nbformat.validator.MissingIDFieldWarning)
            book = nbformat.read(notebook, as_version=4)
        _, book = nbformat.validator.normalize(book)
    except FileNotFoundError:
        raise InputError(f"{notebook} does not exist: check the path.") from None
    except (ValueError, TypeError, LookupError, AttributeError, nbformat.ValidationError) as error:
        raise InputError(f"{notebook} is not a notebook ({type(error).__name__}).") from None
    # This Python's own kernel, whichever the notebook names and others are installed.
    manager = AsyncKernelManager(kernel_spec_manager=KernelSpecManager(kernel_dirs=[]))
    client = NotebookClient(
        book,
        km=manager,
        timeout=None,
        iopub_timeout=60,
        resources={"metadata": {"path": str(Path.cwd())}},
        extra_arguments=[
            f"--IPKernelApp.exec_lines={PUT_IN_PLACE}",
            "--IPKernelApp.log_level=ERROR",
        ],
    )
    output = output or Path(f"{notebook.stem}.run.ipynb")
    check_output(output)
    cells = [place for place, cell in enumerate(book.cells) if _is_code(cell)]
    failed = []
    with atomic_path(output) as scratch:
        with client.setup_kernel(cleanup_kc=True):
            for number, place in enumerate(cells, start=1):
                cell = book.cells[place]
                title = cell.source.strip().splitlines()[0]
                print(f"[{number}/{len(cells)}] {title:.60}: ", end="", flush=True)
                if OF_COLAB.search(cell.source):
                    print("left out, as it is for Google Colab")
                    continue
                cell.source = to_python3(cell.source)
                start = time.monotonic()
                try:
                    client.execute_cell(cell, place)
                    print(f"{time.monotonic() - start:.1f} s")
                except CellExecutionError as error:
                    failed.append(number)
                    print(f"failed, {error.ename}: {error.evalue}")
                except DeadKernelError:
                    print("failed")
                    raise InputError(
                        f"The process of {notebook} ended in cell {number}: it may have been out of"
                        " memory."
                    ) from None
        nbformat.write(book, scratch)
    told = f"failed: {', '.join(map(str, failed))}" if failed else "all ran"
    print(f"{len(cells)} cells, {told}")
    return not failed


def _is_code(cell: dict) -> bool:
    return cell.cell_type == "code" and bool(cell.source.strip())
