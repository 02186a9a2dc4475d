"""``factorgraph infer``."""

from __future__ import annotations

from pathlib import Path

import click

from factorgraph.cli import options


@click.command("infer")
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("input_", metavar="INPUT", type=click.Path(exists=True, path_type=Path))
@click.option("--procedure", metavar="NAME", help="the way to infer; the first, if left out")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), metavar="OUT", help=".npz, .png, or a folder")
@options.device
@options.data_folders
def command(run: Path, input_: Path, procedure: str | None, output: Path, device: str, data: tuple[Path, ...]) -> None:
    """Codes, reconstructions and energies of an image, a folder of images, or an array (.npy, .npz)."""
    from factorgraph.run.infer import infer
    from factorgraph.run.run import Run
    from factorgraph.training.session import choose_device

    for line in infer(Run(run, data, choose_device(device, "float32")), input_, output, procedure):
        click.echo(line)
