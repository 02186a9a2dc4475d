"""What a page says of one run, read from its folder."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factorgraph.errors import FactorgraphError
from factorgraph.graph.differences import ABSENT, diff
from factorgraph.graph.resolve import resolve
from factorgraph.lint import explained
from factorgraph.report.diagram import diagram, networks, phases
from factorgraph.report.health import Look, health
from factorgraph.report.pictures import Picture, pictures
from factorgraph.report.series import curves, milestones, number
from factorgraph.run.folder import EVALUATION, FINISHED
from factorgraph.run.run import Run
from factorgraph.spec.document import read

if TYPE_CHECKING:
    from factorgraph.graph.model import Graph
    from factorgraph.spec.document import Document


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
        return self.run.status

    @property
    def standing(self) -> str:
        """The same as one word: *finished*, *learning* or *stopped*."""
        return self.status if self.status in (FINISHED, "learning") else "stopped"

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
            "began": _moment(self.about.get("start")),
            "ended": _moment(self.about.get("end")),
            "seconds": self.about.get("seconds"),
        }
        versions = self.about.get("versions")
        versions = {str(key): value for key, value in versions.items()} if isinstance(versions, dict) else {}
        return [(key, str(value)) for key, value in {**told, **self._of_data(), **versions}.items() if value is not None]

    def _of_data(self) -> dict[str, str]:
        """How many samples there were, with the first digits of their fingerprints."""
        found: Any = {}
        with contextlib.suppress(FactorgraphError):
            found = self.folder.read_json("data.json")
        splits = {"train": "training samples", "test": "held-out samples"}
        inside = {head: found.get(split) for split, head in splits.items()} if isinstance(found, dict) else {}
        told = {head: each for head, each in inside.items() if isinstance(each, dict)}
        return {head: f"{each.get('prepared_rows')}, sha256 {str(each.get('sha256'))[:12]}" for head, each in told.items()}

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

    @cached_property
    def phases(self) -> str:
        """The diagram once for each phase, where there are several; else, and where no layout program works, empty."""
        with contextlib.suppress(FactorgraphError):
            return phases(self.graph, self.run.plan, self.written)
        return ""

    @cached_property
    def networks(self) -> Mapping[str, str]:
        """What unrolled procedures are, as SVG text by their ids."""
        with contextlib.suppress(FactorgraphError):
            return networks(self.graph, self.run.plan, self.written)
        return {}

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
        return curves(self._rows)

    @cached_property
    def _rows(self) -> list[dict[str, Any]]:
        return self.run.metrics

    @property
    def milestones(self) -> tuple[list[str], list[list[str]]]:
        """The held-out energies after each phase: the names of phases, and rows."""
        return milestones(self.curves)

    @property
    def health(self) -> list[Look]:
        """The last look at each measure of health."""
        return health(self.run.spec, self._rows)

    def pictures(self, live: bool = False) -> list[Picture]:
        """The run's figures. ``live``: by address, read anew when they change; else with their bytes."""
        return pictures(self.folder, live)

    @property
    def surface(self) -> Picture | None:
        """The energy over the plane of the data, where they lie in one."""
        return next((each for each in self.pictures() if each.name == "energy"), None)


def _moment(written: Any) -> str | None:
    """A moment as it is read: ``2026-07-01 09:30:00 UTC``."""
    return None if written is None else str(written).replace("T", " ").replace("+00:00", " UTC")


def judged(run: Run) -> str:
    """Evaluate a run that was not since it last learned. Returns why that cannot be done; empty where it is done."""
    if Contents(run).evaluation:
        return ""
    try:
        run.keep(run.evaluate())
    except FactorgraphError as error:
        return f"{run.path} is not evaluated: {error.issues[0].message}"
    return ""


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
    """What the specs of several runs mean differently, as ``factorgraph diff`` says it: an address, then the value in each.

    The first is compared with each of the others. What nobody wrote is no row, the default of a type that the others do not use;
    nor is a claim that only some make: it stands above.
    """
    first, *others = (each.run.spec for each in runs)
    try:
        told = [{each.address: each for each in diff(first, other) if {*each.places} != {"default"}} for other in others]
    except FactorgraphError as error:  # a leaf of another package that is not here any more
        return [["not compared", *(error.issues[0].message for _ in runs)]]
    rows = [["seed", *(str(each.about.get("seed")) for each in runs)]]
    for address in dict.fromkeys(each for found in told for each in found if each != "seed"):
        here = next(found[address].before for found in told if address in found)
        values = [here, *(found[address].after if address in found else here for found in told)]
        rows.append([address, *(each or ABSENT.shown for each in values)])
    apart = [row for row in rows if len(set(row[1:])) > 1]
    return [row for row in apart if ABSENT.shown not in row or row[0].count(".") != 1 or not row[0].startswith("expect.")]
