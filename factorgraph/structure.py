"""Leaves and their promises: what the planner knows about a factor, a function or a solver without looking inside.

A leaf is a frozen pydantic class: its fields are its part of the spec's schema, its methods are the mathematics, its class line
is the list of promises (``promises.py``, which this file hands on), its docstring is what ``factorgraph explain`` prints.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from factorgraph.promises import (
    Absolute as Absolute,
    Affine as Affine,
    Convolving as Convolving,
    Cornerless as Cornerless,
    Dense as Dense,
    Differentiable as Differentiable,
    Dispersed as Dispersed,
    Estimated as Estimated,
    Grouping as Grouping,
    Linear as Linear,
    Normalised as Normalised,
    Parameters as Parameters,
    Placed as Placed,
    Promise as Promise,
    Proximal as Proximal,
    Quadratic as Quadratic,
    Saturating as Saturating,
    Selection as Selection,
    Shape as Shape,
    Smooth as Smooth,
    Square as Square,
)
from factorgraph.spec.expressions import Expression

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Leaf(BaseModel):
    """A piece that users name by ``type``. The folder that it lies in is its registry."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, defer_build=True)

    examples: ClassVar[tuple[Mapping[str, Any], ...]] = ({},)  # options under which the laws try the leaf

    type: str


class ShapeError(ValueError):
    """Shapes that do not fit. The message is a sentence for users; whoever knows the address adds it.

    ``path``: the option of the leaf that is to blame, with ``span`` inside its text, where that is better than its use.
    """

    def __init__(self, message: str, path: tuple[str | int, ...] = (), span: tuple[int, int] | None = None):
        super().__init__(message)
        self.path, self.span = path, span


@dataclass(frozen=True)
class Glyph:
    """How a leaf is drawn: ``label`` in the diagram; ``formula`` with ``{0}``, ``{1}`` for its arguments."""

    label: str
    formula: str = ""


@dataclass(frozen=True)
class Parameter:
    """A learned tensor that a leaf declares and the model owns.

    ``start``: *normal* with ``scale`` as its deviation, *uniform* from -``scale`` to ``scale``, *constant* ``scale``, or *data*:
    rows of training data as columns.
    ``kept``: no gradient reaches it; it is a running mean of what learning saw, which :meth:`Function.learn` brings up to date.
    """

    shape: Shape
    start: Literal["normal", "uniform", "constant", "data"] = "normal"
    scale: float = 0.0
    rate: float = 1.0  # times the learning rate
    kept: bool = False


# --- families ------------------------------------------------------------------------------------------------------------------


class Factor(Leaf, ABC):
    """One term of the energy: a number per example, summed over units, never averaged and never halved."""

    convex: ClassVar[bool] = False
    usual: ClassVar[Shape | None] = None  # the shape of arguments that nothing else sizes
    additive: ClassVar[bool] = True  # a sum over units: twice the units, twice the energy
    of_matrix: ClassVar[bool] = False  # its one argument is the matrix of a function, which is named in its place
    normalises: ClassVar[bool] = False  # with a weight below 0 it keeps what a matrix makes from being small everywhere
    anywhere: ClassVar[bool] = False  # its promises hold whatever the arguments that are meant to have a domain are
    glyph: ClassVar[Glyph]

    def keeps(self, promise: Promise, moving: frozenset[int]) -> bool:
        """Whether a promise holds with these options where the arguments at the positions ``moving`` move and no others do.

        The class line lists all that may be kept; a leaf whose options or arguments decide narrows it here.
        """
        return isinstance(self, promise)

    def is_convex(self, moving: frozenset[int]) -> bool:
        """Whether the energy is convex in the arguments that move, together."""
        return self.convex

    def is_bounded_below(self, nonnegative: frozenset[int]) -> bool:
        """Whether there is a number that no arguments bring the energy below. ``nonnegative``: positions of those at least 0."""
        return not (isinstance(self, Linear) or self.normalises)

    def varies(self, moving: frozenset[int]) -> bool:
        """Whether the arguments that stand still change the Hessian, so that each sample has one of its own."""
        return False

    def domain(self, position: int) -> str:
        """The domain, in the words of variables, that the argument at a position is meant to have; others cost what they may.

        The energy is affine in an argument that is meant to have one, so that what is promised there holds on its hull. Where one
        that stands still is not known to lie there, no more is relied on than a gradient, unless the class says *anywhere*.
        """
        return "real"

    def arguments(self) -> tuple[Expression, ...]:
        """What the factor touches, in the order of its fields: the edges of the graph."""
        found: list[Expression] = []
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, Expression):
                found.append(value)
            elif isinstance(value, tuple):
                found += [each for each in value if isinstance(each, Expression)]
        return tuple(found)

    def check(self, *shapes: Shape) -> None:
        """Raise :class:`ShapeError` unless the arguments fit each other. By default all shapes are equal; a number, (), fits."""
        sized = [shape for shape in shapes if shape != ()]
        if any(shape != sized[0] for shape in sized):
            raise ShapeError("compares " + " with ".join(str(list(shape)) for shape in shapes))

    def parameters(self, *shapes: Shape) -> dict[str, Parameter]:
        """The tensors that this factor learns; most learn none."""
        return {}

    @abstractmethod
    def energy(self, *arguments: Tensor) -> Tensor:
        """(batch, *shape) each -> (batch,). A factor that declares parameters gets their mapping as the last argument."""


