"""``factorgraph fill``."""

from __future__ import annotations

from pathlib import Path

import click

from factorgraph.cli import options


@click.command("fill")
@click.argument("spec")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="[default: printed]")
@options.changes
def command(spec: str, output: Path | None, changes: tuple[str, ...]) -> None:
    """A spec with every default written out, each value with where it came from: a line of a file, --set, a default."""
    from factorgraph.run.files import atomic_write, spare
    from factorgraph.run.specs import opened
    from factorgraph.spec.fragments import documents

    filled = opened(spec, changes)
    text = filled.full(origins=True)
    if output is None:
        click.echo(text, nl=False)
    else:
        spare(output, (Path(each.file) for each in documents(filled.document)))
        atomic_write(output, text.encode())
        click.echo(output)
