"""A page for each code of a mistake, and their list."""

from __future__ import annotations

import re
from pathlib import Path

from pages.text import put, table

EXPLANATIONS = Path(__file__).resolve().parents[2] / "factorgraph" / "explanations"
HEAD = """\
# Codes of mistakes

Every message that a wrong spec, file or command gets carries a code. Each has a page with the reason, and wrong and right;
`factorgraph explain CODE` prints the same.
"""
RANGES = {
    "FG1": "Text and YAML: what stands in the file is no YAML that a spec may have",
    "FG2": "Words and names: what the spec says is not in the language",
    "FG3": "Shapes and expressions: values do not fit each other",
    "FG4": "Energy, inference and learning: no way to do what is asked",
    "FG5": "Data: missing, unreadable, changed, or not what the spec binds",
    "FG6": "Runs, commands and files: what happens while training and after it",
    "FGW": "Warnings: what may be written and nobody would want",
}


def write(folder: Path) -> None:
    """Pages of codes stand in no menu: they are many, and found by their list, by a search, or by the message that names them."""
    pages = sorted(EXPLANATIONS.glob("*.md"))
    lines = [HEAD]
    for start, about in RANGES.items():
        rows = []
        for each in pages:
            if each.stem.startswith(start):
                text = each.read_text(encoding="utf-8")
                put(folder / each.name, f"---\norphan: true\n---\n\n{text}\n[All codes](index.md)\n")
                title = re.sub(r"^FGW?\d+:? *", "", text.splitlines()[0].removeprefix("# "))
                rows.append((f"[{each.stem}]({each.name})", title))
        head, _, rest = about.partition(": ")
        lines += [f"## {head}", "", f"{rest[0].upper()}{rest[1:]}.", "", table(("code", "mistake"), rows), ""]
    put(folder / "index.md", "\n".join(lines))
