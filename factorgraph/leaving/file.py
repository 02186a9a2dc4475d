"""A spec as one file of plain torch: parameters, functions, factors, ways to infer, learning, and a command."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Sequence
from math import prod
from pathlib import Path

import torch

from factorgraph.compile import build, plan
from factorgraph.errors import RunError, issue
from factorgraph.graph.model import TUNED, Graph, Variable
from factorgraph.inference.methods._matrix import Layered
from factorgraph.leaving import layers
from factorgraph.leaving.comments import comment, said
from factorgraph.leaving.learning import Learning
from factorgraph.leaving.procedures import Procedures
from factorgraph.leaving.recorded import UnwritableError, number
from factorgraph.leaving.searches import ANYWHERE
from factorgraph.leaving.written import Written, indented, refused
from factorgraph.run.files import atomic_write, spare
from factorgraph.spec.fragments import documents
from factorgraph.spec.schema import Spec
from factorgraph.structure import Parameter
from factorgraph.training.sides import stretches
from factorgraph.version import __version__

WIDTH = 130
PRIMES = (97, 101, 103, 107, 109, 113)  # rows that are recorded: a number that is not theirs makes two texts differ


def eject(spec: Spec) -> str:
    """The text of a file that needs torch and numpy alone. Raises :class:`SpecError` FG692 where something cannot be written."""
    with spec.document.locating(), torch.random.fork_rng(devices=[]):
        before = ""
        for batch in PRIMES:
            text = Ejected(spec, batch).text()
            if text == before:
                return text
            before = text
    raise AssertionError("no two numbers of rows give the same text")


def write(spec: Spec, output: Path | None) -> Path:
    """Write the file, NAME.py here unless told otherwise: what is there may be somebody's work, and goes only where it is named.

    Raises SpecError FG692, RunError FG604, FG605, FG661.
    """
    path, text = output or Path(f"{spec.name.rpartition('/')[2]}.py"), eject(spec).encode()
    spare(path, (Path(each.file) for each in documents(spec.document)))
    if output is None and path.is_file() and path.read_bytes() != text:
        what = f"{path} is there already, with another text"
        raise RunError(issue("FG661", what, fix=f"name another file with -o, or this one, -o {path}, to replace it"))
    atomic_write(path, text)
    return path


class Ejected:
    """A spec on its way out."""

    def __init__(self, spec: Spec, batch: int = PRIMES[0]):
        self.spec = spec
        self.model = build(spec, plan(spec, device=ANYWHERE))
        self.graph: Graph = self.model.graph
        self.written = Written(self.model, batch)
        self.procedures = Procedures(self.written)
        for each in self.graph.of_kind("noise"):
            fix = "draw samples from a run: factorgraph infer RUN --draw 100 -o samples.npz"
            raise refused(f"{each.name} is drawn anew each time, which is not written down", ("variables", each.name), fix)

    def text(self) -> str:
        energy = self._energy()
        for inference in self.model.inferences.values():
            self.procedures.call(self.graph, inference)
        learning = self.learning = Learning(self.written, self.procedures, bool(self._project()))
        for stretch in stretches(self.model, 1):
            if stretch.steps:
                learning.add(stretch)
        begins = [
            layers.begin(self.written, each)
            for each in self.model.inferences.values()
            if isinstance(each.method, Layered) and each.method.free
        ]
        project = self._project()
        start = self._init(project, begins)
        methods = filter(None, [project, *self.written.methods.values(), energy])
        model = "\n\n".join([start, *map(indented, methods)])
        parts = [model, *learning.texts, self._main(learning)]
        helpers = [*self.written.sources.texts.values()]
        body = "\n\n\n".join([*helpers, *parts])
        constants = "\n".join(self.written.sources.constants.values())
        return tidy("\n\n".join(filter(None, [self._head(), _imports(body + constants), constants, body])))

    def _head(self) -> str:
        source = "; ".join(f"{each}" for each in dict(self.spec.source or {}).values()) if self.spec.source else ""
        name = said(Path(self.spec.document.file).name)
        lines = [
            f'"""{self._title()}.',
            "",
            *([*textwrap.wrap(said(source), WIDTH - 10), ""] if source else []),
            f"Written by factorgraph {__version__} from {name}, whose lines stand beside what was made of them.",
            "It needs torch and numpy.",
            '"""',
        ]
        return "\n".join(lines)

    def _title(self) -> str:
        return said(self.spec.title or self.spec.name).rstrip(".")

    def _init(self, project: str, begins: Sequence[str]) -> str:
        lines: list[str] = []
        data: list[str] = []
        for address, name in self.written.parameters.items():
            owner, _, local = address.rpartition(".")
            node = self.graph.functions.get(owner.partition(".")[2]) if owner.startswith("functions.") else None
            declared = self._declared(owner, local)
            path = ("inference", owner.partition(".")[2].split("[")[0]) if owner.startswith("inference.") else None
            written = node.written.path if node else path or self.graph.factors[owner.partition(".")[2]].written.path
            for each in comment(self.spec, written):
                if each not in lines:
                    lines.append(each)
            made = self._start(declared, data)
            lines.append(f"self.{name} = {made if declared != TUNED else made.removesuffix(')') + ', requires_grad=False)'}")
        if project:
            lines.append("self.project()")
        lines += [f"self.{each}()" for each in begins]
        arguments = ", ".join(["self", *(f"{each}: Tensor" for each in dict.fromkeys(data))])
        body = indented("\n".join(["super().__init__()", *lines]), 8)
        told = indented(f'"""{self._title()}."""')
        return f"class Model(nn.Module):\n{told}\n\n    def __init__({arguments}) -> None:\n{body}"

    def _declared(self, owner: str, local: str) -> Parameter | tuple[int, ...]:
        key = owner.partition(".")[2]
        if owner.startswith("functions."):
            return self.graph.functions[key].parameters[local]
        if owner.startswith("factors."):
            return self.graph.factors[key].held[local]
        return tuple(self.model.tensors()[owner][local].shape)

    def _start(self, declared: Parameter | tuple[int, ...], data: list[str]) -> str:
        if isinstance(declared, tuple):
            return f"nn.Parameter(torch.zeros({', '.join(map(str, declared))}))"
        shape = ", ".join(map(str, declared.shape)) or "()"
        if declared.start == "constant":
            value = "zeros" if declared.scale == 0 else "ones" if declared.scale == 1 else ""
            made = f"torch.{value}({shape})" if value else f"torch.full(({shape},), {ast.unparse(number(declared.scale))})"
        elif declared.start == "data":
            made = self._rows(declared, data)
        elif declared.start == "uniform":
            made = f"(2 * torch.rand({shape}) - 1) * {declared.scale:.6g}"
        else:
            scale = declared.scale or 1.0
            made = f"torch.randn({shape})" if scale == 1 else f"torch.randn({shape}) * {scale:.6g}"
        return f"nn.Parameter({made})"

    def _rows(self, declared: Parameter, data: list[str]) -> str:
        """Different samples as columns."""
        outputs, inputs = declared.shape[0], prod(declared.shape[1:])
        fitting = [each for each in self.graph.of_kind("observed") if prod(each.shape) == outputs]
        if not fitting:
            raise refused(f"a matrix starts at data, and no variable has its {outputs} units", ("functions",))
        name = self.written.local(fitting[0])
        data.append(name)
        return f"{name}[torch.randperm(len({name}))[:{inputs}]].flatten(1).T.clone()"

    def _project(self) -> str:
        lines = []
        for key, node in self.graph.functions.items():
            if node.parameters:
                owner = f"functions.{key}"
                tensors = {name: each.clone() for name, each in self.written.tensors[owner].items()}
                names = {self.written.attribute(owner, name): each for name, each in tensors.items()}

                def run(leaf: object = node.leaf, tensors: object = tensors) -> None:
                    leaf.project(tensors)  # type: ignore[attr-defined]

                try:
                    lines.append(self.written.record(names, "0", run))
                except UnwritableError as why:
                    what = f'the constraints of "{node.spelled}" cannot be written as plain torch: {why}'
                    raise refused(what, node.written.path) from None
        for inference in self.model.inferences.values():
            if isinstance(inference.method, Layered) and inference.method.free:
                lines.append(layers.constraints(self.written, inference))
        body = "\n".join(filter(None, lines))
        told = "Put parameters back on their constraints."
        return self.written.method("project", [], "None", told, body, [], "@torch.no_grad()") if body else ""

    def _energy(self) -> str:
        """The energy of all variables, each factor's share in it."""
        free = [each for each in self.graph.variables.values() if each.definition is None and self._read(each)]
        names = [self.written.local(each) for each in free]
        known = dict(zip((each.id for each in free), names, strict=True))
        statements, total = self.written.energy(self.graph, self.graph.factors, known, "self")
        body = "\n".join([*statements, f"return {total}"])
        name = self.written.names("energy", "energy")
        return self.written.method(name, names, "Tensor", "(batch,): the sum of all factors.", body, [])

    def _read(self, variable: Variable) -> bool:
        arguments = (each for factor in self.graph.factors.values() for each in factor.arguments)
        return any(self.graph.depends(each, frozenset([variable.id])) for each in arguments)

    def _main(self, learning: Learning) -> str:
        observed = [each for each in self.graph.of_kind("observed") if self._read(each)]
        names = [self.written.local(each) for each in observed]
        lines = ["parser = argparse.ArgumentParser(description=__doc__)"]
        for each, name in zip(observed, names, strict=True):
            shape = ", ".join(["samples", *map(str, each.shape)])
            lines.append(f'parser.add_argument("{name}", help="a .npy of shape ({shape})")')
        lines += [
            'parser.add_argument("-o", "--output", default="model.pt", help="where the parameters go")',
            "given = parser.parse_args()",
            *(f"{name} = torch.from_numpy(np.load(given.{name})).float()" for name in names),
        ]
        needed = re.findall(r"def __init__\(self, ([^)]*)\)", self._init("", []))
        inputs = ", ".join(each.partition(":")[0] for each in needed[0].split(", ")) if needed else ""
        lines += [f"torch.manual_seed({self.spec.seed})", f"model = Model({inputs})"]
        for call, takes in learning.calls:
            lines.append(f"{call}({', '.join(['model', *(self.written.local(self.graph.values[each]) for each in takes)])})")
        lines.append("torch.save(model.state_dict(), given.output)")
        return "def main() -> None:\n" + indented("\n".join(lines)) + '\n\n\nif __name__ == "__main__":\n    main()'


