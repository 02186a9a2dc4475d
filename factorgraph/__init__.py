"""Energy-based and latent-variable models, written as factor graphs in YAML.

    import factorgraph as fg

    spec = fg.load("psd.yaml")          # checked: a mistake says where it is and how to mend it
    model = fg.build(spec)              # an ordinary torch module
    run = fg.train(spec)                # one folder on disk
    run = fg.open("runs/psd-0001")      # the same, later

or in Python, with the leaves under the names of their families:

    from factorgraph import factors, functions

    b = fg.Builder("mine")
    Y, Z = b.observed("Y", shape=144), b.latent("Z", shape=256)
    decoder = b.function("decoder", functions.Linear(bias=False))
    b.factor("reconstruction", factors.SquaredDistance(between=(Y, decoder(Z))))
    spec = b.spec()                     # the same as from YAML, and b.to_yaml() is that

Reading, checking and drawing a spec imports no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from factorgraph.errors import DataError, FactorgraphError, Issue, RunError, SpecError
from factorgraph.version import __version__

if TYPE_CHECKING:
    from factorgraph import factors, losses
    from factorgraph.compile import build
    from factorgraph.compile.model import Model
    from factorgraph.compile.solution import Solution
    from factorgraph.compile.why import why
    from factorgraph.data import augmentations, sources, steps
    from factorgraph.factors import functions
    from factorgraph.graph.differences import diff
    from factorgraph.graph.drawing import write as render
    from factorgraph.graph.resolve import resolve
    from factorgraph.inference import methods, solvers
    from factorgraph.run.run import Run
    from factorgraph.run.run import Run as open  # noqa: A004, N813  fg.open reads like the builtin on purpose
    from factorgraph.spec.builder import Builder, Player, Workers
    from factorgraph.spec.handles import call
    from factorgraph.spec.load import load, loads
    from factorgraph.spec.schema import Spec
    from factorgraph.training import optimizers, schedules
    from factorgraph.training.session import train

__all__ = [
    "Builder",
    "DataError",
    "FactorgraphError",
    "Issue",
    "Model",
    "Player",
    "Run",
    "RunError",
    "Solution",
    "Spec",
    "SpecError",
    "Workers",
    "__version__",
    "augmentations",
    "build",
    "call",
    "diff",
    "factors",
    "functions",
    "load",
    "loads",
    "losses",
    "methods",
    "open",
    "optimizers",
    "render",
    "resolve",
    "schedules",
    "solvers",
    "sources",
    "steps",
    "train",
    "why",
]

_HOMES = {
    "Builder": ("factorgraph.spec.builder", "Builder"),
    "Model": ("factorgraph.compile.model", "Model"),
    "Player": ("factorgraph.spec.builder", "Player"),
    "Run": ("factorgraph.run.run", "Run"),
    "Solution": ("factorgraph.compile.solution", "Solution"),
    "Spec": ("factorgraph.spec.schema", "Spec"),
    "Workers": ("factorgraph.spec.builder", "Workers"),
    "build": ("factorgraph.compile", "build"),
    "call": ("factorgraph.spec.handles", "call"),
    "diff": ("factorgraph.graph.differences", "diff"),
    "load": ("factorgraph.spec.load", "load"),
    "loads": ("factorgraph.spec.load", "loads"),
    "open": ("factorgraph.run.run", "Run"),
    "render": ("factorgraph.graph.drawing", "write"),
    "resolve": ("factorgraph.graph.resolve", "resolve"),
    "train": ("factorgraph.training.session", "train"),
    "why": ("factorgraph.compile.why", "why"),
}

_FAMILIES = {  # where the leaves of a family are written by their classes' names
    "augmentations": "factorgraph.data.augmentations",
    "factors": "factorgraph.factors",
    "functions": "factorgraph.factors.functions",
    "losses": "factorgraph.losses",
    "methods": "factorgraph.inference.methods",
    "optimizers": "factorgraph.training.optimizers",
    "schedules": "factorgraph.training.schedules",
    "solvers": "factorgraph.inference.solvers",
    "sources": "factorgraph.data.sources",
    "steps": "factorgraph.data.steps",
}


def __getattr__(name: str) -> Any:
    """Public names are imported when they are first used, so that ``import factorgraph`` stays fast."""
    from importlib import import_module

    if name in _FAMILIES:
        return import_module(_FAMILIES[name])
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
