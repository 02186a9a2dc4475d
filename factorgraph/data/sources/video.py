"""Clips of films."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from factorgraph import errors
from factorgraph.data import paths, videos
from factorgraph.data.bounds import check_size
from factorgraph.data.model import Request, SourceLeaf, Splits, Table, one_or_three
from factorgraph.data.order import order
from factorgraph.errors import DataError, issue
from factorgraph.lazy import np
from factorgraph.spec.constants import Count
from factorgraph.structure import Shape

if TYPE_CHECKING:
    pass

ENOUGH_SHOTS = 10  # then whole ones are held out
Part = tuple[int, int, int]  # the number of a film, its first frame, the one after its last


class Video(SourceLeaf):
    """Clips of films, some frames of the past and some of the future, with values from 0 (black) to 1 (white).

    A film is a video file (read by PyAV), a folder of frame pictures, or a file of numpy: an .npy, or an .npz with an array
    ``frames``, (frames, height, width) or (frames, height, width, 3), and perhaps ``start`` or ``shot_start``, the first frames
    of its shots. The shorter side of a frame becomes ``size``, and the middle square is taken. A clip begins at every frame from
    which it stays within one shot. With ten shots or more whole ones are held out; with fewer, the last part of each: no frame is
    on both sides.

    Fields:  past (past, size, size), future (future, size, size), frames (past + future, size, size); in colour (past, 3, size,
             size) and so on.
    Units:   parts of the brightest white; grey is Rec. ITU-R BT.601 luma.
    Errors:  FG546 where there are no frames, FG547 where there are too many or too large ones, FG548 without PyAV, FG549 where
             all shots are too short.
    """

    type: Literal["video"] = "video"
    size: Count = Field(32, description="pixels along a side of a frame")
    past: Count = Field(4, description="frames of a clip that are given")
    future: Count = Field(1, description="frames that follow")
    colors: Count = Field(1, description="1 for grey, 3 for red, green, blue")
    file: str | None = Field(None, description="a film: a video file, an .npz or an .npy; or folder")
    folder: str | None = Field(None, description="of frame pictures, or of films and folders of frame pictures; or file")

    licence: ClassVar[str] = "the films' own"
    where: ClassVar[str] = "films of the user's"

    _known_colors = field_validator("colors")(one_or_three)

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.file is None) == (self.folder is None):
            raise ValueError("video needs a file or a folder, one of them")
        return self

    @property
    def length(self) -> int:
        return self.past + self.future

    def fields(self) -> dict[str, Shape]:
        frame = (self.size, self.size) if self.colors == 1 else (self.colors, self.size, self.size)
        return {"past": (self.past, *frame), "future": (self.future, *frame), "frames": (self.length, *frame)}

    def load(self, request: Request) -> Splits:
        at = ("data", "file" if self.file is not None else "folder")
        files = self._files(request, at)
        films = [videos.read(each, self.size, self.colors, request.roots, at) for each in files]
        parts = [(number, *part) for number, film in enumerate(films) for part in film.parts()]
        train, test, rule = self.divided(parts, request)
        about = {"division": rule, "films": [each.name for each in files], "frames": [len(each.frames) for each in films]}
        learned = self._table(films, train, 0, request.count, ("data", "count"), request.seed)
        held_out = self._table(films, test, len(train), self._held_out(test, request), ("data", "test"), request.seed)
        return Splits(learned, held_out, {**about, "shots": len(parts)})

    def _held_out(self, parts: Sequence[Part], request: Request) -> int | None:
        """How many clips to measure on: the wanted number, a share of ``count``, or all that the held-out frames give."""
        if isinstance(request.test, int):
            return request.test
        there = sum(end - begin - self.length + 1 for _, begin, end in parts)
        return None if request.count is None else min(request.held_out(request.count), there)

    def _share(self, shots: Sequence[Part], request: Request) -> float:
        """The part of the frames to hold out: at least so much that the wanted number of clips can begin there."""
        if not isinstance(request.test, int):
            return request.share()
        frames = sum(end - begin for _, begin, end in shots)
        needed = (request.test + len(shots) * self.length) / max(frames, 1)
        return min(max(request.share() if request.count else 0.0, needed), 1.0) if request.test else 0.0

    def divided(self, parts: Sequence[Part], request: Request) -> tuple[list[Part], list[Part], str]:
        """The shots, or parts of them, on each side, and the rule in words. DataError FG549."""
        long = [each for each in parts if each[2] - each[1] >= self.length]
        share = max(self._share(long, each) for each in (request, *request.beside))
        if len(long) >= ENOUGH_SHOTS and share:
            mixed = order(request.seed, "split shots", 0, len(long))
            held_out = {int(each) for each in mixed[: min(max(1, round(share * len(long))), len(long) - 1)]}
            sides = [[part for i, part in enumerate(long) if (i in held_out) == side] for side in (False, True)]
            return sides[0], sides[1], f"{len(held_out)} of {len(long)} shots are held out"
        cuts = [_cut(begin, end, share, self.length) for _, begin, end in long]
        train = [(film, begin, cut) for (film, begin, _), cut in zip(long, cuts, strict=True)]
        test = [(film, cut, end) for (film, _, end), cut in zip(long, cuts, strict=True)]
        sides = [[each for each in side if each[2] - each[1] >= self.length] for side in (train, test)]
        if not sides[0] or (share and not sides[1]):
            longest = max((end - begin for _, begin, end in parts), default=0)
            why = f"a clip has {self.length} frames, both sides need one, and the longest shot has {longest}"
            raise DataError(issue("FG549", why, ("data", "past"), fix="shorter clips, or longer films"))
        return sides[0], sides[1], "the last part of each shot is held out"

    def _table(
        self, films: Sequence[videos.Film], parts: Sequence[Part], group: int, wanted: int | None, at: errors.Path, seed: int
    ) -> Table:
        """All clips of some parts, or so many of them by chance; the first part's group is ``group``. DataError FG509."""
        starts = [range(begin, end - self.length + 1) for _, begin, end in parts]
        places = [
            (film, first, number) for number, ((film, _, _), own) in enumerate(zip(parts, starts, strict=True)) for first in own
        ]
        if wanted is not None:
            if wanted > len(places):
                why = f"{wanted} clips of {self.length} frames are asked for, and the films hold {len(places)} on this side"
                raise DataError(issue("FG509", why, at, fix=f"at most {len(places)}, or longer films"))
            places = [places[i] for i in np.sort(order(seed, f"clips {at[-1]}", 0, len(places))[:wanted])]
        frame = self.fields()["frames"]
        check_size(len(places), frame, "clips", ("data", "count"))
        clips = np.empty((len(places), *frame), dtype=np.float32)
        for row, (film, first, _) in enumerate(places):
            clips[row] = films[film].frames[first : first + self.length]
        groups = group + np.asarray([number for _, _, number in places], dtype=np.int64)
        return Table({"past": clips[:, : self.past], "future": clips[:, self.past :], "frames": clips}, groups)

    def _files(self, request: Request, at: errors.Path) -> list[Path]:
        """The films, each a file or a folder of frame pictures, by name."""
        if self.file is not None:
            return [paths.find(self.file, request.roots, at)]
        assert self.folder is not None, "there is a file or a folder"
        folder = paths.find(self.folder, request.roots, at)
        if not folder.is_dir():
            raise DataError(issue("FG546", f"{self.folder} is a file, not a folder", at, fix=f"write file: {self.folder}"))
        if videos.pictures(folder, request.roots):
            return [folder]
        below = [each for each in paths.folders_in(folder, request.roots) if videos.pictures(each, request.roots)]
        found = sorted([*paths.files_in(folder, videos.ENDINGS, request.roots), *below])
        if not found:
            allowed = ", ".join(sorted(videos.ENDINGS))
            why = f"{folder} holds no films and no frame pictures"
            raise DataError(issue("FG546", why, at, allowed=allowed, fix="name another folder"))
        return found


def _cut(begin: int, end: int, share: float, length: int) -> int:
    """Where the held-out part of a shot begins: about a share of it, at least a clip where both sides can have one."""
    if not share or end - begin < 2 * length:
        return end
    return min(max(end - max(round(share * (end - begin)), length), begin + length), end - length)
