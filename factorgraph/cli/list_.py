"""``factorgraph list``."""

from __future__ import annotations

from pathlib import Path

import click

from factorgraph.cli import options

FAMILIES = (
    *("factors", "functions", "solvers", "losses", "data", "specs", "fragments"),
    *("methods", "steps", "augmentations", "metrics", "health", "optimizers", "schedules", "figures"),
)


@click.command("list")
@click.argument("family", required=False, type=click.Choice(FAMILIES))
@options.data_folders
def command(family: str | None, data: tuple[Path, ...]) -> None:
    """What there is to build from: all families, or one of them. Of data also the licence, and where they lie."""
    found = {each: entries_of(each) for each in ([family] if family else FAMILIES)}
    for position, (each, entries) in enumerate((each, entries) for each, entries in found.items() if entries):
        if position:
            click.echo()
        if family is None:
            click.echo(f"{each}:")
        for name, text in entries:
            click.echo(f"  {name:26} {text}")
            if family == "data":
                _say_more(name, data)
    _say_broken()


def entries_of(family: str) -> list[tuple[str, str]]:
    """The types of a family, or the specs that ship or their fragments, each with a sentence."""
    if family == "fragments":
        return _fragments()
    return _specs() if family == "specs" else _leaves(family)


def _leaves(family: str) -> list[tuple[str, str]]:
    from factorgraph.registry import describe, leaves

    return [(name, describe(family, name).summary.replace("``", "")) for name in leaves(family)]


def _say_more(source: str, named: tuple[Path, ...]) -> None:
    from factorgraph.data.model import SourceLeaf
    from factorgraph.data.paths import allowed_roots
    from factorgraph.registry import leaves

    leaf = leaves("data")[source]
    assert issubclass(leaf, SourceLeaf), "the sources are of one kind"
    here = leaf.at_hand(allowed_roots(Path.cwd(), named))
    for word, text in (("licence", leaf.licence), ("from", leaf.where), ("here", here)):
        if text:
            click.echo(f"    {word:8} {text}")


def _specs() -> list[tuple[str, str]]:
    from factorgraph.spec.load import folder, specs

    home = folder()
    found = []
    for each in specs():
        name = each.name or each.path.relative_to(home).with_suffix("").as_posix()
        found.append((name, f"waits for {', '.join(kind for _, kind in each.waits_for)}" if each.waits_for else each.title))
    return found


def _fragments() -> list[tuple[str, str]]:
    """Parts of other specs, as ``use: {part: {file: ...}}`` names them, with their observed variables and dims."""
    from factorgraph.spec.document import read
    from factorgraph.spec.load import FRAGMENTS, folder

    found = []
    for path in sorted((folder() / FRAGMENTS).glob("*.yaml")):
        values = read(path.read_text(encoding="utf-8"), path.name).values
        variables = values.get("variables", {})
        seen = [name for name, each in variables.items() if isinstance(each, dict) and each.get("kind") == "observed"]
        dims = ", ".join(f"{name} {value}" for name, value in values.get("dims", {}).items())
        found.append((f"{FRAGMENTS}{path.name}", f"{values['title']}; binds {', '.join(seen)}; dims {dims}"))
    return found


def _say_broken() -> None:
    from factorgraph.registry import broken

    for name, reason in broken().items():
        click.echo(f"warning: the extension {name} could not be loaded: {reason}", err=True)
