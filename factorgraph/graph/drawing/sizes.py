"""How much room text takes, before any layout program is asked: from the widest of the fonts in use, so that it always fits."""

from __future__ import annotations

from factorgraph.graph.drawing.picture import VARIABLES, Node

NAME, SMALL, TITLE = 15, 12, 17  # points
GAP = 36  # points between shapes in the direction of reading
EDGES = 60  # points that the picture's two edges leave free
_NARROW, _WIDE = frozenset("iljtfrI.,:;()[]|'₀₁₂₃₄₅₆₇₈₉ "), frozenset("mwMW−+=·…‖×Σ@%")


def text_width(text: str, size: int) -> int:
    """Points that a line of DejaVu Sans takes, at most."""
    return round(size * sum(0.42 if sign in _NARROW else 0.98 if sign in _WIDE else 0.68 for sign in text))


def factor_width(node: Node) -> int:
    """Points that a factor's text takes; even, so that its square stands in the middle."""
    formula, *names = node.lines
    return max(text_width(formula, NAME), *(text_width(name, SMALL) for name in names), 48) // 2 * 2


def node_width(node: Node) -> int:
    """Points from side to side, about."""
    first, *more = node.lines
    widest = max(text_width(first, NAME), *(text_width(line, SMALL) for line in more), 0)
    if node.kind == "factor":
        return factor_width(node)
    return max(54, widest + 10) if node.kind in VARIABLES else widest + 20
