"""The matrices of functions, and those of a procedure's steps as functions that read: ``recurrent.filter``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from factorgraph.errors import RunError, issue
from factorgraph.graph.model import FunctionNode, Graph, Written
from factorgraph.lazy import torch
from factorgraph.spec.references import standing_for

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.compile.model import Model

NAMES = ("filter", "inhibition")


def matrices(model: Model, graph: Graph, function: str) -> list[tuple[FunctionNode, Tensor]]:
    """The functions that a name stands for, one a slot, with their matrices on the CPU. RunError FG632 where none has any."""
    named = dict(model.named_parameters())
    found = []
    for node in graph.functions.values():
        key = f"functions.{node.id.replace('[', '.').replace(']', '')}.matrix"
        if function in (node.spelled, node.id) and key in named:
            found.append((node, named[key].detach().cpu()))
    found = found or _of_procedure(model, function)
    if not found:
        having = sorted({each.spelled for each in graph.functions.values() if "matrix" in each.parameters})
        raise RunError(issue("FG632", f"function {function!r} has no matrix", allowed=", ".join(having)))
    return found


def units_of(matrix: Tensor, writes: bool) -> Tensor:
    """The columns of a matrix, (inputs, outputs[, kernel, kernel]), or its rows. A cross-correlation draws its kernels turned by
    half a turn."""
    return matrix.movedim(1, 0).flip(list(range(2, matrix.dim()))) if writes else matrix


def joined(function: str, slots: Sequence[Tensor]) -> Tensor:
    """The units of all slots of a function, (units, *shape). RunError FG632 where they differ in shape."""
    if len({each.shape[1:] for each in slots}) > 1:
        text = f"the units of {function!r} are of another size at each of its {len(slots)} slots"
        raise RunError(issue("FG632", text, fix=f"ask for one of them: {function}[0]"))
    return torch.cat(list(slots))


def _of_procedure(model: Model, written: str) -> list[tuple[FunctionNode, Tensor]]:
    """What ``PROCEDURE.MATRIX`` stands for: the learned matrix, or the one that the energy makes; none where there is no such.

    Where each step has matrices of its own, that of the first.
    """
    procedure, _, name = written.rpartition(".")
    found = []
    for key in standing_for(procedure, model.inferences) if name in NAMES else ():
        network = model.inferences[key].network
        if network is None:
            continue
        own = model.in_use().get(owner := f"inference.{key}", {})
        if name not in own:
            with torch.no_grad():
                own = network.own((name,), next(iter(model.parameters())), model.in_use())
        matrix = own[name].detach().cpu()
        matrix = matrix[0] if matrix.dim() == 3 else matrix
        node = FunctionNode(f"{key}.{name}", written, None, {}, matrix.shape[1:], matrix.shape[:1], Written((owner,)), "encoder")  # type: ignore[arg-type]
        found.append((node, matrix))
    return found
