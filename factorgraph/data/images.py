"""Pictures from files: of any mode, depth and orientation, as numbers from 0 to 1; and back."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factorgraph import errors
from factorgraph.data.broken import BROKEN, reason
from factorgraph.errors import DataError, issue
from factorgraph.lazy import np

if TYPE_CHECKING:
    from PIL import Image

    from factorgraph.data.model import Array

ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".pnm"})
FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "PPM")  # decoders of pixels only: none that runs another program
MOST_PIXELS = 64_000_000  # a photograph of 8000 x 8000; a bomb is larger
MOST_NAMED = 3  # pictures in a note
LINE = 13  # pixels from one line of words to the next
ITU_601 = (0.299, 0.587, 0.114)  # luma of red, green, blue: Rec. ITU-R BT.601
SIDEWAYS = frozenset({5, 6, 7, 8})  # EXIF orientations in which width and height change places
ORIENTATION = 0x0112
GREY = frozenset({"1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L"})  # modes
SEE_THROUGH = frozenset({"LA", "La", "PA", "RGBA", "RGBa"})  # modes


def size_of(path: Path, at: errors.Path = ()) -> tuple[int, int]:
    """Height and width as the picture is meant to be seen. DataError FG512, FG513."""
    with _opened(path, at) as picture:
        try:
            sideways = picture.getexif().get(ORIENTATION) in SIDEWAYS  # for a PNG this decodes it: the note may come last
        except BROKEN as why:
            raise DataError(_unreadable(path, why, at)) from None
        return picture.size if sideways else (picture.size[1], picture.size[0])


def see_through(path: Path, at: errors.Path = ()) -> bool:
    """Whether any of a picture is. DataError FG512, FG513."""
    with _opened(path, at) as picture:
        if picture.mode not in SEE_THROUGH and "transparency" not in picture.info:
            return False
        try:
            return bool(np.asarray(picture.convert("RGBA"))[:, :, 3].min() < 255)
        except BROKEN as why:
            raise DataError(_unreadable(path, why, at)) from None


def in_colour(path: Path, at: errors.Path = ()) -> bool:
    """Whether red, green and blue differ anywhere. DataError FG512, FG513."""
    with _opened(path, at) as picture:
        if picture.mode in GREY:
            return False
        try:
            return coloured(np.asarray(picture.convert("RGB")))
        except BROKEN as why:
            raise DataError(_unreadable(path, why, at)) from None


def coloured(values: Array) -> bool:
    """Whether red, green and blue of (height, width, 3) differ anywhere; (height, width) has no colour."""
    return values.ndim == 3 and bool((values != values[:, :, :1]).any())


def changed(see_through: Sequence[str], lost_colour: Sequence[str]) -> Iterator[str]:
    """What became of pictures, by name, before they were samples."""
    if see_through:
        yield f"{few(see_through)}: what is see-through was laid on white"
    if lost_colour:
        yield f"{few(lost_colour)}: in colour, and this model sees grey: the luma of its colours is taken"


def few(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more


def read(path: Path, colors: int, at: errors.Path = ()) -> Array:
    """A picture as float32 from 0 to 1: (height, width) for one colour, (3, height, width) for three. FG512, FG513, FG524."""
    return in_colors(decoded(path, at), colors)


def decoded(path: Path, at: errors.Path = ()) -> Array:
    """A picture in its own colours, float64 from 0 to 1: (height, width), or (height, width, 3).

    Turned upright as EXIF says; a palette is looked up; what is see-through lies on white. FG512, FG513, FG524.
    """
    from PIL import ImageOps

    with _opened(path, at) as picture:
        try:
            values = _values(ImageOps.exif_transpose(picture))
        except BROKEN as why:
            raise DataError(_unreadable(path, why, at)) from None
    if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
        why_not = f"{path} holds values outside 0 to 1"
        raise DataError(issue("FG524", why_not, at, fix="scale it, or save it with 8 or 16 bits"))
    return values


def in_colors(values: Array, colors: int) -> Array:
    """(height, width) or (height, width, 3) -> (height, width), or (3, height, width), float32."""
    if colors == 1:
        grey = values if values.ndim == 2 else values @ np.asarray(ITU_601)
        return grey.astype(np.float32)
    color = np.repeat(values[:, :, None], 3, axis=2) if values.ndim == 2 else values
    return np.ascontiguousarray(color.transpose(2, 0, 1), dtype=np.float32)


def fitted(values: Array, size: int) -> Array:
    """The middle square of a picture (..., height, width) at ``size`` pixels a side: its shorter side becomes ``size``."""
    height, width = values.shape[-2:]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return resized(values[..., top : top + side, left : left + side], size, size)


def resized(values: Array, height: int, width: int) -> Array:
    """A picture (..., height, width) of another size.

    Each new pixel is a mean of those that it covers, or lies between its neighbours: nothing rings, and 0 to 1 stays 0 to 1.
    """
    from PIL import Image

    planes = np.ascontiguousarray(values.reshape(-1, *values.shape[-2:]), dtype=np.float32)
    if planes.shape[1:] != (height, width):
        every = (Image.fromarray(each).resize((width, height), Image.Resampling.BILINEAR) for each in planes)
        planes = np.stack([np.asarray(each) for each in every])
    return planes.reshape(*values.shape[:-2], height, width)


def from_integers(x: Array) -> Array:
    """Whole numbers as parts of the largest that their type holds; others as they are."""
    return x / np.iinfo(x.dtype).max if x.dtype.kind == "u" else x


def written(lines: Sequence[str], width: int) -> Array:
    """Lines of words, black on white, in the middle: (height, width). Of what is too long the end is shown."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default()
    page = Image.new("L", (width, LINE * len(lines)), 255)
    draw = ImageDraw.Draw(page)
    for number, line in enumerate(lines):
        begin = next((each for each in range(len(line)) if draw.textlength(_end(line, each), font) <= width), len(line))
        words = _end(line, begin)
        draw.text(((width - draw.textlength(words, font)) / 2, number * LINE + 1), words, 0, font)
    return np.asarray(page, dtype=np.float32) / 255


