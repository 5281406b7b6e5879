import pytest

from recap.errors import InputError
from recap.files import atomic_path, digest_record
from recap.json_files import write_json
from recap.verify_study import verify_study


@pytest.fixture
def study(tmp_path):
    for name in ("features/a.h5", "scores/lstm/seed0/greedy.json"):
        with atomic_path(tmp_path / name, record_digest=True) as scratch:
            scratch.write_bytes(bytes(range(256)) * 10)
    write_json(tmp_path / "captions/b.json", [1], record_digest=True)
    for name in ("report/index.html", "logs/train/a.log", "benchmarks/a.tsv"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("not checked")
    return tmp_path


def lines(capsys):
    return capsys.readouterr().out.splitlines()


def test_a_study_as_it_was_made(study, capsys):
    verify_study(study)
    assert lines(capsys) == [
        "ok       captions/b.json",
        "ok       features/a.h5",
        "ok       scores/lstm/seed0/greedy.json",
        "3 ok, 0 FAILED, 0 unknown",
    ]


def test_damage_that_keeps_the_size(study, capsys):
    path = study / "features/a.h5"
    data = bytearray(path.read_bytes())
    for damage in (data[:-100] + bytes(100), bytes([data[0] ^ 1]) + data[1:]):
        path.write_bytes(damage)
        with pytest.raises(InputError, match=r"1 files of .* are not as they were made"):
            verify_study(study)
        assert "FAILED   features/a.h5: has changed since it was made" in lines(capsys)


def test_every_fault_is_a_line(study, capsys):
    (study / "captions/b.json").unlink()
    digest_record(study / "features/a.h5").write_bytes(b"\xff")
    (study / "features/more.h5").write_text("made by another program")
    with pytest.raises(InputError, match="2 files"):
        verify_study(study)
    assert lines(capsys) == [
        "FAILED   captions/b.json: is missing",
        "FAILED   features/a.h5: its record .a.h5.recap-sha256 cannot be read",
        "unknown  features/more.h5",
        "ok       scores/lstm/seed0/greedy.json",
        "1 ok, 2 FAILED, 1 unknown",
    ]


def test_a_file_that_is_made_again_has_a_new_digest(study, capsys):
    write_json(study / "captions/b.json", [2], record_digest=True)
    verify_study(study)


def test_a_failed_making_leaves_file_and_digest(study):
    with pytest.raises(TypeError):
        write_json(study / "captions/b.json", {1}, record_digest=True)
    verify_study(study)


def test_what_is_no_study(tmp_path):
    with pytest.raises(InputError, match="is not a folder"):
        verify_study(tmp_path / "none")
    with pytest.raises(InputError, match="has no file with a digest"):
        verify_study(tmp_path)
