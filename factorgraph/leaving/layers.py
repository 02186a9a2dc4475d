"""Unrolled solvers as methods: their layers, and how their matrices begin."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import torch

from factorgraph.compile.freed import TAKEN, constrain
from factorgraph.compile.network import GROUP_THRESHOLD, LENGTHS, MATRICES, Made
from factorgraph.compile.procedures import Inference
from factorgraph.graph.model import Graph, Id
from factorgraph.inference.methods._matrix import Layered
from factorgraph.leaving import blocks, reference
from factorgraph.leaving.names import plain
from factorgraph.leaving.written import Written, indented, refused

ALL = "free: [filter, inhibition, threshold], without share and keep"


def unrolled(written: Written, graph: Graph, inference: Inference) -> tuple[tuple[Id, ...], str]:
    """What an unrolled procedure takes, and the body of its method."""
    method, network, block = inference.method, inference.network, inference.block
    assert isinstance(method, Layered) and network is not None and inference.solver is not None, "it has layers"
    kind, owner = inference.solver.type, f"inference.{inference.plan.id}"
    learned = {*MATRICES} if block.rest else {"filter", "inhibition"}
    if not learned <= method.free.keys() or method.share == "none" or method.removing():
        what = f'"{inference.plan.id}" makes some matrices from the energy, has one for each step, or removes entries'
        raise refused(f"{what}: that is not written as plain torch", blocks.path_of(inference), ALL)
    if getattr(inference.solver, "order", "greedy") != "greedy" or not getattr(inference.solver, "restart", True):
        raise refused(f'"{inference.plan.id}" unrolls {kind} with options', blocks.path_of(inference), f"solver: {kind}")
    own = _own(written, inference)
    takes = blocks.taken(graph, inference, network.inputs)
    statements, found = written.values(graph, network.inputs, blocks.known(written, graph, takes), "self")
    flat = [found[key] + ("" if len(graph.values[key].shape) == 1 else ".flatten(1)") for key in network.inputs]
    read = flat[0] if len(flat) == 1 else f"torch.cat([{', '.join(flat)}], 1)"
    more, begin = blocks.start(written, graph, inference, takes, "self")
    v = torch.rand(written.batch, network.units)
    tensors = {name: torch.rand_like(each) for name, each in written.tensors[owner].items()}
    made = Made(network, v[:1], written.tensors)
    names = {"v": v, **{own[name]: each for name, each in tensors.items() if name in own}}
    shrink = written.record(names, "len(v)", lambda: network._shrink(made, tensors, {})(v))
    lengths = f", {own[LENGTHS]}" if LENGTHS in own else ""
    layers = written.sources.take(getattr(reference, f"unrolled_{kind}"))
    lines = [
        f"\ndef shrink(v: Tensor) -> Tensor:\n{indented(shrink)}\n",
        *dict.fromkeys([*statements, *more]),
        f"drive = functional.linear({read}, {own['filter']}{', ' + own['bias'] if 'bias' in own else ''})",
        f"z = {layers}({begin}, drive, {own['inhibition']}, shrink{lengths}, {method.steps})",
    ]
    return takes, blocks.returned(block, lines)


def begin(written: Written, inference: Inference) -> str:
    """The name of the method that makes a network's matrices those of the solver, as they begin."""
    network, graph = inference.network, inference.block.program.graph
    assert network is not None and inference.solver is not None, "it has layers"
    name = written.names(("begin", inference.plan.id), f"begin_{plain(inference.plan.id)}")
    if name in written.methods:
        return name
    own, inputs = _own(written, inference), blocks.known(written, graph, network.inputs)
    shapes = [graph.values[key].shape for key in network.inputs]
    each_of = [f"inputs[{at}]" if len(shapes) > 1 else "pulls" for at in range(len(shapes))]
    given = [
        part if len(shape) == 1 else f"{part}.reshape(len(pulls), {', '.join(map(str, shape))})"
        for part, shape in zip(each_of, shapes, strict=True)
    ]
    for function in (reference.quadratic_form, reference.eigenvalue_bound):
        written.sources.take(function)
    by_unit = inference.solver.type == "coordinate_descent"
    curvature = "hessian.diagonal()" if by_unit else f"{reference.eigenvalue_bound.__name__}(hessian)"
    sizes = [prod(shape) for shape in shapes]
    lines = [
        blocks.smooth(written, graph, inference.block, inputs, "self"),
        "# nothing, then each input alone",
        f"pulls = functional.pad(torch.eye({sum(sizes)}), (0, 0, 1, 0)).to({own['filter']})",
        *([f"inputs = torch.split(pulls, {sizes}, 1)"] if len(sizes) > 1 else []),
        f"hessian, slopes, _ = quadratic_form(smooth, pulls.new_zeros(len(pulls), {network.units}), {', '.join(given)})",
        f"length = 1 / {curvature}.clamp_min(1e-6)",
        *_copied(written, inference, own, "length[:, None]" if by_unit else "length"),
    ]
    told = "The matrices of the network begin as those of the solver."
    written.methods[name] = written.method(name, [], "None", told, "\n".join(lines), [], "@torch.no_grad()")
    return name


def _copied(written: Written, inference: Inference, own: Mapping[str, str], column: str) -> list[str]:
    network = inference.network
    assert network is not None, "it has layers"
    made = Made(network, torch.zeros(1, network.units), written.tensors)
    made.__dict__["lengths"] = torch.ones(())  # so that thresholds are weights
    values = {
        "filter": f"-{column} * (slopes[1:] - slopes[0]).T",
        "bias": "-length * slopes[0]",
        "inhibition": f"torch.eye({network.units}) - {column} * hessian",
        LENGTHS: "length",
    }
    for name in ("threshold", GROUP_THRESHOLD):
        if name in own:
            values[name] = f"{blocks.weights(written, inference.block, 'length', 'self', getattr(made, name))} * length"
    return [f"{attribute}.copy_({values[name]})" for name, attribute in own.items()]


def constraints(written: Written, inference: Inference) -> str:
    """What puts a network's matrices back on their constraints, as statements."""
    own = _own(written, inference)
    tensors = {name: each.clone() for name, each in written.tensors[f"inference.{inference.plan.id}"].items() if name in own}

    def run() -> None:
        constrain(inference.method, tensors)

    return written.record({own[name]: each for name, each in tensors.items()}, "0", run)


def _own(written: Written, inference: Inference) -> dict[str, str]:
    """How the matrices of a network are written."""
    owner = f"inference.{inference.plan.id}"
    return {name: written.attribute(owner, name) for name in written.tensors[owner] if name != TAKEN}
