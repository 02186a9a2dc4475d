"""Builds the documentation as a site in build/site: the pages of docs/, and what is made from the code and the record of claims.

Made are a diagram under each whole spec of a page; a gallery, one page a spec with its diagram, its figures, its text and what
came of its claims; a page for each family of leaves and one for the names of Python, from their docstrings; and a page for each
code of a mistake. A warning is an error. Nothing is trained: figures come from runs that ``factorgraph reproduce`` has left in
runs/reproduced, or are those that ``tools/pictures.py`` has kept.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

from pages import api, codes, gallery, leaves
from pages.drawn import with_diagrams
from pages.text import contents, put

ROOT = Path(__file__).resolve().parent.parent
SOURCE, SITE = ROOT / "build" / "site-source", ROOT / "build" / "site"
THEME = Path(__file__).resolve().parent / "pages" / "theme"
PARTS = {  # heads of the contents: pages in their order
    "Start": ("start", "ideas", "gallery/index"),
    "Tutorials": ("tutorial", "patches", "lista", "side_by_side", "own_data", "questions", "fragments", "own_factor"),
    "Using it": ("language", "strategies", "diagrams", "cli", "python", "leaving", "sharp_bits"),
    "Reference": ("leaves/index", "api", "symbols", "codes/index"),
    "Evidence": ("claims", "figures", "benchmarks", "reliability"),
    "Project": ("architecture", "decisions"),
}
SPEC = re.compile(r"\]\((?:\.\./)*specs/([\w/]+)\.yaml\)")
SENTENCE = re.compile(r"^\| \[(\S+)\]\(\.\./specs/\1\.yaml\) \| (.*) \|$", re.MULTILINE)


def main() -> int:
    sources(SOURCE)
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", str(SOURCE), str(SITE)]
    status = subprocess.run(command, check=False).returncode
    print(f"{SITE / 'index.html'}" if status == 0 else "the site has warnings")
    return status


def sources(folder: Path) -> None:
    """Every page of the site as Markdown, with its pictures, in a new folder."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "docs", folder, ignore=shutil.ignore_patterns("gallery"))
    shutil.copyfile(THEME / "conf.py", folder / "conf.py")
    (folder / "_static").mkdir()
    shutil.copyfile(THEME / "style.css", folder / "_static" / "style.css")
    for page in sorted(folder.glob("*.md")):
        put(page, SPEC.sub(r"](gallery/\1.md)", with_diagrams(page, folder / "drawn")))
    gallery.write(folder / "gallery", dict(SENTENCE.findall((ROOT / "docs" / "tutorial.md").read_text("utf-8"))))
    leaves.write(folder / "leaves")
    codes.write(folder / "codes")
    api.write(folder / "api.md")
    known = {each.relative_to(folder).with_suffix("").as_posix() for each in folder.rglob("*.md")}
    parts = {head: [page for page in pages if page in known] for head, pages in PARTS.items()}
    named = {"index", *(page for pages in PARTS.values() for page in pages)}
    parts["Project"] += sorted(page.stem for page in (ROOT / "docs").glob("*.md") if page.stem not in named)
    index = folder / "index.md"
    put(index, index.read_text(encoding="utf-8") + "".join(contents(pages, head) for head, pages in parts.items()))


if __name__ == "__main__":
    sys.exit(main())