class Function(Leaf, ABC):
    """A deterministic map; costs no energy; may learn. Several arguments are joined along the first axis before it sees them."""

    learns_apart: ClassVar[bool] = False  # it does something else while learning: ``learn``
    by_map: ClassVar[bool] = False  # its results are maps: what a stage behind it learns is one number for each of them
    by_row: ClassVar[bool] = True  # each row of a batch is mapped by itself; False: the rows of a batch change each other
    outputs: ClassVar[tuple[str, ...]] = ()  # names of the parts of its result, read as ``.name``: ``part``
    methods: ClassVar[tuple[str, ...]] = ()  # other maps ``(*arguments, parameters)`` of that name, beside the transpose
    stages: ClassVar[tuple[str, ...]] = ()  # its options, of activation and gain, that are functions of their own behind it
    joins: ClassVar[bool] = True  # False: arguments stay apart, ``forward(*arguments, parameters)``, sized by ``method_shape``

    def keeps(self, promise: Promise) -> bool:
        """Whether a promise holds with these options. The class line lists all that may be kept."""
        return isinstance(self, promise)

    def is_bounded(self) -> bool:
        """Whether a constraint keeps what it learns from growing or shrinking without end."""
        return False

    def is_limited(self) -> bool:
        """Whether every unit of every result lies between two numbers that no parameter moves."""
        return False

    def spoils(self) -> bool:
        """Whether, while learning, it adds noise to what it passes on."""
        return False

    def domain(self) -> str:
        """The domain, in the words of variables, in which every result lies."""
        return "real"

    def template(self) -> str | None:
        """The function of the spec that this one is made from, as a mirror is: see :meth:`made_from`."""
        return None

    def made_from(self, other: Function) -> Function:
        """This function, now that its template is known. Raises :class:`ShapeError` where that is none."""
        return self

    @abstractmethod
    def output_shape(self, given: Shape, wanted: Shape | None) -> Shape | None:
        """The shape of the result for an input shape. ``wanted``: what the result is compared with, added to or multiplied with,
        for functions whose size may be left out. ``None``: not known yet. Raises :class:`ShapeError`."""

    def input_shape(self, result: Shape) -> Shape | None:
        """The shape of the input where that of the result fixes it, as for a map unit by unit. ``None``: it does not."""
        return None

    def transpose_shape(self, result: Shape, given: Shape | None) -> Shape | None:
        """The shape of the transpose's result for that of its argument. ``given``: what the function itself reads elsewhere."""
        return given

    def method_shape(self, method: str, given: tuple[Shape | None, ...]) -> Shape | None:
        """The shape of what a method of ``methods`` (or *forward*, of arguments that stay apart) makes of its arguments.

        ``None`` among them: not known yet, as that of a state that begins as a number.
        """
        raise ShapeError(f"has no {method}")

    def part_shape(self, output: str, result: Shape) -> Shape:
        """The shape of one of ``outputs``, for the shape of the whole result."""
        raise ShapeError(f"has no part {output}")

    def part(self, output: str, whole: Tensor) -> Tensor:
        """One of ``outputs`` of the whole result, (batch, *result) -> (batch, *part_shape), or flattened."""
        raise AssertionError(f"a function with outputs says what {output} is")

    def parameters(self, given: Shape, result: Shape) -> dict[str, Parameter]:
        """The tensors that this function learns, for the shapes that it maps between."""
        return {}

    def counts(self, given: Shape, result: Shape) -> list[tuple[str, int]]:
        """The parts of which it is made, in their order, with the number of parameters of each; none where it is of one piece."""
        return []

    @abstractmethod
    def forward(self, x: Tensor, parameters: Parameters) -> Tensor:
        """(batch, *given) -> (batch, *result), or flattened to (batch, units): whoever applies it gives it the graph's shape."""

    def learn(self, x: Tensor, parameters: Parameters, random: torch.Generator) -> tuple[Tensor, Parameters]:
        """As ``forward``, while learning: the result, and new values of the parameters that are ``kept``.

        ``random``: on the device of ``x``, a pure function of the seed, the step and the application.
        """
        return self.forward(x, parameters), {}

    def project(self, parameters: Parameters) -> None:
        """Put the parameters back on their constraints, in place: once when they are made, then after each step of learning."""


