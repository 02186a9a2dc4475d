"""``factorgraph render``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from factorgraph.cli import options

if TYPE_CHECKING:
    from factorgraph.graph.drawing import Strip
    from factorgraph.graph.model import Graph


@click.command("render")
@click.argument("spec")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="[default: NAME.svg]")
@click.option("--open", "opened", multiple=True, metavar="FRAGMENT", help="draw what is in a fragment, as first or pair.low")
@click.option("--phases", is_flag=True, help="draw the graph once for each phase: what it trains, what it does not use")
@options.changes
def command(spec: str, output: Path | None, opened: tuple[str, ...], phases: bool, changes: tuple[str, ...]) -> None:
    """Draw a spec's factor graph. Formats by the file's ending: svg, pdf, png, dot, mmd. A fragment is a box, unless opened."""
    from factorgraph.graph.drawing import draw, write
    from factorgraph.graph.resolve import resolve
    from factorgraph.spec.load import load

    loaded = load(spec, changes)
    path = output or Path(f"{loaded.name}.svg")
    graph = resolve(loaded)
    engine = write(_strip(graph, opened) if phases else draw(graph, open=opened), path)
    click.echo(f"{path} ({engine})" if engine else str(path))


def _strip(graph: Graph, opened: tuple[str, ...]) -> Strip:
    from factorgraph import compile as compiler
    from factorgraph.compile.strip import strip_of

    return strip_of(graph, compiler.plan(graph.spec, graph), opened)
