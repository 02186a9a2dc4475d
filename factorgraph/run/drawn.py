"""Samples of what a model makes of noise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from factorgraph.compile.noise import draw
from factorgraph.data.order import torch_generator
from factorgraph.errors import RunError, issue
from factorgraph.lazy import np, torch
from factorgraph.run.asking import Answered, question
from factorgraph.run.batches import slices

if TYPE_CHECKING:
    from factorgraph.graph.model import Graph, Variable
    from factorgraph.run.run import Run

MOST_DRAWN = 100_000


def drawn(run: Run, count: int, procedure: str | None = None) -> Answered:
    """Samples, from the run's seed: the noise, what is made of it, and the answer to the question in which that is observed.

    Raises RunError FG660 where nothing observed is made of noise alone.
    """
    if not 1 <= count <= MOST_DRAWN:
        raise RunError(issue("FG660", f"{count} samples cannot be drawn", allowed=f"1 to {MOST_DRAWN}", fix="--draw 100"))
    made = list(_made_of_noise(run.model.graph))
    if not made:
        what = "nothing that is observed is made of noise alone in this model, and samples of an energy itself are not drawn yet"
        fix = "for a generator: a variable that is: generator(N), with stands_for, where N is noise"
        raise RunError(issue("FG660", what, fix=fix))
    noise = {each.id: draw(each, count, _generator(run, each)) for each in run.model.graph.of_kind("noise")}
    found: dict[str, list[np.ndarray]] = {each.id: [] for each in made}
    for rows in slices(count):
        given = {key: each[rows].to(run.device) for key, each in noise.items()}
        with torch.no_grad():
            values = run.model.evaluate(tuple(found), **given)
        for key, several in found.items():
            several.append(values[key].cpu().numpy())
    samples = {key: np.concatenate(each) for key, each in found.items()}
    answered = question(run, {str(each.stands_for): samples[each.id] for each in made}, procedure=procedure)
    made_of = {key: each.numpy() for key, each in noise.items()}  # in the place of the noise that no sample has to do with
    return replace(answered, variables={**answered.variables, **made_of, **samples})


def _made_of_noise(graph: Graph) -> Iterator[Variable]:
    """What stands for an observed variable and depends on noise, and on nothing else that has a value."""
    others = {each.id for each in graph.variables.values() if each.kind in ("observed", "latent")}
    for each in graph.of_kind("derived"):
        stood_for = graph.variables.get(each.stands_for or "")
        if stood_for is not None and stood_for.kind == "observed" and not each.slots and not graph.ancestors(each.id) & others:
            yield each


def _generator(run: Run, variable: Variable) -> torch.Generator:
    return torch_generator(run.model.spec.seed, "drawn", variable.id)
