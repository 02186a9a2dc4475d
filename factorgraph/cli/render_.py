"""``factorgraph render``."""

from __future__ import annotations

from pathlib import Path

import click

from factorgraph.cli import options


@click.command("render")
@click.argument("spec")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="[default: NAME.svg]")
@options.changes
def command(spec: str, output: Path | None, changes: tuple[str, ...]) -> None:
    """Draw a spec's factor graph. Formats by the file's ending: svg, pdf, png, dot, mmd."""
    from factorgraph.graph.drawing import write
    from factorgraph.graph.resolve import resolve
    from factorgraph.spec.load import load

    loaded = load(spec, changes)
    path = output or Path(f"{loaded.name}.svg")
    engine = write(resolve(loaded), path)
    click.echo(f"{path} ({engine})" if engine else str(path))
