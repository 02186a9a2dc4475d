"""``factorgraph train``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from factorgraph.cli import options

if TYPE_CHECKING:
    from factorgraph.run.run import Run


@click.command("train")
@click.argument("spec", required=False)
@click.option("--resume", "resumed", type=options.FOLDER, metavar="RUN", help="go on with a run")
@options.changes
@options.device
@click.option("--precision", type=click.Choice(["float32", "tf32", "bf16"]), help="of the arithmetic  [default: float32]")
@click.option("--epochs", type=click.IntRange(0), help="times through the data, for every phase; with --resume for the last one")
@click.option("--seed", type=click.IntRange(0), help="of everything that is random  [default: the spec's]")
@click.option("--workers", type=click.IntRange(0), default=0, help="threads that prepare batches ahead")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="DIR", help="of the run  [default: runs/NAME-0001, the next free]"
)
@options.data_folders
def command(
    spec: str | None,
    resumed: Path | None,
    changes: tuple[str, ...],
    device: str,
    precision: str | None,
    epochs: int | None,
    seed: int | None,
    workers: int,
    out: Path | None,
    data: tuple[Path, ...],
) -> None:
    """Learn what SPEC says, or go on with a run. Ends with 1 if one of the spec's claims fails."""
    if (spec is None) == (resumed is None):
        raise click.UsageError("give a SPEC, or --resume RUN")
    if resumed is not None and (changes or seed is not None or out is not None):
        raise click.UsageError("--set, --seed and --out are fixed once a run has begun: they do not go with --resume")
    click.echo("starting", err=True)
    from factorgraph.cli.progress import Display
    from factorgraph.spec.load import load
    from factorgraph.training.session import resume, train

    with Display() as display:
        if resumed is not None:
            run = resume(
                resumed,
                epochs=epochs,
                device=device,
                precision=precision,
                workers=workers,
                data=data,
                on_progress=display.progress,
                say=display.say,
            )
        else:
            assert spec is not None, "there is a spec where there is nothing to resume"
            run = train(
                load(spec, changes),
                out,
                device=device,
                precision=precision or "float32",
                epochs=epochs,
                seed=seed,
                workers=workers,
                data=data,
                on_progress=display.progress,
                say=display.say,
            )
    raise click.exceptions.Exit(_judged(run))


def _judged(run: Run) -> int:
    from factorgraph.report import write

    report = run.evaluate()
    click.echo(report.text())
    run.keep(report)
    click.echo(f"\nfigures: {run.path / 'figures'}\nreport:  {write([run])}")
    return report.exit_status
