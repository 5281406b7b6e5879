"""Make `python -m recap` the same as `recap`."""

from recap.cli import main

main()
