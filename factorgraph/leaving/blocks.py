"""What ways to infer have in common: what they take, where they start, the energy that they go by, what they give back."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from math import prod

import torch
from torch import Tensor

from factorgraph.compile.problems import Block
from factorgraph.compile.procedures import Inference
from factorgraph.compile.terms import variable_of
from factorgraph.graph.model import WEIGHT, Graph, Id, Variable
from factorgraph.inference.problem import Groups
from factorgraph.leaving.recorded import number
from factorgraph.leaving.written import Written, indented, refused


def path_of(inference: Inference) -> tuple[str, str]:
    """Where a procedure is written."""
    return "inference", inference.plan.name


def taken(graph: Graph, inference: Inference, values: Iterable[Id]) -> tuple[Id, ...]:
    """The variables that must be given so that some values, and the start, can be computed."""
    read = graph.leading_to([*values, *inference.reads.get("start", {}).values()])
    free = (key for key, each in graph.variables.items() if key in read and each.definition is None)
    return tuple(key for key in free if key not in inference.plan.block)


def known(written: Written, graph: Graph, ids: Iterable[Id]) -> dict[Id, str]:
    """Variables by their names inside a method."""
    return {key: written.local(graph.values[key]) for key in ids}


def start(written: Written, graph: Graph, inference: Inference, takes: Sequence[Id], owner: str) -> tuple[list[str], str]:
    """Where steps begin, (batch, units), behind some statements: a value, or zeros."""
    block, reads, like = inference.block, inference.reads.get("start", {}), known(written, graph, takes)
    statements, found = written.values(graph, reads.values(), like, owner)
    rows, parts = next(iter(like.values())), list[str]()
    for each, size in zip(block.variables, block.sizes, strict=True):
        if each.id not in reads:
            parts.append(f"{rows}.new_zeros(len({rows}), {size})")
            continue
        if each.domain not in ("real", "nonnegative"):
            raise refused(f'"{inference.plan.id}" starts at a value of another domain', path_of(inference), "leave out start")
        flat = "" if len(each.shape) == 1 else ".flatten(1)"
        parts.append(f"{found[reads[each.id]]}{flat}{'.clamp_min(0)' if each.domain == 'nonnegative' else ''}")
    return statements, parts[0] if len(parts) == 1 else f"torch.cat([{', '.join(parts)}], 1)"


def smooth(
    written: Written, graph: Graph, block: Block, names: Mapping[Id, str], owner: str, name: str = "smooth",
    factors: Sequence[str] | None = None,
) -> str:  # fmt: skip
    """The part of the energy that has a gradient, or ``factors`` of it, as a function inside a method.

    ``names``: of what stands still beside it, all of which the whole part takes.
    """
    variables = known(written, graph, (each.id for each in block.variables))
    statements, total = written.energy(graph, block.smooth if factors is None else factors, {**names, **variables}, owner)
    first = block.variables[0]
    unpacked = [] if block.flat else [f"{variables[each.id]} = {part}" for each, part in _parts(block, "z")]
    body = "\n".join([*unpacked, *statements, f"return {total}"])
    still = [each for each in names.values() if factors is None or re.search(rf"\b{each}\b", body)]
    head = ", ".join(f"{each}: Tensor" for each in dict.fromkeys([variables[first.id] if block.flat else "z", *still]))
    return f"\ndef {name}({head}) -> Tensor:\n{indented(body)}\n"


def parameters(function: str) -> list[str]:
    """The names that a function inside a method takes."""
    return re.findall(r"(\w+): Tensor", function.partition("->")[0])


def returned(block: Block, lines: Sequence[str], ending: str = "") -> str:
    """A body whose last line gives z, (batch, units), its value, with what a method gives back."""
    if block.flat:
        return "\n".join([*lines[:-1], f"return {lines[-1].removeprefix('z = ')}{ending}"])
    return "\n".join([*lines, f"return {', '.join(part + ending for _, part in _parts(block, 'z'))}"])


def _parts(block: Block, z: str) -> list[tuple[Variable, str]]:
    """Each variable with the part of z that it is."""
    found, first = [], 0
    for each in block.variables:
        size = prod(each.shape)
        part = z if len(block.variables) == 1 else f"{z}[:, {first}:{first + size}]"
        shape = "" if len(each.shape) == 1 else f".reshape(len({z}), {', '.join(map(str, each.shape))})"
        found.append((each, part + shape))
        first += size
    return found


def tuned(written: Written, block: Block, owner: str) -> dict[str, Tensor]:
    """The weights of the rest that are tuned, by how an owner's are written."""
    graph = block.program.graph
    keys = [each.factor for each in block.rest if graph.factors[each.factor].target is not None]
    return {written.weight(graph, key, owner): written.tensors[f"factors.{key}"][WEIGHT] for key in keys}


def weights(written: Written, block: Block, like: str, owner: str, known: Tensor) -> str:
    """What the magnitude of each unit costs, (units,), as it is written: of the kind of ``like``; ``known``: as it is now."""
    if not tuned(written, block, owner):
        return _runs(known, block, f"{like}.new_full")
    parts = []
    for each, size in zip(block.variables, block.sizes, strict=True):
        costs = magnitudes(written, block, each.id, owner)
        total = costs[0] if len(costs) == 1 else f"({' + '.join(costs)})"
        parts.append(f"{total} * {like}.new_ones({size})" if costs else f"{like}.new_zeros({size})")
    return parts[0] if len(parts) == 1 else f"torch.cat([{', '.join(parts)}])"


def groups(written: Written, block: Block, owner: str, known: Groups) -> str:
    """Which units are in each group, and what the length of each group and the magnitude of each unit cost, as written."""
    count, members = known.places.shape
    in_order = torch.equal(known.places, torch.arange(count * members).view(count, members))
    places = f"torch.arange({count * members}).view({count}, {members})" if in_order else f"torch.tensor({known.places.tolist()})"
    lengths = _runs(known.weight, block, "z.new_full")
    return f"{places}, {lengths}, {weights(written, block, 'z', owner, known.units)}"


def magnitudes(written: Written, block: Block, variable: Id, owner: str, but: str = "") -> list[str]:
    """The weights of a variable's magnitudes, of all factors ``but`` one."""
    graph = block.program.graph
    terms = [each.factor for each in block.rest if each.magnitude and each.factor != but]
    of = [key for key in terms if variable_of(graph.factors[key], block.dependences, graph) == variable]
    return [written.weight(graph, key, owner) for key in of]


def _runs(weight: Tensor, block: Block, full: str) -> str:
    """The weight of each unit, made by ``full`` of runs of one number."""
    values, counts = torch.unique_consecutive(weight.flatten(), return_counts=True)
    weights = [block.program.graph.factors[each.factor].weight for each in block.rest]
    exact = {float(torch.tensor(each)): each for each in weights}  # as the spec writes it, not as single precision holds it
    told = [ast.unparse(number(exact.get(float(each), float(each)))) for each in values]
    parts = [f"{full}(({int(count)},), {each})" for each, count in zip(told, counts, strict=True)]
    return parts[0] if len(parts) == 1 else f"torch.cat([{', '.join(parts)}])"
