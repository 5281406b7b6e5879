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
    name = fields(method)[0].name
    with pytest.raises(InputError, match=f"`{name}` must be"):
        method(**{name: -1})
