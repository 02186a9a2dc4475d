"""``factorgraph diff``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from factorgraph.cli import options


@click.command("diff")
@click.argument("before", metavar="SPEC|RUN")
@click.argument("after", metavar="SPEC|RUN")
@click.option("--picture", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="both graphs in one diagram")
@options.as_json
def command(before: str, after: str, picture: Path | None, json_: bool) -> None:
    """What two specs mean differently: not comments, order, or defaults that are written out. Ends with 1 if they differ."""
    from factorgraph.graph.differences import diff, text
    from factorgraph.graph.drawing import write
    from factorgraph.graph.drawing.apart import drawn_apart
    from factorgraph.graph.resolve import resolve
    from factorgraph.run.specs import opened

    first, second = opened(before), opened(after)
    found = diff(first, second)
    if json_:
        click.echo(json.dumps([each.as_dict() for each in found], indent=1))
    else:
        click.echo(text(found) if found else f"{before} and {after} mean the same")
    if picture is not None:
        write(drawn_apart(resolve(first), resolve(second), found, f"{before} → {after}"), picture)
        click.echo(picture, err=json_)
    raise click.exceptions.Exit(1 if found else 0)
