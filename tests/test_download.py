import hashlib
import io
import zipfile
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
import requests
from faulty_server import FaultyServer

from recap import transfer
from recap.download import fetch as patient_fetch
from recap.errors import InputError
from recap.remote_file import RemoteFile
from recap.transfer import Patience

CONTENT = bytes(range(256)) * 2000
NAME = "photos.bin"
PAST = "Sat, 21 Nov 2020 08:00:00 GMT"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture
def start_server():
    servers = []

    def start(*behaviours):
        servers.append(FaultyServer({NAME: CONTENT}, *behaviours))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def server(start_server):
    return start_server()


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    """Make the pauses between tries short, and list them."""
    taken = []
    monkeypatch.setattr(transfer, "time", SimpleNamespace(sleep=taken.append))
    # So that a cut comes after some pieces were written.
    monkeypatch.setattr(transfer, "PIECE", 1 << 14)
    return taken


def fetch(file, output, mirror="", **options):
    patient_fetch(file, output, mirror, patience=Patience(silence=0.3), **options)


@pytest.fixture
def output(tmp_path):
    return tmp_path / "resources" / "out" / NAME


def remote(server, **known):
    return RemoteFile(f"{server.url}/data/{NAME}", **known)


def left_in(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "known",
    [
        {"size": len(CONTENT)},
        {"sha256": SHA256},
        {"md5": MD5},
        {"size": len(CONTENT), "md5": MD5, "sha256": SHA256},
        {"sha256": SHA256[:8] + "…"},
    ],
)
def test_brings_the_bytes_and_leaves_nothing_else(server, output, known):
    fetch(remote(server, **known), output)
    assert output.read_bytes() == CONTENT
    assert [path for path, _ in server.requests] == [f"/data/{NAME}"]
    record = [] if known.keys() & {"sha256", "md5"} else [f"{NAME}.sha256"]
    assert left_in(output.parent) == [NAME, *record]


@pytest.mark.parametrize("failure", [500, 503, 429])
def test_tries_again_when_the_server_is_busy(server, output, pauses, failure):
    server.behaviours = [failure, failure, "whole"]
    fetch(remote(server, sha256=SHA256), output)
    assert output.read_bytes() == CONTENT
    assert len(server.requests) == 3
    assert pauses == [1, 2]


def test_gives_up_on_a_server_that_stays_busy(server, output, pauses):
    server.behaviours = [500]
    with pytest.raises(InputError, match=rf"{NAME} could not be downloaded.* answered 500"):
        fetch(remote(server), output)
    assert len(server.requests) == Patience().tries
    assert pauses == sorted(pauses)
    assert left_in(output.parent) == []


def test_a_file_that_is_not_there_is_not_tried_again(server, output, pauses):
    server.behaviours = [404]
    with pytest.raises(InputError, match=r"the server answered 404\. .*set `mirror`"):
        fetch(remote(server), output)
    assert len(server.requests) == 1
    assert pauses == []


@pytest.mark.parametrize("failure", ["cuts", "stalls"])
def test_goes_on_where_the_connection_was_lost(server, output, failure):
    server.behaviours = [failure, failure, "whole"]
    fetch(remote(server, size=len(CONTENT), sha256=SHA256), output)
    assert output.read_bytes() == CONTENT
    first, second, third = server.ranges()
    assert first is None
    positions = [int(wanted.removeprefix("bytes=").removesuffix("-")) for wanted in (second, third)]
    assert 0 < positions[0] <= len(CONTENT) // 2 < positions[1] <= len(CONTENT) * 3 // 4
    assert left_in(output.parent) == [NAME]


@pytest.mark.parametrize(
    ("wanted", "taken"), [("7", [7]), ("0", [0]), ("tomorrow", [1]), (PAST, [0])]
)
@pytest.mark.parametrize("status", [429, 503])
def test_waits_as_long_as_the_server_asks_for(server, output, pauses, status, wanted, taken):
    server.behaviours, server.retry_after = [status, "whole"], wanted
    fetch(remote(server, sha256=SHA256), output)
    assert pauses == taken
    assert output.read_bytes() == CONTENT


def test_a_server_that_wants_to_be_left_alone_for_long_is(server, output, pauses):
    server.behaviours, server.retry_after = [429], "3600"
    with pytest.raises(InputError, match=r"answered 429 and asks to be left alone for 3,600 s"):
        fetch(remote(server), output)
    assert pauses == []
    assert len(server.requests) == 1


def test_cuts_do_not_count_as_long_as_bytes_come(server, output):
    server.behaviours = [*["cuts", 500, 500] * 4, "whole"]
    fetch(remote(server, sha256=SHA256), output)
    assert output.read_bytes() == CONTENT
    assert len(server.requests) > 2 * Patience().tries


def test_a_server_that_never_gets_further_is_given_up(server, output):
    server.behaviours, server.versions = ["cuts"], None
    with pytest.raises(InputError, match="cut the connection"):
        fetch(remote(server), output)
    assert len(server.requests) == Patience().tries


def test_an_interrupted_download_goes_on_at_the_next_call(server, output):
    server.behaviours = ["cuts", 404]
    with pytest.raises(InputError):
        fetch(remote(server, sha256=SHA256), output)
    assert left_in(output.parent) == [f"{NAME}.part", f"{NAME}.part.json"]
    done = (output.parent / f"{NAME}.part").stat().st_size
    assert 0 < done < len(CONTENT)
    server.behaviours = ["whole"]
    fetch(remote(server, sha256=SHA256), output)
    assert server.ranges()[-1] == f"bytes={done}-"
    assert output.read_bytes() == CONTENT
    assert left_in(output.parent) == [NAME]


