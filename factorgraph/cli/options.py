"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


def changes(command: F) -> F:
    """``--set a.b=value``, any number of times."""
    text = "put a value at an address of the spec, as factors.sparsity.weight=0.5"
    return click.option("--set", "changes", multiple=True, metavar="ADDRESS=VALUE", help=text)(command)


def data_folders(command: F) -> F:
    """``--data DIR``: folders that a spec may read beside its own."""
    text = "a folder that the spec may read beside its own and FACTORGRAPH_DATA"
    return click.option("--data", "data", multiple=True, type=FOLDER, metavar="DIR", help=text)(command)


def device(command: F) -> F:
    """``--device``."""
    return click.option("--device", default="auto", show_default=True, metavar="auto|cpu|cuda", help="where it runs")(command)


def as_json(command: F) -> F:
    """``--json``, for machines."""
    return click.option("--json/--no-json", "json_", default=False, help="print JSON")(command)
