"""A drawing as Mermaid text, for pages that draw it themselves."""

from __future__ import annotations

from factorgraph.graph.drawing.palette import FAMILIES, FRAME, INK, OBSERVED
from factorgraph.graph.drawing.parts import before, within
from factorgraph.graph.drawing.picture import Drawing, Edge, Node
from factorgraph.graph.drawing.text import quoted, scalar

_SHAPES = {"observed": "(({}))", "latent": "(({}))", "noise": "(({}))", "derived": "(({}))", "function": "({})", "factor": "[{}]",
           "operator": "(({}))", "constant": "[{}]", "fragment": "[[{}]]"}
_CLASSES = {
    "observed": f"fill:{OBSERVED},stroke:{INK},stroke-width:2px,color:{INK}",
    "latent": f"fill:#ffffff,stroke:{INK},stroke-width:2px,color:{INK}",
    "noise": f"fill:#ffffff,stroke:{INK},stroke-width:2px,stroke-dasharray:5 3,color:{INK}",
    "derived": f"fill:#ffffff,stroke:{INK},stroke-width:0.6px,color:{INK}",
    "function": f"fill:#ffffff,stroke:{INK},color:{INK}",
    "factor": f"fill:{INK},stroke:{INK},color:#ffffff",
    "operator": f"fill:#ffffff,stroke:{INK},color:{INK}",
    "constant": f"fill:#ffffff,stroke:#ffffff,color:{INK}",
    "fragment": f"fill:{FRAME},stroke:{INK},stroke-width:2px,color:{INK}",
}
_BORDERS = {"dashed": ",stroke-dasharray:6 3", "dotted": ",stroke-dasharray:2 3", "double": ",stroke-width:4px"}


def mermaid(drawing: Drawing) -> str:
    """The text of a flowchart; values flow along arrows, factors hang on plain lines."""
    lines = ["---", f"title: {scalar(drawing.title)}", "---", f"flowchart {'LR' if drawing.across else 'TB'}"]
    lines += _shapes(drawing, "", "  ")
    lines += [f"  {_edge(each)}" for each in drawing.edges]
    kinds = dict.fromkeys(each.kind for each in drawing.nodes)
    lines += [f"  classDef {kind} {_CLASSES[kind]}" for kind in kinds]
    lines += [f"  class {','.join(n.id for n in drawing.nodes if n.kind == kind)} {kind}" for kind in kinds]
    for node in drawing.nodes:
        if node.family is not None:
            look = FAMILIES[node.family % len(FAMILIES)]
            lines.append(f"  style {node.id} fill:{look.fill}{_BORDERS.get(look.border, '')}")
    return "\n".join(lines) + "\n"


def _shapes(drawing: Drawing, part: str, lead: str) -> list[str]:
    """The shapes of a fragment, or those of none, and frames with those of the fragments in it."""
    lines = [f"{lead}{_node(each)}" for each in drawing.nodes if each.part == part]
    for frame in drawing.frames:
        if before(frame) == part:
            name = f"frame_{frame.replace('.', '_')}"
            inside = _shapes(drawing, frame, lead + "  ")
            lines += [f"{lead}subgraph {name}[{quoted(within(frame, part))}]", *inside, f"{lead}end"]
    return lines


def _node(node: Node) -> str:
    label = "<br/>".join(quoted(line)[1:-1] for line in node.lines)
    return node.id + _SHAPES[node.kind].format(f'"{label}"')


def _edge(edge: Edge) -> str:
    if edge.arrow:
        return f"{edge.tail} --> {edge.head}"
    return f"{edge.head} --- {edge.tail}" if edge.backward else f"{edge.tail} --- {edge.head}"