def _imports(body: str) -> str:
    """What a text uses, in the order of a linter."""
    standard = [f"import {each}" for each in ("argparse", "copy", "math") if re.search(rf"\b{each}\.", body)]
    abstract = [each for each in ("Callable", "Iterator", "Sequence") if re.search(rf"\b{each}\b", body)]
    if abstract:
        standard.append(f"from collections.abc import {', '.join(abstract)}")
    others = ["import numpy as np", "import torch", "from torch import Tensor, nn"]
    if "functional." in body:
        others.append("from torch.nn import functional")
    return "\n".join(["from __future__ import annotations", "", *standard, "", *others])


def tidy(text: str) -> str:
    """Strings in double quotes, blank lines as they are usual, long lines over several."""
    lines: list[str] = []
    for line in text.splitlines():
        code, mark, rest = line.partition("#")
        found = ((re.sub(r"'([^'\"]*)'", r'"\1"', code) if '"' not in code else code) + mark + rest).rstrip()
        opens = not lines or lines[-1].endswith(":") or not lines[-1]
        if found or not opens:
            lines += _wrapped(found)
    return _apart(lines)


def _apart(lines: Sequence[str]) -> str:
    """Two blank lines before each thing that stands by itself, one elsewhere."""
    found: list[str] = []
    begun = False
    for line in lines:
        begun = begun or line.startswith(("def ", "class ", "@"))
        begins = begun and line and not line[0].isspace() and line[0] not in ")]}" and found and not found[-1]
        found += ["", line] if begins else [line]
    return "\n".join(found).rstrip() + "\n"


