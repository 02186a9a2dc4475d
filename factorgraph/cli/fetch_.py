"""``factorgraph fetch``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from factorgraph.data.model import Download


@click.command("fetch")
@click.argument("source")
def command(source: str) -> None:
    """Download a published data set into the cache, each file checked. No other command downloads anything."""
    from factorgraph.data import downloads, paths
    from factorgraph.data.published import megabytes
    from factorgraph.registry import leaves

    if source not in leaves("data") or not leaves("data")[source].downloads:
        raise click.UsageError(f"{source} is not a set that can be downloaded. There are: {', '.join(_sets())}")
    leaf = leaves("data")[source]
    click.echo(f"{source}: {leaf.where}\nlicence: {leaf.licence}")
    click.echo(f"size: {megabytes(leaf.downloads)}\ninto: {paths.cache() / source}")
    for each in leaf.downloads:
        click.echo(f"from: {each.url}")
    folder = downloads.fetch(source, leaf.downloads, _bar)
    click.echo(f"there and right: {folder}")


def _sets() -> list[str]:
    from factorgraph.registry import leaves

    return [name for name, leaf in leaves("data").items() if leaf.downloads]


@contextmanager
def _bar(file: Download) -> Iterator[Callable[[int], None]]:
    with click.progressbar(length=file.size, label=file.name, file=sys.stderr) as bar:
        yield bar.update
