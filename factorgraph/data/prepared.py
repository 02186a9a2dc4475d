"""From raw samples to prepared ones: steps fitted on training rows, rows that they drop, test rows that were seen in training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from factorgraph.data import chain as chains
from factorgraph.data.chain import Chain
from factorgraph.data.pool import LABEL, SPLITS, Column, Pool
from factorgraph.data.rows import ROWS_AT_ONCE, flat
from factorgraph.errors import DataError, issue
from factorgraph.lazy import np
from factorgraph.structure import Shape

if TYPE_CHECKING:
    from factorgraph.data.model import Array


@dataclass(frozen=True)
class Prepared:
    """``chains``: column -> its fitted steps; labels have none. ``fields``: by split and column, what they make of the rows
    ``rows`` (by split, indices into the pool), before anything is left to chance."""

    chains: Mapping[str, Chain]
    fields: Mapping[str, Mapping[str, Array]]
    rows: Mapping[str, Array]

    def at(self, split: str, stay: Array) -> Prepared:
        """With fewer rows of a split."""
        fields = {name: values[stay] for name, values in self.fields[split].items()}
        return replace(self, fields={**self.fields, split: fields}, rows={**self.rows, split: self.rows[split][stay]})


def prepare(pool: Pool, columns: Mapping[str, Column], known: Mapping[str, Chain] | None, repeats: Sequence[bool]) -> Prepared:
    """Fit each column's steps on the training rows that have it, or take known ones; apply them to both splits.

    A row that a step drops is dropped with all its fields. ``repeats``: of each source, whether it may give a pattern twice.
    """
    fitted: dict[str, Chain] = {}
    values: dict[str, dict[str, Array]] = {split: {} for split in SPLITS}
    stayed: dict[str, dict[str, Array]] = {split: {} for split in SPLITS}
    for name, column in columns.items():
        shape = pool.tables["train"].fields[name].shape[1:]
        if shape == LABEL:
            for split in SPLITS:
                values[split][name] = pool.tables[split].fields[name]
            continue
        done = {}
        if known is None:
            chain, *done["train"] = chains.fit(column.prepare, _own(pool, "train", name))
            fitted[name] = chain.followed_by(column.augment)
        else:
            fitted[name] = _known(known, name, shape)
            chain, _ = fitted[name].parted(len(column.prepare))
        for split in SPLITS:
            found, rows = done.get(split) or chain.select(_own(pool, split, name))
            values[split][name], stayed[split][name] = _spread(pool, split, name, found, rows)
    ready = Prepared(fitted, *_together(values, stayed, pool))
    return ready.at("test", _unseen(ready, pool, repeats))


def _own(pool: Pool, split: str, column: str) -> Array:
    """The rows that have a column."""
    values, has = pool.tables[split].fields[column], pool.has[split].get(column)
    return values if has is None else values[has]


def _spread(pool: Pool, split: str, column: str, found: Array, rows: Array) -> tuple[Array, Array]:
    """What was prepared of those rows among all: zeros where a row lacks the column, which is no reason to drop it."""
    has = pool.has[split].get(column)
    if has is None:
        return found, rows
    own = np.flatnonzero(has)[rows]
    stays = ~has
    stays[own] = True
    spread = np.zeros((len(has), *found.shape[1:]), dtype=found.dtype)
    spread[own] = found
    return spread[stays], np.flatnonzero(stays)


def _known(known: Mapping[str, Chain], column: str, shape: Shape) -> Chain:
    if column not in known or known[column].shape != shape:
        why = f"the stored preparation is not that of the field {column} with shape {list(shape)}"
        raise DataError(issue("FG519", why, ("data", "bind"), fix="train anew"))
    return known[column]


def _together(
    values: dict[str, dict[str, Array]], stayed: Mapping[str, Mapping[str, Array]], pool: Pool
) -> tuple[dict[str, dict[str, Array]], dict[str, Array]]:
    """The columns at the rows that every one of them kept, and those rows."""
    rows = {}
    for split in SPLITS:
        every = np.arange(pool.tables[split].rows)
        common = every
        for each in stayed[split].values():
            common = np.intersect1d(common, each, assume_unique=True)
        for name, found in values[split].items():
            own = stayed[split].get(name, every)
            values[split][name] = found if len(own) == len(common) else found[np.searchsorted(own, common)]
        rows[split] = common
    if not len(rows["train"]):
        raise DataError(issue("FG518", "prepare leaves no training sample", ("data", "prepare"), fix="drop a smaller share"))
    return values, rows


def _unseen(ready: Prepared, pool: Pool, repeats: Sequence[bool]) -> Array:
    """Which prepared test rows are not also training rows, to the bit: white sky is white sky in every photograph.

    A row is compared in the columns that it has, with the training rows that have them too.
    """
    test, train = ready.fields["test"], ready.fields["train"]
    names = [name for name, each in test.items() if each.dtype.kind == "f"]
    stay: Array = np.asarray(repeats)[pool.origin["test"][ready.rows["test"]]]
    has = {split: _having(pool, split, names, ready.rows[split]) for split in SPLITS}
    for pattern in np.unique(has["test"][~stay], axis=0):
        own = [name for name, there in zip(names, pattern, strict=True) if there]
        rows = np.flatnonzero(~stay & (has["test"] == pattern).all(axis=1))
        wanted = set(_keys(test, own, rows))
        seen = wanted.intersection(_keys(train, own, np.flatnonzero(has["train"][:, pattern].all(axis=1))))
        stay[rows] = [not own or each not in seen for each in _keys(test, own, rows)]
    if pool.tables["test"].rows and not stay.any():
        why = f"of {pool.tables['test'].rows} test samples none is left: each is flat, or also a training sample"
        raise DataError(issue("FG518", why, ("data", "test"), fix="more varied samples, a larger test, or test: 0"))
    return stay


def _having(pool: Pool, split: str, names: Sequence[str], rows: Array) -> Array:
    """Which rows have which columns: (rows, columns) bool."""
    every = np.ones(len(rows), dtype=bool)
    having = [pool.has[split][name][rows] if name in pool.has[split] else every for name in names]
    return np.stack(having, axis=1) if having else np.ones((len(rows), 0), dtype=bool)


def _keys(table: Mapping[str, Array], fields: Sequence[str], rows: Array) -> Iterator[bytes]:
    """The bytes of some rows, with one zero instead of two."""
    for start in range(0, len(rows), ROWS_AT_ONCE):
        some = rows[start : start + ROWS_AT_ONCE]
        parts = [np.zeros((len(some), 0), dtype=np.float32), *(flat(table[field][some]) for field in fields)]
        joined = np.concatenate(parts, axis=1) + np.float32(0)
        yield from (row.tobytes() for row in joined)
