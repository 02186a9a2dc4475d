"""``factorgraph evaluate``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from factorgraph.cli import options


@click.command("evaluate")
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--on", "split", type=click.Choice(["test", "train"]), default="test", show_default=True, help="which data")
@click.option("--procedure", metavar="NAME", help="only this way to infer")
@options.as_json
@options.data_folders
def command(run: Path, split: str, procedure: str | None, json_: bool, data: tuple[Path, ...]) -> None:
    """Measure a run on held-out data, and judge the claims of its spec. Ends with 1 if one fails."""
    from factorgraph.run.run import Run

    report = Run(run, data).evaluate(split, procedure)
    click.echo(json.dumps(report.as_dict(), indent=1) if json_ else report.text())
    raise click.exceptions.Exit(report.exit_status)
