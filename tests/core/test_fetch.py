"""What is done with downloaded files, and where they are looked for."""

import hashlib
import io
import zipfile
from types import SimpleNamespace

import pytest
from downloads import CONTENT, MD5, NAME, SHA256, fetch, left_in, remote

from recap.core import transfer
from recap.core.errors import InputError
from recap.core.remote_file import RemoteFile

pytestmark = pytest.mark.usefixtures("pauses")


# --- verification -------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_one_wrong_byte_is_noticed(server, output, algorithm):
    server.behaviours = ["wrong byte"]
    expected = {"md5": MD5, "sha256": SHA256}[algorithm]
    damaged = bytearray(CONTENT)
    damaged[len(CONTENT) // 2] ^= 1
    actual = hashlib.new(algorithm, damaged).hexdigest()
    with pytest.raises(InputError) as raised:
        fetch(remote(server, **{algorithm: expected}), output)
    assert expected in str(raised.value)
    assert actual in str(raised.value)
    # The damaged download must not be gone on with; it was tried twice from the beginning.
    assert left_in(output.parent) == []
    assert server.ranges() == [None, None]


def test_a_byte_that_was_damaged_on_its_way_is_fetched_again(server, output):
    server.behaviours = ["wrong byte", "whole"]
    fetch(remote(server, sha256=SHA256), output)
    assert output.read_bytes() == CONTENT


def test_a_wrong_size_is_told_with_both_values(server, output):
    with pytest.raises(InputError, match="has 512,000 bytes where 512,001 were expected"):
        fetch(remote(server, size=len(CONTENT) + 1, sha256=SHA256), output)
    assert left_in(output.parent) == []


def test_a_file_of_another_size_is_refused_before_it_is_read(server, output):
    with pytest.raises(InputError, match="its file has 512,000 bytes"):
        fetch(remote(server, size=7), output)
    assert len(server.requests) == 1


@pytest.mark.parametrize("source", ["server", "folder"])
def test_the_disk_is_looked_at_before_the_first_byte(server, output, folder, monkeypatch, source):
    room = SimpleNamespace(free=len(CONTENT) - 1)
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda _: room)
    with pytest.raises(InputError, match=rf"{NAME} needs 0\.0 GB, but the disk .* make room"):
        fetch(remote(server, sha256=SHA256), output, str(folder) if source == "folder" else "")
    assert not output.exists()
    room.free += 1
    fetch(remote(server, sha256=SHA256), output, str(folder) if source == "folder" else "")
    assert output.read_bytes() == CONTENT


def test_a_digest_known_by_its_beginning_is_compared(server, output):
    with pytest.raises(InputError, match=rf"sha256 {SHA256} where b66bff10… was expected"):
        fetch(remote(server, sha256="b66bff10…"), output)


def test_an_unknown_digest_is_recorded_and_compared_ever_after(server, output, capsys):
    file = remote(server)
    fetch(file, output)
    record = output.parent / f"{NAME}.sha256"
    assert record.read_text() == f"{SHA256}  {NAME}\n"
    said = capsys.readouterr().out
    assert "unverified" in said
    assert SHA256 in said

    output.unlink()
    fetch(file, output)
    assert output.read_bytes() == CONTENT
    assert "unverified" not in capsys.readouterr().out

    output.unlink()
    server.files[NAME] = CONTENT[::-1]
    with pytest.raises(InputError, match=rf"where {SHA256} was expected"):
        fetch(file, output)
    assert left_in(output.parent) == [f"{NAME}.sha256"]


# --- mirrors ------------------------------------------------------------------------------------


def test_a_mirror_folder_is_searched_with_its_sub_folders(server, output, folder):
    fetch(remote(server, sha256=SHA256), output, str(folder))
    assert output.read_bytes() == CONTENT
    assert server.requests == []
    assert left_in(folder) == [NAME]


def test_a_mirror_folder_without_the_file_leaves_it_to_the_official_address(
    server, output, tmp_path
):
    (tmp_path / "empty").mkdir()
    fetch(remote(server, sha256=SHA256), output, str(tmp_path / "empty"))
    assert output.read_bytes() == CONTENT


def test_a_mirror_folder_is_named_when_nothing_has_the_file(server, output, tmp_path):
    (tmp_path / "empty").mkdir()
    server.behaviours = [404]
    with pytest.raises(InputError, match=r"nor does the folder .*empty hold it"):
        fetch(remote(server, sha256=SHA256), output, str(tmp_path / "empty"))


def test_a_mirror_folder_that_is_not_there(server, output, tmp_path):
    with pytest.raises(InputError, match=r"The mirror .*none is not a folder"):
        fetch(remote(server), output, str(tmp_path / "none"))
    assert server.requests == []


