"""What a run writes of its data, so that they are known again: options, rows, and SHA-256 of what the sources gave."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib import metadata
from typing import TYPE_CHECKING, Any

from factorgraph.data.model import Splits, Table
from factorgraph.errors import DataError, issue
from factorgraph.lazy import np

if TYPE_CHECKING:
    from factorgraph.spec.blocks import DataBlock

SOURCE, FORMAT = ("data", "source"), 1
PACKAGES = ("numpy", "pillow", "scikit-learn", "av")  # whose versions may change what a source yields


def fingerprint(seed: int, block: DataBlock, splits: Splits) -> dict[str, Any]:
    """What ``data.json`` says of one source."""
    source: Any = block.source
    options = {
        "seed": seed,
        "source": source.model_dump(mode="json", by_alias=True),
        "version": source.version,
        "count": block.count,
        "test": block.test,
        "prepare": [step.model_dump(mode="json", by_alias=True) for step in block.prepare],
        "bind": dict(block.bind),
    }
    if block.augment:
        options["augment"] = [each.model_dump(mode="json", by_alias=True) for each in block.augment]
    if block.labelled is not None:
        options["labelled"] = block.labelled
    return {
        "format": FORMAT,
        "options": options,
        "train": {"rows": splits.train.rows, "sha256": digest(splits.train)},
        "test": {"rows": splits.test.rows, "sha256": digest(splits.test)},
        "licence": source.licence,
        "where": source.where,
        "about": dict(splits.about),
        "packages": {name: metadata.version(name) for name in PACKAGES if _installed(name)},
    }


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def digest(table: Table) -> str:
    """SHA-256 over the names, shapes and values of a table's fields, as the source gave them."""
    sha = hashlib.sha256()
    for name, values in sorted(table.fields.items()):
        sha.update(f"{name} {values.dtype.str} {values.shape}\n".encode())
        sha.update(np.ascontiguousarray(values).data if values.size else b"")
    return sha.hexdigest()


def joined(by_source: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """``data.json``: of the only source, or of several by name."""
    if list(by_source) == [""]:
        return dict(by_source[""])
    return {"format": FORMAT, "sources": {name: dict(each) for name, each in by_source.items()}}


def verify(now: Mapping[str, Any], then: Mapping[str, Any]) -> None:
    """Raise DataError FG510, saying what differs, unless the data are those of the run."""
    try:
        old = then.get("sources", {"": then})
        new = now.get("sources", {"": now})
        if set(old) != set(new):
            differs, notes = [f"sources: {', '.join(old)} then, {', '.join(new)} now"], []
        else:
            found = [_differences(f"{name}: " if name else "", new[name], old[name]) for name in new]
            differs, notes = [each for one, _ in found for each in one], [each for _, one in found for each in one]
    except (KeyError, TypeError, AttributeError) as why:
        raise DataError(issue("FG510", f"data.json of the run is damaged: {why!r}", SOURCE, fix="train anew")) from None
    if differs:
        why_not = "the data are not those that this run learned from"
        fix = "put the data back as they were, or train a new run on them"
        raise DataError(issue("FG510", why_not, SOURCE, notes=(*differs, *dict.fromkeys(notes)), fix=fix))


def _differences(name: str, now: Mapping[str, Any], then: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """What makes other data, and which packages have changed beside."""
    before, after = {"augment": None, "labelled": None, **then["options"]}, {"augment": None, "labelled": None, **now["options"]}
    differs = [f"{name}{key}: {before[key]} then, {new} now" for key, new in after.items() if before[key] != new]
    for split in ("train", "test"):
        old, new = then[split], now[split]
        if (old["rows"], old["sha256"]) != (new["rows"], new["sha256"]):
            differs.append(f"{name}{split}: {_known_by(old)} then, {_known_by(new)} now")
    packages = {each: (old, now["packages"].get(each)) for each, old in then["packages"].items()}
    return differs, [f"{each} {old} then, {new} now" for each, (old, new) in packages.items() if old != new]


def _known_by(split: Mapping[str, Any]) -> str:
    return f"{split['rows']} rows with SHA-256 {str(split['sha256'])[:12]}"
