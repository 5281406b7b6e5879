"""Downloads over HTTP, from a server that fails."""

import hashlib
import io
import resource
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import requests
import urllib3
from downloads import CONTENT, MD5, NAME, SHA256, fetch, left_in, remote

from recap.core import connection, transfer
from recap.core.connection import Watch
from recap.core.errors import InputError
from recap.core.fetch import fetch as patient_fetch
from recap.core.remote_file import RemoteFile
from recap.core.transfer import Patience

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
    with pytest.raises(InputError, match=r"Check the network, or put it there\.$"):
        fetch(remote(server), output, remedy="put it there")


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


# --- servers that never come to an end ----------------------------------------------------------


def say(handler, *parts, pause=0.0):
    """Send bytes as they are, with pauses between them."""
    for part in parts:
        handler.wfile.write(part)
        handler.wfile.flush()
        time.sleep(pause)


def send_on_and_on(beginning, endless, pause=0.0):
    """Return how to answer with a beginning, and then the same bytes for ever."""

    def answer(handler):
        say(handler, beginning)
        while True:
            say(handler, endless, pause=pause)

    return answer


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
ONE_CHUNK = b"1000\r\n" + 4096 * b"x" + b"\r\n"


@pytest.mark.parametrize(
    ("beginning", "endless"), [(OK + b"\r\n", 4096 * b"x"), (CHUNKED, ONE_CHUNK)]
)
def test_no_byte_is_taken_beyond_the_size(server, output, beginning, endless):
    server.behaviours = [send_on_and_on(beginning, endless)]
    written = []
    with pytest.MonkeyPatch.context() as patch:
        pieces = transfer._pieces

        def note(*arguments):
            for piece in pieces(*arguments):
                written.append(len(piece))
                yield piece

        patch.setattr(transfer, "_pieces", note)
        with pytest.raises(InputError, match="it sends more than the 10,000 bytes of the file"):
            fetch(remote(server, size=10_000), output)
    assert sum(written[:-1]) <= 10_000 < sum(written)
    assert written[-1] <= transfer.PIECE
    assert len(server.requests) == 1
    assert left_in(output.parent) == []


@pytest.mark.parametrize("room", [0, 100_000])
def test_an_endless_file_of_unknown_size_ends_where_the_disk_does(server, output, capsys, room):
    """A limit of a file's size stands for the full disk."""
    server.behaviours = [send_on_and_on(OK + b"\r\n", 4096 * b"x")]
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        told = rf"{NAME}(\.part)? could not be written .*: make room"
        with pytest.raises(InputError, match=told):
            fetch(remote(server), output)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not output.exists()
    # What came is gone on with once there is room.
    server.behaviours = ["whole"]
    fetch(remote(server), output)
    assert output.read_bytes() == CONTENT


