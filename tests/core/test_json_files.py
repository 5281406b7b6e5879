import io
import json
import random

import pytest

from recap.core import json_files
from recap.core.errors import InputError
from recap.core.json_files import iterate_json, read_json, write_json


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_json_comes_back(tmp_path):
    value = {"café": [1, 2.5, None, True]}
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == value
    write_json(tmp_path / "a.json", value, ensure_ascii=False, indent=2)
    assert '  "café"' in (tmp_path / "a.json").read_text(encoding="utf-8")
    assert names(tmp_path) == ["a.json"]


def test_what_json_cannot_hold_leaves_no_file(tmp_path):
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"set": {1}})
    assert names(tmp_path) == []


@pytest.mark.parametrize("content", [b"", b"{", b"[1,]", b"\xff\xfe"])
def test_what_is_not_json(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.json is not valid JSON"):
        read_json(tmp_path / "a.json")


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(InputError, match=r"none\.json does not exist"):
        read_json(tmp_path / "none.json")
    with pytest.raises(InputError, match="cannot be read"):
        read_json(tmp_path)


def test_a_byte_order_mark_is_passed_over(tmp_path):
    (tmp_path / "a.json").write_bytes(b"\xef\xbb\xbf[1]")
    assert read_json(tmp_path / "a.json") == [1]


def entries(content, key="a"):
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return list(iterate_json(io.BytesIO(data), key, "x.json"))


VALUES = [
    {"a": [1, 2.5, None, "é", {"a": [3]}, [[]]], "b": {"a": 4}},
    {"b": [{"a": [1]}], "a": {"c": [5]}},
    {"a": []},
    {"b": 1},
    {},
]


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 1 << 16])
@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("value", VALUES)
def test_entries_are_what_json_reads_however_the_file_is_cut(monkeypatch, value, indent, piece):
    monkeypatch.setattr(json_files, "PIECE", piece)
    found = value.get("a", [])
    expected = found if isinstance(found, list) else [found]
    assert entries(json.dumps(value, indent=indent, ensure_ascii=False).encode()) == expected


def test_numbers_at_the_end_of_a_piece(monkeypatch):
    monkeypatch.setattr(json_files, "PIECE", 4)
    generator = random.Random(0)
    numbers = [generator.randrange(-(10**12), 10**12) / 8 for _ in range(200)]
    assert entries({"a": numbers}) == numbers


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b'{"a"}',
        b'{"a": }',
        b'{"a": [1 2]}',
        b'{"a": [1,]}',
        b'{"a": [1}',
        b'{"a": [1]',
        b'{"a": [1],}',
        b'{"a": [1]} x',
        b'{"a": "\xff"}',
        b'{"a": [' + b"1" * 5000 + b"]}",
        b"[" * 100_000,
        b'{"a": ' * 100_000,
        b'{"a": [' + b'{"b": ' * 100_000,
    ],
)
def test_what_is_not_json_is_told(content):
    with pytest.raises(InputError, match=r"x\.json is not valid JSON"):
        entries(content)


def test_what_is_json_but_no_object_has_no_entries():
    assert entries([1, 2]) == entries(3) == []


def test_a_value_without_an_end_is_not_held_whole(monkeypatch):
    monkeypatch.setattr(json_files, "LONGEST", 1 << 12)
    file = io.BytesIO(b'{"a": ["' + b"x" * (1 << 20))
    with pytest.raises(InputError, match=r"x\.json is not valid JSON"):
        list(iterate_json(file, "a", "x.json"))
    assert file.tell() < 1 << 19


def test_the_file_stays_open():
    file = io.BytesIO(b'{"a": [1, 2]}')
    next(iterate_json(file, "a", "x.json"))
    assert not file.closed
