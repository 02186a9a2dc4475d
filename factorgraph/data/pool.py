"""Several sources as one pool of samples: which of their fields are one, and which rows lack it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from factorgraph.data.model import AugmentationLeaf, Splits, StepLeaf, Table
from factorgraph.data.order import order
from factorgraph.errors import DataError, Issue, Path, issue
from factorgraph.lazy import np

if TYPE_CHECKING:
    from factorgraph.data.model import Array
    from factorgraph.spec.blocks import DataBlock

LABEL = ()  # the shape of a field with one whole number a sample; it is never prepared
NO_LABEL = -1  # of a row that lacks a label
SPLITS = ("train", "test")
Blocks = Mapping[str, "DataBlock"]  # by the source's name, which is empty where there is only one


@dataclass(frozen=True)
class Column:
    """What several sources call by names of their own and is one, since they bind it to the same variable.

    ``fields``: source -> its field. The chain is one: a variable's samples are prepared alike, wherever they come from.
    """

    name: str
    fields: Mapping[str, str]
    prepare: tuple[StepLeaf, ...] = ()
    augment: tuple[AugmentationLeaf, ...] = ()

    @property
    def steps(self) -> tuple[StepLeaf, ...]:
        return (*self.prepare, *self.augment)


@dataclass(frozen=True)
class Pool:
    """The rows of all sources, one source after the other.

    ``has``: by split and column, which rows have it, (rows,) bool; a column that all rows have is not there. ``origin``: by
    split, the number of the source that each row came from.
    """

    tables: Mapping[str, Table]
    has: Mapping[str, Mapping[str, Array]]
    origin: Mapping[str, Array]


def placed(name: str, path: Path) -> Path:
    """The address of what a source's own issue is about: ``data.count`` of the source "few" is ``data.few.count``."""
    return ("data", name, *path[1:]) if name and path[:1] == ("data",) else path


def relocated(name: str, issues: Sequence[Issue]) -> list[Issue]:
    return [replace(each, path=placed(name, each.path)) for each in issues]


def columns(blocks: Blocks) -> tuple[dict[str, str], dict[str, Column]]:
    """Variable -> the name of its column; the columns by name."""
    together: list[dict[tuple[str, str], None]] = []
    variables = {variable: None for block in blocks.values() for variable in block.bind}
    for variable in variables:
        mine = {(name, block.bind[variable]): None for name, block in blocks.items() if variable in block.bind}
        shared = [each for each in together if each.keys() & mine.keys()]
        joined = {key: None for each in (*shared, mine) for key in each}
        together = [*(each for each in together if each not in shared), joined]
    found: dict[str, Column] = {}
    of_field: dict[tuple[str, str], str] = {}
    for each in together:
        source, field = next(iter(each))
        name = field if field not in found else f"{source}.{field}"
        block: Any = blocks[source]
        found[name] = Column(name, dict(list(each)), tuple(block.prepare), tuple(block.augment))
        of_field |= dict.fromkeys(each, name)
    bind = {v: next(of_field[name, block.bind[v]] for name, block in blocks.items() if v in block.bind) for v in variables}
    return bind, found


def check_columns(blocks: Blocks) -> Iterator[Issue]:
    """FG542: sources that bind a variable agree on what is done to it, and on what is one field."""
    for variable in {variable: None for block in blocks.values() for variable in block.bind}:
        first, *others = [(name, block) for name, block in blocks.items() if variable in block.bind]
        for name, block in others:
            for key in ("prepare", "augment"):
                if getattr(block, key) != getattr(first[1], key):
                    why = f'{variable} comes from "{first[0]}" and from "{name}", and they {key} it differently'
                    fix = f"write the same {key} in both: a variable is prepared in one way"
                    yield issue("FG542", why, placed(name, ("data", key if getattr(block, key) else "bind")), fix=fix)
            for other in block.bind:
                same_here, same_there = (each.bind.get(other) == each.bind[variable] for each in (block, first[1]))
                if other in first[1].bind and other != variable and same_here != same_there:
                    why = f'{variable} and {other} are one field in one of "{first[0]}" and "{name}", and two in the other'
                    yield issue("FG542", why, placed(name, ("data", "bind", variable)), fix="bind them alike in both")


def lacked(blocks: Blocks) -> frozenset[str]:
    """The variables that some rows lack, as far as it can be told without reading: those that not every source binds."""
    every = [set(block.bind) for block in blocks.values()]
    missing = set().union(*every) - set(every[0]).intersection(*every)
    for block in blocks.values():
        if block.labelled is not None:
            source: Any = block.source
            missing |= {variable for variable, field in block.bind.items() if source.fields().get(field) == LABEL}
    return frozenset(missing)


