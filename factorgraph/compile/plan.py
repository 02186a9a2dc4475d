"""The plan: which energy each procedure minimises, by which solver, and why. It is stored with the run and read back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from factorgraph.inference.domains import CONTINUOUS

FORMAT = 1
Kernel = Literal["gram", "compiled", "fused", "grams", "gradient", "fourier", "slices", "compiled_slices", ""]


@dataclass(frozen=True)
class Term:
    """One factor as a block sees it."""

    factor: str  # id of a FactorNode
    part: Literal["smooth", "rest", "unsolvable"]
    promise: str  # "Quadratic after Affine decoder", in words for explain
    bound: str  # its share of the gradient's Lipschitz constant, or of the threshold, in symbols
    weight: float
    bounded: bool = True
    quadratic: bool = False
    convex: bool = True
    own: bool = False  # quadratic, with a Hessian that samples change
    magnitude: bool = False  # of the rest: the sum of magnitudes of a variable


@dataclass(frozen=True)
class ProcedurePlan:
    """What a procedure does. ``block`` are value ids; ``factors`` the ids of the factors that count."""

    id: str  # "optimal", "code[0]"
    name: str
    slots: Mapping[str, int]
    method: str
    block: tuple[str, ...]
    factors: tuple[str, ...]
    units: int
    terms: tuple[Term, ...] = ()
    domain: str = "real"
    solver: Mapping[str, Any] | None = None  # the solver leaf's own fields
    kernel: Kernel = ""
    reason: str = ""
    others: tuple[str, ...] = ()
    parts: tuple[ProcedurePlan, ...] = ()  # where the solver divides the block: what each part is minimised by
    closed: tuple[str, ...] = ()  # of a block that is summed out: the variables that have a closed form, the others given
    later: ProcedurePlan | None = None  # where a variable that is given in training only is not known

    @property
    def gram(self) -> bool:
        """Whether the Hessian, the same for all samples, is formed."""
        return self.kernel in ("gram", "compiled", "fused")

    @property
    def compiled(self) -> bool:
        """Whether a compiled search takes all steps."""
        return self.kernel in ("compiled", "compiled_slices")

    @property
    def convolved(self) -> bool:
        """Whether the solver sees the kernels of a convolution."""
        return self.kernel in ("fourier", "slices", "compiled_slices")

    @property
    def convex(self) -> bool:
        """Whether all variables together are at the least energy where none of them alone can lower it."""
        return self.domain in CONTINUOUS and all(term.convex and term.part != "unsolvable" for term in self.terms)


def runs(plans: Iterable[ProcedurePlan]) -> tuple[str, ...]:
    """What is run by itself: a name with all of its slots, or each slot where several infer one variable."""
    named: dict[str, list[ProcedurePlan]] = {}
    for each in plans:
        named.setdefault(each.name, []).append(each)
    return tuple(run for name, own in named.items() for run in ([each.id for each in own] if _overlap(own) else [name]))


def _overlap(plans: Iterable[ProcedurePlan]) -> bool:
    inferred = [variable for each in plans for variable in each.block]
    return len(set(inferred)) < len(inferred)


@dataclass(frozen=True)
class ClosedTerm:
    """What a factor gives to a function's equations: the value that the function is applied to, and how much it weighs."""

    factor: str
    input: str  # id of a value
    weight: float  # times the factor's curvature
    number: float = 1.0  # what multiplies the function in what the factor compares
    selections: tuple[str, ...] = ()  # ids of values: what a selection leaves of the function's result, from the factor inwards
    beside: str = ""  # id of the value that the result itself is compared with; empty where that is told by gradients alone


@dataclass(frozen=True)
class Closed:
    """A function that a phase sets by sums over data: to its minimum at the end of a pass, or column by column at each step."""

    function: str
    kind: Literal["least_squares", "directions", "columns"]
    terms: tuple[ClosedTerm, ...]
    reason: str
    metric: bool = False  # its one factor measures lengths by a precision, whichever that is: they count as they are
    alone: str = ""  # id of a value: the phase needs nothing but sums over it, no gradient, and no code but which unit is on

    @property
    def told(self) -> bool:
        """Whether its equations are told by what it reads and what its results are compared with, without a gradient."""
        return not self.metric and all(each.beside for each in self.terms)


@dataclass(frozen=True)
class Estimate:
    """A factor whose parameters a phase sets to those of least energy at the end of a pass."""

    factor: str
    weight: float
    reason: str
    function: str = ""  # one that is solved at the same time and makes what the factor compares


