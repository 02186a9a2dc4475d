"""A drawing as DOT text. A pure function of the drawing: no layout is asked, so the text is the same on every machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from factorgraph.graph.drawing.palette import (
    ADDED,
    CHANGED,
    FAINT,
    FAMILIES,
    FRAME,
    GREY,
    INK,
    LINES,
    OBSERVED,
    PALE,
    REMOVED,
    TRAINED,
    UNSHARED,
)
from factorgraph.graph.drawing.parts import before, within
from factorgraph.graph.drawing.picture import Drawing, Edge, Node, Strip
from factorgraph.graph.drawing.sizes import NAME, SMALL, TITLE, factor_width
from factorgraph.graph.drawing.text import markup, wrapped

if TYPE_CHECKING:
    import graphviz

FONT = "DejaVu Sans,Helvetica,Arial,sans-serif"
SQUARE, STUB, LAP = 14, 9, 2  # points: a factor's side, the line that leads to it from above, and its overlap
ROUND, ROUND_BELOW = 7, 10  # characters of a name, and of a line below it, that fit a circle; longer ones stretch it
TITLE_WIDTH, NOTE_WIDTH = 64, 100  # characters
IN_A_ROW = 5  # entries of the key

_LOOKS = {
    "observed": {"fillcolor": OBSERVED, "penwidth": "1.8"},
    "latent": {"fillcolor": "white", "penwidth": "1.8"},
    "noise": {"fillcolor": "white", "penwidth": "1.8", "style": "filled,dashed"},
    "derived": {"fillcolor": "white", "penwidth": "0.6"},
    "operator": {"fillcolor": "white", "penwidth": "0.9"},
    "fragment": {"fillcolor": FRAME, "penwidth": "2.2"},
}
_LEGEND = {
    "observed": '<font color="#9a9a9a">●</font> observed',
    "latent": "○ latent, inferred",
    "noise": "◌ noise",
    "derived": "thin ○ computed",
    "function": "▭ function",
    "factor": "■ factor, adds to the energy",
    "fragment": "▣ fragment, closed: ○ what it infers, ■ its terms",
}
WRITTEN_OUT = {"shape": "box", "style": "filled,rounded", "margin": "0.09,0.04"}  # an operation of more than a sign
_STATES = {  # how a shape differs by what a phase, or the other of two graphs, does with it: never by its colour alone
    "": {},
    "unused": {"color": FAINT, "fontcolor": FAINT, "fillcolor": "white"},
    "trained": {"fillcolor": TRAINED, "penwidth": "3"},
    "added": {"fillcolor": ADDED, "color": LINES["added"], "penwidth": "3.4"},
    "removed": {"fillcolor": REMOVED, "color": LINES["removed"], "penwidth": "1.8"},
    "changed": {"fillcolor": CHANGED, "color": LINES["changed"], "penwidth": "2"},
}
_FRAMES = {  # the same of a factor, whose text has a frame
    "added": f'border="3" color="{LINES["added"]}" bgcolor="{ADDED}"',
    "removed": f'border="2" style="dashed" color="{LINES["removed"]}" bgcolor="{REMOVED}"',
    "changed": f'border="2" style="dotted" color="{LINES["changed"]}" bgcolor="{CHANGED}"',
}
_EDGES = {
    "added": {"color": LINES["added"], "penwidth": "3"},
    "removed": {"color": LINES["removed"], "style": "dashed", "penwidth": "1.6"},
}
_KEYS = {
    "trained": "green, thick: trained in this phase",
    "unused": "faint: not used",
    "added": "green, thick line: added, only in the second",
    "removed": "orange, dashed line: removed, only in the first",
    "changed": "yellow, dotted line: changed",
}
LARGER = 1.6  # the words above the drawings of a strip, beside those in it, where it is so wide that it is made small
AIR = 4  # points between a square and its formula, whose letters reach below the line


def dot(drawing: Drawing) -> str:
    """The DOT text, one statement a line."""
    graph = _empty("LR" if drawing.across else "TB", drawing)
    _drawn(graph, drawing)
    return str(graph.source)


def strip(drawn: Strip) -> str:
    """The DOT text of several drawings, each in a frame with its title and its notes."""
    nodes = tuple(node for each in drawn.drawings for node in each.nodes)
    larger = LARGER if drawn.wide else 1
    graph = _empty("LR", Drawing(drawn.title, nodes, ()), larger)
    for drawing in reversed(drawn.drawings):  # the first one declared is laid out lowest
        with graph.subgraph(name=f"cluster_{drawing.prefix}") as inner:
            inner.attr(label=_framed(drawing, larger), labelloc="t", labeljust="l", color=GREY, margin="14")
            inner.attr(fontsize=f"{larger * NAME:g}")
            _drawn(inner, drawing)
    return str(graph.source)


def _empty(direction: str, drawing: Drawing, larger: float = 1) -> graphviz.Digraph:
    """A graph with nothing in it but the heading of a drawing. ``larger``: how much larger its words are than those of shapes."""
    import graphviz

    graph = graphviz.Digraph("factorgraph")
    graph.attr(rankdir=direction, nodesep="0.35", ranksep="0.5", pad="0.2", outputorder="edgesfirst")
    graph.attr(fontname=FONT, fontcolor=INK)
    graph.attr(label=_heading(drawing, larger), labelloc="t", labeljust="c", fontsize=f"{larger * SMALL:g}")
    graph.attr("node", fontname=FONT, fontcolor=INK, color=INK, fontsize=str(NAME), margin="0.08,0.05", height="0.3", width="0.3")
    graph.attr("edge", color=INK, penwidth="1.1", arrowsize="0.75")
    return graph


def _drawn(graph: graphviz.Digraph, drawing: Drawing) -> None:
    _shapes(graph, drawing, "")
    if drawing.frames:
        graph.attr(newrank="true")  # so that frames may hold columns
    arrows = {(edge.tail, edge.head) for edge in drawing.edges if edge.arrow}
    for place, edge in enumerate(drawing.edges):
        there_and_back = edge.arrow and (edge.head, edge.tail) in arrows
        if not there_and_back:
            _edge(graph, drawing, edge)
        elif not any(each.tail == edge.head and each.head == edge.tail for each in drawing.edges[:place]):
            _edge(graph, drawing, edge, both=True)  # one line: two side by side would meet others at their ends
    graph.body += [f"\t{{ rank=same; {'; '.join(column)} }}\n" for column in drawing.columns]


def _shapes(graph: graphviz.Digraph, drawing: Drawing, part: str) -> None:
    """The shapes of a fragment, or those of none, and frames with those of the fragments in it."""
    for node in drawing.nodes:
        if node.part == part:
            _node(graph, node, drawing)
    for frame in drawing.frames:
        if before(frame) == part:
            with graph.subgraph(name=f"cluster_{drawing.prefix}{frame.replace('.', '_')}") as inner:
                label = f'<<b>{markup(within(frame, part))}</b>>'
                inner.attr(label=label, labelloc="t" if drawing.across else "b", labeljust="l", fontsize=str(SMALL))
                inner.attr(color=GREY, style="dashed", margin="12")
                _shapes(inner, drawing, frame)


def _styled(look: Mapping[str, str], node: Node) -> dict[str, str]:
    """A shape's look with what its state makes of it."""
    found = {**look, **_STATES[node.state]}
    if (node.kind, node.state) == ("observed", "unused"):
        found["fillcolor"] = PALE
    line = {"removed": ",dashed", "changed": ",dotted"}.get(node.state, "")
    return {**found, "style": found.get("style", "filled") + line}


