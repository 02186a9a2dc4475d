"""Samples from a file of the user's own arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from factorgraph.data import arrays, paths
from factorgraph.data.division import divide, own_split
from factorgraph.data.model import Request, SourceLeaf, Splits, Table
from factorgraph.errors import DataError, issue
from factorgraph.lazy import np
from factorgraph.structure import Shape

if TYPE_CHECKING:
    from factorgraph.data.model import Array

FILE = ("data", "file")
LABELS = "labels"


class Arrays(SourceLeaf):
    """Samples from an .npy or .npz file of numpy, one row a sample.

    The fields are the arrays of an .npz by name, or ``array`` of an .npy. Where every array has a twin, ``x_train`` and
    ``x_test``, these are the file's own split, and the field is ``x``; else rows are held out by chance. Numbers become float32;
    a whole number per row is a label and stays one. Files that hold Python objects are refused.

    Fields:  the arrays of an .npz by name; array, of an .npy.
    """

    type: Literal["arrays"] = "arrays"
    file: str = Field(description="an .npy or .npz file, below the spec's folder or FACTORGRAPH_DATA")

    licence: ClassVar[str] = "the file's own"
    where: ClassVar[str] = "a file of the user's"

    def fields(self) -> dict[str, Shape]:
        return {}

    def load(self, request: Request) -> Splits:
        found = arrays.read(paths.find(self.file, request.roots, FILE), FILE)
        if not found:
            raise DataError(issue("FG516", f"{self.file} holds no arrays", FILE, fix="save some with numpy.savez(file, x=...)"))
        own = _own_split(found)
        if own is None:
            rows = self._rows(found)
            train, test = divide(rows, request)
            about = {"division": "rows are held out by chance"}
            return Splits(_table(found, train, 0), _table(found, test, 0), about)
        rows_train, rows_test = self._rows(own[0]), self._rows(own[1])
        self._check_twins(*own)
        train, test = own_split(request, rows_train, rows_test)
        about = {"division": "the file's own"}
        return Splits(_table(own[0], train, 0), _table(own[1], test, rows_train), about)

    def _check_twins(self, train: Mapping[str, Array], test: Mapping[str, Array]) -> None:
        for name, one in train.items():
            kinds = [f"{_kind(each)} of shape {list(each.shape[1:])}" for each in (one, test[name])]
            if kinds[0] != kinds[1]:
                why = f"in {self.file} the rows of {name}_train are {kinds[0]}, and those of {name}_test are {kinds[1]}"
                raise DataError(issue("FG516", why, FILE, fix="save both sides alike"))

    def _rows(self, found: Mapping[str, Array]) -> int:
        counts = {name: len(each) if each.ndim else -1 for name, each in found.items()}
        if len(set(counts.values())) > 1 or -1 in counts.values():
            rows = ", ".join(f"{name} {'is a single number' if many < 0 else f'has {many}'}" for name, many in counts.items())
            why = f"the arrays in {self.file} do not have the same number of rows: {rows}"
            raise DataError(issue("FG516", why, FILE, fix="one row per sample in every array"))
        for name, each in found.items():
            arrays.check_finite(name, each, FILE)
            if each.ndim == 1 and each.dtype.kind == "u" and len(each) and each.max() > np.iinfo(np.int64).max:
                why = f"{name} holds the label {each.max()}: too large a whole number"
                raise DataError(issue("FG505", why, FILE, fix="count labels from 0, or save real numbers"))
        return next(iter(counts.values()))


def _own_split(found: Mapping[str, Array]) -> tuple[dict[str, Array], dict[str, Array]] | None:
    names = {name.removesuffix("_train") for name in found if name.endswith("_train")}
    if not names or set(found) != {f"{name}_{side}" for name in names for side in ("train", "test")}:
        return None
    return {name: found[f"{name}_train"] for name in names}, {name: found[f"{name}_test"] for name in names}


def _table(found: Mapping[str, Array], rows: Array, first: int) -> Table:
    fields = {}
    for name, each in found.items():
        fields[name] = each[rows].astype(np.int64 if _kind(each) == LABELS else np.float32)
    return Table(fields, rows + first)


def _kind(each: Array) -> str:
    return LABELS if each.ndim == 1 and each.dtype.kind in "iub" else "numbers"
