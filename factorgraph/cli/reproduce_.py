"""``factorgraph reproduce``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from factorgraph.cli import options

if TYPE_CHECKING:
    from factorgraph.training.reproduce import Reproduction


@click.command("reproduce")
@click.argument("specs", nargs=-1, metavar="[SPEC]...")
@click.option("--all", "everything", is_flag=True, help="every spec that ships with factorgraph")
@click.option("--budget", default="laptop", show_default=True, metavar="smoke|laptop|full", help="at which of the spec's sizes")
@click.option("--seeds", type=click.IntRange(1), help="how many, for every claim  [default: each claim's own]")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="holds the runs  [default: runs/reproduced]")
@options.changes
@options.device
@options.as_json
@options.data_folders
def command(
    specs: tuple[str, ...],
    everything: bool,
    budget: str,
    seeds: int | None,
    out: Path | None,
    changes: tuple[str, ...],
    device: str,
    json_: bool,
    data: tuple[Path, ...],
) -> None:
    """Train what the claims of each SPEC are about, its variants and seeds, and judge them. Ends with 1 if one fails.

    Runs that are there already are used again; one that was stopped goes on.
    """
    if bool(specs) == everything:
        raise click.UsageError("name a SPEC, or give --all")
    click.echo("starting", err=True)
    from factorgraph.cli.progress import Display
    from factorgraph.spec import load
    from factorgraph.training.reproduce import reproduce

    shipped = [each.name for each in load.specs() if each.name] if everything else []
    made: list[Reproduction] = []
    for name in specs or shipped:
        with Display() as display:
            spec = load.load(name, changes)
            own = Path(name).with_suffix("") if not Path(name).is_absolute() and ".." not in Path(name).parts else Path(spec.name)
            found = reproduce(
                spec,
                (out or Path("runs/reproduced")) / own,
                budget=budget,
                seeds=seeds,
                device=device,
                data=data,
                on_progress=display.progress,
                say=display.say,
            )
        made.append(found)
        if not json_:
            click.echo(f"{found.spec.name}  ({found.seconds:.0f} s)\n{found.text()}\n")
    if json_:
        click.echo(json.dumps([each.as_dict() for each in made], indent=1))
    raise click.exceptions.Exit(max(each.exit_status for each in made))
