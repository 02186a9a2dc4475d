"""A chain of preparation steps: fitted once on training samples, applied alike ever after, undone where it can be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from factorgraph.data.model import StepLeaf
from factorgraph.data.rows import changed, pieces
from factorgraph.errors import DataError, issue
from factorgraph.lazy import np
from factorgraph.structure import Shape

if TYPE_CHECKING:
    from factorgraph.data.model import Array, Kept, State


@dataclass(frozen=True)
class Chain:
    """Fitted steps for samples of one shape. Results have the type, float32 or float64, of what goes in."""

    steps: tuple[StepLeaf, ...]
    states: tuple[State, ...]
    shape: Shape  # of a raw sample

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(step.type for step in self.steps)

    @property
    def prepared_shape(self) -> Shape:
        return prepared_shape(self.steps, self.shape)

    def followed_by(self, steps: Sequence[StepLeaf]) -> Chain:
        """With more steps, which learn nothing but the shape that they are given."""
        chain = self
        for step in steps:
            state = step.fit(np.zeros((1, *chain.prepared_shape)))
            chain = Chain((*chain.steps, step), (*chain.states, state), self.shape)
        return chain

    def parted(self, steps: int) -> tuple[Chain, Chain]:
        """The first so many steps, and the others."""
        first = Chain(self.steps[:steps], self.states[:steps], self.shape)
        return first, Chain(self.steps[steps:], self.states[steps:], first.prepared_shape)

    def apply(self, x: Array) -> tuple[Array, dict[str, Array]]:
        """Raw samples (rows, *shape) -> prepared ones, and what to remember so that ``undo`` can bring them back."""
        kept: dict[str, Array] = {}
        for number, (step, state) in enumerate(zip(self.steps, self.states, strict=True)):
            kept |= {f"{number}.{name}": each for name, each in _remembered(step, x, state).items()}
            x = _applied(step, state, x)
        return x, kept

    def select(self, x: Array) -> tuple[Array, Array]:
        """As ``apply``, without the rows that a step drops: the prepared rows, and which rows (indices) they were."""
        rows = np.arange(len(x))
        for step, state in zip(self.steps, self.states, strict=True):
            x, rows = _select(step, state, x, rows)
        return x, rows

    def undo(self, x: Array, kept: Kept) -> Array | None:
        """Prepared samples (rows, *prepared_shape) -> raw ones; None where a step cannot be undone."""
        for number, (step, state) in reversed(list(enumerate(zip(self.steps, self.states, strict=True)))):
            own = {name.partition(".")[2]: each for name, each in kept.items() if name.partition(".")[0] == str(number)}
            undone = step.undo(x.astype(np.float64), state, own)
            if undone is None:
                return None
            x = undone.astype(x.dtype)
        return x

    def pixels(self, columns: Array) -> Array:
        """What a decoder's columns, (columns, *prepared_shape), write on a raw sample: (columns, *shape)."""
        return self._back(columns, lambda step, x, state: step.undo_linear(x, state))

    def pixels_of_rows(self, rows: Array) -> Array:
        """What an encoder's rows, (rows, *prepared_shape), read from a raw sample: (rows, *shape)."""
        return self._back(rows, lambda step, x, state: step.transpose(x, state))

    def _back(self, x: Array, one: Callable[[StepLeaf, Array, State], Array]) -> Array:
        kind = x.dtype
        x = x.reshape(len(x), *self.prepared_shape).astype(np.float64)
        for step, state in reversed(list(zip(self.steps, self.states, strict=True))):
            x = one(step, x, state)
        return x.astype(kind)

    def to_tensors(self) -> dict[str, Array]:
        """The fitted states as arrays by name, for the run folder: ``2.whiten.matrix``."""
        found: dict[str, Array] = {"shape": np.asarray(self.shape, dtype=np.int64)}
        for number, (step, state) in enumerate(zip(self.steps, self.states, strict=True)):
            found |= {f"{number}.{step.type}.{name}": each for name, each in state.items()}
        return found


