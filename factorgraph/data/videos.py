"""Frames in the order of time: from an array, a folder of pictures, or a video file; and where a new shot begins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factorgraph import errors
from factorgraph.data import arrays, images, paths
from factorgraph.data.bounds import check_size
from factorgraph.data.bundled import INSTALL
from factorgraph.errors import DataError, issue
from factorgraph.lazy import np

if TYPE_CHECKING:
    from factorgraph.data.model import Array

# The demuxer of each ending: none that follows links to other files or hosts, as playlists do.
FORMATS = {".mp4": "mov", ".m4v": "mov", ".mov": "mov", ".mkv": "matroska", ".webm": "matroska", ".avi": "avi", ".mpg": "mpeg"}
ENDINGS = frozenset({*FORMATS, *arrays.ENDINGS})
FRAMES, STARTS = "frames", ("start", "shot_start")  # names of arrays in an .npz
MOST_FRAMES = 100_000  # an hour at 25 a second
MOST_PIXELS = 3840 * 2160  # of a frame; a decoder holds several
COLOUR = 3


@dataclass(frozen=True)
class Film:
    """``frames``: (frames, size, size) or (frames, 3, size, size) float32, 0 to 1. ``shots``: where each begins, 0 first."""

    frames: Array
    shots: tuple[int, ...] = (0,)

    def parts(self) -> list[tuple[int, int]]:
        """The first frame of each shot, and the one after its last."""
        ends = (*self.shots[1:], len(self.frames))
        return [(begin, end) for begin, end in zip(self.shots, ends, strict=True) if end > begin]


def read(path: Path, size: int, colors: int, roots: Sequence[Path], at: errors.Path) -> Film:
    """One film: a file, or a folder of pictures in the order of the numbers in their names. DataError FG546 to FG548."""
    if path.is_dir():
        return Film(_stacked((images.read(file, colors, at) for file in pictures(path, roots)), size, path, at))
    if path.suffix.lower() in arrays.ENDINGS:
        return _of_arrays(path, size, colors, at)
    if path.suffix.lower() not in FORMATS:
        allowed = ", ".join(sorted(ENDINGS))
        raise DataError(issue("FG546", f"{path} is no file of frames", at, allowed=allowed, fix="save it as one of these"))
    return Film(_stacked(_decoded(path, colors, at), size, path, at))


def pictures(folder: Path, roots: Sequence[Path]) -> list[Path]:
    """The pictures of a folder: frame 10 comes after frame 9."""
    return sorted(paths.files_in(folder, images.ENDINGS, roots), key=lambda each: paths.natural(each.name))


def _stacked(found: Iterator[Array], size: int, path: Path, at: errors.Path) -> Array:
    """Frames brought to one size as they come: no more than one is held as it was."""
    frames: list[Array] = []
    for values in found:
        if len(frames) == MOST_FRAMES:
            why = f"{path} has more than {MOST_FRAMES} frames"
            raise DataError(issue("FG547", why, at, fix="cut it into shorter films"))
        frames.append(images.fitted(values, size))
        if len(frames) % 1000 == 1:
            check_size(len(frames) + 1000, frames[0].shape, f"frames of {path}", at)
    if not frames:
        raise DataError(issue("FG546", f"{path} holds no frame", at, fix="name a file or a folder with some"))
    return np.stack(frames)


def _of_arrays(path: Path, size: int, colors: int, at: errors.Path) -> Film:
    found = arrays.read(path, at, (FRAMES, *STARTS))
    frames = found.get(FRAMES, found.get(arrays.THE_ONE))
    fits = frames is not None and frames.size and (frames.ndim == 3 or (frames.ndim == 4 and frames.shape[3] == COLOUR))
    if frames is None or not fits:
        has = "no array frames" if frames is None else f"frames of shape {list(frames.shape)}"
        fix = "save frames as [frames, height, width], or [frames, height, width, 3] in colour"
        raise DataError(issue("FG546", f"{path} has {has}", at, fix=fix))
    if frames.dtype.kind not in "uf" or (frames.dtype.kind == "f" and not (frames.min() >= 0 and frames.max() <= 1)):
        why = f"the frames in {path} are not bytes, and not numbers from 0 to 1"
        raise DataError(issue("FG546", why, at, fix="save bytes, or divide by the largest value"))
    starts = np.concatenate([np.zeros(1, dtype=np.int64), *(found[name].reshape(-1) for name in STARTS if name in found)])
    shots = sorted({int(each) for each in starts if 0 <= each < len(frames)})
    colored = (images.in_colors(images.from_integers(each), colors) for each in frames)
    return Film(_stacked(colored, size, path, at), tuple(shots))


def _decoded(path: Path, colors: int, at: errors.Path) -> Iterator[Array]:
    try:
        import av
    except ImportError:
        why = f"{path.name} is a video file, and reading those needs PyAV, which is not installed"
        fix = f"{INSTALL}, or a folder of frame pictures, or an .npz file with an array frames"
        raise DataError(issue("FG548", why, at, fix=fix)) from None
    wrong: Any = (av.FFmpegError, OSError, ValueError, EOFError, IndexError)
    try:
        # a local file through a demuxer of our choice: nothing in it may lead to another file or to the network
        with av.open(str(path), format=FORMATS[path.suffix.lower()], options={"protocol_whitelist": "file"}) as film:
            if not film.streams.video:
                raise DataError(issue("FG546", f"{path} holds no video", at, fix="name another file"))
            stream = film.streams.video[0]
            _check_frame(path, stream.width, stream.height, at)
            for frame in film.decode(stream):
                _check_frame(path, frame.width, frame.height, at)
                yield images.in_colors(images.from_integers(frame.to_ndarray(format="rgb24")), colors)
    except wrong as why:
        text = f"{path} cannot be read as a video: {why}"
        raise DataError(issue("FG546", text, at, fix="convert it, or name another file")) from None


def _check_frame(path: Path, width: int, height: int, at: errors.Path) -> None:
    if width * height > MOST_PIXELS:
        why = f"the frames of {path} are {width} x {height}; the limit is {MOST_PIXELS / 1e6:.1f} million pixels"
        raise DataError(issue("FG547", why, at, fix="scale it down with any video program"))
