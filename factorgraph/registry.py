"""The folder is the registry: one leaf a file, found by the file's name.

A family is a package; each module in it whose name does not begin with an underscore holds one leaf class whose ``type`` is the
module's name. It is imported when it is first asked for by name, so that a spec pays for the leaves that it uses. Other packages
add theirs through entry points in the group ``factorgraph.<family>``, under a name with their prefix; one that cannot be loaded
is named in :func:`broken` and disables nothing.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import metadata
from typing import Any

from factorgraph.structure import Described, Differentiable, Factor, Glyph, Leaf

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
    "augmentations": "factorgraph.data.augmentations",
    "metrics": "factorgraph.metrics",
    "health": "factorgraph.training.health",
    "figures": "factorgraph.run.figures",
}
_PROMISES = (
    *("Dense", "Placed", "Convolving", "Selection", "Affine", "Grouping"),
    *("Linear", "Square", "Quadratic", "Smooth", "Cornerless", "Differentiable"),
    *("Proximal", "Absolute", "Normalised", "Dispersed", "Estimated"),
)
_broken: dict[str, str] = {}


class Leaves(Mapping[str, type[Leaf]]):
    """The leaves of one family by type, in the alphabet's order; each is imported at its first use."""

    def __init__(self, family: str):
        package = importlib.import_module(FAMILIES[family])
        self._home = package.__name__
        modules = (info.name for info in pkgutil.iter_modules(package.__path__) if not info.ispkg)
        self._own = {name for name in modules if not name.startswith("_")}
        self._others: dict[str, metadata.EntryPoint] = {}
        self._found: dict[str, type[Leaf]] = {}
        for entry in _extensions(family):
            if entry.name in self._own or entry.name in self._others:
                _broken[f"{entry.group}: {entry.name}"] = "ValueError: its name is taken"
            else:
                self._others[entry.name] = entry

    def __getitem__(self, name: str) -> type[Leaf]:
        if name not in self._found:
            self._load(name)
        return self._found[name]

    def __contains__(self, name: object) -> bool:
        return name in self._own or (name in self._others and self._loads(str(name)))

    def __iter__(self) -> Iterator[str]:
        return iter(sorted([*self._own, *(name for name in self._others if self._loads(name))]))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _load(self, name: str) -> None:
        if name in self._own:
            self._found[name] = _leaf_of(importlib.import_module(f"{self._home}.{name}"), name)
        elif name in self._others:
            self._loads(name)

    def _loads(self, name: str) -> bool:
        """Whether a stranger's leaf can be had; the reason why not is kept for :func:`broken`."""
        entry = self._others[name]
        title = f"{entry.group}: {name}"
        if name not in self._found and title not in _broken:
            try:
                self._found[name] = _plugin(entry)
            except Exception as reason:  # noqa: BLE001  a stranger's code may fail in any way
                _broken[title] = f"{type(reason).__name__}: {reason}"
        return name in self._found


@cache
def leaves(family: str) -> Leaves:
    """Every leaf of a family by its type."""
    return Leaves(family)


def broken() -> dict[str, str]:
    """Extensions of other packages that could not be loaded, with the reason."""
    for family in FAMILIES:
        len(leaves(family))
    return dict(_broken)


def not_loaded(family: str, name: str = "") -> tuple[str, ...]:
    """A sentence on each of :func:`broken` that is of one family, or on that of a name alone."""
    if family not in FAMILIES:
        return ()
    len(leaves(family))
    title = f"factorgraph.{family}: {name}"
    return tuple(
        f"the extension {each} could not be loaded: {reason}"
        for each, reason in _broken.items()
        if (each == title if name else each.startswith(title))
    )


def describe(family: str, name: str) -> Described:
    """A leaf as ``explain`` and ``list`` show it."""
    cls = leaves(family)[name]
    text = inspect.cleandoc(cls.__doc__ or "")
    homes = (Leaf.__module__, Differentiable.__module__)  # a leaf may have a promise's name
    kinds = {base.__name__ for base in cls.__mro__ if base.__module__ in homes}
    promises = tuple(p for p in _PROMISES if p in kinds)
    return Described(name, family, text.split("\n")[0], text, promises, keys_of(cls))


def keys_of(cls: Any) -> dict[str, str]:
    """What a user may write of an entry: each key with its meaning and default."""
    return {info.alias or key: field_text(info) for key, info in cls.model_fields.items() if key != "type"}


@cache
def _all_extensions() -> tuple[metadata.EntryPoint, ...]:
    """What other packages add, looked up once: it reads a file of each installed package."""
    points = metadata.entry_points()
    return tuple(entry for group in points.groups if group.startswith("factorgraph.") for entry in points.select(group=group))


def _extensions(family: str) -> Iterator[metadata.EntryPoint]:
    return (entry for entry in _all_extensions() if entry.group == f"factorgraph.{family}")


def _leaf_of(module: Any, name: str) -> type[Leaf]:
    own = [each for each in vars(module).values() if inspect.isclass(each) and each.__module__ == module.__name__]
    classes = [each for each in own if issubclass(each, Leaf) and "type" in each.__annotations__]
    if len(classes) != 1 or classes[0].model_fields["type"].default != name:
        raise ImportError(f"{module.__name__} must hold one leaf class with the type {name!r}")
    return classes[0]


def _plugin(entry: metadata.EntryPoint) -> type[Leaf]:
    cls = entry.load()
    if not (inspect.isclass(cls) and issubclass(cls, Leaf)):
        raise TypeError("it is not a leaf class")
    if cls.model_fields["type"].default != entry.name:
        raise ValueError(f"its type must be its entry point's name, {entry.name!r}")
    if "_" not in entry.name:
        raise ValueError("its name must carry a prefix of its own")
    if lacking := _lacking(cls):
        raise TypeError(f"{cls.__name__} {lacking}")
    return cls


def _lacking(cls: type[Leaf]) -> str:
    """What a class says that it is and does not have, so that nothing could be made of it; empty where it has everything."""
    for method in sorted(cls.__abstractmethods__):
        promise = next(base for base in reversed(cls.__mro__) if method in vars(base))
        return f"is {promise.__name__} and lacks its method {method}"
    if issubclass(cls, Factor) and not isinstance(getattr(cls, "glyph", None), Glyph):
        return "is Factor and lacks its glyph, by which it is drawn"
    return ""


def field_text(info: Any) -> str:
    return f"{info.description or ''} ({'required' if info.is_required() else _default_text(info.default)})".strip()


def _default_text(value: Any) -> str:
    """A default as a spec would have it."""
    if value is None or value in ((), {}):
        return "left out"
    if isinstance(value, bool):
        return str(value).lower()
    return str(list(value)) if isinstance(value, tuple) else str(value)
