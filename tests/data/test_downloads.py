"""Downloads from a server in this process: what arrives is right and whole, or there is nothing."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from factorgraph.data import downloads, paths
from factorgraph.data.downloads import fetch
from factorgraph.data.model import Download
from factorgraph.errors import DataError

pytest.importorskip("pooch")
GOOD = bytes(range(256)) * 10_000
PACKED = gzip.compress(b"a set of digits" * 1000)


class Handler(BaseHTTPRequestHandler):
    asked: ClassVar[Counter[str]] = Counter()

    def do_GET(self):
        name = self.path.strip("/")
        Handler.asked[name] += 1
        if name in ("missing", "broken"):
            self.send_error(404 if name == "missing" else 503)
            return
        body = {"packed.gz": PACKED, "other": GOOD[:-1] + b"x"}.get(name, GOOD)
        self.send_response(200)
        if name != "endless":
            self.send_header("Content-Length", str(len(body)))
        if name == "packed.gz" and "gzip" in self.headers.get("Accept-Encoding", ""):
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # of those who were told to stop
            self.wfile.write(body[: len(body) // 2] if name == "cut" else body)
            while name == "endless" and Handler.asked["more"] < 100:
                self.wfile.write(body)
                Handler.asked["more"] += 1

    def log_message(self, *_):
        """Nothing."""


@pytest.fixture(scope="module")
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_address[1]}"
        serving.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "cache", lambda: tmp_path / "cache")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    Handler.asked.clear()
    return tmp_path / "cache" / "numbers"


def offered(server, name, body=GOOD):
    return Download(name, f"{server}/{name}", len(body), hashlib.sha256(body).hexdigest())


@contextlib.contextmanager
def silent(_):
    yield lambda many: None


def left(folder):
    return sorted(each.name for each in folder.iterdir() if each.name != ".lock")


def test_a_good_file_arrives_and_is_not_asked_for_again(server, cache):
    told = []

    @contextlib.contextmanager
    def shown(file):
        yield lambda many: told.append((file.name, many))

    files = [offered(server, "a"), offered(server, "packed.gz", PACKED)]
    assert fetch("numbers", files, shown) == cache
    assert (cache / "a").read_bytes() == GOOD and (cache / "packed.gz").read_bytes() == PACKED
    assert left(cache) == ["a", "packed.gz"] and Handler.asked == {"a": 1, "packed.gz": 1}
    assert sum(many for name, many in told if name == "a") == len(GOOD)
    fetch("numbers", files, silent)
    assert Handler.asked == {"a": 1, "packed.gz": 1}


BAD = {"other": "FG529", "endless": "FG529", "missing": "FG528", "broken": "FG528", "cut": "FG52[89]"}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_leaves_nothing_and_takes_nothing_away(server, cache, name):
    with pytest.raises(DataError, match=BAD[name]) as error:
        fetch("numbers", [offered(server, "a"), offered(server, name), offered(server, "b")], silent)
    assert f"{server}/{name}" in str(error.value) and "run the command again" in str(error.value)
    assert left(cache) == ["a"] and Handler.asked["b"] == 0 and Handler.asked["more"] < 20
    fetch("numbers", [offered(server, "a"), offered(server, "b")], silent)
    assert left(cache) == ["a", "b"] and Handler.asked["a"] == 1


def test_a_damaged_file_is_brought_again_and_an_interrupted_one_swept(server, cache):
    (cache / downloads.ARRIVING).mkdir(parents=True)
    (cache / downloads.ARRIVING / "tmpabc").write_bytes(GOOD)
    (cache / "a").write_bytes(GOOD[:-1] + b"x")
    fetch("numbers", [offered(server, "a")], silent)
    assert (cache / "a").read_bytes() == GOOD and left(cache) == ["a"]


def test_ctrl_c_leaves_nothing(server, cache):
    @contextlib.contextmanager
    def interrupted(_):
        def stop(many):
            raise KeyboardInterrupt

        yield stop

    with pytest.raises(KeyboardInterrupt):
        fetch("numbers", [offered(server, "a")], interrupted)
    assert left(cache) == []


def test_where_nobody_answers(cache):
    with pytest.raises(DataError, match="FG528"):
        fetch("numbers", [Download("a", "http://127.0.0.1:9/a", 3, "0" * 64)], silent)
    assert left(cache) == []


def test_no_room_and_no_permission(server, cache, tmp_path):
    with pytest.raises(DataError, match="FG530"):
        fetch("numbers", [Download("a", f"{server}/a", 10**18, "0" * 64)], silent)
    assert Handler.asked["a"] == 0
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(DataError, match="FG530"):
        fetch("../file/x", [offered(server, "a")], silent)


def test_without_pooch_it_is_said_what_to_install(server, cache, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(DataError, match=r"FG527[\s\S]*pip install"):
        fetch("numbers", [offered(server, "a")], silent)
    assert left(cache) == []


def test_two_at_once_bring_each_file_once(server, cache):
    files = [offered(server, name) for name in ("a", "b", "c")]
    threads = [threading.Thread(target=fetch, args=("numbers", files, silent)) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert left(cache) == ["a", "b", "c"] and Handler.asked == {"a": 1, "b": 1, "c": 1}
