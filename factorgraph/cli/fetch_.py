"""``factorgraph fetch``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from factorgraph.data.model import Download, SourceLeaf


@click.command("fetch")
@click.argument("source")
def command(source: str) -> None:
    """Download a published data set into the cache, each file checked. No other command downloads anything."""
    from factorgraph.data import downloads, paths
    from factorgraph.data.published import megabytes

    sets = _sets()
    if source not in sets:
        raise click.UsageError(f"{source} is not a set that can be downloaded. There are: {', '.join(sets)}")
    leaf = sets[source]
    click.echo(f"{source}: {leaf.where}\nlicence: {leaf.licence}")
    click.echo(f"size: {megabytes(leaf.downloads)}\ninto: {paths.cache() / source}")
    for each in leaf.downloads:
        click.echo(f"from: {each.url}")
    folder = downloads.fetch(source, leaf.downloads, _bar)
    click.echo(f"there and right: {folder}")


def _sets() -> dict[str, type[SourceLeaf]]:
    from factorgraph.data.model import SourceLeaf
    from factorgraph.registry import leaves

    return {name: leaf for name, leaf in leaves("data").items() if issubclass(leaf, SourceLeaf) and leaf.downloads}


@contextmanager
def _bar(file: Download) -> Iterator[Callable[[int], None]]:
    with click.progressbar(length=file.size, label=file.name, file=sys.stderr) as bar:
        yield bar.update