def _end(line: str, begin: int) -> str:
    return f"..{line[begin:]}" if begin else line


def to_bytes(image: Array) -> bytes:
    """(height, width) or (3, height, width), 0 to 1 -> a PNG of 8 bits; what lies outside is cut off."""
    import io

    from PIL import Image

    assert np.isfinite(image).all(), "a picture to be saved holds numbers"
    levels = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(levels if levels.ndim == 2 else np.ascontiguousarray(levels.transpose(1, 2, 0))).save(file, format="PNG")
    return file.getvalue()


@contextlib.contextmanager
def _opened(path: Path, at: errors.Path) -> Iterator[Image.Image]:
    """The picture with its head read and its size checked, before a pixel is decoded."""
    from PIL import Image

    with contextlib.ExitStack() as stack:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Pillow warns of large pictures; ours is an error
                picture = stack.enter_context(Image.open(path, formats=FORMATS))
        except Image.DecompressionBombError as why:
            raise DataError(issue("FG513", f"{path} is too large a picture: {why}", at, fix=_SMALLER)) from None
        except BROKEN as why:
            raise DataError(_unreadable(path, why, at)) from None
        width, height = picture.size
        if width * height > MOST_PIXELS:
            limit = f"the limit is {MOST_PIXELS // 10**6} million"
            why_not = f"{path} is {width} x {height}, {width * height / 1e6:.0f} million pixels; {limit}"
            raise DataError(issue("FG513", why_not, at, fix=_SMALLER))
        yield picture


_SMALLER = "cut it or make it smaller with any picture program"


def _values(picture: Image.Image) -> Array:
    """Float64 (height, width), or (height, width, 3), from 0 to 1."""
    mode = picture.mode
    if mode.startswith("I;16") or mode == "I":
        return np.asarray(picture, dtype=np.float64) / 65535
    if mode == "F":
        return np.asarray(picture, dtype=np.float64)
    if mode == "1":
        picture = picture.convert("L")
    if mode in SEE_THROUGH or "transparency" in picture.info:
        return _on_white(np.asarray(picture.convert("RGBA"), dtype=np.float64) / 255, grey=mode in ("L", "1", "LA", "La"))
    if mode not in ("L", "RGB", "1"):
        picture = picture.convert("RGB")
    return np.asarray(picture, dtype=np.float64) / 255


def _on_white(values: Array, grey: bool) -> Array:
    cover = values[:, :, 3:]
    laid = values[:, :, :3] * cover + (1 - cover)
    result: Array = laid[:, :, 0] if grey else laid
    return result


def _unreadable(path: Path, why: Any, at: errors.Path) -> errors.Issue:
    strange = type(why).__name__ == "UnidentifiedImageError"
    what = "it is not a picture of a kind that is read here" if strange else reason(why)
    notes = (f"read are {', '.join(name for name in FORMATS)}",)
    return issue("FG512", f"{path} cannot be read: {what}", at, notes=notes, fix="save it anew, or take it out of the folder")
