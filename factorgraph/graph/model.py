"""The resolved graph: names bound, indices unrolled, equal expressions shared, shapes known. Frozen.

Values carry tensors; a function node owns parameters and may be applied many times; a factor adds one number per example.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from factorgraph.errors import Issue, Path
from factorgraph.spec.expressions import Span
from factorgraph.structure import Factor, Function, Parameter, Shape

if TYPE_CHECKING:
    import networkx

    from factorgraph.spec.schema import Spec
    from factorgraph.spec.targets import Target

WEIGHT = "weight"  # the tensor of a tuned weight: no gradient reaches it
TUNED = Parameter((), "constant", 1.0, kept=True)
Id = str  # the canonical text of a value with its slots: "Y", "Z[1]", "decoder(Z[1])", "Y - decoder(Z)"


@dataclass(frozen=True)
class Written:
    """Where a thing is written: an address, and the characters inside its expression."""

    path: Path
    span: Span | None = None


@dataclass(frozen=True)
class Variable:
    """A named slot. A derived one is its ``definition``'s value under a name."""

    id: Id
    name: str
    slots: Mapping[str, int]  # {} or {"t": 1}
    kind: Literal["observed", "latent", "noise", "derived"]
    shape: Shape
    written: Written
    domain: Literal["real", "nonnegative", "binary", "one_hot", "simplex"] = "real"
    given: Literal["always", "training"] = "always"
    distribution: tuple[str, float, float] | None = None  # of noise: (type, low, high)
    stands_for: Id | None = None
    definition: Id | None = None

    @property
    def arguments(self) -> tuple[Id, ...]:
        return () if self.definition is None else (self.definition,)


@dataclass(frozen=True)
class Constant:
    """A number; it fits any shape, its own is ()."""

    id: Id
    value: float
    written: Written
    shape: Shape = ()
    arguments: tuple[Id, ...] = ()


@dataclass(frozen=True)
class Operation:
    """``+ - *`` unit by unit, ``negate``; ``sum`` and ``mean`` over the slots of an index; ``join`` along the first axis."""

    id: Id
    operator: Literal["+", "-", "*", "negate", "sum", "mean", "join"]
    arguments: tuple[Id, ...]
    shape: Shape
    written: Written


@dataclass(frozen=True)
class Application:
    """A function node applied to one value; several written arguments are one ``join`` before it.

    ``method``: *forward*, *transpose*, or another map that the leaf offers by name (its ``methods``). With ``output`` the value
    is that part of its only argument, which is itself an application of the function: ``pool(H).what`` of ``pool(H)``.
    """

    id: Id
    function: str  # id of a FunctionNode
    method: str
    arguments: tuple[Id, ...]
    shape: Shape
    written: Written
    output: str | None = None


Value = Variable | Constant | Operation | Application


@dataclass(frozen=True)
class FunctionNode:
    """One function with its parameters: ``decoder``, ``decoder[1]`` (slot 1 of ``per``), ``encoder.activation``.

    A function that is written with ``activation`` or ``gain`` becomes a chain of nodes: ``encoder``, then ``encoder.activation``,
    then ``encoder.gain``. ``spelled`` is the name in the spec, the same for all of a chain.
    """

    id: str
    spelled: str
    leaf: Function
    parameters: Mapping[str, Parameter]
    given: Shape  # of the first application
    result: Shape
    written: Written
    role: Literal["encoder", "decoder", ""] = ""


@dataclass(frozen=True)
class FactorNode:
    """One factor at one slot of its free indices: ``reconstruction``, ``slowness[1]``."""

    id: str
    name: str
    slots: Mapping[str, int]
    leaf: Factor
    weight: float  # 1 where it is tuned: then the model holds it, as the factor's tensor ``WEIGHT``
    arguments: tuple[Id, ...]
    parameters: Mapping[str, Parameter]
    written: Written
    target: Target | None = None  # what the weight is tuned to
    matrix: str | None = None  # id of the function whose matrix it reads, in the place of arguments

    @property
    def held(self) -> Mapping[str, Parameter]:
        """All tensors that the model holds for it: what its leaf learns, and its weight if that is tuned."""
        return self.parameters if self.target is None else {**self.parameters, WEIGHT: TUNED}


