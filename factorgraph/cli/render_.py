"""``factorgraph render``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from factorgraph.cli import options

if TYPE_CHECKING:
    from factorgraph.graph.drawing import Drawing, Strip
    from factorgraph.graph.model import Graph


@click.command("render")
@click.argument("spec")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="[default: NAME.svg]")
@click.option("--open", "opened", multiple=True, metavar="FRAGMENT", help="draw what is in a fragment, as first or pair.low")
@click.option("--phases", is_flag=True, help="draw the graph once for each phase: what it trains, what it does not use")
@click.option("--unfold", metavar="PROCEDURE", help="draw an unrolled procedure step by step, as lista[1]")
@click.option("--loop", metavar="PROCEDURE", help="draw an unrolled procedure as the loop that it is")
@options.changes
def command(
    spec: str,
    output: Path | None,
    opened: tuple[str, ...],
    phases: bool,
    unfold: str | None,
    loop: str | None,
    changes: tuple[str, ...],
) -> None:
    """Draw a spec's factor graph. Formats by the file's ending: svg, pdf, png, dot, mmd. A fragment is a box, unless opened."""
    if sum((phases, unfold is not None, loop is not None)) > 1:
        raise click.UsageError("--phases, --unfold and --loop are pictures of their own: name one of them")
    from factorgraph.graph.drawing import draw, write
    from factorgraph.graph.resolve import resolve
    from factorgraph.spec.load import load

    loaded = load(spec, changes)
    path = output or Path(f"{loaded.name}.svg")
    graph = resolve(loaded)
    if phases:
        picture: Drawing | Strip = _strip(graph, opened)
    elif unfold is not None or loop is not None:
        picture = _network(graph, unfold or loop or "", unfold is not None, opened)
    else:
        picture = draw(graph, open=opened)
    engine = write(picture, path)
    click.echo(f"{path} ({engine})" if engine else str(path))


def _strip(graph: Graph, opened: tuple[str, ...]) -> Strip:
    from factorgraph import compile as compiler
    from factorgraph.compile.strip import strip_of

    return strip_of(graph, compiler.plan(graph.spec, graph), opened)


def _network(graph: Graph, procedure: str, unfold: bool, opened: tuple[str, ...]) -> Drawing:
    from factorgraph import compile as compiler
    from factorgraph.compile.unfolded import network_of

    return network_of(graph, compiler.plan(graph.spec, graph), procedure, unfold, opened)
