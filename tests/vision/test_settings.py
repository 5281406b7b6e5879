import inspect
from dataclasses import fields, is_dataclass

import pytest

from recap.config_schema import schema_of, table_of
from recap.core.errors import InputError
from recap.vision import settings

METHODS = [method for _, method in inspect.getmembers(settings, is_dataclass)]


@pytest.mark.parametrize("method", METHODS)
def test_settings_are_described_and_make_a_schema(method):
    assert set(schema_of(method)["properties"]) == {field.name for field in fields(method)}
    assert table_of(method).count("\n") == 1 + len(fields(method))


@pytest.mark.parametrize("method", METHODS)
def test_settings_out_of_range_are_refused(method):
    for field in fields(method):
        if field.metadata:
            with pytest.raises(InputError, match=f"`{field.name}` must be"):
                method(**{field.name: -10})


def test_octaves_that_come_down_to_nothing_are_refused():
    with pytest.raises(InputError, match="The smallest octave would have a side of less than 32"):
        settings.Dream(size=64, octaves=4)
