"""Small handwritten digits that come with scikit-learn."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from factorgraph.data.broken import BROKEN, reason
from factorgraph.data.bundled import bundled
from factorgraph.data.division import divide
from factorgraph.data.model import Request, Splits, Table
from factorgraph.data.published import damaged
from factorgraph.data.sources._pictures import LabelledPictures
from factorgraph.errors import DataError
from factorgraph.lazy import np
from factorgraph.structure import Shape

if TYPE_CHECKING:
    from factorgraph.data.model import Array

SIDE, LEVELS = 8, 16  # a pixel counts the ink of 4 x 4 finer ones
FILE = ("data", "digits.csv.gz")
WHAT = "the set digits"
MOST = 1_000_000  # bytes of its text; it has half as many


class Digits(LabelledPictures):
    """Handwritten digits of 13 people, 8 x 8 pixels, from 0 (paper) to 1 (ink): 1,797, on the disk once scikit-learn is.

    These are the test pictures of the set "Optical Recognition of Handwritten Digits". There is no split of their own: rows are
    held out by chance.

    Fields:  image (8, 8), or as ``size`` and ``colors`` say; label (): 0 to 9.
    Units:   ink, 0 to 1.
    Errors:  FG503 where scikit-learn is missing.
    Source:  Alpaydin & Kaynak, UCI Machine Learning Repository, 1998.
    """

    type: Literal["digits"] = "digits"

    licence: ClassVar[str] = "CC BY 4.0, E. Alpaydin and C. Kaynak (UCI Machine Learning Repository)"
    where: ClassVar[str] = "comes with scikit-learn"

    shape: ClassVar[Shape] = (SIDE, SIDE)

    @classmethod
    def at_hand(cls, roots: Sequence[Path]) -> str:
        try:
            return str(bundled(WHAT, *FILE))
        except DataError as error:
            return f"not on this machine: {error.issues[0].fix}"

    def load(self, request: Request) -> Splits:
        rows = _read(bundled(WHAT, *FILE))
        train, test = divide(len(rows), request)
        return Splits(self._table(rows, train), self._table(rows, test), {"division": "rows are held out by chance"})

    def _table(self, rows: Array, chosen: Array) -> Table:
        values = (rows[chosen, :-1] / LEVELS).reshape(-1, SIDE, SIDE).astype(np.float32)
        return Table({"image": self.fitted(values), "label": rows[chosen, -1].astype(np.int64)}, chosen)


def _read(path: Path) -> Array:
    """(rows, 65): 64 pixels and a label, a line each."""
    try:
        with gzip.open(path, "rt", encoding="ascii") as stream:
            lines = stream.read(MOST).splitlines()
        rows: Array = np.loadtxt(lines, delimiter=",", ndmin=2) if lines else np.empty((0, 0))
    except BROKEN as why:
        raise damaged(path, f"it cannot be read: {reason(why)}") from None
    if rows.shape[1:] != (SIDE**2 + 1,) or not ((rows >= 0) & (rows <= LEVELS)).all():
        raise damaged(path, "its lines are not 64 pixels, 0 to 16, and a label")
    return rows
