"""Writes what editors and type checkers read of each family's leaves: the ``__init__.pyi`` of its package.

``python tools/stubs.py`` writes them, ``--check`` only says whether they are up to date.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from factorgraph.registry import FAMILIES, leaves
from factorgraph.spec.forms import BASES, documentation, parameters

ROOT = Path(__file__).resolve().parent.parent
HEADER = """\
# Made by tools/stubs.py from the classes of the leaves: what Python may write of them. See factorgraph/spec/forms.py.
"""
SOURCES = {  # where the words that a signature may use come from
    "collections.abc": ("Mapping", "Sequence"),
    "typing": ("Literal",),
    "factorgraph.spec.forms": tuple(sorted(each.__name__ for each in BASES.values())),
    "factorgraph.spec.handles": ("Expressed", "Name", "Number"),
}


def stub(family: str) -> str:
    """The text for a family: the leaves that ship, with their options and their words."""
    own = [kind for kind, cls in leaves(family).items() if cls.__module__.startswith(f"{FAMILIES[family]}.")]
    code = "\n".join(_leaf(family, kind) for kind in own)
    signatures = re.sub(r'r""".*?"""', "", code, flags=re.DOTALL)
    used = {module: [word for word in words if re.search(rf"\b{word}\b", signatures)] for module, words in SOURCES.items()}
    lines = {module: f"from {module} import {', '.join(words)}\n" for module, words in used.items() if words}
    ours = "".join(line for module, line in lines.items() if module.startswith("factorgraph."))
    return HEADER + "".join(line for line in lines.values() if line not in ours) + "\n" + ours + "\n" + code


def _leaf(family: str, kind: str) -> str:
    words = "\n".join(f"    {line}".rstrip() for line in documentation(family, kind).split("\n")).strip()
    options = "".join(f"        {each},\n" for each in parameters(family, kind))
    head = f"(\n        self,\n        *,\n{options}    )" if options else "(self)"
    name, base = leaves(family)[kind].__name__, BASES[family].__name__
    return f'class {name}({base}):\n    r"""{words}\n    """\n\n    def __init__{head} -> None: ...\n'


def main(check: bool) -> int:
    stale = 0
    for family in BASES:
        if family not in FAMILIES:
            continue
        file = ROOT.joinpath(*FAMILIES[family].split("."), "__init__.pyi")
        text = stub(family)
        if check and (not file.is_file() or file.read_text(encoding="utf-8") != text):
            print(f"{file.relative_to(ROOT)} is out of date: run python tools/stubs.py", file=sys.stderr)
            stale = 1
        elif not check:
            file.write_text(text, encoding="utf-8")
    return stale


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
