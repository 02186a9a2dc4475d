"""Layer strings: the notation in which networks are published, ``(64)3c-2p-10fc``, read and sized."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from factorgraph.factors.functions import _convolve
from factorgraph.factors.functions._convolve import Padding, Side
from factorgraph.spec.syntax import ExpressionError, Span
from factorgraph.structure import Shape, ShapeError

Kind = Literal["c", "d", "p", "a", "u", "fc", "bn", "drop"]

LEARNS: tuple[Kind, ...] = ("c", "d", "fc")
ALLOWED = "(64)3c, (64)5c2 with a stride, (64)5d2 transposed, 2p, 2a, 2u, 10fc, (64)8x8fc, bn, 0.5drop, with - between them"
LARGEST = 10**9  # of a written number
MOST_LAYERS = 200

_LAYER = re.compile(
    r"(?:\((?P<maps>\d+)\))?(?:(?P<kernel>\d+)(?P<convolution>[cd])(?P<stride>\d+)?|(?P<rows>\d+)x(?P<columns>\d+)(?P<to_maps>fc))"
    r"|(?P<units>\d+)?(?P<full>fc)|(?P<window>\d+)(?P<pool>[pau])|(?P<norm>bn)|(?P<share>\d+|\d*\.\d+)(?P<drop>drop)",
    re.ASCII,
)
_REVERSED: dict[Kind, Kind] = {"c": "d", "d": "c", "p": "u", "a": "u", "u": "a", "fc": "fc", "bn": "bn", "drop": "drop"}


@dataclass(frozen=True)
class Layer:
    """One piece of a layer string, and where it stands in it. ``number``: maps or units, ``None`` where it is left out."""

    text: str
    span: Span
    kind: Kind
    number: int | None = None
    size: int = 1  # of the kernel or the window, on both axes
    stride: int = 1
    grid: tuple[int, int] | None = None  # fc to maps of this height and width
    share: float = 0.0  # of the units that drop out

    def reversed(self) -> Layer:
        """The layer that leads back: transposed, its sizes left to what it leads back to."""
        return replace(self, kind=_REVERSED[self.kind], number=None, grid=None)


# --- reading -------------------------------------------------------------------------------------------------------------------


@cache
def read(text: str) -> tuple[Layer, ...]:
    """The layers of a string. Raises :class:`ExpressionError` FG335."""
    pieces = list(_pieces(text))
    if len(pieces) > MOST_LAYERS:
        raise _wrong(f"a network has at most {MOST_LAYERS} layers, and this one has {len(pieces)}", pieces[MOST_LAYERS][1])
    layers = tuple(_layer(piece, span) for piece, span in pieces)
    for each in [each for each in layers if each.kind in LEARNS][:-1]:
        if each.number is None:
            units = each.kind == "fc" and each.grid is None
            message = f"{each.text} does not say how many {'units' if units else 'maps'}: only the last may leave it out"
            raise _wrong(message, each.span, f"write {'64' if units else '(64)'}{each.text}")
    return layers


def _pieces(text: str) -> Iterator[tuple[str, Span]]:
    """What stands between the hyphens, without the spaces around it."""
    start = 0
    for piece in text.split("-"):
        left = start + len(piece) - len(piece.lstrip())
        yield piece.strip(), (left, left + max(len(piece.strip()), 1))
        start += len(piece) + 1


def _layer(piece: str, span: Span) -> Layer:
    found = _LAYER.fullmatch(piece)
    if found is None:
        raise _wrong(f'"{piece}" is no layer' if piece else "a layer is missing here", span, _hint(piece))
    layer = _made(piece, span, {key: each for key, each in found.groupdict().items() if each is not None})
    sides = [layer.size, layer.stride, *(layer.grid or ()), *([] if layer.number is None else [layer.number])]
    if not all(1 <= each <= LARGEST for each in sides):
        raise _wrong(f"{piece}: every number is at least 1 and at most {LARGEST}", span)
    if layer.share >= 1:
        raise _wrong(f"{piece} leaves nothing: the share that drops out is below 1", span, "write 0.5drop")
    return layer


def _made(piece: str, span: Span, part: dict[str, str]) -> Layer:
    maps = int(part["maps"]) if "maps" in part else None
    if "convolution" in part:
        kind: Kind = "c" if part["convolution"] == "c" else "d"
        return Layer(piece, span, kind, maps, int(part["kernel"]), int(part.get("stride", 1)))
    if "to_maps" in part:
        return Layer(piece, span, "fc", maps, grid=(int(part["rows"]), int(part["columns"])))
    if "full" in part:
        return Layer(piece, span, "fc", int(part["units"]) if "units" in part else None)
    if "pool" in part:
        size = int(part["window"])
        return Layer(piece, span, part["pool"], size=size, stride=size)  # type: ignore[arg-type]  # p, a or u
    return Layer(piece, span, "bn") if "norm" in part else Layer(piece, span, "drop", share=float(part["share"]))


def _wrong(message: str, span: Span, fix: str = "") -> ExpressionError:
    return ExpressionError("FG335", message, span, ALLOWED, fix)


def _hint(piece: str) -> str:
    if re.fullmatch(r"\d+c\d*|\d+", piece) and not _LAYER.fullmatch(piece):
        return f"write {piece}fc for that many units, (64)3c for 64 maps of 3x3"
    if re.fullmatch(r"[a-z_]{3,}", piece):
        return "activations are options of the network: activation, and last for the last layer"
    if re.fullmatch(r"\(\d+\)[pau]?\d*", piece):
        return f"write {piece.rstrip('pau0123456789') or piece}3c for a kernel of 3x3"
    return ""


# --- sizes ---------------------------------------------------------------------------------------------------------------------


def shapes(layers: tuple[Layer, ...], given: Shape, wanted: Shape | None, padding: Padding, width: float) -> list[Shape] | None:
    """The shape before each layer, and after the last. ``None``: the last number is left out, and nothing tells it yet."""
    found = [given]
    for place, layer in enumerate(layers):
        following = _after(layer, place + 1, found[-1], wanted, padding, width)
        if following is None:
            return None
        found.append(following)
    if wanted and len(wanted) == 2 and found[-1] == (1, *wanted):
        found[-1] = wanted  # an image without colours counts as one map, on both sides
    return found


def _after(layer: Layer, place: int, given: Shape, wanted: Shape | None, padding: Padding, width: float) -> Shape | None:
    if layer.kind in ("bn", "drop"):
        return given
    number = None if layer.number is None else max(1, round(layer.number * width))
    if layer.kind == "fc":
        return _connected(layer, place, number, wanted)
    maps, *sides = as_maps(layer, place, given)
    if layer.kind in ("c", "d"):
        left = _maps(layer, place, wanted) if number is None else number
        if left is None:
            return None
        maps = left
    return (maps, *(_side(layer, place, each, given, padding) for each in sides))


def _connected(layer: Layer, place: int, number: int | None, wanted: Shape | None) -> Shape | None:
    if layer.grid is None:
        return (wanted or None) if number is None else (number,)
    maps = _maps(layer, place, wanted) if number is None else number
    return None if maps is None else (maps, *layer.grid)


def _maps(layer: Layer, place: int, wanted: Shape | None) -> int | None:
    """The number of maps that what the result is compared with tells."""
    if not wanted:
        return None
    if len(wanted) not in (2, 3):
        what = f"layer {place}, {layer.text}, makes as many maps as what it is compared with, and {list(wanted)} has none"
        raise ShapeError(f"is of unknown size: {what}", ("layers",), layer.span)
    return wanted[0] if len(wanted) == 3 else 1


def as_maps(layer: Layer, place: int, given: Shape) -> Shape:
    """A shape as (maps, height, width)."""
    found = _convolve.as_maps(given)
    if found is None:
        raise _misfit(layer, place, given, "it takes [maps, height, width]; (64)8x8fc makes maps of units")
    return found


def _side(layer: Layer, place: int, size: int, given: Shape, padding: Padding) -> int:
    """The length of an axis behind a layer."""
    rule = _rule(layer, padding)
    found = rule(size)
    if found is not None:
        return found
    fitting = _convolve.fitting(rule, size, layer.size + 2 * layer.stride)
    kernel = f"is not covered by a {layer.size}x{layer.size} kernel in steps of {layer.stride} with padding {padding}"
    why = kernel if layer.kind in ("c", "d") else f"is no multiple of {layer.size}"
    raise _misfit(layer, place, given, f"a side of {size} {why}; sides that fit: {fitting}")


def _rule(layer: Layer, padding: Padding) -> Side:
    """The length of an axis behind a layer, by that before it; ``None`` where it is no whole number above 0."""
    k = layer.size
    forward, back = _convolve.side_rules(k, layer.stride, padding)
    if layer.kind in ("p", "a"):
        return lambda size: size // k if size > 0 and size % k == 0 else None
    if layer.kind == "u":
        return lambda size: size * k if size > 0 else None
    return forward if layer.kind == "c" else back


def _misfit(layer: Layer, place: int, given: Shape, why: str) -> ShapeError:
    return ShapeError(f"cannot apply layer {place}, {layer.text}, to {list(given)}: {why}", ("layers",), layer.span)
