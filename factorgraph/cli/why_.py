"""``factorgraph why``."""

from __future__ import annotations

import click

from factorgraph.cli import options


@click.command("why")
@click.argument("spec", metavar="SPEC|RUN")
@click.argument("key")
@options.changes
def command(spec: str, key: str, changes: tuple[str, ...]) -> None:
    """A value of a spec: where it comes from, what it means, what may stand there, who changes and who uses it.

    KEY is an address, factors.sparsity.weight, or how one ends: sparsity.weight, weight, sparsity.
    """
    from factorgraph.compile.why import text, why
    from factorgraph.run.specs import opened

    click.echo(text(why(opened(spec, changes), key)))
