"""``factorgraph fetch`` and ``factorgraph list data``: what is here, what is not, and how it comes."""

from __future__ import annotations

import gzip
import hashlib
import struct
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from factorgraph.data.model import Download
from factorgraph.data.sources.mnist import FILES, Mnist

ROWS = (7, 7, 3, 3)


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Nothing."""


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A small MNIST on a server in this process, and an empty cache."""
    pytest.importorskip("pooch")
    folder, random = tmp_path / "server", np.random.default_rng(0)
    folder.mkdir()
    for name, rows in zip(FILES, ROWS, strict=True):
        shape = (rows, 28, 28) if "images" in name else (rows,)
        x = random.integers(0, 256 if "images" in name else 10, shape, dtype=np.uint8)
        raw = struct.pack(f">HBB{x.ndim}I", 0, 8, x.ndim, *shape) + x.tobytes()
        (folder / f"{name}.gz").write_bytes(gzip.compress(raw))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("FACTORGRAPH_DATA", raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(folder))) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        where = f"http://127.0.0.1:{serving.server_address[1]}"
        bodies = {each.name: each.read_bytes() for each in sorted(folder.iterdir())}
        made = [Download(name, f"{where}/{name}", len(raw), hashlib.sha256(raw).hexdigest()) for name, raw in bodies.items()]
        monkeypatch.setattr(Mnist, "downloads", tuple(made))
        yield folder
        serving.shutdown()
        thread.join()


def with_mnist(tiny):
    text = tiny.read_text().replace("shape: [2]", "shape: [784]").replace("at_most: 100", "at_most: 1e4")
    text = text.replace("source: curve, count: 40, bind: {Y: point}", "source: mnist, count: 6, test: 2, bind: {Y: image}")
    tiny.write_text(text)
    return str(tiny)


def test_what_is_missing_names_the_command_that_brings_it(cli, tiny, mirror):
    said = cli("train", with_mnist(tiny))
    assert said.code == 1
    assert "FG525" in said.err and "factorgraph fetch mnist" in said.err and "tiny.yaml:" in said.err
    brought = cli("fetch", "mnist")
    assert brought.code == 0, brought
    for word in (Mnist.licence, Mnist.where, *(each.url for each in Mnist.downloads), "there and right"):
        assert word in brought.out
    assert cli("train", str(tiny)).code == 0
    assert "there and right" in cli("fetch", "mnist").out


def test_what_is_not_as_published_is_refused(cli, mirror):
    (mirror / f"{FILES[2]}.gz").write_bytes(b"<html>log in</html>")
    said = cli("fetch", "mnist")
    assert said.code == 1 and "FG529" in said.err and "Traceback" not in said.err


def test_only_published_sets_are_fetched(cli):
    for name in ("curve", "nothing", "../x"):
        said = cli("fetch", name)
        assert said.code == 2 and "cifar10, mnist, stl10, svhn" in said.err


def test_the_list_says_what_is_here(cli, mirror, tmp_path, monkeypatch):
    said = cli("list", "data")
    assert (said.code, said.err) == (0, "")
    assert Mnist.licence in said.out and "factorgraph fetch mnist" in said.out and "factorgraph fetch svhn (246 MB)" in said.out
    cli("fetch", "mnist")
    assert f"here     {tmp_path / 'cache' / 'factorgraph' / 'mnist'}" in cli("list", "data").out
    mirror.rename(tmp_path / "mnist")
    (tmp_path / "sets").mkdir()
    (tmp_path / "mnist").rename(tmp_path / "sets" / "mnist")
    monkeypatch.setenv("FACTORGRAPH_DATA", str(tmp_path / "sets"))
    assert f"here     {tmp_path / 'sets' / 'mnist'}" in cli("list", "data").out
    monkeypatch.delenv("FACTORGRAPH_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))
    assert f"here     {tmp_path / 'sets' / 'mnist'}" in cli("list", "data", "--data", str(tmp_path / "sets")).out
