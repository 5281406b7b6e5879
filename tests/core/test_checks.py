"""Options of a dataclass: their types and bounds."""

from dataclasses import dataclass, field
from typing import Literal

import pytest

from recap.config_schema import fill_in, schema_of, table_of
from recap.core.checks import bounded, require_options
from recap.core.errors import InputError


@dataclass(frozen=True)
class Options:
    """What there is to choose.

    Attributes
    ----------
    name : str
        A name.
    layers : tuple of str
        Several names.
    weights : tuple of float
        A number each.
    kinds : tuple of {"a", "b"}
        Which ones.
    """

    name: str = "conv1"
    layers: tuple[str, ...] = ("conv1", "conv2")
    weights: tuple[float, ...] = bounded((1.0,), minimum=0)
    kinds: tuple[Literal["a", "b"], ...] = field(default=("a",))


def test_texts_and_lists_are_accepted():
    require_options(Options())
    require_options(Options(layers=["fire2"], weights=[1, 2.5], kinds=()))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"name": 1}, "`name` must be text, not 1"),
        ({"layers": "conv1"}, "`layers` must be a list, not 'conv1'"),
        ({"layers": ["conv1", 2]}, "`layers` must be text, not 2"),
        ({"weights": [1, -1]}, "`weights` must be at least 0, not -1"),
        ({"weights": [float("nan")]}, "`weights` must be a finite number, not nan"),
        ({"weights": [True]}, "`weights` must be a finite number, not True"),
        ({"kinds": ["c"]}, "`kinds` must be one of a, b, not 'c'"),
    ],
)
def test_other_values_are_refused(wrong, sentence):
    with pytest.raises(InputError, match=sentence):
        require_options(Options(**wrong))


def test_a_list_in_the_schema_is_a_list():
    rules = schema_of(Options)
    filled = fill_in({"weights": ["2", 3]}, rules)
    assert filled["weights"] == [2, 3]
    assert filled["layers"] == ["conv1", "conv2"]
    with pytest.raises(InputError, match="`weights` must be a list"):
        fill_in({"weights": 2}, rules)
    assert "| `layers` | conv1, conv2 | list: text | Several names. |" in table_of(Options)
