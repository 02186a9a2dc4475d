"""A page for each family of leaves, from their docstrings and their fields."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reference import COMMON

from factorgraph import registry
from pages.text import contents, prose, put, table

HEAD = """\
# Leaves

Everything that a spec may name by its type. Each is one file of the package, from which this is made; `factorgraph explain TYPE`
prints the same. [A factor in one file](../own_factor.md) shows how to add one.
"""
ABOUT = {
    "factors": "terms of the energy: what a model pays for",
    "functions": "deterministic maps: they compute and cost nothing",
    "solvers": "rules that find the least energy; `auto` takes the one that uses most of what is known",
    "methods": "ways to infer: `method` of a procedure",
    "losses": "how learning shapes the energy surface",
    "optimizers": "rules by which parameters move",
    "schedules": "how the learning rate changes during a phase",
    "data": "where samples come from: `source`",
    "steps": "what is done once to all samples: `prepare`",
    "augmentations": "what is done to pictures anew each time, while learning: `augment`",
    "metrics": "figures that claims are made of",
    "health": "what is watched while a phase learns",
    "figures": "pictures beyond those that are chosen from the graph",
}


def write(folder: Path) -> None:
    lines = [HEAD]
    for family in registry.FAMILIES:
        names = list(registry.leaves(family))
        put(folder / f"{family}.md", page(family, names))
        lines += [f"## [{family.capitalize()}]({family}.md)", "", f"{sentence(ABOUT[family])}.", ""]
        lines += [" · ".join(f"[{name}]({family}.md#{family}-{name})" for name in names), ""]
    put(folder / "index.md", "\n".join(lines) + contents(registry.FAMILIES))


def page(family: str, names: list[str]) -> str:
    parts = [f"# {family.capitalize()}", f"{sentence(ABOUT[family])}.", COMMON.get(family, "")]
    for name in names:
        it, cls = registry.describe(family, name), registry.leaves(family)[name]
        promises = [f"Promises to the planner: {', '.join(it.promises)}."] if it.promises else []
        parts += [f"({family}-{name})=\n## {name}", prose(cls.__doc__ or ""), *promises, keys(cls)]
    return "\n\n".join(filter(None, parts)) + "\n"


def keys(cls: Any) -> str:
    rows = []
    for name, info in cls.model_fields.items():
        if name not in ("type", "source", "method"):
            default = "required" if info.is_required() else plain(info.default)
            rows.append((f"`{info.alias or name}`", default, info.description or ""))
    return table(("key", "default", "meaning"), rows) if rows else ""


def plain(value: Any) -> str:
    """A default as a spec would have it."""
    if value in (None, (), {}):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else list(value) if isinstance(value, tuple) else value}`"


def sentence(text: str) -> str:
    return text[0].upper() + text[1:]
