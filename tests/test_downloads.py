"""The catalogue of downloads, and what was downloaded before, held against what is expected now."""

import hashlib
import json

import pytest
from downloads import CONTENT, MD5, NAME, SHA256, fetch, remote

from recap.core import fetch as download
from recap.core.errors import InputError
from recap.downloads import CATALOGUE, DOWNLOADS, download_file, verify_download

pytestmark = pytest.mark.usefixtures("pauses")

OTHER = CONTENT[::-1]
EMPTY_ZIP = b"PK\5\6" + bytes(18)


@pytest.fixture
def bring(server, output, monkeypatch):
    """Download a file, of which this is known; from then on nothing is asked of the server."""

    def bring(mirror="", checksums=None, **known):
        file = remote(server, **known)
        monkeypatch.setitem(DOWNLOADS, NAME, file)
        fetch(file, output, mirror, checksums=checksums)
        server.behaviours = [500]
        return output

    return bring


@pytest.mark.parametrize("path", CATALOGUE)
def test_a_file_of_the_catalogue_is_told_by_its_name(path):
    """`mirror`, `urls` and `checksums` go by names: one stands for one file, wherever it is put."""
    folder, _, name = path.rpartition("/")
    assert folder
    assert CATALOGUE[path] == DOWNLOADS[name]


def test_a_file_comes_from_a_mirror_folder(tmp_path, capsys):
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror/Flickr8k_text.zip").write_bytes(EMPTY_ZIP)
    output = tmp_path / "resources/text.zip"
    download_file("Flickr8k_text.zip", output=output, mirror=str(tmp_path / "mirror"))
    assert output.read_bytes() == EMPTY_ZIP
    assert "Flickr8k_text.zip is unverified" in capsys.readouterr().out


def test_a_download_is_verified(tmp_path):
    (tmp_path / "vgg16-397923af.pth").write_bytes(b"something else")
    output = tmp_path / "resources/vgg16.pth"
    with pytest.raises(InputError, match="has 14 bytes where 553,433,881 were expected"):
        download_file("vgg16-397923af.pth", output=output, mirror=str(tmp_path))
    assert not output.exists()


def test_a_file_that_is_not_in_the_catalogue(tmp_path):
    with pytest.raises(InputError, match=r"^test\.zip is no file that recap downloads: train2014"):
        download_file("test.zip", output=tmp_path / "test.zip")


@pytest.fixture
def record(tmp_path):
    return tmp_path / "record.json"


@pytest.fixture
def reads(monkeypatch):
    """The files that are read to be checked."""
    read, files = download._read, []
    monkeypatch.setattr(
        download, "_read", lambda path, action: files.append(path.name) or read(path, action)
    )
    return files


def test_what_was_verified_when_it_came_is_not_read_again(bring, record, reads):
    file = bring(md5=MD5)
    reads.clear()
    verify_download(file, output=record)
    assert reads == []
    assert json.loads(record.read_text()) == {"file": NAME, "bytes": len(CONTENT), "md5": MD5}


def test_another_kind_of_digest_is_read_once(bring, record, reads):
    file = bring(md5=MD5)
    reads.clear()
    for _ in range(2):
        verify_download(file, checksum=f"sha256:{SHA256}", output=record)
    assert reads == [NAME]
    assert json.loads(record.read_text())["sha256"] == SHA256


@pytest.mark.parametrize("checksum", ["md5:" + "0" * 32, "sha256:" + "0" * 64])
def test_another_file_than_the_one_that_is_expected_now(bring, server, record, checksum):
    file = bring(md5=MD5)
    server.requests.clear()
    with pytest.raises(InputError, match=r"has the (md5|sha256) \w+ where 0+ was expected; corre"):
        verify_download(file, checksum=checksum, output=record)
    assert not record.exists()
    assert file.read_bytes() == CONTENT
    assert server.requests == []


def test_a_file_that_was_written_since_is_read_again(bring, record):
    file = bring(sha256=SHA256)
    file.write_bytes(OTHER)
    with pytest.raises(InputError, match=rf"{hashlib.sha256(OTHER).hexdigest()} where {SHA256}"):
        verify_download(file, output=record)
    file.write_bytes(CONTENT)
    verify_download(file, output=record)


def test_a_file_of_which_nothing_is_known_is_held_against_its_first_download(bring, record):
    file = bring()
    verify_download(file, output=record)
    verify_download(file, checksum="unknown", output=record)
    file.write_bytes(OTHER)
    with pytest.raises(InputError, match=rf"where {SHA256} was expected"):
        verify_download(file, output=record)


def test_a_variant_that_a_mirror_gave_stays_the_right_one(bring, record, folder):
    file = bring(str(folder), sha256="0" * 64, has_variants=True)
    verify_download(file, output=record)
    assert json.loads(record.read_text())["sha256"] == SHA256
    file.write_bytes(OTHER)
    with pytest.raises(InputError, match=rf"where {SHA256} was expected"):
        verify_download(file, output=record)


def test_a_configured_checksum_is_no_variant(bring, output, record, folder):
    file = bring(str(folder), sha256="0" * 64, has_variants=True)
    with pytest.raises(InputError, match="where 1111"):
        verify_download(file, checksum="sha256:" + "1" * 64, output=record)
    output.unlink()
    with pytest.raises(InputError, match="where 1111"):
        bring(str(folder), {NAME: "sha256:" + "1" * 64}, sha256="0" * 64, has_variants=True)
    assert not output.exists()


def test_a_file_that_is_not_there_or_none_of_the_downloads(tmp_path, record):
    with pytest.raises(InputError, match=r"val2014\.zip does not exist"):
        verify_download(tmp_path / "val2014.zip", output=record)
    with pytest.raises(
        InputError, match=r"^x\.zip is no file that recap downloads: train2014\.zip"
    ):
        verify_download(tmp_path / "x.zip", output=record)
