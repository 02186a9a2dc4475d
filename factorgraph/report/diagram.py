"""The diagram of a page: each shape says what it is when it is pointed at, and knows its line of the spec."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree

from factorgraph import compile as compiler
from factorgraph.compile.phases import phases as every_phase
from factorgraph.compile.strip import strip_of
from factorgraph.compile.unfolded import network_of
from factorgraph.graph.drawing import Drawing, draw, svg, words
from factorgraph.graph.drawing.picture import Node
from factorgraph.graph.model import Application, FactorNode, Operation, Variable
from factorgraph.graph.resolve import resolve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from factorgraph.compile.plan import Plan
    from factorgraph.errors import Path
    from factorgraph.graph.model import Graph, Id
    from factorgraph.spec.document import Document
    from factorgraph.structure import Parameter

SVG = "http://www.w3.org/2000/svg"
STATES = {"trained": "trained in this phase", "unused": "not used in this phase", "": "used as it is in this phase"}
LARGE = 1200  # points: wider than this it is no longer read when it is as wide as a page
FACTOR = "factor "  # how a shape's ``of`` begins where it stands for a factor
ElementTree.register_namespace("", SVG)
ElementTree.register_namespace("xlink", "http://www.w3.org/1999/xlink")


def diagram(graph: Graph, written: Document) -> str:
    """The factor graph as SVG text. ``written``: the text of the spec that stands beside it.

    A shape has ``data-about``, lines of text, and ``data-line``, where its entry begins in the spec. Raises RunError FG262.
    """
    drawing = draw(graph)
    return _told(svg(drawing), f"Factor graph of {drawing.title}", [(drawing, graph)], written)


def phases(graph: Graph, plan: Plan, written: Document) -> str:
    """The same once for each phase, as one picture: what each trains, uses as it is, and does not touch.

    Empty where there are fewer than two. Raises RunError FG262.
    """
    keys = [key for key, _, _ in every_phase(graph.spec)]
    if len(keys) < 2:
        return ""
    graphs = {key: resolve(each) for key, each in compiler.phase_specs(graph.spec)}
    drawn = strip_of(graph, plan)
    each = [(drawing, graphs.get(key, graph)) for drawing, key in zip(drawn.drawings, keys, strict=True)]
    return _told(svg(drawn), f"Phases of {drawn.title}", each, written)


def networks(graph: Graph, plan: Plan, written: Document) -> dict[str, str]:
    """The same with the network of each unrolled procedure, as a loop, by the procedure's id; of slots the first.

    Raises RunError FG262.
    """
    first: dict[str, str] = {}
    for key, each in plan.procedures.items():
        if each.method == "unrolled":
            first.setdefault(each.name, key)
    drawn = {key: network_of(graph, plan, key, unfold=False) for key in first.values()}
    return {key: _told(svg(it), f"{key} in {it.title}", [(it, graph)], written) for key, it in drawn.items()}


def _told(text: str, label: str, drawn: Sequence[tuple[Drawing, Graph]], written: Document) -> str:
    """SVG text whose shapes say what they are. ``drawn``: the drawings in it, each with what it is a drawing of."""
    root = ElementTree.fromstring(text)
    nodes = {node.id: (node, graph) for drawing, graph in drawn for node in drawing.nodes}
    states = {key: STATES[node.state] for key, (node, _) in nodes.items() if len(drawn) > 1}
    for shape in root.iter(f"{{{SVG}}}g"):
        title = shape.find(f"{{{SVG}}}title")
        if title is None:
            continue
        shape.remove(title)  # a browser would show Graphviz's own name of it
        shape.attrib.pop("id", None)
        found = nodes.get(title.text or "")
        if shape.get("class") == "node" and found is not None:
            _tell(shape, *found, written, states.get(found[0].id, ""))
    if float(root.get("viewBox", "0 0 0 0").split()[2]) > LARGE:
        root.set("class", "large")
    root.set("role", "group")
    root.set("aria-label", label)
    return ElementTree.tostring(root, encoding="unicode")


def _tell(shape: ElementTree.Element, node: Node, graph: Graph, written: Document, state: str) -> None:
    path, lines = about(graph, node.of) if node.of else ((), list(node.lines))  # of a network: what it says itself
    if not lines:
        return
    lines += [state] if state else []
    shape.set("tabindex", "0")
    shape.set("role", "button")
    shape.set("aria-label", ". ".join(lines))
    shape.set("data-about", "\n".join(lines))
    place = written.place(path, on="key") if path else None
    if place is not None and place.file == written.file:  # what a fragment says stands in a text that is not shown
        shape.set("data-line", str(place.line))


def about(graph: Graph, of: Id) -> tuple[Path, list[str]]:
    """What there is to say of a value or a factor: its entry in the spec, and lines of text, its name first."""
    if of.startswith(FACTOR):
        factor = graph.factors[of.removeprefix(FACTOR)]
        return ("factors", factor.name), _of_factor(graph, factor)
    if (fragment := graph.spec.fragment(of)) is not None:
        inside = sum(name.startswith(f"{of}.") for name in graph.factors)
        return ("use", of), [of, f"fragment, {fragment.file}", f"factors: {inside}"]
    match graph.values.get(of):
        case Variable() as variable:
            return ("variables", variable.name), _of_variable(variable)
        case Application() as applied:
            return ("functions", graph.functions[applied.function].spelled), _of_application(graph, applied)
        case Operation() as operation:
            return (), [of, f"computed, {_size(operation.shape)}"]
        case _:
            return (), []


def _of_factor(graph: Graph, factor: FactorNode) -> list[str]:
    weight = "tuned" if factor.target is not None else f"{factor.weight:g}"
    lines = [factor.id, f"factor, {factor.leaf.type}", f"energy: {words.formula(graph, factor)}", f"weight: {weight}"]
    return [*lines, *_parameters(factor.parameters)]


def _of_application(graph: Graph, applied: Application) -> list[str]:
    """One box: a function with what is chained to it, its activation and its gain."""
    node = graph.functions[applied.function]
    chain = [each for each in graph.functions.values() if words.owner(each) == words.owner(node)]
    given = ", ".join(words.text(graph, each) for each in applied.arguments)
    kind = f"function, {', '.join(each.leaf.type for each in chain)}" + (f", {node.role}" if node.role else "")
    learned = [line for each in chain for line in _parameters(each.parameters)]
    return [f"{words.applied_name(node, applied.method)}({given})", kind, f"gives {_size(applied.shape)}", *learned]


def _of_variable(variable: Variable) -> list[str]:
    domain = "" if variable.domain == "real" else f", {variable.domain}"
    lines = [variable.id, f"{variable.kind} variable", f"shape: {_size(variable.shape)}{domain}"]
    if variable.definition is not None:
        lines.append(f"is {variable.definition}")
    if variable.given == "training":
        lines.append("given while learning only")
    if variable.stands_for is not None:
        lines.append(f"stands for {variable.stands_for}")
    return lines


def _parameters(parameters: Mapping[str, Parameter]) -> list[str]:
    return [f"learns {name}: {_size(each.shape)}" for name, each in parameters.items() if not each.kept]


def _size(shape: tuple[int, ...]) -> str:
    return words.size(shape) or "one number"
