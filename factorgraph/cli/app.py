"""The commands, each in a file of its own that is imported when it is asked for."""

from __future__ import annotations

from importlib import import_module

import click

from factorgraph.version import __version__

COMMANDS = {  # in the order in which a newcomer meets them
    "validate": "check specs: every mistake at once, in place",
    "render": "draw the factor graph: svg, pdf, png, dot, mermaid",
    "explain": "a spec's plan with its reasons; an error code; a leaf with its formula",
    "fill": "a spec with every default written out, and where each value came from",
    "why": "a value of a spec: where it comes from, what it means, what is allowed, who uses it",
    "diff": "what two specs, or a run and a spec, mean differently; both graphs in one diagram",
    "upgrade": "old spellings of the language in files, mended in place; comments stay",
    "train": "learn what a spec says, into a run folder",
    "evaluate": "measure a run on held-out data and judge its claims",
    "compare": "all ways to infer beside each other: error and energy against steps and time",
    "reproduce": "train a spec's variants and seeds, and judge all of its claims",
    "report": "one page of all that there is to see of a run, or of several beside each other",
    "watch": "the same page on this machine, while a run learns",
    "infer": "codes, reconstructions and energies of your own images or arrays",
    "eject": "a spec as one file of plain PyTorch, which does not import factorgraph",
    "export": "a procedure of a run as a program that needs no factorgraph: torch or onnx",
    "fetch": "download a published data set into the cache, checked",
    "list": "factors, functions, solvers, losses, data, specs",
}


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command = import_module(f"factorgraph.cli.{cmd_name}_").command
        assert isinstance(command, click.Command), "each file of a command holds one"
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, 1)
            hint = f' Did you mean "{near[0]}"?' if near else ""
            raise click.UsageError(f'there is no command "{args[0]}".{hint} There are: {", ".join(COMMANDS)}', ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "--version", prog_name="factorgraph")
def app() -> None:
    """Energy-based and latent-variable models as factor graphs in YAML.

    A SPEC is a file, or the name of one that ships with factorgraph: psd, sparse_coding, toy/kmeans.
    """
