"""Run a notebook: `python -m recap.cs231n RNN_Captioning.ipynb`."""

import signal
import sys

import cyclopts

from recap.core.errors import InputError
from recap.cs231n.notebook import run_notebook

try:
    app = cyclopts.App("python -m recap.cs231n", result_action="return_value")
    app.default(run_notebook)
    sys.exit(0 if app() else 1)
except KeyboardInterrupt:
    sys.exit(128 + signal.SIGINT)
except InputError as error:
    sys.exit(f"error: {error}")
