import hashlib
import http.server
import re
import threading
import time
import zipfile
from types import SimpleNamespace

import pytest
import requests

from recap import download
from recap.download import fetch
from recap.errors import InputError
from recap.remote_file import RemoteFile

CONTENT = bytes(range(256)) * 2000
NAME = "photos.bin"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT).hexdigest()


class Server:
    """A server on the loopback device that answers as its list of behaviours says.

    Each request takes the next behaviour; the last one stays.
    """

    def __init__(self):
        self.behaviours = ["whole"]
        self.requests = []
        self.content = CONTENT
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.requests.append((self.path, dict(self.headers)))
                behaviours = outer.behaviours
                behaviour = behaviours.pop(0) if len(behaviours) > 1 else behaviours[0]
                outer.answer(self, behaviour)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, handler, behaviour):
        if isinstance(behaviour, int):
            handler.send_error(behaviour)
            return
        content, start = self.content, 0
        wanted = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        if wanted and behaviour != "ignores Range":
            start = int(wanted[1])
            if start >= len(content):
                handler.send_response(416)
                handler.send_header("Content-Range", f"bytes */{len(content)}")
                handler.send_header("Content-Length", "0")
                handler.end_headers()
                return
            handler.send_response(206)
            last = len(content) - 1
            handler.send_header("Content-Range", f"bytes {start}-{last}/{len(content)}")
        else:
            handler.send_response(200)
        if behaviour != "no length":
            handler.send_header("Content-Length", str(len(content) - start))
        handler.end_headers()
        body = content[start:]
        if behaviour in ("cuts", "stalls"):
            body = body[: len(body) // 2]
        if behaviour == "wrong byte":
            body = body[:1000] + bytes([body[1000] ^ 1]) + body[1001:]
        handler.wfile.write(body)
        handler.wfile.flush()
        if behaviour == "stalls":
            time.sleep(0.6)

    def ranges(self):
        return [headers.get("Range") for _, headers in self.requests]

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def start_server():
    servers = []

    def start(*behaviours):
        servers.append(Server())
        servers[-1].behaviours = list(behaviours) or ["whole"]
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
    monkeypatch.setattr(download, "time", SimpleNamespace(sleep=taken.append))
    monkeypatch.setattr(download, "TIMEOUT", 0.3)
    # So that a cut comes after some pieces were written.
    monkeypatch.setattr(download, "PIECE", 1 << 14)
    return taken


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
    assert len(server.requests) == download.TRIES
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


def test_an_interrupted_download_goes_on_at_the_next_call(server, output):
    server.behaviours = ["cuts", 404]
    with pytest.raises(InputError):
        fetch(remote(server, sha256=SHA256), output)
    assert left_in(output.parent) == [f"{NAME}.part"]
    done = (output.parent / f"{NAME}.part").stat().st_size
    assert 0 < done < len(CONTENT)
    server.behaviours = ["whole"]
    fetch(remote(server, sha256=SHA256), output)
    assert server.ranges()[-1] == f"bytes={done}-"
    assert output.read_bytes() == CONTENT
    assert left_in(output.parent) == [NAME]


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
    damaged[1000] ^= 1
    actual = hashlib.new(algorithm, damaged).hexdigest()
    with pytest.raises(InputError) as raised:
        fetch(remote(server, **{algorithm: expected}), output)
    assert expected in str(raised.value)
    assert actual in str(raised.value)
    # The damaged download must not be gone on with.
    assert left_in(output.parent) == []


def test_a_wrong_size_is_told_with_both_values(server, output):
    with pytest.raises(InputError, match="has 512,000 bytes where 512,001 were expected"):
        fetch(remote(server, size=len(CONTENT) + 1, sha256=SHA256), output)
    assert left_in(output.parent) == []


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
    server.content = CONTENT[::-1]
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


def test_every_address_that_failed_is_named(start_server, output):
    official, mirror = start_server(404), start_server(403)
    with pytest.raises(InputError) as raised:
        fetch(remote(official), output, mirror.url)
    assert f"{mirror.url}/{NAME}: the server answered 403" in str(raised.value)
    assert f"{official.url}/data/{NAME}: the server answered 404" in str(raised.value)


def test_a_configured_address_takes_the_place_of_the_official_one(start_server, output):
    official, other = start_server(), start_server()
    urls = {NAME: f"{other.url}/elsewhere/name.zip", "another.zip": official.url}
    fetch(remote(official, sha256=SHA256), output, urls=urls)
    assert [path for path, _ in other.requests] == ["/elsewhere/name.zip"]
    assert official.requests == []
    assert output.read_bytes() == CONTENT


def test_an_archive_without_a_known_digest_is_read_whole_before_it_is_trusted(tmp_path):
    mirror, output = tmp_path / "mirror", tmp_path / "resources/photos.zip"
    mirror.mkdir()
    archive = mirror / "photos.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("1.jpg", b"photo" * 100)
    whole = archive.read_bytes()
    for damaged in (whole[:-30], whole.replace(b"photo", b"phoxo", 1), b"<html>Log in</html>"):
        archive.write_bytes(damaged)
        with pytest.raises(InputError, match=r"is not a whole photos\.zip"):
            fetch(RemoteFile("http://127.0.0.1:9/photos.zip"), output, str(mirror))
        assert not list(output.parent.iterdir())
    archive.write_bytes(whole)
    fetch(RemoteFile("http://127.0.0.1:9/photos.zip"), output, str(mirror))
    assert output.read_bytes() == whole
