"""``factorgraph render``."""

from __future__ import annotations

from pathlib import Path

import click

from factorgraph.cli import options


@click.command("render")
@click.argument("spec")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="[default: NAME.svg]")
@click.option("--open", "opened", multiple=True, metavar="FRAGMENT", help="draw what is in a fragment, as first or pair.low")
@options.changes
def command(spec: str, output: Path | None, opened: tuple[str, ...], changes: tuple[str, ...]) -> None:
    """Draw a spec's factor graph. Formats by the file's ending: svg, pdf, png, dot, mmd. A fragment is a box, unless opened."""
    from factorgraph.graph.drawing import draw, write
    from factorgraph.graph.resolve import resolve
    from factorgraph.spec.load import load

    loaded = load(spec, changes)
    path = output or Path(f"{loaded.name}.svg")
    engine = write(draw(resolve(loaded), open=opened), path)
    click.echo(f"{path} ({engine})" if engine else str(path))
