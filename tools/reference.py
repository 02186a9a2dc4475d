"""Writes the reference part of docs/language.md from the schema and the registries, between its two marks.

``python tools/reference.py`` writes it, ``--check`` only says whether it is up to date.
"""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from factorgraph import registry
from factorgraph.graph.builtin import BUILTIN
from factorgraph.inference.methods._matrix import Matrix
from factorgraph.spec import blocks
from factorgraph.structure import Leaf

PAGE = Path(__file__).resolve().parent.parent / "docs" / "language.md"
BEGIN, END = "<!-- reference: made by tools/reference.py -->", "<!-- end of the reference -->"
BLOCKS = {
    "Variable": blocks.Variable,
    "Distribution of a noise variable": blocks.Distribution,
    "Phase": blocks.Phase,
    "Player of a phase": blocks.Player,
    "Loss of a phase": blocks.LossTerm,
    "Data": blocks.DataBlock,
    "Claim": blocks.Claim,
    "Fragment": blocks.Use,
    "Matrix in free of an unrolled procedure": Matrix,
}
FAMILIES = {
    "functions": "Functions",
    "factors": "Factors",
    "methods": "Procedures, by `method`",
    "solvers": "Solvers",
    "losses": "Losses",
    "optimizers": "Optimizers",
    "schedules": "Schedules",
    "data": "Data, by `source`",
    "steps": "Preparation steps",
    "augmentations": "Augmentations",
    "metrics": "Metrics",
    "health": "Health, by measure",
    "figures": "Figures, by `type`",
}
NOT_YET = " (not yet)"
REFUSED = {  # what spec/names.py refuses: entry, key, and the word if not the whole key
    ("Phase", "workers", None),
}
COMMON = {
    "functions": "Beside its own keys every function takes `per`, an index: one copy with parameters of its own for each slot.",
    "factors": "Beside its own keys every factor takes `weight` (`1`), the only multiplier: a number, or what it is tuned to,\n"
    "`{active_fraction: 0.05}`, `{of_maximum: 0.1}`.",
    "methods": "Beside its own keys every procedure takes `per`, an index.",
    "health": "A phase gives a measure another bound by its number alone, `health: {dead: 0.01}`: the most that it may be.",
    "data": "Beside its own keys every source takes those of *Data* above.",
}


def reference() -> str:
    """The whole part, without its marks."""
    parts = ["## Reference", "### Keys of entries"]
    for title, cls in BLOCKS.items():
        parts += [f"**{title}**", table(("key", "default", "meaning"), keys(cls))]
    for family, title in FAMILIES.items():
        parts.append(f"### {title}")
        if family in COMMON:
            parts.append(COMMON[family])
        found = registry.leaves(family)
        parts.append(table(*overview(family, found)))
        for name, cls in found.items():
            own = keys(cls)
            if own and family != "health":
                parts += [f"**{name}**", table(("key", "default", "meaning"), own)]
    return "\n\n".join(parts)


def overview(family: str, found: Any) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    if family == "metrics":
        rows = [(f"`{name}({', '.join(found[name].arguments)})`", first_line(found[name])) for name in found]
        return ("metric", "what it measures"), rows
    if family in ("factors", "functions"):
        described = {name: registry.describe(family, name) for name in found}
        described |= BUILTIN if family == "functions" else {}
        rows = [(f"`{name}`", each.summary.replace("``", "`"), ", ".join(each.promises)) for name, each in described.items()]
        return ("type", "what it does", "promises"), rows
    if family == "data":
        rows = [(f"`{name}`", first_line(found[name]), fields(found[name])) for name in found]
        return ("type", "what it does", "fields that `bind` names"), rows
    if family == "health":
        bounds = [(found[name].model_fields["at_most"], name) for name in found]
        rows = [(f"`{{{name}: {info.default:g}}}`", info.description or "", first_line(found[name])) for info, name in bounds]
        return ("bound, as it is left out", "what it bounds", "what it tells"), rows
    return ("type", "what it does"), [(f"`{name}`", first_line(found[name])) for name in found]


def first_line(cls: type[Leaf]) -> str:
    return inspect.cleandoc(cls.__doc__ or "").split("\n")[0].replace("``", "`")


def fields(cls: type[Leaf]) -> str:
    """What a source says of its fields."""
    _, _, rest = inspect.cleandoc(cls.__doc__ or "").partition("Fields:  ")
    return " ".join(re.split(r"\n(?! )", rest)[0].split()).replace("``", "`").rstrip(".")


def keys(cls: Any) -> list[tuple[str, ...]]:
    """Key, default and meaning of each field that a user writes."""
    rows = []
    for name, info in cls.model_fields.items():
        if (name == "type" and cls is not blocks.Distribution) or name == "source" or (name == "loss" and cls is blocks.LossTerm):
            continue
        default = "required" if info.is_required() else shown(info.default)
        key = info.alias or name
        words = ", ".join(f"*{each}*{NOT_YET * ((cls.__name__, key, each) in REFUSED)}" for each in words_of(info.annotation))
        rows.append(
            (
                f"`{key}`{NOT_YET * ((cls.__name__, key, None) in REFUSED)}",
                default,
                "; ".join(filter(None, (info.description or "", words))),
            )
        )
    return rows


def words_of(annotation: Any) -> list[str]:
    """The words that a key takes, where it takes words."""
    if get_origin(annotation) is Literal:
        return [str(each) for each in get_args(annotation)]
    return [word for each in get_args(annotation) for word in words_of(each)]


def shown(value: Any) -> str:
    if value is None or value in ((), {}):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{list(value) if isinstance(value, tuple) else value}`"


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def renewed(page: str) -> str:
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    assert rest and END in rest, f"{PAGE} has the two marks"
    return f"{before}{BEGIN}\n\n{reference()}\n\n{END}{after}"


def main() -> int:
    page = PAGE.read_text(encoding="utf-8")
    new = renewed(page)
    if "--check" in sys.argv[1:]:
        if new != page:
            print("docs/language.md is out of date: run python tools/reference.py", file=sys.stderr)
        return int(new != page)
    PAGE.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