def _node(graph: graphviz.Digraph, node: Node, drawing: Drawing) -> None:
    name, *below = (markup(line) for line in node.lines)
    match node.kind:
        case "factor":
            graph.node(node.id, _beside_square(node, drawing), shape="plain", margin="0")
        case "constant":
            faint = {"fontcolor": FAINT} if node.state == "unused" else {}
            graph.node(node.id, _stacked(name, below), shape="plain", **faint)
        case "operator":
            is_sign = len(node.lines[0]) <= 2
            form = {"shape": "circle", "style": "filled", "margin": "0.03"} if is_sign else WRITTEN_OUT
            graph.node(node.id, _stacked(name, below), **_styled(form | _LOOKS[node.kind], node))
        case "fragment":
            look = {"shape": "box", "style": "filled", "margin": "0.2,0.14"} | _LOOKS[node.kind]
            graph.node(node.id, _stacked(f"<b>{name}</b>", below), **_styled(look, node))
        case "function":
            family = UNSHARED if node.family is None else FAMILIES[node.family % len(FAMILIES)]
            graph.node(node.id, _stacked(name, below), shape="box", margin="0.14,0.08", **_styled(family.attributes(), node))
        case _:
            is_short = len(node.lines[0]) <= ROUND and all(len(line) <= ROUND_BELOW for line in node.lines[1:])
            shape = "circle" if is_short else "ellipse"
            look = {"shape": shape, "style": "filled", "margin": "0.02", "width": "0.75"} | _LOOKS[node.kind]
            graph.node(node.id, _stacked(f"<i>{name}</i>" if node.kind == "derived" else name, below), **_styled(look, node))


def _stacked(name: str, below: list[str]) -> str:
    return "<" + name + "".join(f'<br/><font point-size="{SMALL}">{line}</font>' for line in below) + ">"


