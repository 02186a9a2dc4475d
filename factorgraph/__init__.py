"""Energy-based and latent-variable models, written as factor graphs in YAML.

    import factorgraph as fg

    spec = fg.load("psd.yaml")          # checked: a mistake says where it is and how to mend it
    model = fg.build(spec)              # an ordinary torch module
    run = fg.train(spec)                # one folder on disk
    run = fg.open("runs/psd-0001")      # the same, later

Reading, checking and drawing a spec imports no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from factorgraph.errors import DataError, FactorgraphError, Issue, RunError, SpecError
from factorgraph.version import __version__

if TYPE_CHECKING:
    from factorgraph.compile import build
    from factorgraph.compile.model import Model, Solution
    from factorgraph.graph.drawing import write as render
    from factorgraph.graph.resolve import resolve
    from factorgraph.run.run import Run
    from factorgraph.run.run import Run as open  # noqa: A004, N813  fg.open reads like the builtin on purpose
    from factorgraph.spec.load import load
    from factorgraph.spec.schema import Spec
    from factorgraph.training.session import train

__all__ = [
    "DataError",
    "FactorgraphError",
    "Issue",
    "Model",
    "Run",
    "RunError",
    "Solution",
    "Spec",
    "SpecError",
    "__version__",
    "build",
    "load",
    "open",
    "render",
    "resolve",
    "train",
]

_HOMES = {
    "Model": ("factorgraph.compile.model", "Model"),
    "Run": ("factorgraph.run.run", "Run"),
    "Solution": ("factorgraph.compile.model", "Solution"),
    "Spec": ("factorgraph.spec.schema", "Spec"),
    "build": ("factorgraph.compile", "build"),
    "load": ("factorgraph.spec.load", "load"),
    "open": ("factorgraph.run.run", "Run"),
    "render": ("factorgraph.graph.drawing", "write"),
    "resolve": ("factorgraph.graph.resolve", "resolve"),
    "train": ("factorgraph.training.session", "train"),
}


def __getattr__(name: str) -> Any:
    """Public names are imported when they are first used, so that ``import factorgraph`` stays fast."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module, attribute = _HOMES[name]
    return getattr(import_module(module), attribute)
