"""A headless Chromium that is asked through pipes: what a page logs, what it asks for, what scripts see of it."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-default-apps", "--disable-dev-shm-usage"),
)
WIRED = "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execvp(sys.argv[3], sys.argv[3:])"
PATIENCE = 60.0  # seconds that an answer may take


def find_browser() -> str:
    """The Chromium of FACTORGRAPH_BROWSER, which must then be there, or one on the PATH."""
    named = os.environ.get("FACTORGRAPH_BROWSER")
    found = shutil.which(named) if named else next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if named and not found:
        pytest.fail(f"FACTORGRAPH_BROWSER names {named}, which is not there")
    if not found:
        pytest.skip("no Chromium: neither FACTORGRAPH_BROWSER nor the PATH names one")
    return found


class Tab:
    """One page. ``requests``: every address that it asked for; ``complaints``: what its console said."""

    def __init__(self, command: str, folder: Path):
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.ids, self.rest = itertools.count(1), b""
        to_read, self.writes = _high_pipe()
        self.reads, to_write = _high_pipe()

        begin = [command, *QUIET, "--remote-debugging-pipe", f"--user-data-dir={folder}", "about:blank"]
        null, ends = subprocess.DEVNULL, (to_read, to_write)
        wired = [sys.executable, "-c", WIRED, *map(str, ends), *begin]
        self.process = subprocess.Popen(wired, pass_fds=ends, stdin=null, stdout=null, stderr=null)
        os.close(to_read)
        os.close(to_write)
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    session: str | None = None

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self.ids)
        message = {"id": number, "method": method, "params": parameters} | ({"sessionId": self.session} if self.session else {})
        os.write(self.writes, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            found = self._next(end)
            if found.get("id") == number:
                assert "error" not in found, found["error"]
                answer: dict[str, Any] = found["result"]
                return answer
        raise TimeoutError(method)

    def _next(self, end: float) -> dict[str, Any]:
        while b"\0" not in self.rest:
            if not select.select([self.reads], [], [], max(0.0, end - time.monotonic()))[0]:
                raise TimeoutError("the browser says nothing")
            data = os.read(self.reads, 2**20)
            assert data, "the browser is gone"
            self.rest += data
        first, self.rest = self.rest.split(b"\0", 1)
        found: dict[str, Any] = json.loads(first)
        about = found.get("params", {})
        match found.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(about["request"]["url"])
            case "Log.entryAdded":
                self.complaints.append(about["entry"]["text"])
            case "Runtime.consoleAPICalled" | "Runtime.exceptionThrown":
                self.complaints.append(json.dumps(about))
        return found

    def open(self, address: str) -> None:
        self.ask("Page.navigate", url=address)
        self.until("document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """The value of an expression of JavaScript."""
        found = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def until(self, script: str) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + PATIENCE
        while not self.run(script):
            assert time.monotonic() < end, f"never true: {script}"
            time.sleep(0.05)

    def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=key)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.reads)
        os.close(self.writes)


def _high_pipe() -> tuple[int, int]:
    """A pipe whose ends are not 3 and 4, which are the browser's."""
    low = os.pipe()
    high = fcntl.fcntl(low[0], fcntl.F_DUPFD_CLOEXEC, 10), fcntl.fcntl(low[1], fcntl.F_DUPFD_CLOEXEC, 10)
    for each in low:
        os.close(each)
    return high


@contextlib.contextmanager
def opened() -> Iterator[Tab]:
    command = find_browser()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        tab = Tab(command, Path(folder))
        try:
            yield tab
        finally:
            tab.close()
