"""How steps of a search or of a network are counted: by themselves, and by the products that they cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from factorgraph.inference.solvers._unrolled import Unrollable

if TYPE_CHECKING:
    from factorgraph.run.measured import Measured


def products(on: Measured, procedure: str, steps: float) -> float | None:
    """Products with the matrix of mutual inhibition that some steps of a procedure cost, ``None`` where its solver has none.

    LISTA(T) of papers has T of them, and T + 1 steps: from a code of zeros the first step needs none.
    """
    found = []
    for each in (on.model.inferences[plan.id] for plan in on.plans(procedure)):
        if not isinstance(each.solver, Unrollable):
            return None
        found.append(each.solver.products(steps, not each.reads.get("start"), sum(each.block.sizes)))
    return max(found, default=None)