UNDIVIDED = "it is one variable"


@dataclass(frozen=True)
class Structure:
    """What is known of the problem of minimising over a block, in the words in which solvers state their needs."""

    differentiable: bool  # every smooth term has a gradient
    bounded: bool  # every smooth term's gradient has a Lipschitz bound
    convex: bool  # every term is convex in the block
    quadratic: bool  # the smooth part is quadratic
    proximal: bool  # there is a rest, and all of it is proximal
    plain: bool  # there is no rest
    domain: str = "real"  # of several variables the narrowest; "finite": some binary and some one_hot
    size: int = 0  # units a sample in the block
    shared: bool = True  # no sample changes the Hessian of the quadratic terms
    choices: int = 0  # values that a finite block can take
    magnitudes: bool = True  # the rest, if there is one, is magnitudes of units, all real or all nonnegative
    grouped: bool = False  # the rest is lengths of disjoint groups, perhaps magnitudes beside them, all real or all nonnegative
    gap: bool = False  # it is squares, and beside them a weight on the magnitude of each unit, or on the length of its group
    convolved: bool = False  # all of the smooth part behind functions is one square behind one convolution
    undivided: str = UNDIVIDED  # why it cannot be minimised variable by variable; empty where it can

    @property
    def divisible(self) -> bool:
        """Whether it is several variables, each of which has a solver for when the others stand still."""
        return not self.undivided

    @property
    def settled(self) -> bool:
        """Whether no term is left that has neither a gradient nor a proximal map."""
        return self.proximal or self.plain

    def has(self) -> frozenset[str]:
        known = ("differentiable", "bounded", "convex", "quadratic", "shared", "proximal", "plain", "settled", "magnitudes")
        return frozenset(name for name in (*known, "grouped", "gap", "convolved", "divisible") if getattr(self, name))


class Solver(Leaf, ABC):
    """A rule that minimises a problem over a block. The planner takes the accepting one that uses most of the structure.

    What divides a block, so that each variable has a solver of its own, is taken where nothing takes the block as a whole.
    """

    needs: ClassVar[frozenset[str]]  # of Structure.has(): all must hold
    uses: ClassVar[frozenset[str]]  # what it profits from, where it holds
    domains: ClassVar[frozenset[str]] = frozenset({"real"})
    largest: ClassVar[int | None] = None  # units it can hold, None: any number
    convolves: ClassVar[Literal["", "fourier", "slices"]] = ""  # how it sees a convolution of any size: the name of a kernel
    approximates: ClassVar[bool] = False  # it ends near the minimum, however many steps it takes
    compiled: ClassVar[str] = ""  # the compiled kernel that it is chosen for; without it, it is there to be named
    divides: ClassVar[bool] = False  # it minimises part by part, each by a solver that the planner picks for it

    @classmethod
    def too_large(cls, structure: Structure) -> str:
        """What it can hold and what the block has, in words, where that is too much; else nothing."""
        if cls.largest is None or structure.size <= cls.largest or (structure.convolved and cls.convolves):
            return ""
        return f"at most {cls.largest} units; the block has {structure.size}"


SolverClass = type[Solver]  # inside a leaf, "type" is the name that users write


class Loss(Leaf, ABC):
    """How the energy surface is shaped: the functional over energies that parameters descend."""


class Source(Leaf, ABC):
    """Where samples come from."""


class Optimizer(Leaf, ABC):
    """How parameters descend a loss."""

    closed: ClassVar[bool] = False  # it sets them by sums over data, behind squares, and has no rate
    curved: ClassVar[bool] = False  # it is told how much the energy is curved along each parameter
    by_column: ClassVar[bool] = False  # of a closed one: at each step, column by column, on constraints that keep each by itself

    @abstractmethod
    def build(self, groups: list[dict[str, Any]], learning_rate: float) -> torch.optim.Optimizer:
        """The optimizer of torch over parameter groups; a group that states its own ``lr`` keeps it."""


class Schedule(Leaf, ABC):
    """How the learning rate changes in the course of a phase."""

    @abstractmethod
    def factor(self, progress: float) -> float:
        """What multiplies the learning rate when this share of the phase, 0 to 1, is done."""


class Metric(Leaf, ABC):
    """A number measured on a trained model and held-out data."""


@dataclass(frozen=True)
class Described:
    """What ``explain`` and ``list`` say of a leaf: read off its class, never written twice."""

    type: str
    family: str
    summary: str
    text: str
    promises: tuple[str, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