def _beside_square(node: Node, drawing: Drawing) -> str:
    """A filled square with its text: above and below where lines come from the sides, at its right where they come from above.

    The text is part of the node, so that no other shape and no line gets a place on it. Lines end at the node's edge, on stubs
    that lead to the square; a port lies ``LAP`` inside its stub, for Graphviz ends some lines a point too early.
    """
    formula, *below = (markup(line) for line in node.lines)
    ink, grey = (FAINT, FAINT) if node.state == "unused" else (INK, GREY)
    shade = "" if ink == INK else f' color="{ink}"'
    text = f'<font point-size="{NAME}"{shade}>{formula}</font>'
    names = [f'<font point-size="{SMALL}" color="{grey}">{line}</font>' for line in below]
    touched = {edge.backward for edge in drawing.edges if edge.head == node.id}
    before, after = (f' bgcolor="{ink}"' if side in touched else "" for side in (False, True))
    half = SQUARE // 2
    if drawing.across:
        side = (factor_width(node) - SQUARE) // 2
        rows = [
            _cell('colspan="5"', text),
            _cell(f'colspan="5" height="{AIR}"', ""),
            _blank(side, half, 2) + _square("rowspan", 3, ink) + _blank(side, half, 2),
            _stub(LAP, 1, before) + _stub(side - LAP, 1, before, "a") + _stub(side - LAP, 1, after, "b") + _stub(LAP, 1, after),
            _blank(side, SQUARE - 1 - half, 2) * 2,
            _cell(f'colspan="5" height="{AIR}"', ""),
            _cell('colspan="5"', "<br/>".join(names)),
        ]
    else:
        left, right = (half, SQUARE - 1 - half)
        words = "".join(f'&nbsp;{line}<br align="left"/>' for line in (text, *names))
        rows = [
            _blank(left, LAP) + _stub(1, LAP, before) + _blank(right, LAP) + _cell('rowspan="5" align="left"', words),
            _blank(left, STUB) + _stub(1, STUB, before, "a") + _blank(right, STUB),
            _square("colspan", 3, ink),
            _blank(left, STUB) + _stub(1, STUB, after, "b") + _blank(right, STUB),
            _blank(left, LAP) + _stub(1, LAP, after) + _blank(right, LAP),
        ]
    frame = _FRAMES.get(node.state, 'border="0"')
    table = f'<table {frame} cellborder="0" cellspacing="0" cellpadding="0">'
    return f"<{table}{''.join(f'<tr>{row}</tr>' for row in rows)}</table>>"


def _cell(attributes: str, inside: str) -> str:
    return f"<td {attributes}>{inside}</td>"


def _blank(width: int, height: int, columns: int = 1) -> str:
    return _cell(f'width="{width}" height="{height}" colspan="{columns}"', "")


def _stub(width: int, height: int, ink: str, port: str = "") -> str:
    return _cell((f'port="{port}" ' if port else "") + f'width="{width}" height="{height}"{ink}', "")


def _square(span: str, cells: int, ink: str) -> str:
    return _cell(f'{span}="{cells}" fixedsize="true" width="{SQUARE}" height="{SQUARE}" bgcolor="{ink}"', "")


def _edge(graph: graphviz.Digraph, drawing: Drawing, edge: Edge, both: bool = False) -> None:
    first, second = (edge.head, edge.tail) if edge.backward else (edge.tail, edge.head)
    unused = "unused" in (drawing.by_id[edge.head].state, drawing.by_id[edge.tail].state)
    look = {"color": FAINT} if unused else _EDGES.get(edge.state, {})
    if edge.arrow:
        graph.edge(first, second, dir="both" if both else "back" if edge.backward else None, **look)
        return
    if drawing.by_id[edge.head].kind == "fragment":
        graph.edge(first, second, dir="none", **look)
        return
    out, into = ("e", "w") if drawing.across else ("s", "n")
    tail = f"{first}:b:{out}" if edge.backward else first
    head = second if edge.backward else f"{second}:a:{into}"
    graph.edge(tail, head, dir="none", **look)


def _heading(drawing: Drawing, larger: float) -> str:
    """The title, the key to the shapes that occur, and the notes."""
    kinds = {node.kind for node in drawing.nodes}
    entries = [entry for kind, entry in _LEGEND.items() if kind in kinds]
    if any(node.family is not None for node in drawing.nodes):
        entries.append("one colour and border: the same parameters")
    states = {node.state for node in drawing.nodes}
    entries += [entry for state, entry in _KEYS.items() if state in states]
    key = [f'<font color="{GREY}">{line}</font>' for line in _in_rows(entries)]
    size = f"{larger * TITLE:g}"
    title = [f'<font point-size="{size}"><b>{markup(line)}</b></font>' for line in wrapped(drawing.title, TITLE_WIDTH)]
    notes = [f'<font color="{GREY}">{markup(line)}</font>' for note in drawing.notes for line in wrapped(note, NOTE_WIDTH)]
    return "<" + "<br/>".join([*title, f'<font point-size="{SMALL // 2}"> </font>', *key, *notes, " "]) + ">"


def _framed(drawing: Drawing, larger: float) -> str:
    """The title and the notes of one drawing of a strip, each line from the left."""
    size, width = f"{larger * SMALL:g}", NOTE_WIDTH if larger > 1 else TITLE_WIDTH
    notes = [f'<font point-size="{size}">{markup(line)}</font>' for note in drawing.notes for line in wrapped(note, width)]
    air = f'<font point-size="{AIR}"> </font>'  # letters of the title reach below its line
    return "<" + "".join(f'{line}<br align="left"/>' for line in [f"<b>{markup(drawing.title)}</b>", air, *notes]) + ">"


def _in_rows(entries: list[str]) -> list[str]:
    return ["   ".join(entries[at : at + IN_A_ROW]) for at in range(0, len(entries), IN_A_ROW)]
