"""Values and factors as mathematics for people: ``Z₁``, ``decoder(Z)``, ``0.5 · ‖Z‖₁``."""

from __future__ import annotations

import math
import re

from factorgraph.graph.drawing.parts import within
from factorgraph.graph.drawing.text import subscript
from factorgraph.graph.model import Application, Constant, FactorNode, FunctionNode, Graph, Id, Operation, Value, Variable

PART = 12  # characters of a part of an expression that has to be short
LEAST = 4  # characters of arguments that are put out for dots: shorter ones are read sooner than dots are
LONGEST = 20  # characters of one argument in a formula; longer ones lose their insides
_SIGNS = {"+": " + ", "-": " − ", "*": " · "}
_OPENING, _CLOSING, _MINUS = "‖|([⟨,;", "‖|)]⟩,;", "-−"


def owner(node: FunctionNode) -> str:
    """The function that a node of a chain belongs to, with its slot: ``encoder[1]`` for ``encoder[1].activation``."""
    if node.id.startswith(node.spelled):
        slot = re.search(r"\[[^\]]*\]", node.id[len(node.spelled) :])
        return node.spelled + (slot.group() if slot else "")
    return node.id.removesuffix(".gain").removesuffix(".activation")


def function_name(node: FunctionNode) -> str:
    """``encoder``, ``decoder₁``."""
    return re.sub(r"\[([^\]]*)\]", lambda slot: subscript("", *_numbers(slot.group(1))), owner(node))


def applied_name(node: FunctionNode, method: str) -> str:
    """``encoder``, ``decoderᵀ``, ``pool.unpool``."""
    name = function_name(node)
    return name if method == "forward" else f"{name}ᵀ" if method == "transpose" else f"{name}.{method}"


def variable_name(variable: Variable) -> str:
    return subscript(variable.name, *variable.slots.values())


DOMAINS = {"real": "", "nonnegative": "≥ 0", "binary": "0 or 1", "one_hot": "1 of {0}", "simplex": "sums to 1"}


def below_name(graph: Graph, variable: Variable, part: str) -> list[str]:
    """What stands under a variable's name: its size, the values that it may take unless they are all real numbers, when it is
    known unless it always is, and what it stands for. ``part``: the fragment in whose frame it stands."""
    shape = size(variable.shape)
    domain = DOMAINS[variable.domain].format(shape)
    known = "in training only" if variable.given == "training" else ""
    other = f"for {within(variable_name(graph.variables[variable.stands_for]), part)}" if variable.stands_for is not None else ""
    return [line for line in ("" if variable.domain == "one_hot" else shape, domain, known, other) if line]


def number(value: float) -> str:
    return f"{value:.4g}".replace("-", "−").replace("inf", "∞")


def size(shape: tuple[int, ...]) -> str:
    """``144``, ``3×32×32``."""
    return "×".join(str(each) for each in shape)


def formula(graph: Graph, factor: FactorNode, part: str = "") -> str:
    """What the factor adds to the energy, its weight included. ``part``: the fragment in whose frame it stands."""
    given = [text(graph, each, part=part) for each in factor.arguments]
    loose = [_is_loose(graph.values[each]) for each in factor.arguments]
    if factor.matrix is not None:
        given, loose = [factor.matrix], [False]
    pattern = factor.leaf.glyph.formula or f"{factor.leaf.glyph.label}({', '.join(f'{{{i}}}' for i in range(len(given)))})"

    def fill(place: re.Match[str]) -> str:
        at = int(place.group(1))
        assert at < len(given), f"the formula of {factor.leaf.type} names argument {at} of {len(given)}"
        before, after = pattern[: place.start()].rstrip()[-1:] or " ", pattern[place.end() :].lstrip()[:1] or " "
        value = None if factor.matrix is not None else graph.values[factor.arguments[at]]
        operator = value.operator if isinstance(value, Operation) else ""
        if loose[at] and before in _MINUS and operator == "+" and after in _CLOSING + _MINUS:
            return _taken_away(graph, factor.arguments[at], part)
        opened, closed = before in _OPENING, after in _CLOSING
        weak = (opened or before in _MINUS) and (closed or after in _MINUS)  # beside it are signs that bind no more than a minus
        bare = (opened and closed) or (weak and (operator == "*" or (opened and operator in ("+", "-"))))
        return f"({given[at]})" if loose[at] and not bare else given[at]

    filled = re.sub(r"\{(\d+)\}", fill, pattern).replace(" - ", " − ")
    if factor.target is not None:
        return f"λ · {filled}"
    return filled if math.isclose(factor.weight, 1.0) else f"{number(factor.weight)} · {filled}"


