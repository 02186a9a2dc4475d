"""What a page says of one run, read from its folder."""

from __future__ import annotations

import base64
import contextlib
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factorgraph.errors import FactorgraphError
from factorgraph.graph.resolve import resolve
from factorgraph.lint import explained
from factorgraph.report.diagram import diagram
from factorgraph.report.series import curves
from factorgraph.run.folder import EVALUATION
from factorgraph.run.run import Run
from factorgraph.spec.document import read
from factorgraph.spec.parse import BLOCKS

if TYPE_CHECKING:
    from factorgraph.graph.model import Graph
    from factorgraph.spec.document import Document

PICTURE_LIMIT = 32 * 2**20  # bytes of one picture
MISSING = object()  # where an address has no value
DIAGRAM = "diagram"  # the figure that the page draws anew, with what it says of its shapes
# What people look at first; then all others.
FIRST = ("filters", "samples", "reconstructions", "energy", "energy_while_learning", "codes", "maps")
PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Picture:
    """A figure of the run. ``source``: what an ``img`` shows."""

    name: str
    caption: str
    source: str


class Contents:
    """One run as a page shows it. Nothing here raises because a part of the run is missing: that part is left out."""

    def __init__(self, run: Run):
        self.run, self.folder = run, run.folder
        self.about: Mapping[str, Any] = run.folder.about()

    @property
    def name(self) -> str:
        return self.folder.path.name

    @property
    def title(self) -> str:
        return self.run.spec.title or self.run.spec.name

    @property
    def source(self) -> str:
        """Where the architecture comes from: lecture and paper."""
        return "; ".join(str(each) for each in self.run.spec.source.values())

    @property
    def status(self) -> str:
        """How learning stands: *learning*, or how it ended."""
        return str(self.about.get("exit") or "learning")

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What ran where, for how long."""
        told = {
            "spec": self.about.get("name"),
            "status": self.status,
            "seed": self.about.get("seed"),
            "device": self.about.get("device"),
            "precision": self.about.get("precision"),
            "threads": self.about.get("threads"),
            "began": self.about.get("start"),
            "ended": self.about.get("end"),
            "seconds": self.about.get("seconds"),
        }
        versions = self.about.get("versions")
        versions = {str(key): value for key, value in versions.items()} if isinstance(versions, dict) else {}
        return [(key, str(value)) for key, value in {**told, **versions}.items() if value is not None]

    @property
    def commands(self) -> list[str]:
        """How it was run, how it is run again, and what else can be asked of it."""
        argv = self.about.get("command")
        said = [str(each) for each in argv] if isinstance(argv, list) else []
        own = shlex.join(["factorgraph", *said[1:]]) if len(said) > 1 and Path(said[0]).name == "factorgraph" else ""
        where = shlex.quote(str(self.folder.path))
        again = shlex.quote(str(self.folder.path / "spec.full.yaml"))
        made = [f"factorgraph train {again}", f"factorgraph evaluate {where}", f"factorgraph infer {where} --help"]
        return list(filter(None, [own, *made]))

    # --- the model -------------------------------------------------------------------------------------------------------------

    @cached_property
    def graph(self) -> Graph:
        return resolve(self.run.spec)

    @cached_property
    def written(self) -> Document:
        """The spec as its author wrote it; as it was understood, where that cannot be read by itself."""
        with contextlib.suppress(FactorgraphError):
            return read(self.folder.read_text("spec.yaml"), "spec.yaml")
        return self.run.spec.document

    @property
    def spec_lines(self) -> list[str]:
        return self.written.text.splitlines()

    @cached_property
    def diagram(self) -> str:
        """SVG text; empty where no layout program works."""
        with contextlib.suppress(FactorgraphError):
            return diagram(self.graph, self.written)
        return ""

    @property
    def plan(self) -> str:
        with contextlib.suppress(FactorgraphError):
            return explained(self.graph, self.run.plan)
        return ""

    # --- what came of it -------------------------------------------------------------------------------------------------------

    @cached_property
    def evaluation(self) -> Mapping[str, Any]:
        """What ``evaluate`` found at the end of this sitting; empty before."""
        with contextlib.suppress(FactorgraphError):
            found = self.folder.read_json(EVALUATION)
            if isinstance(found, dict) and found.get("start") == self.about.get("start"):
                return found
        return {}

    @property
    def claims(self) -> list[dict[str, str]]:
        """A row for each claim: verdict, words, figure, bound, what was published, notes."""
        found = self.evaluation.get("claims")
        return [_claim(each) for each in found if isinstance(each, dict)] if isinstance(found, list) else []

    @property
    def procedures(self) -> tuple[list[str], list[list[str]]]:
        """The figures of each way to infer: the heads of columns, and rows."""
        found = self.evaluation.get("procedures")
        every = {str(key): each for key, each in found.items() if isinstance(each, dict)} if isinstance(found, dict) else {}
        rows: dict[str, dict[str, str]] = {}
        for name, each in every.items():
            for row, value in _figures(each).items():
                rows.setdefault(row, {})[name] = value
        return list(every), [[row, *(values.get(name, "") for name in every)] for row, values in rows.items()]

    @property
    def energy(self) -> str:
        """The mean energy of held-out samples by the first way to infer."""
        _, rows = self.procedures
        return next((values[0] for row, *values in rows if row == "energy"), "–")

    @cached_property
    def curves(self) -> dict[str, Any]:
        return curves(self.run.metrics)

    def pictures(self, live: bool = False) -> list[Picture]:
        """The run's figures. ``live``: by address, read anew when they change; else with their bytes."""
        place = self.folder.path / "figures"
        files = sorted(place.glob("*.png"), key=lambda each: (_rank(each.stem), each.stem)) if place.is_dir() else []
        made = ((each, self._source(each, live)) for each in files if not each.is_symlink())
        return [Picture(each.stem, caption(each.stem), source) for each, source in made if source]

    @property
    def surface(self) -> Picture | None:
        """The energy over the plane of the data, where they lie in one."""
        return next((each for each in self.pictures() if each.name == "energy"), None)

    def _source(self, file: Path, live: bool) -> str:
        with contextlib.suppress(OSError, FactorgraphError):
            if live:
                return f"figures/{file.name}?{file.stat().st_mtime_ns}"
            data = self.folder.read(f"figures/{file.name}", PICTURE_LIMIT)
            return f"data:image/png;base64,{base64.b64encode(data).decode()}" if data.startswith(PNG) else ""
        return ""