def pooled(parts: Mapping[str, Splits], known: Mapping[str, Column]) -> Pool:
    """The samples of all sources. Raises DataError FG542 where what is one field has different shapes."""
    if list(parts) == [""]:
        tables = {split: getattr(parts[""], split) for split in SPLITS}
        renamed = {split: Table({**table.fields}, table.groups) for split, table in tables.items()}
        return Pool(renamed, {split: {} for split in SPLITS}, {s: np.zeros(t.rows, dtype=np.int64) for s, t in tables.items()})
    tables, has, origin = {}, {}, {}
    offsets = _offsets(parts)
    for split in SPLITS:
        own = {name: getattr(part, split) for name, part in parts.items()}
        fields: dict[str, Array] = {name: _joined(column, own) for name, column in known.items()}
        fields |= _unbound(own, known)
        groups = np.concatenate([table.groups + offsets[name] for name, table in own.items()])
        tables[split] = Table(fields, groups)
        rows = {column.name: [np.full(t.rows, name in column.fields) for name, t in own.items()] for column in known.values()}
        has[split] = {name: np.concatenate(each) for name, each in rows.items() if set(known[name].fields) != set(parts)}
        origin[split] = np.repeat(np.arange(len(own)), [table.rows for table in own.values()])
    return Pool(tables, has, origin)


def _offsets(parts: Mapping[str, Splits]) -> dict[str, int]:
    found, start = {}, 0
    for name, part in parts.items():
        found[name] = start
        start += 1 + max((int(each.groups.max()) for each in (part.train, part.test) if each.rows), default=0)
    return found


def _joined(column: Column, tables: Mapping[str, Table]) -> Array:
    there = {name: tables[name].fields[field] for name, field in column.fields.items()}
    kinds = {name: (each.shape[1:], each.dtype) for name, each in there.items()}
    shape, dtype = next(iter(kinds.values()))
    for name, kind in kinds.items():
        if kind != (shape, dtype):
            why = f'samples of {column.name} are of shape {list(shape)} in "{next(iter(kinds))}", and {list(kind[0])} in "{name}"'
            fix = "give all sources one size, or bind them to variables of their own"
            raise DataError(issue("FG542", why, placed(name, ("data", "bind")), fix=fix))
    nothing = NO_LABEL if shape == LABEL and dtype.kind == "i" else 0
    found = (there.get(name, np.full((each.rows, *shape), nothing, dtype=dtype)) for name, each in tables.items())
    return np.concatenate(list(found))


def _unbound(tables: Mapping[str, Table], known: Mapping[str, Column]) -> dict[str, Array]:
    """Fields that no variable is bound to, where every source has one of the same name and kind."""
    first, *others = tables.values()
    found = {}
    for name, values in first.fields.items():
        rest = [table.fields.get(name) for table in others]
        fits = all(each is not None and (each.shape[1:], each.dtype) == (values.shape[1:], values.dtype) for each in rest)
        if name not in known and fits:
            found[name] = np.concatenate([values, *(each for each in rest if each is not None)])
    return found


def keep_labels(
    seed: int, blocks: Blocks, known: Mapping[str, Column], fields: Mapping[str, Array], has: Mapping[str, Array], origin: Array
) -> dict[str, Array]:
    """Of each label, which training rows keep it, (rows,) bool, where a source says how many: ``labelled``.

    Raises DataError FG544 where it binds no label, or has too few rows.
    """
    found: dict[str, Array] = {}
    for number, (name, block) in enumerate(blocks.items()):
        if block.labelled is None:
            continue
        own = np.flatnonzero(origin == number)
        labels = [column for column in known.values() if name in column.fields and fields[column.name].shape[1:] == LABEL]
        at = placed(name, ("data", "labelled"))
        if not labels:
            why = "labelled says how many rows keep their labels, and no variable is bound to a label"
            raise DataError(issue("FG544", why, at, fix="bind a variable to a label, or take labelled out"))
        named = own[has[labels[0].name][own]] if labels[0].name in has else own
        if block.labelled > len(named):
            why = f"{block.labelled} rows are to keep their labels, and {len(named)} training rows have one"
            raise DataError(issue("FG544", why, at, fix=f"at most {len(named)}"))
        keep = named[balanced(fields[labels[0].name][named], block.labelled, seed, name)]
        for column in labels:
            there = found.get(column.name, has.get(column.name, np.ones(len(origin), dtype=bool))).copy()
            there[own] = False
            there[keep] = True
            found[column.name] = there
    return found


def unlabelled(
    blocks: Blocks, known: Mapping[str, Column], fields: Mapping[str, Array], has: Mapping[str, Array], origin: Array
) -> dict[str, Array]:
    """Of each label, which rows have it, (rows,) bool, where a source says that some of its samples have none: it is -1 there."""
    sources: list[Any] = [block.source for block in blocks.values()]
    without = np.asarray([each.unlabelled for each in sources])[origin]
    found = {}
    for name in known:
        nothing = without & (fields[name] == NO_LABEL) if fields[name].shape[1:] == LABEL else without & False
        if nothing.any():
            found[name] = has.get(name, np.ones(len(origin), dtype=bool)) & ~nothing
    return found


def balanced(labels: Array, count: int, seed: int, purpose: str) -> Array:
    """``count`` different rows by chance, as many of each class as can be: indices in rising order."""
    mixed = order(seed, f"labelled {purpose}", 0, len(labels))
    _, classes, sizes = np.unique(labels[mixed], return_inverse=True, return_counts=True)
    by_class = np.argsort(classes, kind="stable")
    rank = np.empty(len(labels), dtype=np.int64)  # of a row among those of its class
    rank[by_class] = np.arange(len(labels)) - (np.cumsum(sizes) - sizes)[classes[by_class]]
    return np.sort(mixed[np.argsort(rank, kind="stable")[:count]])