def test_a_wrong_file_in_a_mirror_folder_is_refused_and_kept(server, output, folder):
    with pytest.raises(InputError, match=rf"deep/{NAME} is not the right"):
        fetch(remote(server, md5="0" * 32), output, str(folder))
    assert left_in(folder) == [NAME]
    assert left_in(output.parent) == []


def test_a_file_of_a_mirror_folder_is_held_against_the_recorded_digest(server, output, folder):
    fetch(remote(server), output, str(folder))
    (folder / "deep" / NAME).write_bytes(CONTENT + b"!")
    with pytest.raises(InputError, match=rf"where {SHA256} was expected"):
        fetch(remote(server), output, str(folder))
    assert output.read_bytes() == CONTENT


def test_a_mirror_in_the_home_folder(server, output, folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    fetch(remote(server, sha256=SHA256), output, "~/mirror")
    assert output.read_bytes() == CONTENT
    assert server.requests == []


def test_equal_files_in_a_mirror_folder_are_one(server, output, folder):
    (folder / NAME).write_bytes(CONTENT)
    fetch(remote(server), output, str(folder))
    assert output.read_bytes() == CONTENT


@pytest.mark.parametrize("known", [{"sha256": SHA256}, {"size": len(CONTENT), "md5": MD5}])
def test_of_different_files_in_a_mirror_folder_the_right_one_is_taken(
    server, output, folder, known
):
    (folder / NAME).write_bytes(CONTENT[:-1])
    (folder / "zzz").mkdir()
    (folder / "zzz" / NAME).write_bytes(b"something else")
    fetch(remote(server, **known), output, str(folder))
    assert output.read_bytes() == CONTENT


@pytest.mark.parametrize("known", [{}, {"sha256": "0" * 64}])
def test_different_files_in_a_mirror_folder_of_which_none_is_known(server, output, folder, known):
    (folder / NAME).write_bytes(CONTENT[:-1])
    with pytest.raises(InputError, match=rf"different files named {NAME} \(deep/{NAME}, {NAME}\)"):
        fetch(remote(server, **known), output, str(folder))
    assert not output.exists()


def test_a_variant_is_taken_from_a_mirror_only(server, output, folder, capsys):
    """Photos that were scaled down, say; the official address has the published ones."""
    file = remote(server, sha256="0" * 64, has_variants=True)
    with pytest.raises(InputError, match="where 0000"):
        fetch(file, output)
    fetch(file, output, str(folder))
    assert output.read_bytes() == CONTENT
    assert "unverified: it is not the published file" in capsys.readouterr().out
    # From now on it is this one.
    (folder / "deep" / NAME).write_bytes(CONTENT[::-1])
    with pytest.raises(InputError, match=rf"where {SHA256} was expected"):
        fetch(file, output, str(folder))


def test_a_published_file_in_a_mirror_is_verified_although_there_are_variants(
    server, output, folder, capsys
):
    fetch(remote(server, sha256=SHA256, has_variants=True), output, str(folder))
    assert "unverified" not in capsys.readouterr().out
    assert left_in(output.parent) == [NAME]


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_mirror_url_comes_first(start_server, output, slash):
    official, mirror = start_server(), start_server()
    fetch(remote(official, sha256=SHA256), output, f"{mirror.url}/cache{slash}")
    assert [path for path, _ in mirror.requests] == [f"/cache/{NAME}"]
    assert official.requests == []


def test_the_official_address_follows_a_mirror_url_that_fails(start_server, output):
    official, mirror = start_server(), start_server(404)
    fetch(remote(official, sha256=SHA256), output, mirror.url)
    assert len(mirror.requests) == len(official.requests) == 1
    assert output.read_bytes() == CONTENT


def test_what_a_mirror_began_the_official_address_ends(start_server, output):
    official, mirror = start_server(), start_server("cuts", 404)
    fetch(remote(official, sha256=SHA256), output, mirror.url)
    assert official.ranges()[0].startswith("bytes=")
    assert output.read_bytes() == CONTENT


def test_a_wrong_file_of_a_mirror_url_leaves_it_to_the_official_address(
    start_server, output, capsys
):
    official, mirror = start_server(), start_server()
    mirror.files[NAME] = b"<html>Please log in</html>"
    fetch(remote(official, sha256=SHA256), output, mirror.url)
    assert output.read_bytes() == CONTENT
    assert f"No luck with {mirror.url}/{NAME}: the file that came" in capsys.readouterr().out


def test_other_addresses_follow_the_official_one(start_server, output):
    official, other = start_server(404), start_server()
    fetch(remote(official, sha256=SHA256, other_urls=(f"{other.url}/{NAME}",)), output)
    assert output.read_bytes() == CONTENT


def test_every_address_that_failed_is_named(start_server, output):
    official, mirror = start_server(404), start_server(403)
    with pytest.raises(InputError) as raised:
        fetch(remote(official), output, mirror.url)
    assert f"{mirror.url}/{NAME}: the server answered 403" in str(raised.value)
    assert "if your mirror has other bytes on purpose, set `checksums`" in str(raised.value)
    assert f"{official.url}/data/{NAME}: the server answered 404" in str(raised.value)


def test_a_configured_address_takes_the_place_of_the_official_one(start_server, output):
    official, other = start_server(), start_server()
    other.files["name.zip"] = CONTENT
    urls = {NAME: f"{other.url}/elsewhere/name.zip", "another.zip": official.url}
    fetch(remote(official, sha256=SHA256), output, urls=urls)
    assert [path for path, _ in other.requests] == ["/elsewhere/name.zip"]
    assert official.requests == []
    assert output.read_bytes() == CONTENT


@pytest.mark.parametrize(
    "checksum", [f"sha256:{SHA256}", f"md5:{MD5.upper()}", "unknown"], ids=["sha256", "md5", "none"]
)
def test_a_configured_checksum_takes_the_place_of_the_published_one(
    server, output, checksum, capsys
):
    published = remote(server, size=7, sha256="0" * 64)
    checksums = {NAME: checksum, "another.zip": "md5:0"}
    fetch(published, output, checksums=checksums)
    assert output.read_bytes() == CONTENT
    assert ("unverified" in capsys.readouterr().out) == (checksum == "unknown")
    server.files[NAME] = CONTENT[::-1]
    with pytest.raises(InputError, match="was expected"):
        fetch(published, output, checksums=checksums)


@pytest.mark.parametrize("checksum", ["md4:12", "", "sha256"])
def test_a_checksum_that_is_none(server, output, checksum):
    with pytest.raises(InputError, match="give md5:… or sha256:…, or unknown"):
        fetch(remote(server), output, checksums={NAME: checksum})
    assert server.requests == []


def test_an_archive_without_a_known_digest_is_read_whole_before_it_is_trusted(tmp_path):
    mirror, output = tmp_path / "mirror", tmp_path / "resources/photos.zip"
    mirror.mkdir()
    archive = mirror / "photos.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("1.jpg", b"photo" * 100)
    whole = archive.read_bytes()
    for damaged in (whole[:-30], whole.replace(b"photo", b"phoxo", 1), b"<html>Log in</html>"):
        archive.write_bytes(damaged)
        with pytest.raises(InputError, match=r"photos\.zip: it is not a whole zip"):
            fetch(RemoteFile("http://127.0.0.1:9/photos.zip"), output, str(mirror))
        assert not list(output.parent.iterdir())
    archive.write_bytes(whole)
    fetch(RemoteFile("http://127.0.0.1:9/photos.zip"), output, str(mirror))
    assert output.read_bytes() == whole


def zip_of(method):
    """Return an archive of one entry."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        archive.writestr("1.jpg", bytes(range(256)) * 40)
    return packed.getvalue()


def set_field(archive, place, value):
    """Change a field of two bytes in both headers of an archive's only entry."""
    changed = bytearray(archive)
    for signature, offset in ((b"PK\x03\x04", 0), (b"PK\x01\x02", 2)):
        start = changed.index(signature) + place + offset
        changed[start : start + 2] = value.to_bytes(2, "little")
    return bytes(changed)


def damaged_lzma():
    archive = bytearray(zip_of(zipfile.ZIP_LZMA))
    start = archive.index(b"1.jpg") + 5
    archive[start + 4 : start + 9] = b"\xff" * 5
    return bytes(archive)


# Encrypted, an unknown method, one whose decoder has errors of its own, a cut, and no archive.
DAMAGED = {
    "encrypted": set_field(zip_of(zipfile.ZIP_DEFLATED), 6, 1),
    "method": set_field(zip_of(zipfile.ZIP_DEFLATED), 8, 77),
    "lzma": damaged_lzma(),
    "version": set_field(zip_of(zipfile.ZIP_DEFLATED), 4, 99),
    "cut": zip_of(zipfile.ZIP_STORED)[:-9],
    "page": b"<html>Log in</html>",
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_archive_is_thrown_away_and_fetched_anew(server, tmp_path, kind):
    whole = zip_of(zipfile.ZIP_DEFLATED)
    output = tmp_path / "resources/photos.zip"
    file = RemoteFile(f"{server.url}/photos.zip")
    server.files["photos.zip"] = DAMAGED[kind]
    with pytest.raises(InputError, match="the file that came is not a whole zip archive"):
        fetch(file, output)
    assert left_in(output.parent) == []
    assert server.ranges() == [None, None]
    server.files["photos.zip"] = whole
    fetch(file, output)
    assert output.read_bytes() == whole
