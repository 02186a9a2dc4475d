"""The factor graph drawn in the lecture's notation: circles, rounded boxes, squares.

``write(graph, "psd.svg")`` is all that most callers need; ``draw`` gives the drawing itself, ``check`` what is wrong with it.
"""

from __future__ import annotations

from factorgraph.graph.drawing.build import draw
from factorgraph.graph.drawing.check import check
from factorgraph.graph.drawing.dot import dot
from factorgraph.graph.drawing.files import FORMATS, png, svg, write
from factorgraph.graph.drawing.mermaid import mermaid
from factorgraph.graph.drawing.picture import Drawing, Edge, Node, Strip

__all__ = ["FORMATS", "Drawing", "Edge", "Node", "Strip", "check", "dot", "draw", "mermaid", "png", "svg", "write"]
