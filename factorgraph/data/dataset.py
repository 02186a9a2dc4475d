"""Samples as a model's variables: divided, prepared by what training samples taught, and known by their fingerprint."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factorgraph.data import arrays
from factorgraph.data import chain as chains
from factorgraph.data.chain import Chain
from factorgraph.data.model import Request, SourceLeaf, Splits, Table
from factorgraph.data.preparation import LABEL, Preparation, check_binding, check_block, stored_chains
from factorgraph.data.rows import ROWS_AT_ONCE, flat
from factorgraph.errors import DataError, issue
from factorgraph.lazy import np
from factorgraph.structure import Shape

if TYPE_CHECKING:
    from factorgraph.data.model import Array

SOURCE, FORMAT = ("data", "source"), 1
PACKAGES = ("numpy", "pillow", "scikit-learn")  # whose versions may change what a source yields
Stored = tuple[Mapping[str, Any], Mapping[str, "Array"]]


@dataclass(frozen=True)
class Dataset:
    """Both splits of the samples, ready for a model.

    ``train``, ``test``: variable -> (rows, *variable shape) float32. ``fields``, ``groups``: by split, of the same rows, as the
    source gave them. ``fingerprint``: what data.json holds.
    """

    train: Mapping[str, Array]
    test: Mapping[str, Array]
    fields: Mapping[str, Mapping[str, Array]]
    groups: Mapping[str, Array]
    preparation: Preparation
    fingerprint: Mapping[str, Any]

    @property
    def chain(self) -> Chain:
        return self.preparation.chain

    def rows(self, split: str = "train") -> int:
        return len(self.groups[split])

    def batch(self, rows: Array | slice, split: str = "train") -> dict[str, Array]:
        """The variables of some rows: what one step of learning sees."""
        table = self.train if split == "train" else self.test
        return {variable: values[rows] for variable, values in table.items()}

    def to_tensors(self) -> dict[str, Array]:
        return self.preparation.to_tensors()


def load_data(spec: Any, shapes: Mapping[str, Shape], roots: Sequence[Path], stored: Stored | None = None) -> Dataset:
    """The data of a spec for the variables in ``shapes``.

    ``stored``: data.json and the preprocessing tensors of a run. Then nothing is fitted, and the data must be those of the run:
    DataError FG510 where they have changed, FG511 where they are gone.
    """
    try:
        return _load(spec, shapes, roots, stored)
    except DataError as error:
        document = getattr(spec, "document", None)
        if document is None:
            raise
        raise DataError([document.locate(each) for each in error.issues]) from None


def _load(spec: Any, shapes: Mapping[str, Shape], roots: Sequence[Path], stored: Stored | None) -> Dataset:
    block = spec.data.first
    source, bind, steps = block.source, dict(block.bind), tuple(block.prepare)
    _raise(check_block(block, shapes))
    splits = _read(source, Request(spec.seed, block.count, block.test, tuple(roots)), stored is not None)
    _raise(check_binding(bind, steps, shapes, _shapes(splits.train)))
    fingerprint = _fingerprint(spec, splits)
    if stored is not None:
        _verify(fingerprint, stored[0])
    known = None if stored is None else stored_chains(stored[1], steps)
    fitted, prepared, rows = _prepare(splits, bind, steps, known)
    left = _unseen(prepared, source, splits.test.rows)
    prepared["test"] = {field: each[left] for field, each in prepared["test"].items()}
    rows["test"] = rows["test"][left]
    preparation = Preparation(source, bind, dict(shapes), fitted)
    variables = {split: {v: preparation.to_variable(v, each[f]) for v, f in bind.items()} for split, each in prepared.items()}
    tables = {"train": splits.train, "test": splits.test}
    fields = {split: {name: each[rows[split]] for name, each in table.fields.items()} for split, table in tables.items()}
    groups = {split: table.groups[rows[split]] for split, table in tables.items()}
    for split in tables:
        fingerprint[split]["prepared_rows"] = len(rows[split])
    return Dataset(variables["train"], variables["test"], fields, groups, preparation, fingerprint)


def _read(source: SourceLeaf, request: Request, again: bool) -> Splits:
    try:
        splits = source.load(request)
    except DataError as error:
        if not again:
            raise
        first = error.issues[0]
        why = f"the data that this run learned from cannot be read any more: {first.message}"
        raise DataError(replace(first, code="FG511", message=why)) from None
    for name, table in (("training", splits.train), ("test", splits.test)):
        for field, values in table.fields.items():
            arrays.check_finite(f"{field} ({name})", values, SOURCE)
    if not splits.train.rows:
        raise DataError(issue("FG518", "there is no training sample", ("data", "count"), fix="a larger count, or other data"))
    return splits


def _shapes(table: Table) -> dict[str, Shape]:
    return {name: tuple(each.shape[1:]) for name, each in table.fields.items()}


def _prepare(
    splits: Splits, bind: Mapping[str, str], steps: Sequence[Any], known: Mapping[str, Chain] | None
) -> tuple[dict[str, Chain], dict[str, dict[str, Array]], dict[str, Array]]:
    """Chains by field; prepared fields by split; the rows that stayed by split: those that no field's steps drop."""
    fitted: dict[str, Chain] = {}
    prepared: dict[str, dict[str, Array]] = {"train": {}, "test": {}}
    stayed: dict[str, dict[str, Array]] = {"train": {}, "test": {}}
    for field in dict.fromkeys(bind.values()):
        train, test = splits.train.fields[field], splits.test.fields[field]
        if train.shape[1:] == LABEL:
            prepared["train"][field], prepared["test"][field] = train, test
            continue
        if known is None:
            fitted[field], prepared["train"][field], stayed["train"][field] = chains.fit(steps, train)
        else:
            fitted[field] = _known(known, field, tuple(train.shape[1:]))
            prepared["train"][field], stayed["train"][field] = fitted[field].select(train)
        prepared["test"][field], stayed["test"][field] = fitted[field].select(test)
    return fitted, *_together(prepared, stayed, splits)


