"""``factorgraph compare``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from factorgraph.cli import options

if TYPE_CHECKING:
    from factorgraph.run.run import Run


@click.command("compare")
@click.argument("run", metavar="RUN|SPEC")
@options.changes
@options.device
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="of a run that is trained  [default: as train]")
@options.as_json
@options.data_folders
def command(run: str, changes: tuple[str, ...], device: str, out: Path | None, json_: bool, data: tuple[Path, ...]) -> None:
    """All ways to infer the same latents beside each other on held-out data: energy and code error, by steps and by time.

    A SPEC is trained first.
    """
    if not Path(run).is_dir():
        opened = _trained(run, changes, device, out, data)
    elif changes or out is not None:
        raise click.UsageError("--set and --out are for a SPEC: a run is compared as it is")
    else:
        opened = _opened(run, device, data)
    found = opened.compare()
    click.echo(json.dumps(found.as_dict(), indent=1) if json_ else found.text())
    click.echo(f"\nfigures: {opened.path / 'figures'}", err=json_)


def _opened(run: str, device: str, data: tuple[Path, ...]) -> Run:
    from factorgraph.run.run import Run
    from factorgraph.training.session import choose_device

    return Run(run, data, choose_device(device, "float32"))


def _trained(spec: str, changes: tuple[str, ...], device: str, out: Path | None, data: tuple[Path, ...]) -> Run:
    click.echo("starting", err=True)
    from factorgraph.cli.progress import Display
    from factorgraph.run.compare import check
    from factorgraph.spec.load import load
    from factorgraph.training.session import train

    with Display() as display:
        read = load(spec, changes)
        check(read)
        return train(read, out, device=device, data=data, on_progress=display.progress, say=display.say)
