"""Noise added to held-out samples, and what a procedure makes of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from factorgraph.compile.dependence import origin
from factorgraph.data.order import generator
from factorgraph.errors import RunError, issue
from factorgraph.lazy import np, torch
from factorgraph.run.pairs import alike, compared

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.graph.model import Id
    from factorgraph.run.measured import Measured
    from factorgraph.run.solved import Solved


@dataclass(frozen=True)
class Denoised:
    """Values of an observed variable, or what comes of them through a function that is applied to both sides: (rows, *shape)."""

    observed: Id
    clean: Tensor
    noisy: Tensor
    restored: Tensor

    @property
    def gain(self) -> float:
        """In decibels; not a number where there is no noise, or none is left."""
        before, after = (float((each - self.clean).square().sum()) for each in (self.noisy, self.restored))
        return 10 * math.log10(before / after) if before > 0 and after > 0 else math.nan


def denoised(on: Measured, procedure: str, sigma: float) -> Denoised:
    """Held-out samples, the same with noise, and what a procedure restores from these.

    Restored is what the observed variable is compared with, as the procedure's own code has it: a variable that the procedure
    reads and does not infer is what that one, in turn, is compared with. Where both are compared through one function, as through
    a crop, it is what comes through. Raises RunError FG644 where the code has no such way back.
    """
    graph, own = on.graph, frozenset(on.latents(procedure))
    for observed, seen, made in _comparisons(on):
        if (way := _way_back(on, made, own, frozenset({observed}))) is not None:
            solved = _noisy(on, procedure, graph.variables[observed].name, sigma)
            given = torch.as_tensor(on.given[graph.variables[observed].name])
            clean = _putting(on, solved, observed, given.reshape(solved.variables[observed].shape))
            found = solved
            for latent, value in way:
                found = _putting(on, found, latent, on.evaluated(value, found))
            values = on.evaluated(seen, clean), on.evaluated(seen, solved), on.evaluated(made, found)
            return Denoised(observed, *(each.double() for each in values))
    text = f"no factor compares an observed variable with what the code of {procedure!r} makes"
    raise RunError(issue("FG644", text, fix="ask for a procedure whose code a decoder leads back to the data"))


def _noisy(on: Measured, procedure: str, variable: str, sigma: float) -> Solved:
    clean = on.given[variable]
    noise = generator(on.graph.spec.seed, "noise", variable).standard_normal(clean.shape, dtype=np.float32)
    return on.kept(procedure, {**on.given, variable: clean + np.float32(sigma) * noise}, variable, sigma, needed=())


def _putting(on: Measured, solved: Solved, variable: Id, value: Tensor) -> Solved:
    """Another value in a variable's place; what is derived from it is to be computed anew."""
    free = {key: each for key, each in solved.variables.items() if on.graph.variables[key].kind != "derived"}
    return replace(solved, variables={**free, variable: value})


def _comparisons(on: Measured) -> Iterator[tuple[Id, Id, Id]]:
    """An observed variable that the data give, what is compared of it, and the value that this is compared with."""
    for factor in on.graph.factors.values():
        for one, other in compared(factor):
            behind = on.graph.variables.get(origin(on.graph, alike(on.graph, one, other)[0]))
            if behind is not None and behind.kind == "observed" and behind.name in on.given:
                yield behind.id, one, other


def _way_back(on: Measured, value: Id, own: frozenset[Id], passed: frozenset[Id]) -> list[tuple[Id, Id]] | None:
    """The variables to put in place of those that a value reads, each with the value that stands for it, the last first.

    None where the value says nothing of the procedure's own code.
    """
    graph = on.graph
    read = [each.id for each in graph.of_kind("latent") if each.id in graph.ancestors(value)]
    found: list[tuple[Id, Id]] = []
    for latent in (each for each in read if each not in own):
        if latent in passed:
            return None
        ways = (
            (other, way)
            for factor in graph.factors.values()
            for one, other in compared(factor)
            if origin(graph, one) == latent and not graph.depends(other, passed | {latent})
            if (way := _way_back(on, other, own, passed | {latent})) is not None
        )
        first = next(ways, None)
        if first is None:
            return None
        found += [*first[1], (latent, first[0])]
    return found if read else None