def text(graph: Graph, id: Id, longest: int = LONGEST, part: str = "") -> str:
    """A value as it is read; one that is too long keeps its outermost function: ``decoder(…)``."""
    full = within(_text(graph, id), part)
    return full if len(full) <= longest else within(_short(graph, id), part)


def _taken_away(graph: Graph, id: Id, part: str) -> str:
    """A sum behind a minus: each part with a minus of its own, so that it needs no brackets."""
    arguments = graph.values[id].arguments
    full = within(" − ".join(_fenced(graph, each, "-") for each in arguments), part)
    return full if len(full) <= LONGEST else within(" − ".join(_short_part(graph, each, "-") for each in arguments), part)


def _text(graph: Graph, id: Id) -> str:
    value = graph.values[id]
    match value:
        case Variable():
            return variable_name(value)
        case Constant():
            return number(value.value)
        case Application():
            if value.output is not None:
                return f"{_text(graph, value.arguments[0])}.{value.output}"
            return _applied(graph, value, ", ".join(_text(graph, each) for each in inner(graph, value).arguments))
        case Operation():
            return _operated(value, [_fenced(graph, each, value.operator) for each in value.arguments])


def _short(graph: Graph, id: Id) -> str:
    value = graph.values[id]
    match value:
        case Application():
            inside = ", ".join(_text(graph, each) for each in inner(graph, value).arguments)
            kept = inside if len(inside) < LEAST and value.output is None else "…"
            return _applied(graph, value, kept) + (f".{value.output}" if value.output is not None else "")
        case Operation():
            return _operated(value, [_short_part(graph, each, value.operator) for each in value.arguments])
        case _:
            return _text(graph, id)


def _short_part(graph: Graph, id: Id, around: str) -> str:
    whole = _fenced(graph, id, around)
    if len(whole) <= PART:
        return whole
    return f"({_short(graph, id)})" if whole.startswith("(") and _is_loose(graph.values[id]) else _short(graph, id)


def inner(graph: Graph, value: Application) -> Application:
    """The first application of the chain that ends with ``value``: ``encoder`` of ``encoder.activation(encoder(Y))``."""
    before = graph.values[value.arguments[0]]
    if is_chained(graph, value) and isinstance(before, Application):
        return inner(graph, before)
    return value


def is_chained(graph: Graph, value: Application) -> bool:
    """Whether the value only goes on with the function that made its argument: its activation, its gain."""
    before, node = graph.values[value.arguments[0]], graph.functions[value.function]
    if not isinstance(before, Application) or node.id == owner(node):
        return False
    return owner(graph.functions[before.function]) == owner(node) and before.function != value.function


def _applied(graph: Graph, value: Application, inside: str) -> str:
    first = inner(graph, value)
    return f"{applied_name(graph.functions[value.function], first.method)}({inside})"


def _operated(value: Operation, parts: list[str]) -> str:
    match value.operator:
        case "+" | "-" | "*":
            return _SIGNS[value.operator].join(parts)
        case "negate":
            return f"−{parts[0]}"
        case "join":
            return ", ".join(parts)
        case _:
            listed = parts if len(parts) <= 3 else [parts[0], "…", parts[-1]]
            return f"{'Σ' if value.operator == 'sum' else 'mean'}({', '.join(listed)})"


def _fenced(graph: Graph, id: Id, around: str) -> str:
    value, inside = graph.values[id], _text(graph, id)
    is_joined = isinstance(value, Operation) and value.operator == "join"
    is_torn = around != "join" if is_joined else _is_loose(value) and around in ("-", "*", "negate")
    return f"({inside})" if is_torn else inside


def _is_loose(value: Value) -> bool:
    """Whether its text falls apart beside another sign."""
    if isinstance(value, Constant):
        return value.value < 0
    return isinstance(value, Operation) and value.operator in ("+", "-", "*", "negate", "join")


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(each) for each in re.findall(r"-?\d+", text))
