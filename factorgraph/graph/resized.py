"""The graph for pictures of another size: what is observed is given, all else follows; parameters stay as they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from factorgraph.errors import SpecError, issue
from factorgraph.graph.model import Application, Constant, FactorNode, FunctionNode, Graph, Id, Operation, Value, Variable
from factorgraph.graph.texts import shape_text
from factorgraph.structure import Function, Parameter, Shape, ShapeError

Sides = tuple[int, int]
STEPS = 64  # pixels that a picture grows by at most until a function makes more of it: a multiple of its stride


def resized(graph: Graph, observed: Mapping[Id, Sides]) -> Graph:
    """The graph whose observed variables have so many rows and columns.

    A latent variable is as large as what it is compared with, or made into, asks for. Raises :class:`SpecError` FG329 where a
    function, a factor or a variable has a size that no picture changes, FG321 where a picture does not fit a function.
    """
    with graph.spec.document.locating():
        return _Resizing(graph, observed).graph()


class _Resizing:
    def __init__(self, graph: Graph, observed: Mapping[Id, Sides]):
        self.old = graph
        self.of: dict[Id, Shape] = {}
        for key, value in graph.values.items():
            if isinstance(value, Constant):
                self.of[key] = ()
            elif isinstance(value, Variable) and value.definition is None:
                if key in observed:
                    self.of[key] = (*value.shape[:-2], *observed[key])
                elif value.kind == "observed" or len(value.shape) < 2:
                    self.of[key] = value.shape

    def graph(self) -> Graph:
        while self._forward() or self._backward():
            pass
        for key, value in self.old.values.items():
            if key not in self.of:
                name = value.name if isinstance(value, Variable) else key
                what = (
                    f"nothing tells how large {name}, which is {shape_text(value.shape)}, would be for a picture of another size"
                )
                raise SpecError(issue("FG329", what, value.written.path, span=value.written.span))
        functions = {key: self._function(each) for key, each in self.old.functions.items()}
        values: dict[Id, Value] = {key: replace(each, shape=self.of[key]) for key, each in self.old.values.items()}
        for factor in self.old.factors.values():
            if factor.arguments:  # else it is one of a matrix, which stays
                self._check(factor)
        return replace(self.old, values=values, functions=functions)

    # --- sizes -----------------------------------------------------------------------------------------------------------------

    def _forward(self) -> bool:
        """What follows from arguments."""
        changed = False
        for key, value in self.old.values.items():
            if key not in self.of and value.arguments and all(each in self.of for each in value.arguments):
                self.of[key] = self._made(value)
                changed = True
        return changed

    def _made(self, value: Value) -> Shape:
        old, given = value.shape, [self.of[each] for each in value.arguments]
        if not isinstance(value, Application):
            largest = max(given, key=len)
            return (*old[:-2], *largest[-2:]) if len(old) > 1 and len(largest) > 1 else largest or old
        node = self.old.functions[value.function]
        try:
            return self._applied(node.leaf, value, given)
        except ShapeError as error:
            raise self._refused(node, error, value) from None

    def _applied(self, leaf: Function, value: Application, given: list[Shape]) -> Shape:
        old = value.shape
        if value.output is not None:
            return leaf.part_shape(value.output, given[0])
        if value.method == "transpose":
            raise ShapeError("has a transpose, and nothing tells the size of what it makes")
        if value.method != "forward" or not leaf.joins:
            found = leaf.method_shape(value.method, tuple(given))
        else:
            found = leaf.output_shape(given[0], old)
        assert found is not None, "what had a shape has one"
        return found[1:] if len(found) == len(old) + 1 and found[0] == 1 else found

    def _backward(self) -> bool:
        """What follows from what a value is compared with, or added to."""
        together = [factor.arguments for factor in self.old.factors.values()]
        together += [(key, *each.arguments) for key, each in self.old.values.items() if isinstance(each, Operation)]
        together += [ids for (top, *_), ids in self.old.entries.items() if top == "inference" and len(ids) > 1]
        for ids in together:
            known = next((each for each in ids if each in self.of and len(self.of[each]) > 1), None)
            for each in ids if known is not None else ():
                alike = known is not None and self.old.values[each].shape[-2:] == self.old.values[known].shape[-2:]
                if alike and each not in self.of and known is not None and self._back(each, self.of[known][-2:]):
                    return True
        return False

    def _back(self, key: Id, sides: Shape) -> bool:
        """Give a value these sides, and what it is made of those that follow."""
        value = self.old.values[key]
        if key in self.of or len(value.shape) < 2:
            return False
        if isinstance(value, Variable):
            if value.definition is not None:
                return self._back(value.definition, sides)
            self.of[key] = (*value.shape[:-2], *sides)
            return True
        if not isinstance(value, Application):
            given = [self._back(each, sides) for each in value.arguments]
            return any(given)
        behind = self.old.values[value.arguments[0]]
        if value.output is not None:
            return behind.shape[-2:] == value.shape[-2:] and self._back(behind.id, sides)
        node = self.old.functions[value.function]
        try:
            if value.method == "transpose":
                made = node.leaf.output_shape((*value.shape[:-2], *sides), behind.shape)
                self.of[key] = (*value.shape[:-2], *sides)
                return made is not None and (self._back(behind.id, made[-2:]) or True)
            if value.method != "forward" or len(value.arguments) > 1 or len(behind.shape) < 2:
                return False
            return self._back(behind.id, _before(node.leaf, behind.shape, value.shape, sides))
        except ShapeError as error:
            raise self._refused(node, error, value) from None

    # --- what must stay --------------------------------------------------------------------------------------------------------

    def _function(self, node: FunctionNode) -> FunctionNode:
        for value in self.old.values.values():
            if not isinstance(value, Application) or value.function != node.id or value.method not in ("forward", "transpose"):
                continue
            if value.output is not None:
                continue
            ends = (self.of[value.arguments[0]], self.of[value.id])
            given, result = ends if value.method == "forward" else ends[::-1]
            try:
                self._same(f"the function {node.spelled}", node.parameters, node.leaf.parameters(given, result), node)
            except ShapeError as error:
                raise self._refused(node, error, value) from None
            return replace(node, given=given, result=result)
        return node

    def _check(self, factor: FactorNode) -> None:
        shapes = [self.of[each] for each in factor.arguments]
        try:
            factor.leaf.check(*shapes)
            self._same(f"the factor {factor.name}", factor.parameters, factor.leaf.parameters(*shapes), factor)
        except ShapeError as error:
            what = f"factor {factor.name} {error}: what it touches is not made for pictures of any size"
            raise SpecError(issue("FG329", what, factor.written.path, span=factor.written.span)) from None

    def _same(
        self, what: str, old: Mapping[str, Parameter], new: Mapping[str, Parameter], node: FunctionNode | FactorNode
    ) -> None:
        for name, each in old.items():
            if name not in new or new[name].shape != each.shape:
                other = f" and would be {shape_text(new[name].shape)}" if name in new else ""
                text = f"{what} fixes the size of a picture: its {name} is {shape_text(each.shape)}{other}"
                fix = "functions of kernels, unit by unit or of windows are made for pictures of any size"
                raise SpecError(issue("FG329", text, node.written.path, span=node.written.span, fix=fix))

    def _refused(self, node: FunctionNode, why: ShapeError, value: Application) -> SpecError:
        code = "FG329" if isinstance(why, _FixedError) else "FG321"
        return SpecError(issue(code, f"{node.spelled} {why}", value.written.path, span=value.written.span))


class _FixedError(ShapeError):
    """A function that makes one size of whatever it is given."""


def _before(leaf: Function, given: Shape, made: Shape, sides: Shape) -> Shape:
    """The sides of which a function makes others: it grows evenly, so that two sizes tell. Raises :class:`ShapeError`."""
    grown = next(((more, found) for more in range(1, STEPS) if (found := _sides(leaf, given, made, more)) is not None), None)
    if grown is None or any(new <= old for new, old in zip(grown[1], made[-2:], strict=True)):
        raise _FixedError(f"fixes the size of a picture: it makes {shape_text(made)}, of whatever it is given")
    more, found = grown
    wanted = []
    for before, after, other, side in zip(given[-2:], made[-2:], found, sides, strict=True):

        def behind(size: int, before: int = before, after: int = after, other: int = other) -> int:
            """The side that one of a size is made of; 0 where there is none."""
            parts, rest = divmod((size - after) * more, other - after)
            return 0 if rest else max(0, before + parts)

        if not behind(side):
            near = sorted((each for each in range(1, side + made[-1] + STEPS) if behind(each)), key=lambda each: abs(each - side))
            fits = ", ".join(map(str, sorted(near[:2])))
            raise ShapeError(f"makes no picture with a side of {side}; sides that fit: {fits}")
        wanted.append(behind(side))
    result = leaf.output_shape((*given[:-2], *wanted), made)
    if result is None or result[-2:] != tuple(sides):
        raise ShapeError(f"makes no picture of {sides[0]} x {sides[1]}")
    return tuple(wanted)


def _sides(leaf: Function, given: Shape, made: Shape, more: int) -> Shape | None:
    try:
        found = leaf.output_shape((*given[:-2], *(each + more for each in given[-2:])), made)
    except ShapeError:
        return None
    return None if found is None else found[-2:]
