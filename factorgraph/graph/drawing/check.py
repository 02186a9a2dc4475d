"""Whether a picture is readable, judged by the coordinates that the layout itself reports."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from factorgraph.graph.drawing.build import draw
from factorgraph.graph.drawing.dot import dot
from factorgraph.graph.drawing.layout import render
from factorgraph.graph.drawing.palette import FAMILIES, luminance
from factorgraph.graph.drawing.picture import Drawing
from factorgraph.graph.drawing.text import JOINER, plain
from factorgraph.graph.model import Graph

POINTS = 72.0  # an inch
SLIDE = 13.33 * POINTS  # the width of a slide
SMALLEST = 9.0  # points on the slide
TOUCH = 1.0  # points by which shapes may meet
SAMPLES = 12  # of each piece of a curve
GREYS = 0.08  # difference of luminance that is seen


@dataclass(frozen=True)
class Box:
    """A rectangle in points, or the ellipse in it."""

    left: float
    bottom: float
    right: float
    top: float
    is_round: bool = False

    def meets(self, other: Box) -> bool:
        return (min(self.right, other.right) - max(self.left, other.left) > TOUCH
                and min(self.top, other.top) - max(self.bottom, other.bottom) > TOUCH)

    def holds(self, x: float, y: float) -> bool:
        """Whether a point lies inside, more than a touch from the border."""
        wide, high = (self.right - self.left) / 2 - TOUCH, (self.top - self.bottom) / 2 - TOUCH
        across, up = abs(x - (self.left + self.right) / 2), abs(y - (self.bottom + self.top) / 2)
        if wide <= 0 or high <= 0:
            return False
        return (across / wide) ** 2 + (up / high) ** 2 < 1 if self.is_round else across < wide and up < high

    def covers(self, other: Box) -> bool:
        return (other.left > self.left - TOUCH and other.right < self.right + TOUCH
                and other.bottom > self.bottom - TOUCH and other.top < self.top + TOUCH)


@dataclass(frozen=True)
class Text:
    """A line of text where it is drawn. ``owner``: the node that it belongs to, "" for title and key."""

    words: str
    size: float  # points
    box: Box
    owner: str


@dataclass(frozen=True)
class Layout:
    """What the layout program reports, in points."""

    width: float
    height: float
    boxes: tuple[tuple[str, Box], ...]
    curves: tuple[tuple[str, str, tuple[tuple[float, float], ...]], ...]  # (first end, second end, points on the way)
    texts: tuple[Text, ...]


def check(graph: Graph | Drawing) -> list[str]:
    """What is wrong with the picture, a sentence each; nothing when it can be shown."""
    drawing = graph if isinstance(graph, Drawing) else draw(graph)
    found = read(render(dot(drawing), "json").data)
    return [*_missing(drawing, found), *_covered(found), *_crossed(found), *_small(found), *_alike(drawing)]


def read(data: bytes) -> Layout:
    """The layout from Graphviz's JSON."""
    report = json.loads(data)
    objects: list[dict[str, Any]] = report.get("objects", [])
    nodes = {each["_gvid"]: each for each in objects if "pos" in each}
    _, _, width, height = map(float, report["bb"].split(","))
    boxes = tuple((each["name"], _box_of(each)) for each in nodes.values())
    edges: list[dict[str, Any]] = report.get("edges", [])
    curves = tuple((nodes[each["tail"]]["name"], nodes[each["head"]]["name"], tuple(_curve(each))) for each in edges)
    texts = [text for each in nodes.values() for text in _texts(each, each["name"])]
    texts += [text for each in (report, *(each for each in objects if "pos" not in each)) for text in _texts(each, "")]
    return Layout(width, height, boxes, curves, tuple(texts))


def _box_of(node: dict[str, Any]) -> Box:
    x, y = map(float, node["pos"].split(","))
    wide, high = float(node["width"]) * POINTS / 2, float(node["height"]) * POINTS / 2
    return Box(x - wide, y - high, x + wide, y + high, node.get("shape") in ("circle", "ellipse"))


