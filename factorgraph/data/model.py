"""The words of the data room: tables, splits, requests, and what a source and a step of preparation promise."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from factorgraph.errors import DataError, issue
from factorgraph.structure import Leaf, Shape, Source

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]
    State = Mapping[str, Array]  # what a step learned from the training samples, by local name
    Kept = Mapping[str, Array]  # what a step must remember of each sample so that it can be undone


@dataclass(frozen=True)
class Table:
    """Samples side by side: row i of every field belongs to sample i.

    ``fields``: name -> (rows, *shape), float32; a field of whole numbers without further axes is a label and stays int64.
    ``groups``: (rows,), what a row was cut from: an image or a block of one, a row of a file. No group is on two sides.
    """

    fields: Mapping[str, Array]
    groups: Array

    @property
    def rows(self) -> int:
        return len(self.groups)


@dataclass(frozen=True)
class Splits:
    """What learning sees, and what metrics are computed on.

    ``about`` is written to the run: the rule of division, names. ``notes`` are told once: what was read, and what became of it.
    """

    train: Table
    test: Table
    about: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rows:
    """Some samples as a model's variables, (rows, *shape) each.

    ``index``: which rows of the split these are, (rows,).
    ``present``: of each variable that some rows of the data lack, which of these have it, (rows,) bool; where not, it is 0.
    """

    values: Mapping[str, Array]
    present: Mapping[str, Array]
    index: Array


@dataclass(frozen=True)
class Request:
    """How many samples are wanted. ``roots`` are the only folders that may be read.

    ``count``: training samples (None: all there are, or the source's usual number). ``test``: held-out samples beside them, a
    number or a share of the training samples (None: the source's own, or a tenth). ``beside``: what else is asked of the same
    material by other sources of the spec; what is held out for one of them is learned from by none.
    """

    seed: int = 0
    count: int | None = None
    test: int | float | None = None
    roots: tuple[Path, ...] = ()
    beside: tuple[Request, ...] = ()

    def sizes(self, usual: int) -> tuple[int, int]:
        """Rows for training and rows held out, where the source can make any number. FG520."""
        count = usual if self.count is None else self.count
        return count, self.held_out(count)

    def held_out(self, count: int) -> int:
        """Rows to hold out beside ``count`` training rows."""
        if self.test is None:
            return max(1, round(count / 10))
        return round(self.share() * count) if isinstance(self.test, float) else self.test

    def withheld(self, rows: int) -> int:
        """Of so many rows of material those that nobody learns from: the most that one of the requests holds out."""
        return max(each.held_out(rows if each.count is None else each.count) for each in (self, *self.beside))

    def share(self) -> float:
        """The part of the whole material, 0 to 1, that is held out."""
        if self.test is None:
            return 0.1
        if isinstance(self.test, float):
            if not 0 <= self.test < 1:
                why = f"test is {self.test:g}: as a share it must be at least 0 and below 1"
                raise DataError(issue("FG520", why, ("data", "test"), fix="write 0.1 for a tenth, or a whole number of samples"))
            return self.test
        return self.test / (self.test + self.count) if self.count else 0.1


@dataclass(frozen=True)
class Geometry:
    """How a picture becomes samples of the field ``field``: square patches of ``size`` pixels in ``colors`` channels.

    ``whole``: one sample, the picture's middle square at that size.
    """

    field: str
    size: int
    colors: int
    whole: bool = False

    @property
    def shape(self) -> Shape:
        return (self.size, self.size) if self.colors == 1 else (self.colors, self.size, self.size)


@dataclass(frozen=True)
class Download:
    """One file of a published set as its authors offer it: its name, where from, how many bytes, and their SHA-256."""

    name: str
    url: str
    size: int
    sha256: str


def one_or_three(colors: int | None) -> int | None:
    """What a source's option ``colors`` may be; none where the set has its own. Raises ValueError."""
    if colors not in (None, 1, 3):
        raise ValueError("1 for grey, or 3 for red, green and blue")
    return colors


class SourceLeaf(Source, ABC):
    """Where samples come from: yields named splits, and is a pure function of its fields and the request."""

    licence: ClassVar[str]  # in words, with whom to thank
    where: ClassVar[str]  # the origin, for the run's data.json
    version: ClassVar[int] = 1  # raised when the same options would yield other samples
    repeats: ClassVar[bool] = False  # the same pattern may be drawn for training and for testing: there are only a few
    unlabelled: ClassVar[bool] = False  # some samples have no label, which is -1 then
    downloads: ClassVar[tuple[Download, ...]] = ()  # what ``factorgraph fetch`` brings

    @abstractmethod
    def fields(self) -> dict[str, Shape]:
        """The shapes of one sample's fields, without reading anything; empty where only the file knows them."""

    @abstractmethod
    def load(self, request: Request) -> Splits:
        """The samples. Raises DataError with a sentence on what to do."""

    def geometry(self) -> Geometry | None:
        """How ``infer`` cuts a picture; None: samples are not cut from pictures."""
        return None

    @classmethod
    def at_hand(cls, roots: Sequence[Path]) -> str:
        """Where the material is on this machine, or how to get it; nothing where none is needed. Reads no sample."""
        return ""


class StepLeaf(Leaf, ABC):
    """One step of preparation: fitted on training samples, applied to all, undone where it can be.

    ``x`` is (rows, *shape). ``fit`` sees every training sample; the other methods see any number of rows, as float64, and treat
    each row on its own, so that a sample is prepared alike in training, testing and inference.
    """

    main: ClassVar[str] = ""  # the field that {step: value} sets
    anywhere: ClassVar[bool] = True  # what it learned from samples of one size does the same to one of any other

    def output_shape(self, given: Shape) -> Shape:
        """The shape of a prepared sample."""
        return given

    def fit(self, x: Array) -> dict[str, Array]:
        """What the step learns from the training samples. Raises DataError FG517 where they cannot determine it."""
        return {}

    def remember(self, x: Array, state: State) -> dict[str, Array]:
        """What is needed of each sample, (rows, ...) each, to undo ``apply`` on it."""
        return {}

    def rows(self, x: Array, state: State) -> Array | None:
        """Which rows stay, (rows,) bool; None: all. Used on training and test samples, never in inference."""
        return None

    @abstractmethod
    def apply(self, x: Array, state: State) -> Array:
        """(rows, *given) -> (rows, *output)."""

    def undo(self, x: Array, state: State, kept: Kept) -> Array | None:
        """The inverse of ``apply``, as far as there is one; None: it cannot be undone."""
        return None

    def undo_linear(self, x: Array, state: State) -> Array:
        """The linear part of ``undo``, for directions: (columns, *output) -> (columns, *given), at any scale of a sample."""
        return x

    def transpose(self, x: Array, state: State) -> Array:
        """The adjoint of the linear part of ``apply``: how a filter that reads prepared samples reads raw ones."""
        return x


class AugmentationLeaf(StepLeaf):
    """A change by chance that leaves what a picture shows: the last steps of preparation, drawn anew each time while learning.

    The last two axes of a sample are its picture's rows and columns; what has fewer axes is left as it is. ``apply`` is what is
    done where nothing is left to chance, in evaluation and inference; most do nothing.
    """

    chances: ClassVar[int] = 1  # numbers that one sample needs

    def apply(self, x: Array, state: State) -> Array:
        return x

    def undo(self, x: Array, state: State, kept: Kept) -> Array | None:
        return x

    @abstractmethod
    def vary(self, x: Array, chance: Array) -> Array:
        """(rows, ..., height, width) and numbers (rows, chances), at least 0 and below 1 -> (rows, ..., *output)."""
