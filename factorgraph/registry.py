"""The folder is the registry: one leaf a file, found by the file's name.

A family is a package; each module in it whose name does not begin with an underscore holds one leaf class whose ``type`` is the
module's name. Other packages add theirs through entry points in the group ``factorgraph.<family>``, under a name with their
prefix; one that cannot be loaded is named in :func:`broken` and disables nothing.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from functools import cache
from importlib import metadata
from typing import Any

from factorgraph.structure import Described, Leaf

FAMILIES = {
    "factors": "factorgraph.factors",
    "functions": "factorgraph.factors.functions",
    "solvers": "factorgraph.inference.solvers",
    "methods": "factorgraph.inference.methods",
    "losses": "factorgraph.losses",
    "optimizers": "factorgraph.training.optimizers",
    "schedules": "factorgraph.training.schedules",
    "data": "factorgraph.data.sources",
    "steps": "factorgraph.data.steps",
    "metrics": "factorgraph.metrics",
    "figures": "factorgraph.run.figures",
}
_PROMISES = ("Affine", "Quadratic", "Smooth", "Differentiable", "Proximal")
_broken: dict[str, str] = {}


@cache
def leaves(family: str) -> dict[str, type[Leaf]]:
    """Every leaf of a family by its type, in the alphabet's order."""
    package = importlib.import_module(FAMILIES[family])
    found: dict[str, type[Leaf]] = {}
    for info in pkgutil.iter_modules(package.__path__):
        if not info.ispkg and not info.name.startswith("_"):
            found[info.name] = _leaf_of(importlib.import_module(f"{package.__name__}.{info.name}"), info.name)
    for entry in metadata.entry_points(group=f"factorgraph.{family}"):
        try:
            found[entry.name] = _plugin(entry, found)
        except Exception as reason:  # noqa: BLE001  a stranger's code may fail in any way
            _broken[f"{entry.group}: {entry.name}"] = f"{type(reason).__name__}: {reason}"
    return dict(sorted(found.items()))


def broken() -> dict[str, str]:
    """Extensions of other packages that could not be loaded, with the reason."""
    for family in FAMILIES:
        leaves(family)
    return dict(_broken)


def describe(family: str, name: str) -> Described:
    """A leaf as ``explain`` and ``list`` show it."""
    cls = leaves(family)[name]
    text = inspect.cleandoc(cls.__doc__ or "")
    kinds = {base.__name__ for base in cls.__mro__}
    promises = tuple(p for p in _PROMISES if p in kinds)
    fields = {key: _field_text(info) for key, info in cls.model_fields.items() if key != "type"}
    return Described(name, family, text.split("\n")[0], text, promises, fields)


def _leaf_of(module: Any, name: str) -> type[Leaf]:
    classes = [
        each
        for each in vars(module).values()
        if inspect.isclass(each) and issubclass(each, Leaf) and each.__module__ == module.__name__ and "type" in each.__annotations__
    ]
    if len(classes) != 1 or classes[0].model_fields["type"].default != name:
        raise ImportError(f"{module.__name__} must hold one leaf class with the type {name!r}")
    return classes[0]


def _plugin(entry: metadata.EntryPoint, found: dict[str, type[Leaf]]) -> type[Leaf]:
    cls = entry.load()
    if not (inspect.isclass(cls) and issubclass(cls, Leaf)):
        raise TypeError("it is not a leaf class")
    if cls.model_fields["type"].default != entry.name:
        raise ValueError(f"its type must be its entry point's name, {entry.name!r}")
    if entry.name in found or "_" not in entry.name:
        raise ValueError("its name must carry a prefix of its own and be new")
    return cls


def _field_text(info: Any) -> str:
    default = "required" if info.is_required() else repr(info.default)
    return f"{info.description or ''} ({default})".strip()
