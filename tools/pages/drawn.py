"""Whole specs that stand in a page are drawn beneath it, as ``factorgraph render`` draws them, and so is what a command draws."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import tempfile
from pathlib import Path

from factorgraph.cli.render_ import command
from factorgraph.graph.drawing import svg
from factorgraph.graph.resolve import resolve
from factorgraph.spec.load import load
from pages.text import put

BLOCK = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RENDER = re.compile(r"^```sh\nfactorgraph render ([\w/]+ -o ([\w-]+\.svg).*)\n```$", re.MULTILINE)  # of a spec that ships
NAMED = re.compile(r"# ([\w-]+\.yaml)\n")


def with_diagrams(page: Path, pictures: Path) -> str:
    """The page with a picture under each spec that can be drawn, and under each command that draws one that ships.

    Fragments are found under the names that the page gives them.
    """
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

        return RENDER.sub(lambda found: rendered(found, page.stem, pictures), BLOCK.sub(drawn, text))


def rendered(found: re.Match[str], page: str, pictures: Path) -> str:
    """A command with what it draws."""
    name = f"{page}-{found[2]}"
    pictures.mkdir(parents=True, exist_ok=True)
    words = [str(pictures / name) if each == found[2] else each for each in shlex.split(found[1])]
    with contextlib.redirect_stdout(io.StringIO()):
        command.main(words, standalone_mode=False)
    return f"{found[0]}\n\n{diagram(f'{pictures.name}/{name}', 'What this command draws', ' whole', f'_images/{name}')}"


def diagram(address: str, alt: str = "The factor graph of this spec", more: str = "", target: str = "") -> str:
    """``more``: classes beside its own; ``target``: what it leads to when it is pressed."""
    leading = f":target: {target}\n" if target else ""
    return f"```{{image}} {address}\n:alt: {alt}\n:class: diagram{more}\n{leading}```"
