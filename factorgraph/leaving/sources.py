"""Functions as they stand in this package, with all that they use: what a file that leaves takes along."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

IGNORED = {"annotations", "whole"}


class Sources:
    """Gathers functions, each behind what it uses."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.constants: dict[str, str] = {}

    def take(self, function: Callable[..., Any]) -> str:
        """Take a function along, and give its name."""
        function = inspect.unwrap(function)
        name = function.__name__
        if name not in self.texts:
            text = textwrap.dedent(inspect.getsource(function))
            text = "\n".join(line for line in text.splitlines() if line != "@whole")
            tree = ast.parse(text)
            used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
            for each in sorted(used):
                self._use(each, function)
            self.texts[name] = text
        return name

    def _use(self, name: str, function: Callable[..., Any]) -> None:
        found = function.__globals__.get(name)
        if found is None or name == function.__name__ or name in self.constants:
            return
        if inspect.isfunction(found) and found.__module__.startswith("factorgraph."):
            self.take(found)
        elif not (inspect.ismodule(found) or inspect.isclass(found) or inspect.isroutine(found)) and name != "torch":
            self.constants[name] = _line(name, inspect.getmodule(function))


def _line(name: str, module: Any) -> str:
    """The line that gives a constant its value, with its comment."""
    lines = inspect.getsource(module).splitlines()
    for node in ast.parse("\n".join(lines)).body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        names = [each.id for target in targets for each in ast.walk(target) if isinstance(each, ast.Name)]
        if name in names:
            return "\n".join(lines[node.lineno - 1 : node.end_lineno])
    raise AssertionError(f"{name} is given a value where its function is")
