"""A page of the names that Python programs use, from their docstrings and signatures."""

from __future__ import annotations

import inspect
import re
from functools import cached_property
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import factorgraph as fg
from pages.text import prose, put

PARTS = {
    "From a spec to a model": ("load", "loads", "Spec", "resolve", "render", "diff", "why", "build", "Model", "Solution"),
    "Learning": ("train", "open", "Run"),
    "Specs in Python": ("Builder", "Player", "Workers", "call"),
    "Mistakes": ("FactorgraphError", "SpecError", "DataError", "RunError", "Issue"),
}
HEAD = """\
# Python reference

What `import factorgraph as fg` gives, from its docstrings. [Specs in Python](python.md) shows it in use.
"""
ALIASES = {"open": "Run"}  # documented under the other name
CALLED = ("Builder", "Player", "Workers", "Run", "Issue")  # classes that a program makes itself


def write(page: Path) -> None:
    lines = [HEAD]
    modules = [name for name in fg.__all__ if isinstance(getattr(fg, name), ModuleType)]
    told = {*modules, "__version__", *(name for names in PARTS.values() for name in names)}
    for head, names in {**PARTS, "More": [name for name in fg.__all__ if name not in told]}.items():
        if not names:
            continue
        lines += [f"## {head}", ""]
        for name in names:
            lines += [*entry(f"fg.{name}", getattr(fg, name), ALIASES.get(name)), ""]
    lines += ["## Leaves", "", "Modules that hold the leaves of a family under the names of their classes:", ""]
    lines += [f"* `fg.{name}`" for name in modules]
    lines += ["", "Their options are those of the [leaves](leaves/index.md). `fg.__version__` is the version.", ""]
    put(page, "\n".join(lines))


def entry(title: str, it: Any, alias: str | None) -> list[str]:
    if alias:
        return [f"### {title}", "", f"`{title}(path)` is `fg.{alias}(path)`: a run that is on disk, opened again."]
    lines = [f"### {title}", "", *signed(title, it), "", prose(it.__doc__ or "")]
    if inspect.isclass(it):
        for name, member in sorted(public(it), key=lambda each: each[0]):
            lines += ["", f"**`.{name}`**{arguments(member)}: {prose(inspect.getdoc(member) or '')}"]
    return lines


def signed(title: str, it: Any) -> list[str]:
    if inspect.isclass(it) and it.__name__ not in CALLED:
        return []
    return ["```python", f"{title}{arguments(it).strip().strip('`')}", "```"]


def arguments(it: Any) -> str:
    """How something is called, without annotations: those are in the stubs that editors read."""
    if not callable(it):
        return ""
    try:
        parameters = list(inspect.signature(it).parameters.values())
    except ValueError:
        return ""
    plain = [each.replace(annotation=inspect.Parameter.empty) for each in parameters if each.name != "self"]
    text = str(inspect.Signature(plain))
    return f" `{re.sub(r'<[^>]*>', '...', text)}`"


def public(cls: type) -> list[tuple[str, Any]]:
    """The methods and properties of a class that say what they are for."""
    found = [(name, inspect.getattr_static(cls, name)) for name in vars(cls) if not name.startswith("_")]
    plain = [(name, each.__func__ if isinstance(each, staticmethod | classmethod) else each) for name, each in found]
    return [(name, each) for name, each in plain if isinstance(each, FunctionType | property | cached_property) and each.__doc__]
