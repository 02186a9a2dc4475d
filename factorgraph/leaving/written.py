"""Functions and factors of a graph as methods of a module, and expressions of values as calls of these."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from factorgraph.compile.program import Tensors
from factorgraph.errors import SpecError, issue
from factorgraph.factors.functions._affine import AffineFunction
from factorgraph.graph.model import WEIGHT, Application, Constant, Graph, Id, Operation, Variable
from factorgraph.leaving.comments import comment
from factorgraph.leaving.names import Names, plain
from factorgraph.leaving.recorded import Recording, UnwritableError, number, recording
from factorgraph.leaving.sources import Sources
from factorgraph.structure import Affine, Shape

if TYPE_CHECKING:
    from factorgraph.compile.model import Model

LONG = 90  # characters of a sum that stands on one line
OPERATORS: Mapping[str, type[ast.operator]] = {"+": ast.Add, "-": ast.Sub, "*": ast.Mult}


def refused(what: str, path: tuple[str | int, ...], fix: str = "") -> SpecError:
    """What cannot be written as a file of its own."""
    return SpecError(issue("FG692", what, path, fix=fix))


class Written:
    """The methods that a file needs, made when they are first called for."""

    def __init__(self, model: Model, batch: int):
        self.model, self.spec, self.batch = model, model.spec, batch
        self.tensors: Tensors = model.tensors()
        self.names, self.sources = Names(), Sources()
        self.methods: dict[str, str] = {}
        self.parameters: dict[str, str] = {}  # address -> attribute

    # --- methods ---------------------------------------------------------------------------------------------------------------

    def attribute(self, owner: str, name: str) -> str:
        """``self.decoder_matrix`` for the parameter of an owner."""
        address = f"{owner}.{name}"
        self.parameters[address] = self.names(("parameter", address), plain(address.partition(".")[2]))
        return f"self.{self.parameters[address]}"

    def given(self, owner: str) -> dict[str, Tensor]:
        """The tensors of an owner by how they are written."""
        return {self.attribute(owner, name): each for name, each in self.tensors.get(owner, {}).items() if name != WEIGHT}

    def record(self, names: Mapping[str, Tensor], rows: str, run: Callable[[], Tensor | None]) -> str:
        """What is done to tensors, as statements."""
        with recording(dict(names), self.batch, rows) as seen:
            found = run()
        return self.statements(seen, found)

    def statements(self, seen: Recording, found: Tensor | None) -> str:
        text = "\n".join(ast.unparse(ast.fix_missing_locations(each)) for each in seen.written(found))
        for helper in seen.helpers:
            if f"{helper.__name__}(" in text:
                self.sources.take(helper)
        return text

    def application(self, graph: Graph, chain: Sequence[Application]) -> str:
        """The name of the method that some applications of one function's stages make, the innermost first."""
        first, last = chain[0], chain[-1]
        node = graph.functions[last.function]
        kind = "" if first.method == "forward" else first.method
        wish = "_".join(filter(None, (_base(node.id), kind, first.output or "")))
        shapes = tuple(graph.values[each].shape for each in first.arguments)
        made = ("function", tuple((each.function, each.method, each.output) for each in chain))
        key = (*made, shapes, last.shape)
        if key not in self.names.given and any(each[:2] == made for each in self.names.given if isinstance(each, tuple)):
            wish = f"{wish}_of_{'x'.join(map(str, shapes[0]))}"
        name = self.names(key, wish)
        if name not in self.methods:
            arguments = [f"x{at or ''}" for at in range(len(shapes))]
            text = self._recorded(graph, chain, dict(zip(arguments, shapes, strict=True)))
            told = f"{_batched(shapes)} -> {_batched([last.shape])}"
            self.methods[name] = self.method(name, arguments, "Tensor", told, text, comment(self.spec, node.written.path))
        return name

    def weight(self, graph: Graph, key: str, owner: str) -> str:
        """What multiplies a factor: a number, or where it is tuned the owner's parameter."""
        if graph.factors[key].target is None:
            return ast.unparse(number(graph.factors[key].weight))
        return self.attribute(f"factors.{key}", WEIGHT).replace("self.", f"{owner}.", 1)

    def adjoint(self, graph: Graph, value: Application) -> str:
        """The name of the method that leads back from an application, which is affine, to what it is applied to."""
        (key,) = value.arguments
        back = replace(value, method="transpose", arguments=(value.id,), shape=graph.values[key].shape)
        return self.application(graph, [back])

    def _recorded(self, graph: Graph, chain: Sequence[Application], shapes: Mapping[str, Shape]) -> str:
        values = {name: torch.rand(self.batch, *shape) for name, shape in shapes.items()}
        owners = [f"functions.{each.function}" for each in chain]
        names = {**values, **{key: each for owner in owners for key, each in self.given(owner).items()}}

        def run() -> Tensor:
            parts = list(values.values())
            for each in chain:
                leaf, parameters = graph.functions[each.function].leaf, self.tensors.get(f"functions.{each.function}", {})
                if each.output is not None:
                    found = leaf.part(each.output, parts[0])
                elif each.method == "transpose":
                    assert isinstance(leaf, Affine), "only affine functions are transposed"
                    found = leaf.transpose(parts[0], parameters, each.shape)
                else:
                    found = getattr(leaf, each.method)(*parts, parameters)
                parts = [found.reshape(len(found), *each.shape)]
            return parts[0]

        node = graph.functions[chain[-1].function]
        learning = self._learning(graph, chain, names)
        try:
            text = self.record(names, f"len({next(iter(shapes))})", run)
        except UnwritableError as why:
            raise refused(f'the function "{node.spelled}" cannot be written as plain torch: {why}', node.written.path) from None
        return text if not learning else f"if self.training:\n{indented(learning)}\n{text}"

    def _learning(self, graph: Graph, chain: Sequence[Application], names: Mapping[str, Tensor]) -> str:
        """What a function that is another one while learning does then; empty for all others."""
        apart = [each for each in chain if graph.functions[each.function].leaf.learns_apart]
        if not apart:
            return ""
        node = graph.functions[apart[0].function]
        if any(each.kept for each in node.parameters.values()) or len(chain) > 1:
            what = f'"{node.spelled}" keeps means of what it sees while learning, which plain code would have to hand on'
            raise refused(what, node.written.path, "leave bn out of its layers")
        inputs = [each for name, each in names.items() if not name.startswith("self.")]
        random, own = torch.Generator().manual_seed(0), self.tensors.get(f"functions.{node.id}", {})
        return self.record(names, "len(x)", lambda: node.leaf.learn(inputs[0], own, random)[0])

    def factor(self, graph: Graph, key: str) -> str:
        """The name of the method that is a factor's energy without its weight."""
        node = graph.factors[key]
        if node.matrix is not None:
            what = f'factor "{node.name}" reads a matrix, which plain code does not'
            raise refused(what, node.written.path, "leave it out")
        name = self.names(("factor", key), key)
        if name not in self.methods:
            shapes = [graph.values[each].shape for each in node.arguments]
            full = max(shapes, key=len)
            if any(shape not in (full, ()) for shape in shapes):
                raise refused(f'factor "{node.name}" compares numbers with units', node.written.path)
            moving = [at for at, each in enumerate(node.arguments) if not isinstance(graph.values[each], Constant)]
            values = {f"{'abcdefg'[at]}": torch.rand(self.batch, *shapes[at]) for at in moving}
            arguments = [values.get("abcdefg"[at], torch.tensor(getattr(graph.values[each], "value", 0.0)))
                         for at, each in enumerate(node.arguments)]  # fmt: skip
            own = [self.tensors[f"factors.{key}"]] if node.parameters else []
            names = {**values, **self.given(f"factors.{key}")}
            try:
                text = self.record(names, f"len({next(iter(values))})", lambda: node.leaf.energy(*arguments, *own))  # type: ignore[arg-type]
            except UnwritableError as why:
                raise refused(f'factor "{node.name}" cannot be written as plain torch: {why}', node.written.path) from None
            told = f"{_batched([shapes[at] for at in moving])} -> (batch,)"
            self.methods[name] = self.method(name, list(values), "Tensor", told, text, comment(self.spec, node.written.path))
        return name

    def method(
        self, name: str, arguments: Sequence[str], result: str, told: str, body: str, comments: Sequence[str], before: str = ""
    ) -> str:
        """The text of a method."""
        head = ", ".join(["self", *(f"{each}: Tensor" for each in arguments)])
        lines = [*comments, *([before] if before else []), f"def {name}({head}) -> {result}:", f'    """{told}"""']
        return "\n".join(lines) + "\n" + indented(body)

    # --- expressions -----------------------------------------------------------------------------------------------------------

    def values(self, graph: Graph, wanted: Iterable[Id], known: Mapping[Id, str], owner: str) -> tuple[list[str], dict[Id, str]]:
        """Statements that compute values from known ones, by their names, and how each wanted one is then written."""
        wanted = list(wanted)
        found, statements = dict(known), list[str]()
        order = self.model.program.order if graph is self.model.graph else _order(graph)
        needed = order(tuple(dict.fromkeys(wanted)), frozenset(known))
        uses = {key: sum(key in graph.values[each].arguments for each in needed) + wanted.count(key) for key in needed}
        for key in needed:
            value = graph.values[key]
            if isinstance(value, Application) and uses[key] == 1 and self._is_stage(graph, key, needed):
                continue  # it is a part of the one behind it
            text = self._expression(graph, key, found, owner)
            is_named = uses[key] > 1 or isinstance(value, Variable)
            if is_named and not isinstance(value, Constant) and not text.isidentifier():
                name = self.local(value)
                while name in found.values():
                    name += "_"
                statements.append(f"{name} = {text}")
                text = name
            found[key] = text
        return statements, {key: found[key] for key in wanted}

    def local(self, value: object) -> str:
        """The name of a value inside a function."""
        key = str(getattr(value, "id", value))
        return self.names(("local", key), key if isinstance(value, Variable) else key.lower())

    def _is_stage(self, graph: Graph, key: Id, needed: Sequence[Id]) -> bool:
        """Whether a value is read by nothing but the next stage of the same function."""
        users = [graph.values[each] for each in needed if key in graph.values[each].arguments]
        value = graph.values[key]
        assert isinstance(value, Application), "asked of applications alone"
        return len(users) == 1 and isinstance(users[0], Application) and self._follows(users[0], value)

    def _follows(self, later: Application, earlier: Application) -> bool:
        whole = later.method == earlier.method == "forward" and later.output is None and earlier.output is None
        return whole and later.function != _base(later.function) and _base(later.function) == _base(earlier.function)

    def _expression(self, graph: Graph, key: Id, found: Mapping[Id, str], owner: str) -> str:
        value = graph.values[key]
        if isinstance(value, Variable):
            assert value.definition is not None, "a free variable is known"
            return found[value.definition]
        if isinstance(value, Constant):
            return ast.unparse(number(value.value))
        if isinstance(value, Application):
            chain = [value]
            while (below := chain[0].arguments[0]) not in found:
                inner = graph.values[below]
                assert isinstance(inner, Application), "what is left out is a stage"
                chain.insert(0, inner)
            return f"{owner}.{self.application(graph, chain)}({', '.join(found[each] for each in chain[0].arguments)})"
        return self._operation(graph, value, found)

    def _operation(self, graph: Graph, value: Operation, found: Mapping[Id, str]) -> str:
        parts = [found[each] for each in value.arguments]
        shapes = {graph.values[each].shape for each in value.arguments if not isinstance(graph.values[each], Constant)}
        if value.operator == "join":
            return f"torch.cat([{', '.join(parts)}], 1)"
        if len(shapes) > 1:
            raise refused(f"{value.id} joins values of several shapes, which plain code does not", value.written.path)
        if value.operator == "negate":
            return f"-({parts[0]})" if not parts[0].isidentifier() else f"-{parts[0]}"
        if value.operator in OPERATORS:
            a, b = (ast.parse(each, mode="eval").body for each in parts)
            return ast.unparse(ast.fix_missing_locations(ast.BinOp(a, OPERATORS[value.operator](), b)))
        total = " + ".join(parts)
        return f"({total})" if value.operator == "sum" else f"({total}) / {len(parts)}"

    def energy(self, graph: Graph, factors: Iterable[str], known: Mapping[Id, str], owner: str) -> tuple[list[str], str]:
        """Statements, and the weighted sum of some factors' energies, (batch,)."""
        keys = [key for key in factors if graph.factors[key].weight != 0]
        names = {key: self.factor(graph, key) for key in keys}
        wanted = [each for key in keys for each in graph.factors[key].arguments]
        statements, found = self.values(graph, wanted, known, owner)
        shares = []
        for key in keys:
            node = graph.factors[key]
            arguments = [found[each] for each in node.arguments if not isinstance(graph.values[each], Constant)]
            weight = "" if node.weight == 1 and node.target is None else f"{self.weight(graph, key, owner)} * "
            shares.append(f"{weight}{owner}.{names[key]}({', '.join(arguments)})")
        total = " + ".join(shares)
        if len(total) > LONG and len(shares) > 1:
            total = "(\n    " + "\n    + ".join(shares) + "\n)"
        return statements, total.replace("+ -", "- ")


def _base(function: str) -> str:
    """The function that a stage behind it belongs to: ``encoder`` of ``encoder.activation``."""
    base, _, stage = function.rpartition(".")
    return base if stage in AffineFunction.stages else function


def _order(graph: Graph) -> Callable[[tuple[Id, ...], frozenset[Id]], tuple[Id, ...]]:
    from factorgraph.compile.program import Program

    return Program(graph).order


def indented(text: str, by: int = 4) -> str:
    return "\n".join(" " * by + line if line else line for line in text.splitlines())


def _batched(shapes: Iterable[Shape]) -> str:
    return ", ".join(f"(batch{''.join(f', {each}' for each in shape)}{',' if not shape else ''})" for shape in shapes)
