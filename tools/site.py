"""Builds the documentation as a site in build/site: the pages of docs/, and what is made from the code and the record of claims.

Made are a gallery, one page a spec with its diagram, its text and what came of its claims; a page for each family of leaves, from
their docstrings; and a page for each code of a mistake. A warning is an error.
"""

from __future__ import annotations

import inspect
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from factorgraph import registry
from factorgraph.errors import FactorgraphError
from factorgraph.graph.drawing import svg
from factorgraph.graph.resolve import resolve
from factorgraph.run.claims import bound_text, shown
from factorgraph.spec.load import load, specs
from factorgraph.spec.schema import Spec
from factorgraph.training.record import read

ROOT = Path(__file__).resolve().parent.parent
SOURCE, SITE = ROOT / "build" / "site-source", ROOT / "build" / "site"
PARTS = {  # heads of the contents: pages in their order
    "Start": ("tutorial", "gallery/index"),
    "Ideas": ("strategies", "language", "fragments", "questions", "leaving", "sharp_bits", "symbols"),
    "Use": ("cli", "python"),
    "Reference": ("leaves/index", "codes/index"),
    "Evidence": ("claims", "figures", "reliability"),
    "Project": ("architecture", "decisions"),
}
CONF = """\
project, author, html_title = "factorgraph", "the factorgraph authors", "factorgraph"
extensions = ["myst_parser"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
html_theme = "furo"
nitpicky = True
suppress_warnings = ["misc.highlighting_failure"]
"""
MATH = re.compile(r"^\.\. math:: *(.*(?:\n(?: {4,}.*)?)*?)(?=\n\S|\Z)", re.MULTILINE)


def main() -> int:
    shutil.rmtree(SOURCE, ignore_errors=True)
    shutil.copytree(ROOT / "docs", SOURCE)
    (SOURCE / "conf.py").write_text(CONF, encoding="utf-8")
    for page in SOURCE.glob("*.md"):
        put(page, re.sub(r"\]\(\.\./specs/([\w/]+)\.yaml\)", r"](gallery/\1.md)", page.read_text(encoding="utf-8")))
    gallery(SOURCE / "gallery")
    leaves(SOURCE / "leaves")
    codes(SOURCE / "codes")
    known = {each.relative_to(SOURCE).with_suffix("").as_posix() for each in SOURCE.rglob("*.md")}
    parts = {head: [page for page in pages if page in known] for head, pages in PARTS.items()}
    index = SOURCE / "index.md"
    put(index, index.read_text(encoding="utf-8") + "".join(contents(pages, head) for head, pages in parts.items()))
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", str(SOURCE), str(SITE)]
    status = subprocess.run(command, check=False).returncode
    print(f"{SITE / 'index.html'}" if status == 0 else "the site has warnings")
    return status


def put(page: Path, text: str) -> None:
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(text, encoding="utf-8")


def contents(pages: Iterable[str], head: str = "") -> str:
    """A table of contents for the menu alone: the page itself shows nothing of it."""
    caption = f":caption: {head}\n" if head else ""
    return "\n```{toctree}\n:hidden:\n" + caption + "\n" + "\n".join(pages) + "\n```\n"


def gallery(folder: Path) -> None:
    record = read(ROOT / "docs" / "claims.md")
    lines, names = ["# Gallery", "", "Every architecture that ships: its spec, its diagram, and what came of its claims.", ""], []
    for each in specs():
        if not each.name:
            continue
        spec = load(each.name)
        put(folder / f"{each.name}.md", architecture(spec, each.path, record.get(each.name, {}), folder / each.name))
        lines.append(f"* [{spec.title}]({each.name}.md), `{each.name}`")
        names.append(each.name)
    put(folder / "index.md", "\n".join(lines) + "\n" + contents(names))


def architecture(spec: Spec, path: Path, rows: Mapping[str, Mapping[str, Any]], stem: Path) -> str:
    """The page of one spec."""
    name = path.relative_to(ROOT / "specs").with_suffix("").as_posix()
    source = "; ".join(spec.source.values())
    lines = [f"# {spec.title}", "", *([f"*{source}*", ""] if source else [])]
    try:
        drawn = svg(resolve(spec))
        put(stem.with_suffix(".svg"), drawn)
        lines += [f"![The factor graph]({stem.name}.svg)", ""]
    except FactorgraphError as error:
        sys.exit(f"{name} cannot be drawn: {error}")
    lines += ["```sh", f"factorgraph train {name}", f"factorgraph reproduce {name}", "```", ""]
    lines += ["## What it says, and what came out", "", *table(spec, rows), ""]
    return "\n".join([*lines, "## Spec", "", "```yaml", path.read_text(encoding="utf-8").rstrip(), "```", ""])


def table(spec: Spec, rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    if not spec.expect:
        return ["It makes no claims."]
    found = ["| claim | figure | ours | threshold | verdict | published |", "| --- | --- | --- | --- | --- | --- |"]
    for name, claim in spec.expect.items():
        row = rows.get(name)
        ours = shown(tuple(float("nan") if each is None else each for each in row["values"])) if row else "–"
        cells = (claim.claim, f"`{claim.metric.text}`", ours, bound_text(claim), row["verdict"] if row else "not recorded")
        found.append(f"| {' | '.join(map(cell, (*cells, str(claim.published or ''))))} |")
    seconds = max((row["seconds"] for row in rows.values()), default=None)
    return found if seconds is None else [*found, "", f"All of its runs together learned for {seconds} seconds on two cores."]


def cell(text: str) -> str:
    return text.replace("|", "\\|")


def leaves(folder: Path) -> None:
    lines = ["# Leaves", "", "Everything that a spec may name by its type, from the files that define it.", ""]
    for family in registry.FAMILIES:
        parts = [f"# {family.capitalize()}"]
        for name in registry.leaves(family):
            it = registry.describe(family, name)
            text = inspect.cleandoc(registry.leaves(family)[name].__doc__ or "")
            keys = [f"* `{key}`: {about}" for key, about in it.fields.items()]
            promises = [f"Promises to the planner: {', '.join(it.promises)}."] if it.promises else []
            parts += [f"## {name}", prose(text), *promises, "\n".join(keys)]
        put(folder / f"{family}.md", "\n\n".join(filter(None, parts)) + "\n")
        lines.append(f"* [{family}]({family}.md)")
    put(folder / "index.md", "\n".join(lines) + "\n" + contents(registry.FAMILIES))


def prose(text: str) -> str:
    """A docstring as Markdown: its formulas, its table of facts, its words of code."""
    text = MATH.sub(lambda it: f"$$\n{inspect.cleandoc(it[1])}\n$$\n", text)
    text = re.sub(r"^(Promises|Shapes|Units|Source|Needs): +", r"* **\1**: ", text, flags=re.MULTILINE)
    return re.sub(r"``([^`]+)``", r"`\1`", text).replace("::\n", ":\n")


def codes(folder: Path) -> None:
    pages = sorted((ROOT / "factorgraph" / "explanations").glob("*.md"))
    lines = ["# Codes", "", "What each code of a mistake means; `factorgraph explain CODE` prints the same.", ""]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        put(folder / page.name, text)
        lines.append(f"* [{text.splitlines()[0].removeprefix('# ')}]({page.name})")
    put(folder / "index.md", "\n".join(lines) + "\n" + contents(each.stem for each in pages))


if __name__ == "__main__":
    sys.exit(main())
