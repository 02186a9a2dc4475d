"""Windows with a standing person in them, or with none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from factorgraph.data import images, paths
from factorgraph.data.bounds import check_size
from factorgraph.data.division import own_split
from factorgraph.data.model import Request, SourceLeaf, Splits, Table
from factorgraph.data.order import generator
from factorgraph.data.sources._photographs import FOLDER, folder_of
from factorgraph.errors import DataError, issue
from factorgraph.lazy import np
from factorgraph.spec.constants import Count
from factorgraph.structure import Shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from factorgraph.data.model import Array

USUAL = 2000  # training windows
WINDOW = 126, 78  # pixels of a window in which a person of the INRIA folder is 96 high
POSITIVE = (("96X160H96/Train/pos", "train_64x128_H96/pos"), ("70X134H96/Test/pos", "test_64x128_H96/pos"))  # train, test
NEGATIVE = (("Train/neg",), ("Test/neg",))
FROM_EACH = 10  # windows cut from a picture without people
TALL = 0.76  # of the window: how high a person stands in it, as 96 in 126
PARTS = (  # of a body: how far down, how far beside the middle, half the length, half the width; in parts of its height
    *((0.08, 0.0, 0.08, 0.065), (0.33, 0.0, 0.2, 0.125)),
    *((0.34, -0.15, 0.18, 0.04), (0.34, 0.15, 0.18, 0.04), (0.75, -0.06, 0.26, 0.055), (0.75, 0.06, 0.26, 0.055)),
)
CLOTH, THREADS = 3.0, 0.15  # pixels from one thread of cloth to the next, and how much lighter or darker they are
NOISE = 0.05
THINGS = 12  # in a background
LUMA = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))  # Rec. ITU-R BT.601: Y, U, V of R, G, B


class Pedestrians(SourceLeaf):
    """Windows of which half show a standing person, in luminance and colour apart, and whether they do.

    Generated windows are told apart by what is large and what is fine together: a person is a body, in cloth whose threads run
    across. Of the others a third are things alone, a third bodies in cloth that runs down, a third the parts of a body out of
    their places.

    ``folder``: that of INRIA's person set, with ``96X160H96/Train/pos`` and ``70X134H96/Test/pos`` (or ``train_64x128_H96``,
    ``test_64x128_H96``) for people, ``Train/neg`` and ``Test/neg`` for pictures without. A person's window is the middle of its
    picture; from a picture without people windows are cut where chance says.

    Fields:  luminance (1, height, width), color (2, height, width), person (): 1 where there is one, else 0.
    Units:   luminance 0 to 1, colour differences -0.5 to 0.5 (Rec. ITU-R BT.601).
    Source:  Dalal & Triggs, CVPR 2005, for the folder.
    Errors:  FG504 where the folder has none of these, FG512 to FG514 of files.
    """

    type: Literal["pedestrians"] = "pedestrians"
    height: Count = Field(126, description="pixels of a window from top to bottom")
    width: Count = Field(78, description="pixels from side to side")
    folder: str | None = Field(None, description="of INRIA's person set (none: generated windows)")

    examples: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"height": 42, "width": 27})
    licence: ClassVar[str] = "generated; no rights. INRIA's set: for research, ask its authors"
    where: ClassVar[str] = "generated from the seed, or a folder of your own"

    def fields(self) -> dict[str, Shape]:
        return {"luminance": (1, self.height, self.width), "color": (2, self.height, self.width), "person": ()}

    def load(self, request: Request) -> Splits:
        if self.folder is not None:
            return self._of_folder(folder_of(self.folder, request), request)
        count, held_out = request.sizes(USUAL)
        check_size(count + held_out, (3, self.height, self.width), "windows", ("data", "count"))
        train, test = (self._made(rows, request.seed, split) for rows, split in ((count, "train"), (held_out, "test")))
        groups = np.arange(count + held_out)
        return Splits(_table(*train, groups[:count]), _table(*test, groups[count:]), {"division": "drawn independently"})

    # --- generated -------------------------------------------------------------------------------------------------------------

    def _made(self, rows: int, seed: int, split: str) -> tuple[Array, Array]:
        """Windows (rows, 3, height, width) in red, green, blue, and labels (rows,)."""
        found = np.empty((rows, 3, self.height, self.width), dtype=np.float32)
        labels = np.empty(rows, dtype=np.int64)
        for row in range(rows):
            random = generator(seed, "pedestrians", split, row)
            labels[row] = row % 2  # as many of either, in whichever way rows are drawn
            found[row] = self._window(random, bool(labels[row]))
        return found, labels

    def _window(self, random: np.random.Generator, person: bool) -> Array:
        canvas = np.ones((3, self.height, self.width)) * random.random((3, 1, 1))
        tall = TALL * self.height
        for _ in range(THINGS):
            middle = random.random(2) * (self.height, self.width)
            lengths = tall * random.uniform(0.03, 0.3, 2)
            self._paint(canvas, middle, lengths, random.uniform(0, np.pi), random.random(3))
        kind = 3 if person else int(random.integers(3))
        if kind:
            self._body(canvas, random, tall, across=kind != 1, whole=kind != 2)
        noisy = _blurred(canvas) + NOISE * random.standard_normal(canvas.shape)
        return noisy.clip(0, 1).astype(np.float32)

    def _body(self, canvas: Array, random: np.random.Generator, tall: float, across: bool, whole: bool) -> None:
        """Paint the parts of a body, ``whole`` or each wherever chance puts it, in cloth whose threads run ``across`` or down."""
        skin, shirt, trousers = random.random((3, 3))
        top = (self.height - tall) / 2 + random.uniform(-0.03, 0.03) * self.height
        middle = self.width / 2 + random.uniform(-0.05, 0.05) * self.width
        for number, (down, beside, length, width) in enumerate(PARTS):
            lean = 0.0 if number < 2 else random.uniform(-0.12, 0.12)
            place = np.array([top + down * tall, middle + beside * tall])
            if not whole:
                place, lean = random.random(2) * (self.height, self.width), random.uniform(0, np.pi)
            color = skin if number == 0 else trousers if number > 3 else shirt
            self._paint(canvas, place, (length * tall, width * tall), lean, color, None if number == 0 else across)

    def _paint(
        self,
        canvas: Array,
        middle: Array,
        lengths: Sequence[float] | Array,
        lean: float,
        color: Array,
        across: bool | None = None,
    ) -> None:
        """One ellipse, in place; ``across``: which way its threads run, none if it is no cloth."""
        down = np.arange(self.height)[:, None] - middle[0]
        side = np.arange(self.width) - middle[1]
        cosine, sine = np.cos(lean), np.sin(lean)
        inside = ((down * cosine + side * sine) / lengths[0]) ** 2 + ((side * cosine - down * sine) / lengths[1]) ** 2 <= 1
        shade = np.ones(inside.shape)
        if across is not None:
            shade = shade * (1 + THREADS * np.sin(2 * np.pi / CLOTH * (down if across else side)))
        for part, value in zip(canvas, color, strict=True):
            part[inside] = (0.25 + 0.6 * value) * shade[inside]

    # --- INRIA's folder --------------------------------------------------------------------------------------------------------

    def _of_folder(self, folder: Path, request: Request) -> Splits:
        people = [_pictures(folder, names, request) for names in POSITIVE]
        without = [_pictures(folder, names, request) for names in NEGATIVE]
        sizes = [len(p) + FROM_EACH * len(w) for p, w in zip(people, without, strict=True)]
        chosen = own_split(request, *sizes)
        check_size(sum(map(len, chosen)), (3, self.height, self.width), "windows", ("data", "count"))
        tables = []
        for side, rows in enumerate(chosen):
            found = np.empty((len(rows), 3, self.height, self.width), dtype=np.float32)
            for place, row in enumerate(rows):
                found[place] = self._cut(people[side], without[side], int(row), request.seed)
            tables.append(_table(found, (rows < len(people[side])).astype(np.int64), rows + side * sizes[0]))
        counts = [len(each) for each in (*people, *without)]
        return Splits(tables[0], tables[1], {"division": "the set's own", "pictures": counts})

    def _cut(self, people: Sequence[Path], without: Sequence[Path], row: int, seed: int) -> Array:
        """A person's window, or one of those of a picture without people."""
        if row < len(people):
            return self._window_at(images.read(people[row], 3, FOLDER), None)
        number, cut = divmod(row - len(people), FROM_EACH)
        return self._window_at(images.read(without[number], 3, FOLDER), generator(seed, "pedestrians", number, cut))

    def _window_at(self, picture: Array, random: np.random.Generator | None) -> Array:
        """(3, height, width) of a picture at the scale of the set: where chance says, or its middle. Borders are continued."""
        scale = self.height / WINDOW[0]
        picture = images.resized(picture, *(max(1, round(scale * side)) for side in picture.shape[1:]))
        missing = [max(0, wanted - side) for wanted, side in zip((self.height, self.width), picture.shape[1:], strict=True)]
        picture = np.pad(picture, [(0, 0), *((each // 2, each - each // 2) for each in missing)], mode="edge")
        spare = [side - wanted for wanted, side in zip((self.height, self.width), picture.shape[1:], strict=True)]
        top, left = (each // 2 if random is None else int(random.integers(each + 1)) for each in spare)
        return picture[:, top : top + self.height, left : left + self.width]


def _pictures(folder: Path, names: Sequence[str], request: Request) -> list[Path]:
    """The pictures of the first of some folders that is there. DataError FG504."""
    place = next((folder / name for name in names if (folder / name).is_dir()), None)
    found = paths.files_in(place, images.ENDINGS, request.roots) if place is not None else []
    if not found:
        wanted = " or ".join(names)
        raise DataError(issue("FG504", f"{folder} is no folder of INRIA's person set: there are no pictures in {wanted}", FOLDER))
    return found


def _table(windows: Array, labels: Array, groups: Array) -> Table:
    """Windows in red, green and blue as luminance and colour apart."""
    apart = np.tensordot(windows, np.asarray(LUMA, dtype=np.float32), axes=(1, 1)).transpose(0, 3, 1, 2)
    parts = (np.ascontiguousarray(each, dtype=np.float32) for each in (apart[:, :1], apart[:, 1:]))
    return Table({**dict(zip(("luminance", "color"), parts, strict=True)), "person": labels}, groups)


def _blurred(canvas: Array) -> Array:
    """Each pixel half itself and an eighth of each neighbour."""
    wide = np.pad(canvas, [(0, 0), (1, 1), (1, 1)], mode="edge")
    around = wide[:, :-2, 1:-1] + wide[:, 2:, 1:-1] + wide[:, 1:-1, :-2] + wide[:, 1:-1, 2:]
    blurred: Array = canvas / 2 + around / 8
    return blurred