@dataclass(frozen=True)
class PhasePlan:
    """What a side of a phase trains, under which factors, with which procedures."""

    phase: str
    player: str
    parameters: tuple[str, ...]
    procedures: tuple[str, ...]
    losses: tuple[str, ...]
    closed: tuple[Closed, ...] = ()  # of an optimizer that goes by sums over data
    estimates: tuple[Estimate, ...] = ()  # the same

    @property
    def whole(self) -> bool:
        """Whether it moves at the end of a pass through the data, and not before."""
        return bool(self.estimates) or any(each.kind != "columns" for each in self.closed)


@dataclass(frozen=True)
class Plan:
    """Everything that was decided before anything ran."""

    procedures: Mapping[str, ProcedurePlan]
    phases: tuple[PhasePlan, ...] = ()
    changed: Mapping[str, Mapping[str, ProcedurePlan]] = field(default_factory=dict)  # by phase, where it sets addresses

    def to_json(self) -> str:
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1)


def from_json(data: Any) -> Plan:
    """The plan that was stored, from its JSON. Raises ``ValueError``, ``KeyError``, ``TypeError`` or ``AttributeError``."""
    if data["format"] != FORMAT:
        raise ValueError("the plan has another format")
    return Plan(
        procedures=_procedures(data["procedures"]),
        phases=tuple(_phase(each) for each in data["phases"]),
        changed={phase: _procedures(each) for phase, each in data["changed"].items()},
    )


def _procedures(data: Mapping[str, Any]) -> dict[str, ProcedurePlan]:
    return {key: _procedure(each) for key, each in data.items()}


def _procedure(data: Mapping[str, Any]) -> ProcedurePlan:
    terms = tuple(Term(**term) for term in data["terms"])
    later = _procedure(data["later"]) if data.get("later") else None
    parts = tuple(_procedure(each) for each in data.get("parts", ()))
    rest = {key: _tupled(value) for key, value in data.items() if key not in ("terms", "later", "parts")}
    return ProcedurePlan(**rest, terms=terms, later=later, parts=parts)


def _phase(data: Mapping[str, Any]) -> PhasePlan:
    rest = {key: _tupled(value) for key, value in data.items() if key not in ("closed", "estimates")}
    closed = tuple(_closed(each) for each in data.get("closed", ()))
    return PhasePlan(**rest, closed=closed, estimates=tuple(Estimate(**each) for each in data.get("estimates", ())))


def _closed(data: Mapping[str, Any]) -> Closed:
    terms = (ClosedTerm(**{key: _tupled(value) for key, value in term.items()}) for term in data["terms"])
    return Closed(**{**data, "terms": tuple(terms)})


def _tupled(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def describe(plan: ProcedurePlan, where: str) -> str:
    """One procedure as ``explain`` prints it."""
    block = ", ".join(plan.block)
    lines = [f"inference {plan.id}, over {block} ({plan.units} units{_domain(plan.domain)})".ljust(72) + f" {where}".rstrip()]
    for part, word in (("smooth", "smooth"), ("rest", "rest"), ("unsolvable", "other")):  # others only where values are tried
        for position, term in enumerate(each for each in plan.terms if each.part == part):
            head = word if position == 0 else ""
            lines.append(f"  {head:8}{term.factor:18} {term.promise:44} {term.bound}".rstrip())
    lines.append(f"  method  {plan.method}")
    if plan.solver is not None:
        lines.append(f"  solver  {plan.solver['type']:18} {plan.reason}")
        lines += [f"          {each}" for each in plan.others]
        lines += [f"  part    {_part(each):18} {each.reason}" for each in plan.parts]
    if plan.kernel:
        lines.append(f"  kernel  {plan.kernel:18} {KERNELS[plan.kernel]}")
    if plan.later is not None:
        hidden = [each for each in plan.factors if each not in plan.later.factors]
        solver = (plan.later.solver or {}).get("type", "")
        lines.append(f"  later   {solver:18} without {', '.join(hidden)}, which read what is given in training only")
    return "\n".join(lines)


def _part(plan: ProcedurePlan) -> str:
    assert plan.solver is not None, "a part is searched"
    return f"{', '.join(plan.block)}: {plan.solver['type']}"


def _domain(domain: str) -> str:
    return "" if domain == "real" else f", {domain}"


KERNELS = {
    "gram": "the Hessian is formed once for a batch: one matrix product a step",
    "compiled": "the Hessian is formed once for a batch; compiled code searches for each sample by itself",
    "fused": "the Hessian is formed once for a batch; all steps at once, on the chip of a CUDA device",
    "grams": "the Hessian of each sample is formed",
    "gradient": "each step differentiates the energy",
    "fourier": "the convolution is a product of Fourier coefficients; its border is exact",
    "slices": "a move changes the gradient around it, by products of kernels with the one that moved",
    "compiled_slices": "compiled code moves units of each sample by itself; a move changes the picture under its kernel",
}
