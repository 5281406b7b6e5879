"""Lists of values in a study's configuration, and what they expand to."""

import itertools
from typing import Any


def expand_lists(options: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return an option set for each combination of the values that are given in lists.

    Parameters
    ----------
    options : dict
        Values by name; a list stands for each of its items in turn.

    Returns
    -------
    dict of str to dict
        By what tells them apart, the same options with a single value each. The values of the
        last list vary fastest: `{"architecture": "rnn", "hidden_dim": [256, 512]}` gives
        `hidden_dim=256` and `hidden_dim=512`. Without a list there is one, named by empty text.
    """
    varied = {name: values for name, values in options.items() if isinstance(values, list)}
    expanded = {}
    for values in itertools.product(*varied.values()):
        chosen = dict(zip(varied, values, strict=True))
        difference = "-".join(f"{name}={_in_text(value)}" for name, value in chosen.items())
        expanded[difference] = options | chosen
    return expanded


def expand_models(models: dict[str, dict[str, Any]]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the recipes that each entry of the library of models stands for.

    Parameters
    ----------
    models : dict of str to dict
        Recipes by name, with lists for what is to be varied.

    Returns
    -------
    dict of str to dict of str to dict
        By name of the entry, recipes by name: the entry's own, or for one with lists
        `lstm-hidden_dim=256`, `lstm-hidden_dim=512` and so on.
    """
    return {
        name: {
            f"{name}-{difference}" if difference else name: recipe
            for difference, recipe in expand_lists(recipe).items()
        }
        for name, recipe in models.items()
    }


def _in_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
