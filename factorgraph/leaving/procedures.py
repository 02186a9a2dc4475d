"""Ways to infer as methods of a module."""

from __future__ import annotations

from dataclasses import dataclass

from factorgraph.compile.procedures import Inference
from factorgraph.graph.model import Graph, Id
from factorgraph.inference.methods._matrix import Layered
from factorgraph.leaving import blocks
from factorgraph.leaving.comments import comment
from factorgraph.leaving.layers import unrolled
from factorgraph.leaving.names import plain
from factorgraph.leaving.searches import argmin
from factorgraph.leaving.written import Written, refused


@dataclass(frozen=True)
class Call:
    """How a procedure is called: its method, what it takes and what it gives, as ids of variables."""

    name: str
    takes: tuple[Id, ...]
    gives: tuple[Id, ...]


class Procedures:
    """The methods of the procedures that a file needs."""

    def __init__(self, written: Written):
        self.written = written
        self.calls: dict[tuple[str, str], Call] = {}

    def call(self, graph: Graph, inference: Inference, suffix: str = "") -> Call:
        """A procedure as it stands in a graph; under a name with the suffix where a phase has changed it."""
        plan, written, path = inference.plan, self.written, blocks.path_of(inference)
        if plan.later is not None:
            raise refused(f'"{plan.id}" sees what is given in training only: it is two searches', path, "without: [FACTOR]")
        takes, body = self._body(graph, inference)
        key = (plan.id, body)
        if key not in self.calls:
            name = written.names(("procedure", key), f"infer_{plain(plan.id)}{suffix}")
            told = ", ".join(f"{plain(each)} (batch{''.join(f', {n}' for n in graph.values[each].shape)})" for each in plan.block)
            result = "Tensor" if len(plan.block) == 1 else f"tuple[{', '.join('Tensor' for _ in plan.block)}]"
            before = "@torch.no_grad()" if plan.method == "argmin" or getattr(inference.method, "gradient", "") == "stop" else ""
            inputs = [*blocks.known(written, graph, takes).values()]
            written.methods[name] = written.method(name, inputs, result, told, body, comment(written.spec, path), before)
            self.calls[key] = Call(name, takes, tuple(plan.block))
        return self.calls[key]

    def _body(self, graph: Graph, inference: Inference) -> tuple[tuple[Id, ...], str]:
        method = inference.plan.method
        if method == "amortized":
            return self._amortized(graph, inference)
        if isinstance(inference.method, Layered):
            return unrolled(self.written, graph, inference)
        if method == "argmin":
            return argmin(self.written, graph, inference)
        what = f'"{inference.plan.id}" is found by method: {method}, which is not written as plain torch'
        raise refused(what, blocks.path_of(inference), "infer it by argmin, unrolled or amortized")

    def _amortized(self, graph: Graph, inference: Inference) -> tuple[tuple[Id, ...], str]:
        reads = inference.reads["by"]
        takes = blocks.taken(graph, inference, reads.values())
        statements, found = self.written.values(graph, reads.values(), blocks.known(self.written, graph, takes), "self")
        made = ", ".join(found[reads[key]] for key in inference.plan.block)
        if statements and statements[-1].startswith(f"{made} = "):
            return takes, "\n".join([*statements[:-1], f"return {statements[-1].removeprefix(f'{made} = ')}"])
        return takes, "\n".join([*statements, f"return {made}"])
