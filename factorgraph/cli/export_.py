"""``factorgraph export``."""

from __future__ import annotations

from pathlib import Path

import click

from factorgraph.cli import options


@click.command("export")
@click.argument("run", type=options.FOLDER)
@click.option("--to", type=click.Choice(["onnx", "torch"]), required=True, help="the format: ONNX, or that of torch.export")
@click.option("--procedure", metavar="NAME", help="the way to infer; the first, if left out")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="[default: NAME.onnx or NAME.pt2]")
def command(run: Path, to: str, procedure: str | None, output: Path | None) -> None:
    """An encoder, or some steps of a solver, as a program that runs without factorgraph, for batches of any size."""
    from factorgraph.leaving.exporting import export
    from factorgraph.run.run import Run

    for line in export(Run(run), to, output, procedure):
        click.echo(line)
