"""A spec as it is understood: frozen, names apart from one another checked, shapes not yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from factorgraph.errors import Issue, Path
from factorgraph.notebook import heading, pre
from factorgraph.spec.blocks import Claim, DataBlock, Figure, LossTerm, Phase, Player, Variable, Workers
from factorgraph.spec.declared import Declared, FactorEntry, Scales
from factorgraph.spec.document import Document
from factorgraph.spec.expressions import Expression
from factorgraph.structure import Function, Leaf

__all__ = [
    "Claim",
    "Data",
    "DataBlock",
    "Declared",
    "FactorEntry",
    "Figure",
    "Fragment",
    "LossTerm",
    "Phase",
    "Player",
    "Scales",
    "Spec",
    "Variable",
    "Workers",
]


@dataclass(frozen=True)
class Fragment:
    """Another spec that this one uses: its graph and inference, under a name."""

    path: Path
    file: str
    bind: Mapping[str, Expression]
    spec: Spec  # with its dims as ``with`` says


@dataclass(frozen=True)
class Data:
    """Where samples come from: one source, whose name is empty, or several by name."""

    sources: Mapping[str, Declared[DataBlock]]

    @property
    def blocks(self) -> dict[str, DataBlock]:
        return {name: each.first for name, each in self.sources.items()}

    @property
    def first(self) -> DataBlock:
        return next(iter(self.sources.values())).first


@dataclass(frozen=True)
class Spec:
    """Everything that a file says, with its mistakes behind it. Two specs are equal if they mean the same.

    What its fragments give stands among its own variables, functions, factors, procedures, dims and indices: ``first.decoder``.
    """

    name: str
    title: str
    source: Mapping[str, str]
    seed: int
    dims: Mapping[str, Any]  # evaluated: numbers, and tuples of them
    indices: Mapping[str, int]
    use: Mapping[str, Fragment]
    variables: Mapping[str, Declared[Variable]]
    functions: Mapping[str, Declared[Function]]
    factors: Mapping[str, FactorEntry]
    inference: Mapping[str, Declared[Leaf]]
    learning: Mapping[str, Declared[Phase]]
    data: Data | None
    variants: Mapping[str, Mapping[str, Any]]
    budgets: Mapping[str, Mapping[str, Any]]
    expect: Mapping[str, Claim]
    figures: Mapping[str, Declared[Figure]]
    scales: Scales = field(compare=False, repr=False)
    document: Document = field(compare=False, repr=False)
    warnings: tuple[Issue, ...] = field(default=(), compare=False)

    def with_changes(self, changes: Mapping[str, Any], origin: str) -> Spec:
        """The spec with other values at some addresses. ``origin``: "--set", "variant tanh", "Python". Raises SpecError."""
        from factorgraph.spec.changes import changed

        return changed(self, changes, origin)

    def variant(self, name: str) -> Spec:
        """The spec as one of its variants; ``filters[2]`` of a family. Raises SpecError."""
        from factorgraph.spec.changes import as_variant

        return as_variant(self, name)

    def budget(self, name: str) -> Spec:
        """The spec at one of its sizes: laptop is the file as written, smoke 10 steps a phase, little data. Raises SpecError."""
        from factorgraph.spec.changes import at_budget

        return at_budget(self, name)

    def for_steps(self, steps: int | None = None, epochs: int | None = None, origin: str = "Python") -> Spec:
        """The spec with every phase for so many steps, or so many epochs."""
        from factorgraph.spec.changes import lasting

        return lasting(self, steps, epochs, origin)

    def _repr_html_(self) -> str:
        return heading(self.title or self.name, *self.source.values()) + pre(self.to_yaml())

    def to_yaml(self) -> str:
        """The spec as YAML that reads back to an equal one."""
        from factorgraph.spec.write import as_yaml

        return as_yaml(self.document.values)

    def full(self, *, origins: bool = False) -> str:
        """The spec as YAML with every default written out; comments say what fragments give.

        ``origins``: each value stands on a line of its own, with where it came from behind it.
        """
        from factorgraph.spec.write import full

        return full(self, origins=origins)

    def fragment(self, name: str) -> Fragment | None:
        """The fragment of a name, ``pair.low`` for one of a fragment."""
        first, _, rest = name.partition(".")
        found = self.use.get(first)
        return found.spec.fragment(rest) if found is not None and rest else found

    def own(self, block: str) -> dict[str, Any]:
        """The entries of a block that the file itself has, without those of its fragments."""
        return {name: each for name, each in getattr(self, block).items() if "." not in name}


def name_of(file: str) -> str:
    """What a spec is called: its file's name."""
    return PurePath(file).stem
