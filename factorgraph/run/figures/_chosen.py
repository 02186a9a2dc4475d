"""Which figures a run gets, chosen from its graph."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from factorgraph.registry import leaves
from factorgraph.run.figures._codes import code_histogram
from factorgraph.run.figures._compared import compared
from factorgraph.run.figures._components import component_functions, components
from factorgraph.run.figures._confusion import confusion
from factorgraph.run.figures._curves import curves
from factorgraph.run.figures._filters import filter_mosaic
from factorgraph.run.figures._health import health
from factorgraph.run.figures._maps import feature_maps, has_maps
from factorgraph.run.figures._reconstructions import compared_pictures, reconstructions
from factorgraph.run.figures._strip import energy_strip
from factorgraph.run.figures._style import png
from factorgraph.run.figures._surface import energy_surface, plane_variable
from factorgraph.run.labels import labelling

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from factorgraph.run.claims import States
    from factorgraph.run.compare import Comparisons
    from factorgraph.run.measured import Measured
    from factorgraph.spec.schema import Spec


def first_figures(on: Measured) -> dict[str, Callable[[], Figure]]:
    """What can be drawn before anything is inferred: a filter mosaic of each function whose units are pictures, by file name."""
    return {f"filters-{_plain(name)}": partial(filter_mosaic, on, name, used=False) for name in on.pictured_functions()}


def figures(on: Measured, rows: Iterable[Mapping[str, Any]]) -> dict[str, Callable[[], Figure | None]]:
    """All figures of a run by file name, each drawn when it is called; ``rows`` are those of metrics.jsonl.

    Confusions where a label is predicted, filters and reconstructions where the data are pictures, small matrices where they are
    not, codes where there are latents, the energy surface where the data lie in a plane (what was learned is then drawn there),
    the curves of learning and its health.
    """
    found: dict[str, Callable[[], Figure | None]] = {}
    for name in on.pictured_functions():
        found[f"filters-{_plain(name)}"] = partial(filter_mosaic, on, name)
    pair = compared_pictures(on)
    if pair is not None:
        found["reconstructions"] = partial(reconstructions, on, *pair)
    factors = labelling(on.graph)
    for factor in factors:
        found["confusion" if len(factors) == 1 else f"confusion-{_plain(factor)}"] = partial(confusion, on, factor)
    plane = plane_variable(on)
    for name in component_functions(on) if plane is None else ():
        found[f"components-{_plain(name)}"] = partial(components, on, name)
    rows = list(rows)
    found["curves"] = partial(curves, rows, _of_another_energy(on))
    if sum("health" in row for row in rows) > 1:
        found["health"] = partial(health, rows, _bounds(on))
    latents = on.graph.of_kind("latent")
    for latent in latents:
        end = "" if len(latents) == 1 else f"-{_plain(latent.id)}"
        found[f"codes{end}"] = partial(code_histogram, on, latent.id)
        if has_maps(on, latent.id):
            found[f"maps{end}"] = partial(feature_maps, on, latent.id, pair)
    if plane is not None:
        found["energy"] = partial(energy_surface, on, plane)
    return found


def learning_figures(spec: Spec, states: States) -> dict[str, Callable[[], Figure | None]]:
    """What is drawn of several moments of learning: the energy surface where the data lie in a plane."""
    plane = plane_variable(states(""))
    return {} if plane is None else {"energy_while_learning": partial(energy_strip, spec, states, plane)}


def _of_another_energy(on: Measured) -> frozenset[str]:
    """The phases that learn with other weights or factors than the spec's own, with which held-out samples are measured."""
    phases = {name: declared.first for name, declared in on.graph.spec.learning.items()}
    changes = {name: any(not key.startswith("inference.") for key in each.set) for name, each in phases.items()}
    return frozenset(name for name, each in phases.items() if changes[name] or each.only or each.without)


def asked_figures(spec: Spec, states: States) -> dict[str, Callable[[], Figure | None]]:
    """The figures that the spec asks for, by their names."""
    known: Mapping[str, Any] = leaves("figures")
    asked = {name: declared.first for name, declared in spec.figures.items()}
    return {name: partial(known[each.type](type=each.type).draw, name, each, spec, states) for name, each in asked.items()}


def _bounds(on: Measured) -> dict[str, Mapping[str, float]]:
    """The bounds of health that phases give."""
    return {name: declared.first.health for name, declared in on.graph.spec.learning.items()}


def comparison_figures(found: Comparisons) -> dict[str, Callable[[], Figure | None]]:
    """One figure of each comparison, by file name."""
    alone = len(found.comparisons) == 1
    return {
        "compared" if alone else f"compared-{_plain('-'.join(each.latents))}": partial(compared, each)
        for each in found.comparisons
    }


def drawn(chosen: Mapping[str, Callable[[], Figure | None]]) -> Iterable[tuple[str, bytes]]:
    """Each figure as (file name, the bytes of a PNG), one at a time; what has nothing to show is left out."""
    for name, draw in chosen.items():
        figure = draw()
        if figure is not None:
            yield f"{name}.png", png(figure)


def _plain(id: str) -> str:
    """``Z[1]`` as part of a file name: ``Z-1``."""
    return "".join(letter if letter.isalnum() or letter == "_" else "-" for letter in id).strip("-")
