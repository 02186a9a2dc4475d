"""``factorgraph report``."""

from __future__ import annotations

from pathlib import Path

import click

from factorgraph.cli import options


@click.command("report")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=options.FOLDER)
@click.option(
    "-o", "--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="[default: report.html, in the one run]"
)
@click.option("--open/--no-open", "open_", default=False, help="show it in a browser")
@options.data_folders
def command(runs: tuple[Path, ...], out: Path | None, open_: bool, data: tuple[Path, ...]) -> None:
    """One page of everything that there is to see of a run, in one file; several runs are compared.

    A run that was not evaluated since it last learned is evaluated first, if its data are there.
    """
    from factorgraph.report import write
    from factorgraph.report.contents import judged
    from factorgraph.run.run import Run

    opened = [Run(each, data) for each in runs]
    if out is None and len(opened) > 1:
        out = Path("report.html")
    for text in filter(None, map(judged, opened)):
        click.echo(text, err=True)
    path = write(opened, out)
    click.echo(path)
    if open_:
        click.launch(str(path))
