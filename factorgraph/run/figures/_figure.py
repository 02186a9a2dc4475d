"""What the figures that a spec can ask for have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.structure import Leaf

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from factorgraph.run.claims import States
    from factorgraph.spec import blocks
    from factorgraph.spec.schema import Spec


class FigureLeaf(Leaf, ABC):
    """A picture that a spec asks for, under a name of its own.

    ``shows``: what is written under ``of``, metrics as in a claim over an index, metrics of one kind, metrics per unit and
    functions, a value of the graph, an observed variable, or procedures.
    """

    shows: ClassVar[Literal["claim", "metric", "value", "units", "observed", "procedures"]] = "value"
    parts: ClassVar[tuple[str, ...]] = ()  # of units: what each thing under ``of`` is; what has a question mark may be left out
    metric: ClassVar[str] = ""  # the one whose figures are shown

    @abstractmethod
    def draw(self, name: str, asked: blocks.Figure, spec: Spec, states: States) -> Figure | None:
        """The picture, or ``None`` where what it shows was not trained. Raises RunError where it cannot be measured."""
