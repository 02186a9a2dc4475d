"""Pictures as files: the format is the file's ending."""

from __future__ import annotations

import os
from pathlib import Path

from factorgraph.errors import RunError, SpecError, issue
from factorgraph.graph.drawing.build import draw
from factorgraph.graph.drawing.dot import dot, strip
from factorgraph.graph.drawing.layout import Format, Rendered, render
from factorgraph.graph.drawing.mermaid import mermaid
from factorgraph.graph.drawing.picture import Drawing, Strip
from factorgraph.graph.model import Graph

_LAID_OUT: dict[str, Format] = {"svg": "svg", "pdf": "pdf", "png": "png"}
_TEXTS = {"dot": dot, "gv": dot, "mermaid": mermaid, "mmd": mermaid}
FORMATS = (*_LAID_OUT, *_TEXTS)


def write(graph: Graph | Drawing | Strip, path: str | os.PathLike[str]) -> str:
    """Write the picture; the ending of ``path`` names the format. The file is whole or not there.

    Returns who laid it out: *dot on the PATH*, *pygraphviz*, or *no layout needed* for DOT and Mermaid text.
    Raises :class:`SpecError` FG260 for an ending that is no format, :class:`RunError` FG261 where the file cannot be written
    and FG262 where no layout program works.
    """
    file = Path(path)
    form = file.suffix.removeprefix(".").lower()
    if form not in FORMATS:
        said = f"'{file.suffix}' is not a picture format" if form else f"'{file.name}' has no ending that names a picture format"
        allowed = ", ".join(f".{each}" for each in FORMATS)
        raise SpecError(issue("FG260", said, allowed=allowed, fix="end the file's name with one of these"))
    picture = rendered(graph, form)
    _put(file, picture.data)
    return picture.engine


def rendered(graph: Graph | Drawing | Strip, form: str) -> Rendered:
    """The picture in one of ``FORMATS``, and who laid it out. Mermaid text has no strips: SpecError FG260."""
    if isinstance(graph, Strip):
        return _of_strip(graph, form)
    drawing = graph if isinstance(graph, Drawing) else draw(graph)
    if form in _TEXTS:
        return Rendered(_TEXTS[form](drawing).encode(), "no layout needed")
    return render(dot(drawing), _LAID_OUT[form])


def _of_strip(drawn: Strip, form: str) -> Rendered:
    if _TEXTS.get(form) is mermaid:
        allowed = ", ".join(f".{each}" for each in FORMATS if _TEXTS.get(each) is not mermaid)
        raise SpecError(issue("FG260", "a strip of phases has no Mermaid text", allowed=allowed, fix="another ending"))
    text = strip(drawn)
    return Rendered(text.encode(), "no layout needed") if form in _TEXTS else render(text, _LAID_OUT[form])


def png(graph: Graph | Drawing | Strip) -> bytes:
    """The picture as PNG."""
    return rendered(graph, "png").data


def svg(graph: Graph | Drawing | Strip) -> str:
    """The picture as SVG text, without a header, to be put into a page."""
    text = rendered(graph, "svg").data.decode()
    return text[text.index("<svg") :]


def _put(file: Path, data: bytes) -> None:
    part = file.with_name(f".tmp-{os.getpid()}-{file.name}")
    try:
        part.write_bytes(data)
        part.replace(file)
    except OSError as reason:
        part.unlink(missing_ok=True)
        fix = "make the folder first" if not file.parent.is_dir() else "write to another place with -o"
        raise RunError(issue("FG261", f"cannot write {file}: {reason.strerror}", fix=fix)) from reason
