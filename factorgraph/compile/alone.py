"""Where the sums of one value tell all of a closed form, the energy too: no gradient is needed, and no code but whose it is.

K-means: with a one-hot code, least squares are the means of the rows that chose a unit, and the nearest column is a row's choice.
PCA: of rows that are orthonormal, the second moment of what they read tells directions and what these leave.
"""

from __future__ import annotations

from factorgraph.compile.dependence import origin, varies
from factorgraph.compile.naming import named_procedures
from factorgraph.compile.phases import loss_factors
from factorgraph.compile.plan import ClosedTerm, PhasePlan
from factorgraph.graph.model import Graph, Id, Variable
from factorgraph.inference.methods._method import Method
from factorgraph.losses._loss import LossLeaf
from factorgraph.spec.blocks import Phase
from factorgraph.structure import Dense


def alone(graph: Graph, plan: PhasePlan, phase: Phase, function: str, terms: tuple[ClosedTerm, ...]) -> Id:
    """The value whose sums tell all of a side's only function, which is no metric's; empty where more is to be known."""
    losses = [*phase.sides()[plan.player].loss.values()]
    owned = {address.rsplit(".", 1)[0] for address in plan.parameters}
    if len(losses) > 1 or len(terms) > 1 or owned != {f"functions.{function}"}:
        return ""
    factor, leaf = graph.factors[terms[0].factor], graph.functions[function].leaf
    loss = losses[0].loss
    assert isinstance(loss, LossLeaf), "the losses' folder holds losses"
    bare = not factor.held and factor.target is None and "bias" not in graph.functions[function].parameters
    if not (loss.is_mean and bare and isinstance(leaf, Dense) and loss_factors(graph, phase, losses[0]) == (factor.id,)):
        return ""
    if leaf.constraints().get("orthonormal", False):
        return "" if plan.procedures else terms[0].input
    return _chosen_for(graph, plan, terms[0])


def _chosen_for(graph: Graph, plan: PhasePlan, term: ClosedTerm) -> Id:
    """What is compared with a column of a matrix that a code picks as the nearest of all; empty where that is not so."""
    if not term.beside or len(plan.procedures) != 1:
        return ""
    named, code = named_procedures(graph)[plan.procedures[0]], graph.values[origin(graph, term.input)]
    one_hot = isinstance(code, Variable) and code.domain == "one_hot" and [each.id for each in named.block] == [code.id]
    still = varies(graph, term.beside) and not graph.depends(term.beside, frozenset({code.id}))
    nearest = graph.factors[term.factor].weight > 0 and named.factors == (term.factor,)  # of a negative weight the farthest
    return term.beside if one_hot and still and nearest and _plainly(named.method) else ""


def _plainly(method: Method) -> bool:
    """Whether a method finds the least of all values, and nothing sees how."""
    told = {name: getattr(method, name, None) for name in ("type", "start", "gradient")}
    solver = getattr(method, "solver", None)
    tries = getattr(method, "steps", 0) > 0 and (solver is None or solver.type == "enumerate")
    return tries and told == {"type": "argmin", "start": None, "gradient": "stop"}
