"""Whole specs that stand in a page are drawn beneath it, as ``factorgraph render`` draws them."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from factorgraph.graph.drawing import svg
from factorgraph.graph.resolve import resolve
from factorgraph.spec.load import load
from pages.text import put

BLOCK = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = re.compile(r"# ([\w-]+\.yaml)\n")


def with_diagrams(page: Path, pictures: Path) -> str:
    """The page with a picture under each spec that can be drawn. Fragments are found under the names that the page gives them."""
    text = page.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        files: dict[str, Path] = {}
        for number, block in enumerate(BLOCK.findall(text)):
            named = NAMED.match(block)
            if "factorgraph: 1\n" in block:
                files[block] = Path(folder) / (named[1] if named else f"shown{number}.yaml")
                files[block].write_text(block, encoding="utf-8")

        def drawn(found: re.Match[str]) -> str:
            if found[1] not in files or f"file: {files[found[1]].name}" in text:  # a part of another is drawn with that
                return found[0]
            graph = resolve(load(str(files[found[1]])))
            name = f"{page.stem}-{files[found[1]].stem}.svg"
            put(pictures / name, svg(graph))
            return f"{found[0]}\n\n{diagram(f'{pictures.name}/{name}')}"

        return BLOCK.sub(drawn, text)


def diagram(address: str, alt: str = "The factor graph of this spec") -> str:
    return f"```{{image}} {address}\n:alt: {alt}\n:class: diagram\n```"