def _texts(item: dict[str, Any], owner: str) -> Iterator[Text]:
    size = 0.0
    for op in item.get("_ldraw_", []):
        if op["op"] == "F":
            size = float(op["size"])
        elif op["op"] == "T" and op["text"].strip():
            (x, y), wide = op["pt"], float(op["width"])
            left = x - {"l": 0.0, "c": wide / 2, "r": wide}[op["align"]]
            yield Text(op["text"], size, Box(left, y - 0.2 * size, left + wide, y + 0.75 * size), owner)


def _curve(edge: dict[str, Any]) -> Iterator[tuple[float, float]]:
    """Points along the cubic pieces of an edge."""
    for op in edge.get("_draw_", []):
        if op["op"] in ("b", "B"):
            points = op["points"]
            for at in range(0, len(points) - 1, 3):
                a, b, c, d = points[at : at + 4]
                yield from (_on_cubic(a, b, c, d, n / SAMPLES) for n in range(SAMPLES + 1))


def _on_cubic(a: list[float], b: list[float], c: list[float], d: list[float], t: float) -> tuple[float, float]:
    s = 1 - t
    x, y = (s**3 * a[i] + 3 * s * s * t * b[i] + 3 * s * t * t * c[i] + t**3 * d[i] for i in (0, 1))
    return x, y


def _missing(drawing: Drawing, found: Layout) -> Iterator[str]:
    seen = Counter(name for name, _ in found.boxes)
    wanted = Counter(each.id for each in drawing.nodes)
    for name in sorted((seen | wanted).keys()):
        if seen[name] != 1 or wanted[name] != 1:
            yield f"{name} is drawn {seen[name]} times"
    lines = Counter(frozenset(ends[:2]) for ends in found.curves)
    for edge in drawing.edges:
        if lines[frozenset((edge.tail, edge.head))] < 1:
            yield f"the line from {edge.tail} to {edge.head} is not drawn"
    shown: dict[str, str] = {}
    for text in found.texts:
        shown[text.owner] = shown.get(text.owner, "") + _squeezed(text.words)
    for node in drawing.nodes:
        for line in node.lines:
            if _squeezed(plain(line)) not in shown.get(node.id, ""):
                yield f"{node.id} does not show its text {line!r}"


def _squeezed(text: str) -> str:
    return "".join(text.replace(JOINER, "").split())


def _covered(found: Layout) -> Iterator[str]:
    for (one, box), (other, second) in combinations(found.boxes, 2):
        if box.meets(second):
            yield f"{one} lies over {other}"
    for text in found.texts:
        for name, box in found.boxes:
            if name != text.owner and box.meets(text.box):
                yield f"the text {text.words!r} lies over {name}"
            if name == text.owner and not box.covers(text.box):
                yield f"the text {text.words!r} does not fit into {name}"
    for first, last in combinations(found.texts, 2):
        if first.box.meets(last.box):
            yield f"the text {first.words!r} lies over {last.words!r}"
    page = Box(0, 0, found.width, found.height)
    for text in found.texts:
        if not page.covers(text.box):
            yield f"the text {text.words!r} leaves the picture"


def _crossed(found: Layout) -> Iterator[str]:
    for tail, head, points in found.curves:
        for name, box in found.boxes:
            if name not in (tail, head) and any(box.holds(x, y) for x, y in points):
                yield f"the line from {tail} to {head} runs through {name}"
        for text in found.texts:
            if any(text.box.holds(x, y) for x, y in points):
                yield f"the line from {tail} to {head} runs through the text {text.words!r}"


def _small(found: Layout) -> Iterator[str]:
    scale = min(1.0, SLIDE / found.width)
    smallest = min((text.size for text in found.texts), default=SMALLEST)
    if smallest * scale < SMALLEST:
        yield f"the smallest text has {smallest * scale:.1f} points at the width of a slide, not {SMALLEST:.0f}"


def _alike(drawing: Drawing) -> Iterator[str]:
    """Functions with different parameters whose boxes look the same once the colours are gone."""
    shared = {node.family: node for node in drawing.nodes if node.family is not None}
    for one, other in combinations(shared, 2):
        a, b = FAMILIES[one % len(FAMILIES)], FAMILIES[other % len(FAMILIES)]
        greys = abs(luminance(a.fill) - luminance(b.fill))
        if a.border == b.border and greys < GREYS and shared[one].lines == shared[other].lines:
            yield f"{shared[one].id} and {shared[other].id} look alike in grey"
