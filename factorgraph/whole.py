"""Functions that are written out as they stand when a model is written as plain torch; else they are called as usual."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Witness(Protocol):
    """Who is told of calls."""

    def begin(self) -> int:
        """A call begins; the number is handed back at its end."""

    def end(self, begun: int, function: Callable[..., Any], arguments: tuple[Any, ...], found: Any) -> None:
        """A call has returned."""


_witnesses: list[Witness] = []


def whole(function: Callable[P, R]) -> Callable[P, R]:
    """Mark a function of tensors that needs nothing of its module but constants and other such functions: it is one step."""

    @wraps(function)
    def call(*arguments: P.args, **options: P.kwargs) -> R:
        if not _witnesses:
            return function(*arguments, **options)
        witness = _witnesses[-1]
        begun = witness.begin()
        found = function(*arguments, **options)
        witness.end(begun, function, arguments, found)
        return found

    return call


@contextmanager
def told(witness: Witness) -> Iterator[None]:
    """Within it, calls of such functions are told to a witness."""
    _witnesses.append(witness)
    try:
        yield
    finally:
        _witnesses.remove(witness)
