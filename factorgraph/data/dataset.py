"""Samples as a model's variables: divided, prepared by what training samples taught, and known by their fingerprint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factorgraph.data import arrays
from factorgraph.data.augmented import Augmented
from factorgraph.data.chain import Chain
from factorgraph.data.fingerprint import SOURCE, fingerprint, joined, verify
from factorgraph.data.model import Request, Rows, SourceLeaf, Splits, Table
from factorgraph.data.order import batch, epochs
from factorgraph.data.pool import SPLITS, Blocks, Pool, columns, keep_labels, pooled, relocated, unlabelled
from factorgraph.data.preparation import Preparation, check_binding, check_data, preparation_of, stored_chains
from factorgraph.data.prepared import Prepared, prepare
from factorgraph.errors import DataError, issue
from factorgraph.lazy import np
from factorgraph.structure import Shape

if TYPE_CHECKING:
    from factorgraph.data.model import Array


@dataclass(frozen=True)
class Share:
    """A part of every batch: ``size`` rows, or all, of those training rows in ``among``, or of all ``count``."""

    size: int | str
    count: int
    among: Array | None = None

    def of(self, drawn: Array) -> Array:
        return drawn if self.among is None else self.among[drawn]


Stored = tuple[Mapping[str, Any], Mapping[str, "Array"]]


@dataclass(frozen=True)
class Dataset:
    """Both splits of the samples, ready for a model.

    ``train``, ``test``: variable -> (rows, *variable shape) float32. ``fields``, ``groups``: by split, of the same rows, as the
    sources gave them. ``fingerprint``: what data.json holds. ``present``: by split, of each variable that some rows lack which
    have it, (rows,) bool; where it lacks, it is 0. ``augmented``: what learning sees in another way each time.
    ``notes``: what the sources tell of what they read.
    """

    train: Mapping[str, Array]
    test: Mapping[str, Array]
    fields: Mapping[str, Mapping[str, Array]]
    groups: Mapping[str, Array]
    preparation: Preparation
    fingerprint: Mapping[str, Any]
    seed: int = 0
    present: Mapping[str, Mapping[str, Array]] = field(default_factory=lambda: {split: {} for split in SPLITS})
    augmented: tuple[Augmented, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def chain(self) -> Chain:
        return self.preparation.chain

    @property
    def lacked(self) -> frozenset[str]:
        """The variables that some row, of either split, lacks."""
        return frozenset(variable for each in self.present.values() for variable in each)

    def rows(self, split: str = "train") -> int:
        return len(self.groups[split])

    def batch(self, rows: Array | slice, split: str = "train") -> dict[str, Array]:
        """The variables of some rows as they are measured: nothing is left to chance."""
        table = self.train if split == "train" else self.test
        return {variable: values[rows] for variable, values in table.items()}

    def drawn(self, phase: str, step: int, shares: Sequence[Share], whole: bool = False) -> Rows:
        """What one step of learning sees: a pure function of seed, phase and step.

        ``shares``: of which rows the batch is made, one after another. ``whole``: no batch is of two epochs.
        """
        named = [(phase if not number else f"{phase} share {number}", each) for number, each in enumerate(shares)]
        rows = np.concatenate([each.of(batch(self.seed, name, step, each.count, each.size, whole)) for name, each in named])
        when = [epochs(step, each.count, each.size, whole) for each in shares]
        every = len(shares) == 1 and shares[0].among is None and len(rows) == self.rows()
        values = self.batch(slice(None) if every else rows)  # all rows are in their own order, and need no copy
        for each in self.augmented:
            pictures = each.drawn(self.seed, phase, when[0] if len(when) == 1 else np.concatenate(when), rows)
            names = self.preparation.variables_of(each.column)
            values |= {variable: self.preparation.to_variable(variable, pictures) for variable in names}
        return Rows(values, {variable: there[rows] for variable, there in self.present["train"].items()}, rows)

    def usable(self, wanted: Sequence[frozenset[str]]) -> Array | None:
        """The training rows that have all variables of at least one of these sets; ``None``: every row does."""
        there = self.present["train"]
        if not all(each & there.keys() for each in wanted):
            return None
        found: Array = np.any([self._having(each) for each in wanted], axis=0)
        return None if found.all() else np.flatnonzero(found)

    def apart(self, wanted: Sequence[frozenset[str]]) -> tuple[Array, Array]:
        """Those rows in two parts: that lack a variable of any of these sets, and that have them all."""
        rows = self.usable(wanted)
        every = np.arange(self.rows()) if rows is None else rows
        has = self._having(frozenset[str]().union(*wanted))[every]
        return every[~has], every[has]

    def _having(self, variables: frozenset[str]) -> Array:
        """Which training rows have all of some variables, (rows,) bool."""
        there = self.present["train"]
        found: Array = np.all([np.ones(self.rows(), bool), *(there[name] for name in variables & there.keys())], axis=0)
        return found

    def known(self) -> dict[str, Array]:
        """Of each variable the training rows that have it."""
        there = self.present["train"]
        return {name: values[there[name]] if name in there else values for name, values in self.train.items()}

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
    blocks: Blocks = spec.data.blocks
    _raise(check_data(blocks, shapes))
    asked = _requests(spec.seed, blocks, roots)
    parts = {name: _of_source(name, block, shapes, asked[name], stored is not None) for name, block in blocks.items()}
    written = {name: fingerprint(spec.seed, block, parts[name]) for name, block in blocks.items()}
    if stored is not None:
        verify(joined(written), stored[0])
    bind, known = columns(blocks)
    pool = pooled(parts, known)
    sources: list[Any] = [block.source for block in blocks.values()]
    chains = None if stored is None else stored_chains(stored[1], known)
    ready = prepare(pool, known, chains, [each.repeats for each in sources])
    origin = {split: pool.origin[split][ready.rows[split]] for split in SPLITS}
    for number, name in enumerate(blocks):
        for split in SPLITS:
            written[name][split]["prepared_rows"] = int((origin[split] == number).sum())
    has = {split: {name: each[ready.rows[split]] for name, each in pool.has[split].items()} for split in SPLITS}
    for split in SPLITS:
        has[split] |= unlabelled(blocks, known, ready.fields[split], has[split], origin[split])
    has["train"] |= keep_labels(spec.seed, blocks, known, ready.fields["train"], has["train"], origin["train"])
    lacks = sorted({v for v, name in bind.items() if any(name in each for each in has.values())})
    about = joined(written) | ({"lacks": lacks} if lacks else {})
    found = _dataset(spec.seed, preparation_of(blocks, shapes, ready.chains), pool, ready, has, about)
    return replace(found, notes=tuple(note for each in parts.values() for note in each.notes))


def _dataset(
    seed: int,
    preparation: Preparation,
    pool: Pool,
    ready: Prepared,
    has: Mapping[str, Mapping[str, Array]],
    written: Mapping[str, Any],
) -> Dataset:
    """The columns as variables. Augmented ones are measured with nothing left to chance."""
    present = {split: {v: has[split][name] for v, name in preparation.bind.items() if name in has[split]} for split in SPLITS}
    variables = {}
    for split in SPLITS:
        still = {name: preparation.without_chance(name, each) for name, each in ready.fields[split].items()}
        variables[split] = {
            v: preparation.to_variable(v, still[name], present[split].get(v)) for v, name in preparation.bind.items()
        }
    fields = {split: {name: each[ready.rows[split]] for name, each in pool.tables[split].fields.items()} for split in SPLITS}
    groups = {split: pool.tables[split].groups[ready.rows[split]] for split in SPLITS}
    augmented = [
        Augmented(name, pictures, by)
        for name, pictures in ready.fields["train"].items()
        if (by := preparation.augment.get(name, ())) and pictures.ndim > 2
    ]
    return Dataset(variables["train"], variables["test"], fields, groups, preparation, written, seed, present, tuple(augmented))


def _requests(seed: int, blocks: Blocks, roots: Sequence[Path]) -> dict[str, Request]:
    """What is asked of each source; those of one kind with the same options are one material."""
    alone = {name: Request(seed, block.count, block.test, tuple(roots)) for name, block in blocks.items()}

    def beside(name: str) -> tuple[Request, ...]:
        return tuple(alone[other] for other in blocks if other != name and blocks[other].source == blocks[name].source)

    return {name: replace(each, beside=beside(name)) for name, each in alone.items()}


def _of_source(name: str, block: Any, shapes: Mapping[str, Shape], request: Request, again: bool) -> Splits:
    """The samples of one source, with its issues at its own place."""
    try:
        splits = _read(block.source, request, again)
        _raise(check_binding(block.bind, (*block.prepare, *block.augment), shapes, _shapes(splits.train)))
    except DataError as error:
        raise DataError(relocated(name, error.issues)) from None
    return splits


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
        for field_, values in table.fields.items():
            arrays.check_finite(f"{field_} ({name})", values, SOURCE)
    if not splits.train.rows:
        raise DataError(issue("FG518", "there is no training sample", ("data", "count"), fix="a larger count, or other data"))
    return splits


def _shapes(table: Table) -> dict[str, Shape]:
    return {name: tuple(each.shape[1:]) for name, each in table.fields.items()}


def _raise(issues: Sequence[Any]) -> None:
    if issues:
        raise DataError(issues)
