"""Which way a picture is read: across, unless that is too wide."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from factorgraph.graph.drawing.picture import Edge, Node
from factorgraph.graph.drawing.sizes import EDGES, GAP, node_width

if TYPE_CHECKING:
    import networkx

WIDEST = 17 * 72  # points that fit a slide's 13.33 inches when 12 points become 9; a longer chain is drawn downwards

Columns = Sequence[tuple[str, ...]]  # nodes that stand under each other


def is_across(nodes: Mapping[str, Node], edges: Sequence[Edge], columns: Columns) -> bool:
    """Whether the picture is read from left to right: unless that is wider than a slide holds, and downwards is less wide."""
    across, down = _widths(nodes, edges, columns)
    return across <= WIDEST or across <= down


def ranked(edge: Edge) -> tuple[str, str]:
    """The ends of a line in the order in which they are read."""
    return (edge.head, edge.tail) if edge.backward else (edge.tail, edge.head)


def is_free_of_loops(edges: Sequence[tuple[str, str]], columns: Columns) -> bool:
    """Whether nothing that stands in a column has to stand behind it as well."""
    import networkx

    return bool(networkx.is_directed_acyclic_graph(_merged(edges, columns)))


def _widths(nodes: Mapping[str, Node], edges: Sequence[Edge], columns: Columns) -> tuple[int, int]:
    """Points from end to end when read across: the widest shape of each rank, and the gaps; and when read downwards: the
    fullest rank."""
    import networkx

    net = _merged(map(ranked, edges), columns)
    place = _places(columns)
    net.add_nodes_from(place.get(each, each) for each in nodes)
    parts = networkx.condensation(net)
    thick: list[int] = []
    full: list[int] = []
    for rank in networkx.topological_generations(parts):
        loops = [[_standing(name, nodes, columns) for name in parts.nodes[part]["members"]] for part in rank]
        thick.append(max(sum(max(map(node_width, column)) + GAP for column in loop) for loop in loops))
        full.append(sum(node_width(node) + GAP for loop in loops for column in loop for node in column))
    return sum(thick) + EDGES, max(full, default=0) + EDGES


def _standing(name: str, nodes: Mapping[str, Node], columns: Columns) -> list[Node]:
    return [nodes[each] for each in next((column for column in columns if name in column), (name,))]


def _places(columns: Columns) -> dict[str, str]:
    return {node: column[0] for column in columns for node in column}


def _merged(edges: Iterable[tuple[str, str]], columns: Columns) -> networkx.DiGraph[str]:
    """The lines with each column as one node."""
    import networkx

    place = _places(columns)
    return networkx.DiGraph((place.get(a, a), place.get(b, b)) for a, b in edges)