@pytest.mark.parametrize("pause", [0, 0.05], ids=["fast", "dripping"])
@pytest.mark.parametrize(
    ("beginning", "endless"),
    [
        (b"HTTP/1.1 200 ", b"O"),
        (OK + b"X-Long: ", b"x"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (CHUNKED + b"10;name=", b"x"),
        (CHUNKED + ONE_CHUNK + b"0\r\nX-Trailer: ", b"x"),
    ],
    ids=["status", "header", "continue", "extension", "trailer"],
)
def test_what_is_no_file_comes_to_an_end(server, output, beginning, endless, pause):
    server.behaviours = [send_on_and_on(beginning, endless * (1 if pause else 1000), pause)]
    patience = Patience(silence=0.3, tries=2)
    with pytest.raises(InputError, match="did not answer in time|cut the connection"):
        patient_fetch(remote(server, sha256=SHA256), output, patience=patience)
    assert len(server.requests) <= 4
    assert not output.exists()


def test_a_wait_has_an_end_in_bytes_too(monkeypatch):
    """So that a long line fills no memory, however fast it comes."""
    watch = Watch(1e9)
    with pytest.raises(TimeoutError):
        for _ in range(10_000):
            watch.count(1 << 12)
    watch.restart()
    watch.count(1 << 12)


# --- where a server leads to --------------------------------------------------------------------


def lead_to(address):
    """Return how to answer that the file is elsewhere."""

    def answer(handler):
        handler.send_response(302)
        handler.send_header("Location", address)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def test_goes_where_the_server_leads(server, output):
    server.behaviours = [lead_to(f"/elsewhere/{NAME}"), "whole"]
    fetch(remote(server, sha256=SHA256), output)
    assert [path for path, _ in server.requests] == [f"/data/{NAME}", f"/elsewhere/{NAME}"]
    assert output.read_bytes() == CONTENT


@pytest.mark.parametrize(
    "address",
    ["htp://127.0.0.1/x", "http://[::1", "http://a..b/x", f"http://{'a' * 70}.b/"],
)
def test_a_broken_address_that_the_server_leads_to_is_named(server, output, address):
    server.behaviours = [lead_to(address)]
    with pytest.raises(InputError) as raised:
        fetch(remote(server), output)
    assert f"{server.url}/data/{NAME}: it leads to '{address}': not a URL" in str(raised.value)
    assert len(server.requests) == 1


def test_a_dead_address_that_the_server_leads_to_is_named(server, output):
    server.behaviours = [lead_to("http://127.0.0.1:9/x")]
    with pytest.raises(InputError, match="leads to 'http://127.0.0.1:9/x': the server could not"):
        fetch(remote(server), output)


def test_a_server_that_leads_in_a_circle(server, output):
    server.behaviours = [lead_to(f"/data/{NAME}")]
    with pytest.raises(InputError, match=f"leads to '/data/{NAME}': and so on without an end"):
        fetch(remote(server), output)


def test_https_does_not_go_on_in_http(server, output, monkeypatch):
    """The first answer, over https, is made up: it needs no certificate."""
    plain = connection._WatchedAdapter.send

    def send(self, request, **options):
        if not request.url.startswith("https:"):
            return plain(self, request, **options)
        response = requests.Response()
        response.status_code, response.url, response.request = 302, request.url, request
        response.headers["Location"] = f"{server.url}/data/{NAME}"
        response.raw = urllib3.HTTPResponse(b"", preload_content=False)
        return response

    monkeypatch.setattr(connection._WatchedAdapter, "send", send)
    with pytest.raises(InputError, match=r"leads to '.*': from https to http, which anyone can"):
        fetch(RemoteFile(f"https://example.invalid/{NAME}"), output)
    assert server.requests == []


# --- what else a server, or a machine, can get wrong --------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
        "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-1/{}\r\n\r\n",
    ],
)
def test_a_length_that_is_none_is_told(server, output, header):
    server.behaviours = [lambda handler: say(handler, header.format("9" * 5000).encode())]
    with pytest.raises(InputError, match="it tells a length of 5,000 digits"):
        fetch(remote(server), output)
    assert left_in(output.parent) == []


def test_a_pause_that_is_none_is_not_taken(server, output, pauses):
    server.behaviours, server.retry_after = [503, "whole"], "9" * 5000
    fetch(remote(server, sha256=SHA256), output)
    assert pauses == [1]


def test_missing_certificates_are_named(output, monkeypatch, tmp_path):
    missing = tmp_path / "none.pem"
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(missing))
    with pytest.raises(InputError, match=rf"invalid path: {missing}; see REQUESTS_CA_BUNDLE"):
        fetch(RemoteFile(f"https://127.0.0.1:9/{NAME}"), output)


def test_broken_certificates_are_no_fault_of_the_server(server, output, monkeypatch, tmp_path):
    broken = tmp_path / "broken.pem"
    broken.write_text("nothing")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(broken))
    with pytest.raises(InputError, match="there is no secure connection"):
        fetch(RemoteFile(f"{server.url.replace('http:', 'https:')}/{NAME}"), output)


def test_a_broken_proxy_is_named(output, monkeypatch):
    monkeypatch.setenv("http_proxy", "http:///proxy")
    with pytest.raises(InputError, match="the proxy of the environment is not a URL"):
        fetch(RemoteFile(f"http://example.invalid/{NAME}"), output)


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
