"""What only generated data know of themselves: their truth, their background."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from factorgraph.errors import RunError, issue

if TYPE_CHECKING:
    from factorgraph.graph.model import Graph


def from_source(graph: Graph, what: str, *arguments: Any) -> Any:
    """What the first source that has it gives. RunError FG634."""
    data = graph.spec.data
    sources = [each.source for each in data.blocks.values()] if data is not None else []
    made = next((getattr(each, what) for each in sources if hasattr(each, what)), None)
    if made is None:
        text = f"the data have no {what}: only generated data know it"
        raise RunError(issue("FG634", text, ("data",), fix="ask this of a spec with generated data, such as curve"))
    return made(*arguments)