def judged(run: Run) -> str:
    """Evaluate a run that was not since it last learned. Returns why that cannot be done; empty where it is done."""
    if Contents(run).evaluation:
        return ""
    try:
        run.keep(run.evaluate())
    except FactorgraphError as error:
        return f"{run.path} is not evaluated: {error.issues[0].message}"
    return ""


def caption(stem: str) -> str:
    """``filters-decoder`` as words: *Filters: decoder*."""
    kind, _, of = stem.partition("-")
    return f"{kind.replace('_', ' ').capitalize()}: {of}" if of else kind.replace("_", " ").capitalize()


def number(value: Any) -> str:
    """Four significant digits; a dash for what is no finite number."""
    return f"{value:.4g}" if isinstance(value, int | float) and math.isfinite(value) else "–"


def _rank(stem: str) -> int:
    kind = stem.partition("-")[0]
    return FIRST.index(kind) if kind in FIRST else len(FIRST)


def _claim(found: Mapping[str, Any]) -> dict[str, str]:
    values = found.get("values")
    ours = ", ".join(number(each) for each in values) if isinstance(values, list) else ""
    words = ("name", "claim", "metric", "bound", "verdict", "published", "why", "source")
    return {**{key: str(found.get(key) or "") for key in words}, "ours": ours or "–"}


def _figures(found: Mapping[str, Any]) -> dict[str, str]:
    """The figures of one procedure by the name of their row."""
    rows = {"energy": number(found.get("energy"))}
    for key, head in (("shares", "{}"), ("active", "active units of {}")):
        inside = found.get(key)
        if isinstance(inside, dict):
            rows |= {head.format(name): number(value) for name, value in inside.items()}
    rows |= {"steps": number(found.get("steps")), "samples out of steps": number(found.get("out_of_steps"))}
    return rows


def differences(runs: Sequence[Contents]) -> list[list[str]]:
    """What the specs of several runs say differently: an address, then the value in each.

    An entry that one of them lacks is one row, as it is written; an option that one lacks is a row where it was written, and none
    where it is only the default of a type that the others do not use.
    """
    seeds = ["seed", *(str(each.about.get("seed")) for each in runs)]
    rows = _apart([each.run.spec.document.values for each in runs], (), runs)
    return [row for row in (seeds, *(row for row in rows if row[0] != "seed")) if len(set(row[1:])) > 1]


def _apart(values: Sequence[Any], path: tuple[str, ...], runs: Sequence[Contents]) -> list[list[str]]:
    """The rows of an address and of those below it. ``values``: what each run has there, ``MISSING`` where nothing is."""
    if not path or all(isinstance(each, Mapping) or (each is MISSING and len(path) == 1) for each in values):
        maps = [{} if each is MISSING else each for each in values]
        keys = dict.fromkeys(key for each in maps for key in each)
        return [row for key in keys for row in _apart([each.get(key, MISSING) for each in maps], (*path, str(key)), runs)]
    written = [each.written.get(path) if each.written.has(path) else MISSING for each in runs]
    if MISSING in values:
        if not (len(path) == 2 and path[0] in BLOCKS) and all(each is MISSING for each in written):
            return []
        values = [full if own is MISSING or full is MISSING else own for own, full in zip(written, values, strict=True)]
    return [[".".join(path), *("–" if each is MISSING else str(each) for each in values)]]
