"""``factorgraph validate``."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import click

from factorgraph.cli import options
from factorgraph.errors import Issue, SpecError, as_json, render


@click.command("validate")
@click.argument("specs", nargs=-1, required=True, metavar="SPEC...")
@options.changes
@options.as_json
def command(specs: tuple[str, ...], changes: tuple[str, ...], json_: bool) -> None:
    """Check specs: text, names, shapes, and that every procedure has a solver. Nothing is read but the specs, nothing is run."""
    found: list[Issue] = []
    for spec in specs:
        with _unswept():
            issues, said = _checked(spec, changes)
        found += issues
        if not json_:
            click.echo(
                said if not issues else render(issues) + ("" if any(not each.is_warning for each in issues) else f"\n\n{said}")
            )
    if json_:
        import json

        click.echo(json.dumps([as_json(each) for each in found], indent=1))
    if any(not each.is_warning for each in found):
        raise click.exceptions.Exit(2)


@contextmanager
def _unswept() -> Iterator[None]:
    """Nearly all that is made while a spec is checked stays, modules most of all: looking for garbage is 7 % of the time."""
    swept = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if swept:
            gc.enable()


def _checked(spec: str, changes: tuple[str, ...]) -> tuple[list[Issue], str]:
    from factorgraph import compile as compiler
    from factorgraph.graph.resolve import resolve
    from factorgraph.lint import lint
    from factorgraph.spec.load import load

    try:
        loaded = load(spec, changes)
        graph = resolve(loaded)
        plan = compiler.plan(loaded, graph)
        compiler.check_data(loaded, graph)
        compiler.check_rows(loaded, graph, plan)
    except SpecError as error:
        return list(error.issues), ""
    latent = sum(len(each.block) for each in plan.procedures.values())
    sizes = {"variable": len(loaded.variables), "function": len(loaded.functions), "factor": len(loaded.factors)}
    parts = ", ".join(f"{size} {word}{'s' * (size != 1)}" for word, size in sizes.items())
    solvers = ", ".join(f"{each.id}: {each.solver['type'] if each.solver else each.method}" for each in plan.procedures.values())
    said = f"{spec}: valid ({parts}" + (f"; {solvers})" if latent else ")")
    return [*(loaded.document.locate(each) for each in graph.warnings), *lint(graph, plan)], said
