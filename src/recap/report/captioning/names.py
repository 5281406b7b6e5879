"""What the captioners of a sweep are called, whose names in full are long."""

import re

from recap.report.captioning.selection import ENSEMBLE

LONGEST_NAME = 24
"""Characters of a name that fits a heading and a terminal's table."""


def short_names(models: list[str]) -> dict[str, str]:
    """Return what models are called: short where a sweep made long names.

    Of `lstm-hidden_dim=64-learning_rate=0.01` remain the options that tell it from the others of
    its sweep, by their values: `lstm 64/0.01`.

    Parameters
    ----------
    models : list of str
        Their names in full, all different.

    Returns
    -------
    dict of str to str
        By name in full; all are as they were if none is longer than 24 characters, or if they could
        not be told apart.
    """
    parts = {name: _parts(name) for name in models}
    called = {}
    for name, (base, options, ending) in parts.items():
        sweep = [others for other, others, _ in parts.values() if other == base]
        told = [option for option in options if not all(option in others for others in sweep)]
        values = "/".join(_value(option) for option in told)
        called[name] = " ".join(filter(None, [base, values])) + ending
    if max(map(len, models)) <= LONGEST_NAME or len(set(called.values())) < len(models):
        return {name: name for name in models}
    return called


def _parts(name: str) -> tuple[str, list[str], str]:
    """Return a name's base, its options, and what an ensemble's ends with."""
    ending = f" {ENSEMBLE}" if name.endswith(f" {ENSEMBLE}") else ""
    base, *options = re.split(r"-(?=\w+=)", name.removesuffix(ending))
    return base, options, ending


def _value(option: str) -> str:
    """Return an option's value, which tells enough unless it is yes or no."""
    value = option.partition("=")[2]
    return option if value in ("true", "false") else value
