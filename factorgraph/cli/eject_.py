"""``factorgraph eject``."""

from __future__ import annotations

from pathlib import Path

import click

from factorgraph.cli import options


@click.command("eject")
@click.argument("spec")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="[default: NAME.py]")
@options.changes
def command(spec: str, output: Path | None, changes: tuple[str, ...]) -> None:
    """A spec as one file of plain PyTorch, which does not import factorgraph: to read, to change, to go on without."""
    from factorgraph.leaving.file import write
    from factorgraph.spec.load import load

    click.echo(write(load(spec, changes), output))