@dataclass(frozen=True)
class Graph:
    """What a spec means. ``values`` is in an order in which arguments come before what uses them.

    ``entries``: the values of expressions that belong to no factor, by address: ``("inference", "fast", "by")``. A procedure's
    ``start`` and ``by`` have one value for each slot of the variable that they are for, in its order; others one for each slot
    of their own. In a procedure with ``per`` the slot's number comes after its name: ``("inference", "lista", 1, "start")``.
    """

    spec: Spec
    values: Mapping[Id, Value]
    functions: Mapping[str, FunctionNode]
    factors: Mapping[str, FactorNode]
    entries: Mapping[Path, tuple[Id, ...]] = field(default_factory=dict)
    warnings: tuple[Issue, ...] = field(default=())

    @cached_property
    def variables(self) -> Mapping[Id, Variable]:
        return {key: each for key, each in self.values.items() if isinstance(each, Variable)}

    def _repr_svg_(self) -> str | None:
        from factorgraph.errors import RunError
        from factorgraph.graph.drawing import svg

        try:
            return svg(self)
        except RunError:  # no layout program: the notebook shows the name instead
            return None

    def of_kind(self, kind: str) -> tuple[Variable, ...]:
        """Variables of one kind: observed, latent, noise, derived."""
        return self._kinds.get(kind, ())

    @cached_property
    def _kinds(self) -> dict[str, tuple[Variable, ...]]:
        every = self.variables.values()
        return {kind: tuple(each for each in every if each.kind == kind) for kind in {each.kind for each in every}}

    def slots_of(self, name: str) -> tuple[Variable, ...]:
        """Every slot of the variable that the spec calls ``name``."""
        return tuple(each for each in self.variables.values() if each.name == name)

    @cached_property
    def tuned(self) -> tuple[str, ...]:
        """Ids of the factors whose weight is tuned."""
        return tuple(key for key, each in self.factors.items() if each.target is not None)

    @cached_property
    def sample_shapes(self) -> Mapping[str, Shape]:
        """What data must give: each observed variable by name with the shape of one sample, its slots first."""
        observed = {each.name: each for each in self.of_kind("observed")}
        return {name: (len(self.slots_of(name)), *each.shape) if each.slots else each.shape for name, each in observed.items()}

    def depends(self, id: Id, on: frozenset[Id]) -> bool:
        """Whether a value's tensor changes with any of the variables in ``on``."""
        return not on.isdisjoint(self.ancestors(id))

    def ancestors(self, id: Id) -> frozenset[Id]:
        """The value and everything that it is computed from."""
        known = self._ancestors.get(id)
        if known is None:
            known = self._ancestors[id] = self.leading_to((id,))
        return known

    def leading_to(self, ids: Iterable[Id]) -> frozenset[Id]:
        """The values and everything that any of them is computed from."""
        found: set[Id] = set()
        waiting = list(ids)
        while waiting:
            key = waiting.pop()
            if key not in found:
                found.add(key)
                waiting += self.values[key].arguments
        return frozenset(found)

    @cached_property
    def _ancestors(self) -> dict[Id, frozenset[Id]]:
        return {}  # filled as asked: all of them together are quadratic in the length of a recursion

    @cached_property
    def network(self) -> networkx.DiGraph[str]:
        """Values and factors as one networkx graph; node data ``item`` holds the object."""
        import networkx

        net: networkx.DiGraph[str] = networkx.DiGraph()
        for key, item in self._items():
            net.add_node(key, item=item)
            net.add_edges_from((each, key) for each in item.arguments)
        return net

    def _items(self) -> Iterator[tuple[str, Value | FactorNode]]:
        yield from self.values.items()
        yield from ((f"factor {key}", each) for key, each in self.factors.items())