def _known(known: Mapping[str, Chain], field: str, shape: Shape) -> Chain:
    if field not in known or known[field].shape != shape:
        why = f"the stored preparation is not that of the field {field} with shape {list(shape)}"
        raise DataError(issue("FG519", why, ("data", "bind"), fix="train anew"))
    return known[field]


def _together(
    prepared: dict[str, dict[str, Array]], stayed: Mapping[str, Mapping[str, Array]], splits: Splits
) -> tuple[dict[str, dict[str, Array]], dict[str, Array]]:
    """The rows that every field kept, and the fields at those rows."""
    rows = {}
    for split, table in (("train", splits.train), ("test", splits.test)):
        common = np.arange(table.rows)
        for each in stayed[split].values():
            common = np.intersect1d(common, each, assume_unique=True)
        for field, values in prepared[split].items():
            own = stayed[split].get(field, np.arange(table.rows))
            prepared[split][field] = values if len(own) == len(common) else values[np.searchsorted(own, common)]
        rows[split] = common
    if not len(rows["train"]):
        raise DataError(issue("FG518", "prepare leaves no training sample", ("data", "prepare"), fix="drop a smaller share"))
    return prepared, rows


def _unseen(prepared: Mapping[str, Mapping[str, Array]], source: SourceLeaf, drawn: int) -> Array:
    """Which prepared test rows are not also training rows, to the bit: white sky is white sky in every photograph."""
    fields = [field for field, each in prepared["test"].items() if each.dtype.kind == "f"]
    stay = np.ones(len(next(iter(prepared["test"].values()))), dtype=bool)
    if not source.repeats and fields:
        wanted = set(_keys(prepared["test"], fields))
        seen = {each for each in _keys(prepared["train"], fields) if each in wanted}
        stay = np.asarray([each not in seen for each in _keys(prepared["test"], fields)], dtype=bool)
    if drawn and not stay.any():
        why = f"of {drawn} test samples none is left: each is flat, or also a training sample"
        raise DataError(issue("FG518", why, ("data", "test"), fix="more varied samples, a larger test, or test: 0"))
    return stay


def _keys(table: Mapping[str, Array], fields: Sequence[str]) -> Iterator[bytes]:
    """The bytes of each row, with one zero instead of two."""
    for start in range(0, len(table[fields[0]]), ROWS_AT_ONCE):
        joined = np.concatenate([flat(table[field][start : start + ROWS_AT_ONCE]) for field in fields], axis=1) + np.float32(0)
        yield from (row.tobytes() for row in joined)


def _fingerprint(spec: Any, splits: Splits) -> dict[str, Any]:
    block = spec.data.first
    return {
        "format": FORMAT,
        "options": {
            "seed": spec.seed,
            "source": block.source.model_dump(mode="json", by_alias=True),
            "version": block.source.version,
            "count": block.count,
            "test": block.test,
            "prepare": [step.model_dump(mode="json", by_alias=True) for step in block.prepare],
            "bind": dict(block.bind),
        },
        "train": {"rows": splits.train.rows, "sha256": digest(splits.train)},
        "test": {"rows": splits.test.rows, "sha256": digest(splits.test)},
        "licence": block.source.licence,
        "where": block.source.where,
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


def _verify(now: Mapping[str, Any], then: Mapping[str, Any]) -> None:
    """Raise DataError FG510, saying what differs, unless the data are those of the run."""
    try:
        options = {key: (then["options"][key], new) for key, new in now["options"].items()}
        differs = [f"{key}: {old} then, {new} now" for key, (old, new) in options.items() if old != new]
        for split in ("train", "test"):
            old, new = then[split], now[split]
            if (old["rows"], old["sha256"]) != (new["rows"], new["sha256"]):
                differs.append(f"{split}: {_known_by(old)} then, {_known_by(new)} now")
        packages = {name: (old, now["packages"].get(name)) for name, old in then["packages"].items()}
        notes = (*differs, *(f"{name} {old} then, {new} now" for name, (old, new) in packages.items() if old != new))
    except (KeyError, TypeError, AttributeError) as why:
        raise DataError(issue("FG510", f"data.json of the run is damaged: {why!r}", SOURCE, fix="train anew")) from None
    if differs:
        why_not = "the data are not those that this run learned from"
        fix = "put the data back as they were, or train a new run on them"
        raise DataError(issue("FG510", why_not, SOURCE, notes=notes, fix=fix))


def _known_by(split: Mapping[str, Any]) -> str:
    return f"{split['rows']} rows with SHA-256 {str(split['sha256'])[:12]}"


def _raise(issues: Sequence[Any]) -> None:
    if issues:
        raise DataError(issues)
