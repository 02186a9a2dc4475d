"""The page of one run, or of several beside each other: text in, nothing fetched, nothing that a name could smuggle in."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factorgraph.report.contents import Contents, differences
from factorgraph.run.files import atomic_write, spare
from factorgraph.run.folder import OWN, REPORT

if TYPE_CHECKING:
    import jinja2

    from factorgraph.run.run import Run

CHANGING = ("claims", "steps", "milestones", "health", "procedures", "facts")  # sections of a page that change while a run learns
HEADS = {
    "claims": "Claims",
    "model": "Model",
    "learning": "Learning",
    "health": "Health",
    "figures": "Figures",
    "procedures": "Ways to infer",
    "plan": "Plan",
    "again": "Run and environment",
}
ASSETS = resources.files("factorgraph.report") / "assets"


def write(runs: Sequence[Run], out: Path | None = None) -> Path:
    """The page as a file: ``report.html`` in the run, or ``out``. Raises RunError FG606 where another process writes the run."""
    text = page(runs)
    if out is None:
        with runs[0].folder.lock() as folder:
            return folder.write(REPORT, text)
    spare(out, (run.path / each for run in runs for each in OWN if each != REPORT))
    atomic_write(out, text.encode())
    return out


def page(runs: Sequence[Run], live: bool = False) -> str:
    """The page's text. ``live``: it asks its server, again and again, how learning stands."""
    shown = [Contents(each) for each in runs]
    style, script = asset("style.css"), asset("page.js")
    data = {"live": live, "runs": [{"name": each.name, **each.curves} for each in shown]}
    return environment().get_template("page.html").render(
        runs=shown,
        live=live,
        heads=list(HEADS.items()),
        style=style,
        script=script,
        data=_embedded(data),
        policy=policy(style, script, live),
        differences=differences(shown) if len(shown) > 1 else [],
        claims=_side_by_side(shown) if len(shown) > 1 else [],
    )


def state(run: Run) -> dict[str, Any]:
    """How learning stands, for a page that is open: curves, status, and what its changing sections hold now, by their ids."""
    shown = Contents(run)
    made: Any = environment().get_template("sections.html").module
    sections = {f"{name}-1": str(getattr(made, name)(shown)) for name in CHANGING}
    sections["figures-1"] = str(made.figures(shown, True))
    return {
        "runs": [{"name": shown.name, **shown.curves}],
        "status": shown.status,
        "standing": shown.standing,
        "sections": sections,
    }


def _side_by_side(runs: Sequence[Contents]) -> list[list[str]]:
    """Every claim that any of the runs makes: its words, then verdict and figure in each run."""
    every = [{each["name"]: each for each in run.claims} for run in runs]
    words = {name: each["claim"] for found in every for name, each in found.items()}
    rows = []
    for name, claim in words.items():
        found = [each.get(name) for each in every]
        rows.append([claim, *(f"{each['ours']}, {each['verdict']}" if each else "–" for each in found)])
    return rows


def policy(style: str, script: str = "", live: bool = False) -> str:
    """What a page may load: its own style and script, known by their hashes, and pictures that lie inside it."""
    own = "'self' " if live else ""
    connect = "'self'" if live else "'none'"
    scripts = _hash(script) if script else "'none'"
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {scripts}; img-src {own}data:; "
        f"connect-src {connect}; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _embedded(value: Any) -> str:
    """JSON that can stand in a script element: no text in it ends the element."""
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def asset(name: str) -> str:
    """A file that comes with the package, as text."""
    return (ASSETS / name).read_text(encoding="utf-8")


def environment() -> jinja2.Environment:
    """What makes a page of a template: all that is put in stays text."""
    import jinja2

    made = jinja2.Environment(loader=jinja2.FunctionLoader(asset), autoescape=True, undefined=jinja2.StrictUndefined)
    made.trim_blocks = made.lstrip_blocks = True
    return made