def prepared_shape(steps: Sequence[StepLeaf], shape: Shape) -> Shape:
    """The shape of a sample after the steps, known without data."""
    for step in steps:
        shape = step.output_shape(shape)
    return shape


def fit(steps: Sequence[StepLeaf], x: Array) -> tuple[Chain, Array, Array]:
    """Fit the steps one after the other on training samples: the chain, the prepared samples, and which rows they were.

    A step is fitted on the rows that the steps before it left. Raises DataError FG517 or FG518.
    """
    shape, states, rows = tuple(x.shape[1:]), [], np.arange(len(x))
    for number, step in enumerate(steps):
        try:
            states.append(step.fit(x))
        except DataError as error:
            raise DataError([replace(each, path=("data", "prepare", number)) for each in error.issues]) from None
        x, rows = _select(step, states[-1], x, rows)
        if not len(rows):
            why = f"after {step.type} no training sample is left"
            raise DataError(issue("FG518", why, ("data", "prepare", number), fix="drop a smaller share, or use other data"))
    return Chain(tuple(steps), tuple(states), shape), x, rows


def from_tensors(tensors: Mapping[str, Array], steps: Sequence[StepLeaf], shape: Shape | None = None) -> Chain:
    """A chain from what ``to_tensors`` gave. Raises DataError FG519 where the tensors are those of other steps or shapes."""
    found: list[dict[str, Array]] = [{} for _ in steps]
    for name, each in tensors.items():
        number, _, rest = name.partition(".")
        kind, _, local = rest.partition(".")
        if name != "shape":
            if not (number.isdecimal() and int(number) < len(steps) and steps[int(number)].type == kind and local):
                raise _foreign(f"it holds {name}")
            found[int(number)][local] = np.asarray(each)
    if "shape" not in tensors:
        raise _foreign("the shape of a sample is missing")
    stored = tuple(int(each) for each in np.asarray(tensors["shape"]).reshape(-1))
    if shape is not None and stored != shape:
        raise _foreign(f"it was fitted on samples of shape {list(stored)}, not {list(shape)}")
    chain = Chain(tuple(steps), tuple(found), stored)
    _try_out(chain)
    return chain


def _try_out(chain: Chain) -> None:
    """One sample of zeros through the chain and back finds missing tensors, wrong shapes and values that are not finite."""
    if not all(np.isfinite(each).all() for state in chain.states for each in state.values() if each.dtype.kind == "f"):
        raise _foreign("it holds values that are not finite")
    try:
        prepared, kept = chain.apply(np.zeros((1, *chain.shape)))
        chain.undo(prepared, kept)
    except (KeyError, ValueError, IndexError, TypeError) as why:
        raise _foreign(f"{type(why).__name__}: {why}") from None
    if prepared.shape[1:] != chain.prepared_shape:
        raise _foreign(f"it yields samples of shape {list(prepared.shape[1:])}, not {list(chain.prepared_shape)}")


def _foreign(why: str) -> DataError:
    message = f"the stored preparation does not fit the steps of this spec: {why}"
    return DataError(issue("FG519", message, ("data", "prepare"), fix="train anew"))


def _applied(step: StepLeaf, state: State, x: Array) -> Array:
    return changed(partial(step.apply, state=state), x, step.output_shape(tuple(x.shape[1:])))


def _select(step: StepLeaf, state: State, x: Array, rows: Array) -> tuple[Array, Array]:
    masks = [mask for mask in (step.rows(piece, state) for piece in pieces(x)) if mask is not None]
    if masks:
        stay = np.concatenate(masks)
        x, rows = x[stay], rows[stay]
    return _applied(step, state, x), rows


def _remembered(step: StepLeaf, x: Array, state: State) -> dict[str, Array]:
    found = [step.remember(piece, state) for piece in pieces(x)]
    return {name: np.concatenate([each[name] for each in found]) for name in found[0]}
