"""The matrices of a procedure's steps, as functions that read: ``recurrent.filter``, ``recurrent.inhibition``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factorgraph.graph.model import FunctionNode, Written
from factorgraph.lazy import torch
from factorgraph.spec.references import standing_for

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.compile.model import Model

NAMES = ("filter", "inhibition")


def procedure_matrices(model: Model, written: str) -> list[tuple[FunctionNode, Tensor]]:
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
