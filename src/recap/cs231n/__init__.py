"""CS231n's package `cs231n` on recap's code: the course's notebooks run on it unchanged."""

import sys
from pathlib import Path


def put_in_place() -> None:
    """Make `import cs231n` give these modules, even where there is a folder `cs231n`.

    Where torchvision is not installed, what notebooks use of it is put in place, too.
    """
    for name in list(sys.modules):
        if name.partition(".")[0] == "cs231n":
            del sys.modules[name]
    sys.modules["cs231n"] = sys.modules[__name__]
    # At the end: what is installed comes first.
    sys.path.append(str(Path(__file__).parent / "stand_ins"))
