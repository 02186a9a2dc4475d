"""The page of a run while it learns: served to this machine alone, read anew from the run's folder at each question."""

from __future__ import annotations

import json
import re
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factorgraph.errors import FactorgraphError, RunError, issue
from factorgraph.report.page import page, state
from factorgraph.report.pictures import LIMIT
from factorgraph.run.run import Run

if TYPE_CHECKING:
    from collections.abc import Sequence

HOST = "127.0.0.1"
_PICTURE = re.compile(r"/figures/([A-Za-z0-9_][A-Za-z0-9_.-]{0,120}\.png)")


class Server(ThreadingHTTPServer):
    """Serves one run on localhost. ``port`` 0 takes a free one. Raises RunError FG680 where the port is taken."""

    daemon_threads = True

    def __init__(self, run: Path, data: Sequence[Path] = (), port: int = 0):
        Run(run)  # says what is missing before anything is served
        self.run_folder, self.data = run, tuple(data)
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as reason:
            what = f"cannot serve on port {port}: {reason.strerror}"
            raise RunError(issue("FG680", what, fix="name another one with --port, or none")) from None

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    server: Server
    server_version, sys_version = "factorgraph", ""

    def do_GET(self) -> None:
        """The page, its state, or one of the run's pictures."""
        if self.headers.get("Host") not in (f"{HOST}:{self.server.server_port}", f"localhost:{self.server.server_port}"):
            self._say(HTTPStatus.FORBIDDEN, "text/plain", b"this page is for this machine")  # another name may be a trick
            return
        path = self.path.partition("?")[0]
        try:
            run = Run(self.server.run_folder, self.server.data)
            if path == "/":
                self._say(HTTPStatus.OK, "text/html; charset=utf-8", page([run], live=True).encode())
            elif path == "/state.json":
                self._say(HTTPStatus.OK, "application/json", json.dumps(state(run)).encode())
            elif (named := _PICTURE.fullmatch(path)) and run.folder.has(f"figures/{named[1]}"):
                self._say(HTTPStatus.OK, "image/png", run.folder.read(f"figures/{named[1]}", LIMIT))
            else:
                self._say(HTTPStatus.NOT_FOUND, "text/plain", b"there is nothing here")
        except FactorgraphError as error:
            self._say(HTTPStatus.INTERNAL_SERVER_ERROR, "text/plain; charset=utf-8", error.issues[0].message.encode())

    def _say(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        for name, value in (("Content-Type", kind), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")):
            self.send_header(name, value)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the terminal belongs to whoever watches."""