@pytest.mark.parametrize("known", [{"sha256": SHA256}, {"size": len(CONTENT)}, {}])
@pytest.mark.parametrize("versions", ["ETag", "Last-Modified", None])
def test_two_versions_of_a_file_are_never_mixed(server, output, versions, known):
    """The file changes between two connections, to one of the same length."""
    server.behaviours, server.versions = ["cuts", 404], versions
    server.files[NAME] = CONTENT[::-1]
    with pytest.raises(InputError):
        fetch(remote(server, **known), output)
    assert 0 < (output.parent / f"{NAME}.part").stat().st_size < len(CONTENT)
    server.behaviours, server.files[NAME] = ["whole"], CONTENT
    fetch(remote(server, **known), output)
    assert output.read_bytes() == CONTENT


def test_a_file_that_grew_is_begun_anew(server, output):
    server.behaviours, server.versions = ["cuts", "whole"], None
    server.files[NAME] = CONTENT[:-500]
    with pytest.raises(InputError, match="511,500 bytes where 512,000"):
        fetch(remote(server, size=len(CONTENT)), output)
    assert left_in(output.parent) == []


@pytest.mark.parametrize("behaviours", [["cuts", "ignores Range"], ["no length"]])
def test_a_server_that_cannot_go_on_or_tells_no_length(server, output, behaviours):
    server.behaviours = behaviours
    fetch(remote(server, sha256=SHA256), output)
    assert output.read_bytes() == CONTENT


def test_a_cut_that_the_http_library_does_not_notice(server, output, monkeypatch):
    whole = requests.Response.iter_content

    def half(self, size):
        monkeypatch.setattr(requests.Response, "iter_content", whole)
        yield next(whole(self, size))

    monkeypatch.setattr(requests.Response, "iter_content", half)
    fetch(remote(server), output)
    assert len(server.requests) == 2
    assert output.read_bytes() == CONTENT


def test_bytes_are_asked_for_as_they_are(server, output):
    # A compressed answer would have another length than it announces.
    server.behaviours = ["cuts", "whole"]
    fetch(remote(server, sha256=SHA256), output)
    assert {headers["Accept-Encoding"] for _, headers in server.requests} == {"identity"}


@pytest.mark.parametrize("known", [{"size": len(CONTENT)}, {}])
def test_a_download_that_was_whole_but_not_yet_renamed(server, output, known):
    output.parent.mkdir(parents=True)
    (output.parent / f"{NAME}.part").write_bytes(CONTENT)
    fetch(remote(server, sha256=SHA256, **known), output)
    assert output.read_bytes() == CONTENT
    assert left_in(output.parent) == [NAME]


def test_a_part_that_is_longer_than_the_file_is_thrown_away(server, output):
    output.parent.mkdir(parents=True)
    (output.parent / f"{NAME}.part").write_bytes(CONTENT + b"more")
    fetch(remote(server, size=len(CONTENT), sha256=SHA256), output)
    assert output.read_bytes() == CONTENT


def test_no_server_at_all(output):
    # Port 9 of the loopback device: nothing listens there.
    with pytest.raises(InputError, match="could not be reached"):
        fetch(RemoteFile(f"http://127.0.0.1:9/{NAME}"), output)


def test_an_address_that_is_none_is_not_tried_again(output, pauses):
    for address in ("photos", "htp://127.0.0.1/photos.bin"):
        with pytest.raises(InputError, match="not a URL"):
            fetch(RemoteFile(address), output)
    assert pauses == []


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


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "mirror" / "deep" / NAME
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    return tmp_path / "mirror"


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


# --- a bad day ----------------------------------------------------------------------------------

BAD_DAY = ["cuts", "stalls", "wrong byte", "ignores Range", "no length", 500, 429, 503, "whole"]


def test_a_hundred_downloads_from_a_server_on_a_bad_day(start_server, tmp_path):
    """Every download is right or ends with a clear error; no wrong file is accepted.

    Half of the files have a published digest; of the others, zip archives, nothing is known.
    """
    generator = np.random.default_rng(0)
    files = {}
    for number in range(100):
        photo = generator.bytes(int(generator.integers(20_000, 200_000)))
        if number % 2:
            packed = io.BytesIO()
            with zipfile.ZipFile(packed, "w") as archive:
                archive.writestr("1.jpg", photo)
            photo = packed.getvalue()
        files[f"{number}.zip"] = photo
    server = start_server()
    server.files, server.stall = files, 0.3
    server.behaviours = lambda: BAD_DAY[generator.choice(len(BAD_DAY))]
    patience = Patience(silence=0.1, tries=3)

    def bring(name):
        number = int(name.removesuffix(".zip"))
        digest = None if number % 2 else hashlib.sha256(files[name]).hexdigest()
        file = RemoteFile(f"{server.url}/{name}", sha256=digest)
        try:
            patient_fetch(file, tmp_path / name, patience=patience)
        except InputError as error:
            return str(error)
        return "right" if (tmp_path / name).read_bytes() == files[name] else "wrong"

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(bring, files))
    failures = [outcome for outcome in outcomes if outcome != "right"]
    assert all("could not be downloaded; http://127.0.0.1" in failure for failure in failures)
    assert len(failures) < 50
    assert len(server.requests) > 150
    assert len({path for path in tmp_path.iterdir() if path.suffix == ".zip"}) == 100 - len(
        failures
    )
