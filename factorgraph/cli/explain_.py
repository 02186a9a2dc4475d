"""``factorgraph explain``."""

from __future__ import annotations

import re
from dataclasses import replace
from importlib import resources

import click

from factorgraph.cli import options
from factorgraph.errors import SpecError


@click.command("explain")
@click.argument("subject", metavar="SPEC|CODE|TYPE")
@options.changes
def command(subject: str, changes: tuple[str, ...]) -> None:
    """The plan of a spec with its reasons; what an error code means; a factor, function, solver, ... with its formula."""
    if re.fullmatch(r"FGW?\d{3}", subject, re.IGNORECASE):
        click.echo(_page(subject.upper()))
        return
    leaves = _leaves(subject)
    click.echo(leaves if leaves else _plan(subject, changes))


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


def _described(it: object) -> str:
    from factorgraph.structure import Described

    assert isinstance(it, Described), "the registry describes leaves"
    lines = [f"{it.type} ({it.family})", "", it.text, ""]
    if it.promises:
        lines += [f"promises: {', '.join(it.promises)}"]
    lines += [f"  {key:14} {text}" for key, text in it.fields.items()]
    return "\n".join(lines).rstrip()


def _neither(subject: str, error: SpecError) -> SpecError:
    """The error; where there is no such spec, with what was meant among specs and leaves."""
    from factorgraph.registry import FAMILIES, leaves
    from factorgraph.spec.suggest import near

    first = error.issues[0]
    known = [name for family in FAMILIES for name in leaves(family)]
    meant = near(subject, (*known, *first.allowed.split(", ")))
    if first.code != "FG218" or meant not in known:
        return error
    message = f'there is no spec, code or leaf "{subject}". Did you mean "{meant}"?'
    fix = "factorgraph list names what there is"
    return SpecError(replace(first, message=message, allowed="", fix=fix, replacement=meant))


def _plan(subject: str, changes: tuple[str, ...]) -> str:
    from factorgraph import compile as compiler
    from factorgraph.compile import sizes
    from factorgraph.compile.plan import describe
    from factorgraph.graph.resolve import resolve
    from factorgraph.spec.load import load

    try:
        spec = load(subject, changes)
    except SpecError as error:
        raise _neither(subject, error) from None
    graph = resolve(spec)
    plan = compiler.plan(spec, graph)
    blocks = []
    for each in plan.procedures.values():
        place = spec.document.place(("inference", each.name), on="key")
        blocks.append(describe(each, f"{place.file}:{place.line}"))
    for phase in plan.phases:
        player = "" if phase.player == "model" else f", player {phase.player}"
        lines = [f"phase {phase.phase}{player}: {', '.join(phase.losses)}"]
        lines += [
            f"  infers  {', '.join(phase.procedures) or 'nothing'}",
            f"  trains  {', '.join(phase.parameters) or 'nothing'}",
        ]
        lines += [f"  solves  {each.function:18} {each.reason}" for each in phase.closed]
        blocks.append("\n".join(lines))
    blocks.append(sizes.describe(graph))
    return "\n\n".join(each for each in blocks if each)
