"""How many numbers a model learns, and where they are."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from factorgraph.compile.freed import freed
from factorgraph.graph.model import Graph
from factorgraph.graph.texts import shape_text
from factorgraph.structure import Parameter

WIDEST = 100  # characters of a line that lists layers


def count(parameters: Mapping[str, Parameter]) -> int:
    """How many numbers are learned: what is kept is not."""
    return sum(prod(each.shape) for each in parameters.values() if not each.kept)


def describe(graph: Graph) -> str:
    """Every function and factor that learns, with the number of its parameters, as ``explain`` prints it; empty if none does."""
    lines: list[str] = []
    for key, node in graph.functions.items():
        if node.parameters:
            ends = f"{shape_text(node.given)} -> {shape_text(node.result)}"
            lines.append(f"  {key:20} {node.leaf.type:14} {ends:34} {count(node.parameters):>14,}")
            lines += _parts(node.leaf.counts(node.given, node.result))
    for key, factor in graph.factors.items():
        if factor.parameters:
            lines.append(f"  {key:20} {factor.leaf.type:14} {'':34} {count(factor.parameters):>14,}")
    matrices = freed(graph)
    for owner, own in matrices.items():
        lines.append(f"  {owner.removeprefix('inference.'):20} {'unrolled':14} {'':34} {count(own):>14,}")
        lines += _parts([(name, prod(each.shape)) for name, each in own.items() if not each.kept])
    total = sum(count(node.parameters) for node in graph.functions.values())
    total += sum(count(factor.parameters) for factor in graph.factors.values())
    total += sum(map(count, matrices.values()))
    return "\n".join(["parameters".ljust(73) + f"{total:>14,}", *lines]) if lines else ""


def _parts(counts: list[tuple[str, int]]) -> list[str]:
    """Layers with their numbers, as many on a line as fit."""
    lines: list[str] = []
    for name, number in counts:
        text = f"{name} {number:,}" if number else name
        if lines and len(lines[-1]) + len(text) + 3 <= WIDEST:
            lines[-1] += f" - {text}"
        else:
            lines.append(f"    {text}")
    return lines