def _wrapped(line: str) -> list[str]:
    """A line that is too long as several: items of its last bracket one below the other, words of a comment."""
    if len(line) <= WIDTH:
        return [line]
    margin = line[: len(line) - len(line.lstrip())]
    if line.lstrip().startswith("#"):
        return textwrap.wrap(line.lstrip(), WIDTH - len(margin), initial_indent=margin, subsequent_indent=f"{margin}#    ")
    opened = _outermost(line)
    if opened is None:
        return [line]
    begin, end = opened
    items = _items(line[begin + 1 : end])
    inner = f"{margin}    "
    together = f"{inner}{', '.join(items)}"
    is_call = line[begin] != "(" or line[begin - 1].isalnum() or line[begin - 1] in "_)]"  # else a comma would make a tuple of it
    comma = "," if is_call or len(items) > 1 else ""
    body = [together] if len(together) <= WIDTH else [each for item in items for each in _wrapped(f"{inner}{item}{comma}")]
    return [line[: begin + 1], *body, *_wrapped(f"{margin}{line[end:]}")]


def _outermost(line: str) -> tuple[int, int] | None:
    """The outermost bracket that holds most, from its first character to its last."""
    depth, begin, found = 0, 0, list[tuple[int, int]]()
    for at, each in enumerate(line):
        if each in "([{":
            begin = at if depth == 0 else begin
            depth += 1
        elif each in ")]}":
            depth -= 1
            if depth == 0:
                found.append((begin, at))
    return max(found, key=lambda each: each[1] - each[0], default=None)


def _items(text: str) -> list[str]:
    """What commas divide outside of brackets."""
    depth, items = 0, [""]
    for each in text:
        depth += (each in "([{") - (each in ")]}")
        if each == "," and depth == 0:
            items.append("")
        else:
            items[-1] += each
    return [each.strip() for each in items if each.strip()]
