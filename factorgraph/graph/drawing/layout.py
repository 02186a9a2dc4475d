"""Coordinates and files from DOT: by the ``dot`` on the PATH, else by the Graphviz inside the pygraphviz wheel.

Both run as a process of their own: what they print never reaches the terminal, and what they break stays theirs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from factorgraph.errors import RunError, issue

Format = Literal["svg", "pdf", "png", "json"]
PATIENCE = 120.0  # seconds that one layout may take
RESOLUTION = 160  # dots an inch of a PNG
SIGNS = {"svg": b"<", "pdf": b"%PDF", "png": b"\x89PNG", "json": b"{"}  # how a whole answer begins
_CHILD = Path(__file__).with_name("wheel.py")


@dataclass(frozen=True)
class Rendered:
    """A picture's bytes, and who made them: *dot on the PATH* or *pygraphviz*."""

    data: bytes
    engine: str


def render(dot: str, form: Format) -> Rendered:
    """The picture of a DOT text. Raises :class:`RunError` FG262 when neither engine gives one, with both reasons."""
    reasons: list[str] = []
    for engine, command in _engines(form):
        answer = _ask(command, dot, SIGNS[form])
        if isinstance(answer, bytes):
            return Rendered(answer, engine)
        reasons.append(f"{engine}: {answer}")
    fix = "install Graphviz, or install pygraphviz again; `-o picture.dot` and `-o picture.mmd` need neither"
    raise RunError(issue("FG262", "no layout program could draw the graph", notes=tuple(reasons), fix=fix))


def _engines(form: Format) -> list[tuple[str, list[str]]]:
    options = [f"-Gdpi={RESOLUTION}"] if form == "png" else []
    found = shutil.which("dot")
    own = [("dot on the PATH", [found, f"-T{form}", *options])] if found else []
    return [*own, ("pygraphviz", [sys.executable, "-P", str(_CHILD), form, *options])]


def _ask(command: list[str], dot: str, sign: bytes) -> bytes | str:
    """The program's answer, or why there is none. A picture beside a warning is a picture."""
    with tempfile.TemporaryDirectory(prefix="factorgraph-") as folder:
        env = {**os.environ, **(_fonts(Path(folder)) if str(_CHILD) in command else {})}
        env.pop("SERVER_NAME", None)  # Graphviz would take itself for a web server
        try:
            done = subprocess.run(command, input=dot.encode(), capture_output=True, timeout=PATIENCE, env=env, check=False)
        except subprocess.TimeoutExpired:
            return f"took longer than {PATIENCE:.0f} s"
        except OSError as reason:
            return f"could not be started ({reason.strerror})"
    if done.stdout.lstrip().startswith(sign):
        return done.stdout
    said = done.stderr.decode(errors="replace").strip().splitlines()
    return said[-1][:300] if said else f"ended with status {done.returncode}"


def _fonts(folder: Path) -> dict[str, str]:
    """Settings under which the wheel's fontconfig finds matplotlib's DejaVu fonts first, so that pictures do not depend on the
    machine, and keeps its cache for this call only, so that an unwritable HOME does not matter."""
    matplotlib = find_spec("matplotlib")
    places = list(matplotlib.submodule_search_locations or []) if matplotlib else []
    fonts = "".join(f"<dir>{_xml(str(Path(each) / 'mpl-data' / 'fonts' / 'ttf'))}</dir>" for each in places)
    system = '<include ignore_missing="yes">/etc/fonts/fonts.conf</include>'
    config = folder / "fonts.conf"
    config.write_text(f"<?xml version='1.0'?><fontconfig>{fonts}{system}<cachedir>{_xml(str(folder))}</cachedir></fontconfig>")
    return {"FONTCONFIG_FILE": str(config)}


def _xml(path: str) -> str:
    return path.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
