"""A drawing as DOT text. A pure function of the drawing: no layout is asked, so the text is the same on every machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factorgraph.graph.drawing.palette import FAMILIES, GREY, INK, OBSERVED
from factorgraph.graph.drawing.picture import VARIABLES, Drawing, Edge, Node
from factorgraph.graph.drawing.sizes import NAME, SMALL, TITLE, factor_width
from factorgraph.graph.drawing.text import markup, wrapped

if TYPE_CHECKING:
    import graphviz

FONT = "DejaVu Sans,Helvetica,Arial,sans-serif"
SQUARE, STUB = 14, 11  # points: a factor's side, and the line that leads to it from above
ROUND = 7  # characters of a name that fit a circle; longer ones stretch it
TITLE_WIDTH = 64  # characters

_LOOKS = {
    "observed": {"fillcolor": OBSERVED, "penwidth": "1.8"},
    "latent": {"fillcolor": "white", "penwidth": "1.8"},
    "noise": {"fillcolor": "white", "penwidth": "1.8", "style": "filled,dashed"},
    "derived": {"fillcolor": "white", "penwidth": "0.6"},
    "operator": {"fillcolor": "white", "penwidth": "0.9"},
}
_LEGEND = {
    "observed": f'<font color="#9a9a9a">●</font> observed',
    "latent": "○ latent, inferred",
    "noise": "◌ noise",
    "derived": "thin ○ computed",
    "function": "▭ function",
    "factor": "■ factor, adds to the energy",
}


def dot(drawing: Drawing) -> str:
    """The DOT text, one statement a line."""
    import graphviz

    graph = graphviz.Digraph("factorgraph")
    direction = "LR" if drawing.across else "TB"
    graph.attr(rankdir=direction, fontname=FONT, fontcolor=INK, nodesep="0.35", ranksep="0.5", pad="0.2", outputorder="edgesfirst")
    graph.attr(label=_caption(drawing), labelloc="b", labeljust="c", fontsize=str(SMALL))
    graph.attr("node", fontname=FONT, fontcolor=INK, color=INK, fontsize=str(NAME), margin="0.08,0.05", height="0.3", width="0.3")
    graph.attr("edge", color=INK, penwidth="1.1", arrowsize="0.75")
    with graph.subgraph(name="cluster_model") as model:
        title = "<br/>".join(markup(line) for line in wrapped(drawing.title, TITLE_WIDTH))
        model.attr(label=f'<<font point-size="{TITLE}"><b>{title}</b></font>>' if title else "", penwidth="0", labelloc="t", margin="16")
        for node in reversed(drawing.nodes) if drawing.across else drawing.nodes:  # the first then stands on top, or left
            _node(model, node, drawing)
        for edge in drawing.edges:
            _edge(model, drawing, edge)
        for column in drawing.columns:
            model.body.append(f"\t\t{{ rank=same; {'; '.join(column)} }}\n")
    return str(graph.source)


def _node(graph: graphviz.Digraph, node: Node, drawing: Drawing) -> None:
    name, *below = (markup(line) for line in node.lines)
    if node.kind in VARIABLES:
        shape = "circle" if len(node.lines[0]) <= ROUND else "ellipse"
        slanted = f"<i>{name}</i>" if node.kind == "derived" else name
        graph.node(node.id, _stacked(slanted, below), {"shape": shape, "style": "filled", "margin": "0.02", "width": "0.75"} | _LOOKS[node.kind])
    elif node.kind == "function":
        look = {"fillcolor": "white", "style": "filled,rounded", "penwidth": "1.3"} if node.family is None else FAMILIES[node.family % len(FAMILIES)].look()
        graph.node(node.id, _stacked(name, below), {"shape": "box", "margin": "0.14,0.08"} | look)
    elif node.kind == "factor":
        graph.node(node.id, _beside_square(node, drawing), shape="plain", margin="0")
    elif node.kind == "operator":
        shape = "circle" if len(node.lines[0]) <= 2 else "box"
        graph.node(node.id, f"<{name}>", {"shape": shape, "style": "filled" if shape == "circle" else "filled,rounded", "margin": "0.03"} | _LOOKS["operator"])
    else:
        graph.node(node.id, f"<{name}>", shape="plain")


def _stacked(name: str, below: list[str]) -> str:
    return "<" + name + "".join(f'<br/><font point-size="{SMALL}">{line}</font>' for line in below) + ">"


def _beside_square(node: Node, drawing: Drawing) -> str:
    """A filled square with its text: above and below where lines come from the sides, at its right where they come from above.

    The text is part of the node, so that no other shape and no line gets a place on it; a line ends at the node's edge, at a
    stub that is part of the node too and leads to the square.
    """
    formula, *below = (markup(line) for line in node.lines)
    text = f'<font point-size="{NAME}">{formula}</font>'
    name = "".join(f'<font point-size="{SMALL}" color="{GREY}">{line}</font>' for line in below)
    before = any(not edge.backward for edge in drawing.edges if edge.head == node.id)
    after = any(edge.backward for edge in drawing.edges if edge.head == node.id)
    ink = {True: f' bgcolor="{INK}"', False: ""}
    square = f'fixedsize="true" width="{SQUARE}" height="{SQUARE}" bgcolor="{INK}"'
    table = '<<table border="0" cellborder="0" cellspacing="0" cellpadding="0">'
    side, half = (factor_width(node) - SQUARE) // 2, SQUARE // 2
    rest = SQUARE - 1 - half
    if drawing.across:
        blank, low = f'<td width="{side}" height="{half}"></td>', f'<td width="{side}" height="{rest}"></td>'
        stub = f'<td port="{{}}" width="{side}" height="1"{{}}></td>'
        return (
            f'{table}<tr><td colspan="3">{text}</td></tr>'
            f'<tr>{blank}<td rowspan="3" {square}></td>{blank}</tr>'
            f"<tr>{stub.format('a', ink[before])}{stub.format('b', ink[after])}</tr><tr>{low}{low}</tr>"
            f'<tr><td colspan="3">{name}</td></tr></table>>'
        )
    blank, low = f'<td width="{half}" height="{STUB}"></td>', f'<td width="{rest}" height="{STUB}"></td>'
    stub = f'<td port="{{}}" width="1" height="{STUB}"{{}}></td>'
    words = f'<td rowspan="3" align="left">&nbsp;{text}<br align="left"/>&nbsp;{name}<br align="left"/></td>'
    return (
        f"{table}<tr>{blank}{stub.format('a', ink[before])}{low}{words}</tr>"
        f'<tr><td colspan="3" {square}></td></tr><tr>{blank}{stub.format("b", ink[after])}{low}</tr></table>>'
    )


def _edge(graph: graphviz.Digraph, drawing: Drawing, edge: Edge) -> None:
    first, second = (edge.head, edge.tail) if edge.backward else (edge.tail, edge.head)
    out, into = ("e", "w") if drawing.across else ("s", "n")
    kinds = {id: drawing.by_id[id].kind for id in (first, second)}
    ports = {first: f"{first}:b:{out}" if kinds[first] == "factor" else first, second: f"{second}:a:{into}" if kinds[second] == "factor" else second}
    looks = {"dir": "none"} if not edge.arrow else {"dir": "back"} if edge.backward else {}
    graph.edge(ports[first], ports[second], None, looks)


def _caption(drawing: Drawing) -> str:
    """The key to the shapes that occur, and the notes below it."""
    kinds = {node.kind for node in drawing.nodes}
    entries = [entry for kind, entry in _LEGEND.items() if kind in kinds]
    entries += ["one colour and border: the same parameters"] if any(node.family is not None for node in drawing.nodes) else []
    notes = [markup(line) for note in drawing.notes for line in wrapped(note, 100)]
    lines = ["   ".join(entries), *notes]
    return f'<<font color="{GREY}">' + "<br/>".join(lines) + "</font>>"
