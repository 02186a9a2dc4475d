"""``factorgraph upgrade``."""

from __future__ import annotations

import click


@click.command("upgrade")
@click.argument("specs", nargs=-1, required=True, metavar="SPEC...")
@click.option("--check", is_flag=True, help="say what would change, and change nothing; ends with 1 if anything would")
def command(specs: tuple[str, ...], check: bool) -> None:
    """Old spellings of the language in files, mended in place. Comments, order and layout stay byte for byte."""
    from factorgraph.errors import Issue, SpecError
    from factorgraph.run.files import atomic_write
    from factorgraph.spec.load import content, find
    from factorgraph.spec.upgrade import upgraded

    left: list[Issue] = []
    changed = False
    for name in specs:
        file = find(name)
        made = upgraded(content(file, str(file)), str(file))
        for edit in made.edits:
            click.echo(edit)
        if not made.edits and not made.left:
            click.echo(f"{file}: nothing to change")
        if made.edits and not check:
            atomic_write(file.resolve(), made.data)
        changed = changed or bool(made.edits)
        left += made.left
    if left:
        raise SpecError(left)
    raise click.exceptions.Exit(1 if check and changed else 0)
