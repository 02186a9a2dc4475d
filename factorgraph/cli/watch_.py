"""``factorgraph watch``."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import click

from factorgraph.cli import options


@click.command("watch")
@click.argument("run", metavar="RUN", type=options.FOLDER)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="of this machine  [default: a free one]")
@click.option("--open/--no-open", "open_", default=False, help="show it in a browser")
@options.data_folders
def command(run: Path, port: int, open_: bool, data: tuple[Path, ...]) -> None:
    """The report of a run while it learns, as a page on this machine that renews itself. Ctrl-C ends it."""
    from factorgraph.report.watch import Server

    with Server(run, data, port) as server:
        click.echo(server.address)
        if open_:
            click.launch(server.address)
        with suppress(KeyboardInterrupt):
            server.serve_forever()
