"""Weights that a phase tunes, in plain torch: what begins them, and what moves them at the end of each step."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from factorgraph.compile.dependence import origin
from factorgraph.graph.model import WEIGHT, Id
from factorgraph.leaving import searches, updates
from factorgraph.leaving.told import OTHER
from factorgraph.leaving.written import Written, refused
from factorgraph.training.sides import Stretch
from factorgraph.training.tuning import FIRST, RANGE, Tuning, step_to_share


def begin(written: Written, stretch: Stretch, known: Collection[str]) -> list[str]:
    """Statements that set what is a share of the largest weight over all rows, and what is moved unless it is ``known``."""
    graph, lines = stretch.view.graph, list[str]()
    for factor, procedure in Tuning(stretch).by.items():
        target = graph.factors[factor].target
        assert target is not None, "only what has a target is tuned"
        if target.kind == "active_fraction" and factor in known:
            continue
        takes, method = searches.largest(written, graph, stretch.view.inferences[procedure], factor)
        if others := [each for each in takes if graph.variables[each].kind == "latent"]:
            what = f'the weight of "{factor}" begins by what is inferred before, {others[0]}'
            raise refused(f"{what}: that is not written as plain torch", ("factors", graph.factors[factor].name, "weight"))
        share = target.value if target.kind == "of_maximum" else FIRST
        rows = ", ".join(written.local(graph.values[each]) for each in takes)
        found = f"{share!r} * {written.sources.take(updates.largest)}(model.{method}, {rows})"
        lines.append(f"    {_weight(written, factor)}.copy_(({found}).clamp({RANGE[0]:g}, {RANGE[1]:g}))")
    return ["with torch.no_grad():", *lines] if lines else []


def moved(written: Written, stretch: Stretch, called: Mapping[str, tuple[Id, ...]]) -> tuple[list[str], list[str]]:
    """The codes that a step is to hand on, by their names, and statements that move weights by them.

    ``called``: procedures that the loss runs, with what each infers.
    """
    graph, codes, lines = stretch.view.graph, list[str](), list[str]()
    for factor, procedure in Tuning(stretch).by.items():
        node = graph.factors[factor]
        if node.target is None or node.target.kind != "active_fraction" or procedure not in called:
            continue
        latent = origin(graph, node.arguments[0])
        if sum(latent in gives for gives in called.values()) > 1 or stretch.whole:
            what = f'phase "{stretch.id}" tunes the weight of "{node.name}", and '
            what += "sets matrices at once" if stretch.whole else f"infers {latent} in several ways"
            raise refused(f"{what}: that is not written as plain torch", ("learning", stretch.name), OTHER.format(stretch.name))
        code, step = written.local(graph.values[latent]), written.sources.take(step_to_share)
        codes += [code] if code not in codes else []
        lines.append(f"    {step}({_weight(written, factor)}, {code}, {node.target.value!r})")
    return codes, ["with torch.no_grad():", *lines] if lines else []


def _weight(written: Written, factor: str) -> str:
    return written.attribute(f"factors.{factor}", WEIGHT).replace("self.", "model.")
