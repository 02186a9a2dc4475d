"""What ``factorgraph explain`` tells of words that are neither a leaf nor a block: families, keys of entries, tuned weights."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, get_args

INSIDE = {"distribution": "Distribution"}  # keys whose values have keys of their own, and their classes


def told(name: str) -> str:
    """The text of a word; empty where the language has none of that name."""
    return "\n\n".join(filter(None, (_key(name), _weight(name), _remedy(name), _family(name))))


def families() -> tuple[str, ...]:
    """The families whose types are told under their name; the others are blocks."""
    return (
        *("solvers", "losses", "specs", "fragments", "methods"),
        *("steps", "augmentations", "metrics", "health", "optimizers", "schedules"),
    )


def entries() -> Mapping[str, Any]:
    """Blocks whose entries have keys of their own."""
    from factorgraph.spec import blocks

    return {
        "variables": blocks.Variable,
        "use": blocks.Use,
        "learning": blocks.Phase,
        "data": blocks.DataBlock,
        "expect": blocks.Claim,
        "figures": blocks.Figure,
    }


def bound(measure: str, text: str) -> str:
    """How a phase gives a measure of health its bound. ``text``: what the bound is, with its default."""
    return f"  the bound, in a phase: health: {{{measure}: NUMBER}}; {text}"


def _family(name: str) -> str:
    from factorgraph.cli.list_ import entries_of

    if name not in families():
        return ""
    lines = [f"  {each:26} {text}" for each, text in entries_of(name)]
    return "\n".join([f"{name} (family)", "", *lines, "", "factorgraph explain TYPE tells one of them."])


def _key(name: str) -> str:
    """A key of an entry, in every block that has it."""
    from factorgraph.registry import keys_of

    found = [(block, keys_of(cls)[name]) for block, cls in entries().items() if name in keys_of(cls)]
    told = "\n\n".join(f"{name} (key, in {block})\n\n{text.replace('`', '')}" for block, text in found)
    return "\n".join([told, "", *_inside(name)]) if name in INSIDE else told


def _inside(name: str) -> list[str]:
    """The keys of a part that is written as a map, ``type`` and its words first."""
    from factorgraph import registry
    from factorgraph.spec import blocks

    cls = getattr(blocks, INSIDE[name])
    words = ", ".join(get_args(cls.model_fields["type"].annotation))
    kind = f"  {'type':14} {words}: {registry.field_text(cls.model_fields['type'])}"
    return [kind, *(f"  {key:14} {text}" for key, text in registry.keys_of(cls).items())]


def _weight(name: str) -> str:
    """The weight of a factor, and what it may be tuned to."""
    from factorgraph.spec import targets

    if name in targets.KINDS:
        example = next(each for each in targets.FORMS.split(", ") if name in each)
        text = inspect.cleandoc(targets.Target.__doc__ or "").split("\n\n", 1)[1].replace("``", "")
        return f"{name} (what a weight is tuned to)\n\nIt is {targets.KINDS[name]}: weight: {example}\n\n{text}"
    if name != "weight":
        return ""
    lines = [f"  {kind:16} {text}" for kind, text in targets.KINDS.items()]
    return "\n".join(["weight (key, in factors)", "", f"The only multiplier of a factor (1): {targets.FORMS}.", "", *lines])


def _remedy(name: str) -> str:
    """What is done to dead units."""
    if name not in ("on_dead", "resample"):
        return ""
    from factorgraph.training import resampling

    text = inspect.cleandoc(resampling.__doc__ or "").replace("``", "")
    return f"resample (word of on_dead, in learning)\n\n{text}"
