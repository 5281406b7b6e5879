import io
import os
import tarfile
import zipfile

import pytest

from recap.core.errors import InputError
from recap.core.zip_files import open_zip


def refusal(path):
    with pytest.raises(InputError) as raised:
        open_zip(path)
    said = str(raised.value)
    assert said.startswith(str(path)) and "delete" not in said
    return said


def test_an_archive(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("b", "c")
    with open_zip(tmp_path / "a.zip") as archive:
        assert archive.read("b") == b"c"


@pytest.mark.parametrize(
    ("compression", "kind"),
    [("", "tar"), (":gz", "gzip"), (":bz2", "bzip2"), (":xz", "xz")],
)
def test_another_kind_of_archive(tmp_path, compression, kind):
    with tarfile.open(tmp_path / "a.zip", f"w{compression}") as archive:
        archive.addfile(tarfile.TarInfo("b"), io.BytesIO())
    assert f" {kind} archive, not a zip archive" in refusal(tmp_path / "a.zip")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xff\xd8\xff\xe0", "is a JPEG photo"),
        (b"<html>", "is a page of HTML"),
        (b"PK\x03\x04half", "is not a whole zip archive"),
        (b"", "is not a whole zip archive"),
    ],
)
def test_another_file(tmp_path, content, said):
    (tmp_path / "a.zip").write_bytes(content)
    assert said in refusal(tmp_path / "a.zip")


def test_a_file_that_cannot_be_opened(tmp_path, monkeypatch):
    assert "does not exist" in refusal(tmp_path / "none.zip")
    assert "cannot be read (Is a directory)" in refusal(tmp_path)

    def fail(path):
        raise PermissionError(13, os.strerror(13), path)

    monkeypatch.setattr(zipfile, "ZipFile", fail)
    assert "cannot be read (Permission denied)" in refusal(tmp_path / "a.zip")
