"""``factorgraph reproduce``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
@click.option("--table", type=click.Path(dir_okay=False, path_type=Path), metavar="PAGE.md", help="renew the specs' rows there")
@click.option("--page", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE.html", help="their energies as surfaces")
@options.changes
@options.device
@options.as_json
@options.data_folders
def command(
    specs: tuple[str, ...],
    everything: bool,
    changes: tuple[str, ...],
    json_: bool,
    table: Path | None,
    page: Path | None,
    **how: Any,
) -> None:
    """Train what the claims of each SPEC are about, its variants and seeds, and judge them. Ends with 1 if one fails.

    A folder stands for all specs in it. Runs that are there already are used again; one that was stopped goes on. Of several
    specs, one that cannot be run is told, and the others are run all the same. A table is a page with a row for each claim, and
    the record from which it is made.
    """
    if bool(specs) == everything:
        raise click.UsageError("name a SPEC, or give --all")
    if table is not None and (changes or any("@" in each for each in specs)):
        raise click.UsageError("a table is about specs as they are: leave out --set and @, or --table")
    if table is not None and how["budget"] == "smoke":
        raise click.UsageError("smoke measures nothing that a table could hold: take another --budget, or leave out --table")
    click.echo("starting", err=True)
    from factorgraph.errors import FactorgraphError
    from factorgraph.spec import load
    from factorgraph.training.session import StoppedError

    names = tuple(name for each in specs for name in load.named(each)) or tuple(each.name for each in load.specs() if each.name)
    made: list[Reproduction] = []
    status = 0
    for name in names:
        try:
            found = _reproduced(name, changes, table, **how)
        except FactorgraphError as error:
            if len(names) == 1 or isinstance(error, StoppedError):
                raise
            click.echo(f"{name} was not run\n{error}\n", err=True)
            status = max(status, error.exit_code)
            continue
        status = max(status, found.exit_status)
        made.append(found)
        if not json_:
            click.echo(f"{found.spec.name}  ({found.seconds:.0f} s)\n{found.text()}\n")
    if page is not None:
        _page(page, made)
    if json_:
        click.echo(json.dumps([each.as_dict() for each in made], indent=1))
    raise click.exceptions.Exit(status)


def _page(page: Path, made: list[Reproduction]) -> None:
    from factorgraph.report.surfaces import Surface, write_surfaces

    own = ((each, each.runs.get(("", each.spec.seed)) or next(iter(each.runs.values()))) for each in made)
    click.echo(f"page: {write_surfaces([Surface(run, each.verdicts) for each, run in own], page)}", err=True)


def _reproduced(
    name: str,
    changes: tuple[str, ...],
    table: Path | None,
    *,
    budget: str,
    seeds: int | None,
    out: Path | None,
    device: str,
    data: tuple[Path, ...],
) -> Reproduction:
    from factorgraph.cli.progress import Display
    from factorgraph.spec.load import load
    from factorgraph.training.record import note, require_seeds
    from factorgraph.training.reproduce import reproduce

    spec = load(name, changes)
    if table is not None and seeds is not None:
        require_seeds(spec, seeds)
    own = Path(name).with_suffix("") if not Path(name).is_absolute() and ".." not in Path(name).parts else Path(Path(name).stem)
    with Display() as display:
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
    if table is not None:
        note(table, found)
    return found
