"""Downloads over HTTP, from a server that fails."""

import hashlib
import io
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from downloads import CONTENT, MD5, NAME, SHA256, fetch, left_in, remote

from recap import transfer
from recap.download import fetch as patient_fetch
from recap.errors import InputError
from recap.remote_file import RemoteFile
from recap.transfer import Patience

pytestmark = pytest.mark.usefixtures("pauses")

PAST = "Sat, 21 Nov 2020 08:00:00 GMT"


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


def test_goes_on_when_the_server_only_trickled(server, output):
    server.behaviours = ["trickles", "whole"]
    fetch(remote(server, sha256=SHA256), output)
    assert output.read_bytes() == CONTENT
    assert 0 < int(server.ranges()[1].removeprefix("bytes=").removesuffix("-")) < 100


def test_a_server_that_only_trickles_is_given_up(server, start_server, output):
    """Though each try brings a few bytes, the next address has its turn, and there is an end."""
    server.behaviours, mirror = ["trickles"], start_server("trickles")
    patience = Patience(silence=0.6, tries=2)
    with pytest.raises(InputError, match=rf"{mirror.url}.* bytes a second; {server.url}"):
        patient_fetch(remote(server, sha256=SHA256), output, mirror.url, patience=patience)
    assert len(mirror.requests) == len(server.requests) == patience.tries


def test_a_rate_that_is_slow_but_not_too_slow_is_waited_for(server, output):
    server.files[NAME] = CONTENT[:20]
    server.behaviours = ["trickles"]
    patience = Patience(silence=0.4, least_rate=5)
    patient_fetch(remote(server), output, patience=patience)
    assert len(server.requests) == 1
    assert output.read_bytes() == CONTENT[:20]


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
    whole = transfer._pieces

    def half(*arguments):
        monkeypatch.setattr(transfer, "_pieces", whole)
        yield next(whole(*arguments))

    monkeypatch.setattr(transfer, "_pieces", half)
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


# --- a bad day ----------------------------------------------------------------------------------

FAILURES = ["cuts", "stalls", "trickles", "wrong byte", "ignores Range", "no length", 500, 429, 503]
BAD_DAY = [*FAILURES, "whole"]


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
    server.files, server.stall = files, 0.8
    server.behaviours = lambda: BAD_DAY[generator.choice(len(BAD_DAY))]
    patience = Patience(silence=0.5, tries=3)

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
    assert "right" in outcomes
    assert len(server.requests) > 150
    assert len({path for path in tmp_path.iterdir() if path.suffix == ".zip"}) == 100 - len(
        failures
    )
