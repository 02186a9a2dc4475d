"""``factorgraph list``."""

from __future__ import annotations

import click

FAMILIES = (
    *("factors", "functions", "solvers", "losses", "data", "specs"),
    *("methods", "steps", "metrics", "optimizers", "schedules", "figures"),
)


@click.command("list")
@click.argument("family", required=False, type=click.Choice(FAMILIES))
def command(family: str | None) -> None:
    """What there is to build from: all families, or one of them."""
    for position, each in enumerate([family] if family else FAMILIES):
        if position:
            click.echo()
        if family is None:
            click.echo(f"{each}:")
        for name, text in _specs() if each == "specs" else _leaves(each):
            click.echo(f"  {name:26} {text}")
    _say_broken()


def _leaves(family: str) -> list[tuple[str, str]]:
    from factorgraph.registry import describe, leaves

    return [(name, describe(family, name).summary) for name in leaves(family)]


def _specs() -> list[tuple[str, str]]:
    from factorgraph.spec.load import folder, specs

    home = folder()
    found = []
    for each in specs():
        name = each.name or each.path.relative_to(home).with_suffix("").as_posix()
        found.append((name, f"waits for {', '.join(kind for _, kind in each.waits_for)}" if each.waits_for else each.title))
    return found


def _say_broken() -> None:
    from factorgraph.registry import broken

    for name, reason in broken().items():
        click.echo(f"warning: the extension {name} could not be loaded: {reason}", err=True)
