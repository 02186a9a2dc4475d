"""``factorgraph explain``."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib import resources

import click

from factorgraph.cli import options, words
from factorgraph.errors import SpecError

BLOCKS_OF_LEAVES = {  # block -> its family, and what an entry is
    "functions": ("functions", "What computes one value from others. An entry is a type and its keys."),
    "factors": ("factors", "The terms of the energy. An entry is a type, what it is between or of, its keys and a weight (1)."),
    "inference": ("methods", "Procedures that fill in latent variables. An entry is a method, of the variables, and its keys."),
    "augment": ("augmentations", "Of data: what chance does to pictures each time that learning sees them. A list of types."),
    "prepare": ("steps", "Of data: what is done to samples once. A list of types; what they learn comes from training samples."),
}


@click.command("explain")
@click.argument("subject", metavar="SPEC|CODE|TYPE|BLOCK|FAMILY|KEY")
@options.changes
def command(subject: str, changes: tuple[str, ...]) -> None:
    """A spec's plan with its reasons; what a code means; a block's keys, or a key; a family; a factor, ... with its formula."""
    if re.fullmatch(r"FGW?\d{3}", subject, re.IGNORECASE):
        click.echo(_page(subject.upper()))
        return
    leaves = _leaves(subject)
    found = "\n\n".join(filter(None, (_block(subject), leaves))) or words.told(subject)
    click.echo(found if found else _plan(subject, changes))


def _page(code: str) -> str:
    page = resources.files("factorgraph") / "explanations" / f"{code}.md"
    if not page.is_file():
        raise click.UsageError(f"there is no code {code}")
    return page.read_text(encoding="utf-8").strip()


def _leaves(name: str) -> str:
    from factorgraph.graph.builtin import BUILTIN
    from factorgraph.registry import FAMILIES, describe, leaves

    found = [describe(family, name) for family in FAMILIES if name in leaves(family)]
    found += [BUILTIN[name]] if name in BUILTIN else []
    return "\n\n".join(_described(each) for each in found)


def _block(name: str) -> str:
    """A block of a spec: what its entries are, and their keys; empty where it has no keys of its own."""
    from factorgraph.registry import keys_of

    entries = words.entries()
    if name in entries:
        text = " ".join((entries[name].__doc__ or "").split()).replace("``", "")
        return "\n".join([f"{name} (block)", "", text, "", *(_key(*each) for each in keys_of(entries[name]).items())])
    if name in BLOCKS_OF_LEAVES:
        family, text = BLOCKS_OF_LEAVES[name]
        more = f"factorgraph list {family} names the types; factorgraph explain TYPE tells the keys of one."
        return f"{name} (block)\n\n{text}\n\n{more}"
    return ""


def _key(name: str, text: str) -> str:
    return f"  {name:14} {text}"


def _described(it: object) -> str:
    from factorgraph.structure import Described

    assert isinstance(it, Described), "the registry describes leaves"
    lines = [f"{it.type} ({it.family})", "", it.text.replace("``", ""), ""]
    if it.promises:
        lines += [f"promises: {', '.join(it.promises)}"]
    if it.family == "health":
        lines += [words.bound(it.type, it.fields["at_most"])]
    else:
        lines += [_key(*each) for each in it.fields.items()]
    return "\n".join(lines).rstrip()


def _neither(subject: str, error: SpecError) -> SpecError:
    """The error; where there is no such spec, with what was meant among specs and leaves."""
    from factorgraph.registry import FAMILIES, leaves, not_loaded
    from factorgraph.spec.suggest import near

    first = error.issues[0]
    lost = [each for family in FAMILIES for each in not_loaded(family, subject)]
    if first.code == "FG218" and lost:
        return SpecError(replace(first, message=lost[0], allowed="", fix="mend the package that adds it", replacement=None))
    known = [name for family in FAMILIES for name in leaves(family)]
    meant = near(subject, (*known, *first.allowed.split(", ")))
    if first.code != "FG218" or meant not in known:
        return error
    message = f'there is no spec, code or leaf "{subject}". Did you mean "{meant}"?'
    fix = "factorgraph list names what there is"
    return SpecError(replace(first, message=message, allowed="", fix=fix, replacement=meant))


def _plan(subject: str, changes: tuple[str, ...]) -> str:
    from factorgraph import compile as compiler
    from factorgraph.graph.resolve import resolve
    from factorgraph.lint import explained
    from factorgraph.spec.load import load

    try:
        spec = load(subject, changes)
    except SpecError as error:
        raise _neither(subject, error) from None
    graph = resolve(spec)
    return explained(graph, compiler.plan(spec, graph))
