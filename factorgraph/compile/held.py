"""What is made of parameters alone, kept until they change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from factorgraph.compile.dependence import Kind, varies
from factorgraph.compile.terms import grouped
from factorgraph.graph.model import Application
from factorgraph.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.compile.problems import Block

T = TypeVar("T")


@dataclass(frozen=True)
class Last(Generic[T]):
    """What was made, and of what. ``read``: copies of the tensors, from their second time on: while they learn they have none."""

    token: tuple[object, ...]
    read: tuple[Tensor, ...] | None
    made: T


class Held(Generic[T]):
    """What was last made of some tensors, as long as they are the same to the bit.

    Where they lie and how often torch wrote to them only says whether it is worth a look: a write through ``data``, or by numpy
    into the same memory, is not counted. On a device that the host would have to wait for, all is made anew.
    """

    def __init__(self) -> None:
        self._last: Last[T] | None = None  # written at once, so that threads need no lock

    def of(self, like: Tensor, tensors: Sequence[Tensor], make: Callable[[], T]) -> T:
        """What ``make`` makes of ``tensors`` in the type and on the device of ``like``."""
        plain = all(type(each) in (torch.Tensor, torch.nn.Parameter) and each.device.type == "cpu" for each in (like, *tensors))
        if not plain:
            return make()
        where = (each.data_ptr() for each in tensors)
        last, token = self._last, (like.dtype, torch.is_inference_mode_enabled(), *where, *map(_writes, tensors))
        seen = last is not None and last.token == token
        if last is not None and seen and last.read is not None and all(map(torch.equal, tensors, last.read)):
            return last.made
        made = make()
        copied = seen or not tensors  # what is made of none never changes
        self._last = Last(token, tuple(each.detach().clone() for each in tensors) if copied else None, made)
        return made


def _writes(tensor: Tensor) -> int:
    return 0 if tensor.is_inference() else tensor._version


def owners_of(block: Block) -> tuple[str, ...] | None:
    """Owners of the parameters that tell all of a block's energy but for what samples change, if nothing else does."""
    graph, known = block.program.graph, block.dependences
    alike = {up for key in block.still if not varies(graph, key) for up in graph.ancestors(key)}
    made = any(isinstance(graph.values[each], Application) for each in alike)  # by what may be noise while learning
    norms = all(term.magnitude or grouped(graph.factors[term.factor], known, graph) is not None for term in block.rest)
    if made or block.parts or not norms:
        return None
    read = graph.leading_to(key for name in block.searched for key in graph.factors[name].arguments)
    moving = (graph.values[each] for each in sorted(read) if known[each].kind is not Kind.CONSTANT)
    applied = (f"functions.{each.function}" for each in moving if isinstance(each, Application))
    return tuple(dict.fromkeys([*applied, *(f"factors.{key}" for key in block.searched)]))
