"""``factorgraph infer``."""

from __future__ import annotations

from pathlib import Path

import click

from factorgraph.cli import options
from factorgraph.errors import RunError, issue


@click.command("infer")
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("input_", metavar="[INPUT]", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--clamp", multiple=True, metavar="NAME=FILE", help="what is known: a picture, an array, labels such as 3 or 0,1,2")
@click.option("--free", metavar="NAMES", help="observed variables to be inferred as well, such as X,label")
@click.option(
    "--mask", type=click.Path(exists=True, path_type=Path), metavar="FILE", help="of a picture only what is white is known"
)
@click.option("--interpolate", nargs=3, metavar="LATENT A B", help="from the code of one input to that of another, decoded")
@click.option("--draw", type=int, metavar="N", help="samples of what a generator makes of noise")
@click.option("--steps", type=int, metavar="N", help="of an interpolation, ends included; 8, if left out")
@click.option("--whole/--no-whole", default=False, help="each picture at its own size, not cut into windows")
@click.option("--tile", type=click.IntRange(min=0), metavar="N", help="with --whole: by tiles of N x N units; 0: none")
@click.option("--procedure", metavar="NAME", help="the way to infer; the first, if left out")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), metavar="OUT", help=".npz, .png, or a folder")
@options.device
@options.data_folders
def command(
    run: Path,
    input_: Path | None,
    clamp: tuple[str, ...],
    free: str | None,
    mask: Path | None,
    interpolate: tuple[str, str, str] | None,
    draw: int | None,
    steps: int | None,
    whole: bool,
    tile: int | None,
    procedure: str | None,
    output: Path,
    device: str,
    data: tuple[Path, ...],
) -> None:
    """Codes, reconstructions and energies of an image, a folder of images, or an array (.npy, .npz).

    Or any question: --clamp some variables, and the rest is inferred. Or samples: --draw N.
    """
    from factorgraph.cli.progress import Display
    from factorgraph.run import answers, asking
    from factorgraph.run.drawn import drawn
    from factorgraph.run.infer import infer
    from factorgraph.run.run import Run
    from factorgraph.run.whole import infer_wholes
    from factorgraph.training.session import choose_device

    opened = Run(run, data, choose_device(device, "float32"))
    _check(input_, clamp, free, mask, interpolate, draw, steps, asking.example(opened))
    if (whole and input_ is None) or (tile is not None and not whole):
        what = "--whole without INPUT" if whole else "--tile without --whole"
        raise RunError(issue("FG660", what, fix="factorgraph infer RUN PICTURE --whole -o OUT"))
    if draw is not None:
        lines = answers.write(opened, drawn(opened, draw, procedure), output)
    elif interpolate is not None:
        latent, *ends = interpolate
        answered, across = asking.interpolate(opened, latent, ends, 8 if steps is None else steps, procedure)
        lines = answers.write(opened, answered, output, across)
    elif input_ is not None and whole:
        lines = infer_wholes(opened, input_, output, procedure, tile, Display().passing)
    elif input_ is not None:
        lines = infer(opened, input_, output, procedure)
    else:
        names = [each.strip() for each in (free or "").split(",") if each.strip()]
        lines = answers.write(opened, asking.question(opened, _pairs(clamp), names, mask, procedure), output)
    for line in lines:
        click.echo(line)


def _check(
    input_: Path | None,
    clamp: tuple[str, ...],
    free: str | None,
    mask: Path | None,
    interpolate: tuple[str, str, str] | None,
    draw: int | None,
    steps: int | None,
    example: str,
) -> None:
    """Raise RunError FG660 where options do not go together; ``example``: a variable clamped."""
    told = {"INPUT": input_, "--clamp": clamp or None, "--interpolate": interpolate, "--draw": draw}
    asked = [name for name, each in told.items() if each is not None]
    if len(asked) != 1:
        what = f"{' and '.join(asked)} at once" if asked else "nothing to infer from"
        raise RunError(issue("FG660", what, allowed=f"one of {', '.join(told)}", fix=example))
    if (free or mask) and not clamp:
        raise RunError(issue("FG660", f"{'--free' if free else '--mask'} without --clamp", fix=f"say what is known: {example}"))
    if steps is not None and interpolate is None:
        raise RunError(
            issue("FG660", "--steps without --interpolate", fix=f"leave it out, or --interpolate LATENT A B --steps {steps}")
        )


def _pairs(clamp: tuple[str, ...]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in clamp:
        name, equals, value = each.partition("=")
        if not (name.strip() and equals and value.strip()) or name.strip() in found:
            what = (
                f'"{each}" clamps {name.strip()} once more'
                if name.strip() in found
                else f'"{each}" does not say what a variable is'
            )
            raise RunError(issue("FG660", what, fix="--clamp NAME=FILE, once for each variable"))
        found[name.strip()] = value.strip()
    return found
