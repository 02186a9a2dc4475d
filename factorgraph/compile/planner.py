"""Which solver minimises what: a pure function of the graph, its sizes and the leaves that are installed.

The terms of the energy tell its structure; a solver states what it needs of it. Of the solvers that accept, the one that uses
most of the structure wins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from math import prod

from factorgraph import registry
from factorgraph.compile.convolved import drawn_in, is_quick
from factorgraph.compile.dependence import Dependence, Kind, dependences
from factorgraph.compile.network import check
from factorgraph.compile.plan import Kernel, ProcedurePlan, Term
from factorgraph.compile.summing import misfit_sum, plan_sum
from factorgraph.compile.terms import has_gap, has_groups, structure_of, terms_of
from factorgraph.errors import Issue, SpecError, issue
from factorgraph.graph.model import Graph, Id, Variable
from factorgraph.inference.domains import CONTINUOUS, FINITE
from factorgraph.inference.methods._method import Method
from factorgraph.inference.solvers._kinds import Minimising
from factorgraph.kernels import fista
from factorgraph.kernels.build import missing
from factorgraph.spec.references import standing_for
from factorgraph.structure import UNDIVIDED, Solver, Structure

NEEDS = {  # the words of Structure, as users read them
    "settled": "a proximal map of every non-smooth term",
    "differentiable": "a gradient of every smooth term",
    "bounded": "a bound of the gradient's slope",
    "convex": "a convex energy",
    "quadratic": "a quadratic smooth part",
    "shared": "one Hessian for all samples",
    "proximal": "a non-smooth part with a proximal map",
    "plain": "an energy without a non-smooth part",
    "magnitudes": "magnitudes alone, as of l1, beside the smooth part, of real or of nonnegative values",
    "grouped": "lengths of groups that share no unit beside the smooth part, and nothing else but magnitudes",
    "gap": "squares alone, beside them a weight on the magnitude of each unit or on the length of its group",
    "convolved": "one square behind kernels of stride 1, and no other behind a function",
    "divisible": "several variables, each with a solver for when the others stand still",
}
LARGEST_GRAM = 4096  # units: 64 MiB of float32
SMALL_CONVOLUTION = 512  # units up to which a product with the Hessian costs less than transforms
GRAM_ADVANTAGE = 2.0  # one product with the Hessian costs about half of the same arithmetic in a differentiated graph


@dataclass(frozen=True)
class Named:
    """A procedure at one slot, its names resolved."""

    id: str
    name: str
    slots: Mapping[str, int]
    method: Method
    block: tuple[Variable, ...]
    factors: tuple[str, ...]
    device: str = "cpu"
    inner: bool = False  # a part of a block, searched for a few steps at a time


def visible(graph: Graph, only: Iterable[str] | None, without: Iterable[str]) -> tuple[str, ...]:
    """Ids of the factors that count. A name stands for all of its slots, a fragment's for all of its factors."""

    def named(names: Iterable[str]) -> set[str]:
        return {key for name in names for key in standing_for(name, graph.factors)}

    counted = set(graph.factors) if only is None else named(only)
    hidden = named(without)
    return tuple(key for key in graph.factors if key in counted and key not in hidden)


def plan_procedure(graph: Graph, named: Named) -> ProcedurePlan:
    """The plan of one procedure. Raises :class:`SpecError` FG401, FG402, FG420, FG421, FG445 to FG447, FG453 where none can."""
    if named.method.sums:
        return plan_sum(graph, named)
    return _planned(graph, named, *_divided(graph, named))


def _planned(graph: Graph, named: Named, parts: tuple[ProcedurePlan, ...] = (), undivided: str = UNDIVIDED) -> ProcedurePlan:
    """The same, with what is known of its parts; ``undivided``: why it has none."""
    units = sum(prod(each.shape) for each in named.block)
    block = tuple(each.id for each in named.block)
    plan = ProcedurePlan(named.id, named.name, dict(named.slots), named.method.type, block, named.factors, units)
    if not named.method.searches:
        return plan
    known = dependences(graph, frozenset(block))
    terms = terms_of(graph, named.factors, known, named.block)
    structure = _structure(graph, named, terms, known, undivided)
    check(graph, named, terms, structure, known)
    solver, reason, others = _choose(named, terms, structure)
    kernel = _kernel(graph, named, terms, structure, known, solver)
    if kernel == "gram" and _fuses(named, structure, solver):
        why = fista.missing(named.device, units)
        kernel, others = ("gram", (*others, f"the search is not one kernel: {why}")) if why else ("fused", others)
    return replace(
        plan,
        terms=terms,
        domain=structure.domain,
        solver=solver.model_dump(mode="json"),
        kernel=kernel,
        reason=reason,
        others=others,
        parts=parts if solver.divides else (),
    )


def _structure(graph: Graph, named: Named, terms: tuple[Term, ...], known: Mapping[Id, Dependence], undivided: str) -> Structure:
    """What is known of the whole problem, of which ``undivided`` tells why it has no parts."""
    found = structure_of(terms, named.block, sum(prod(each.shape) for each in named.block))
    convolved = found.quadratic and len(named.block) == 1 and drawn_in(graph, terms, known) is not None
    gap = found.convex and has_gap(graph, terms, named.block, known)
    grouped = len({each.domain for each in named.block}) == 1 and has_groups(graph, terms, known)
    return replace(found, undivided=undivided, convolved=convolved, gap=gap, grouped=grouped)


def _divided(graph: Graph, named: Named) -> tuple[tuple[ProcedurePlan, ...], str]:
    """The plans of the block's parts as if the others were observed; or why it has none."""
    may = named.method.searches and any(cls.divides for cls in _candidates(named).values())
    if not may or len(named.block) == 1:
        return (), UNDIVIDED
    names = dict.fromkeys(each.name for each in named.block)
    found: list[ProcedurePlan] = []
    try:
        for name in names:
            slots = tuple(each for each in named.block if each.name == name)
            found += _parts(graph, named, slots, whole=len(names) > 1)
    except SpecError as error:
        return (), error.issues[0].message
    return tuple(found), ""


def _parts(graph: Graph, named: Named, slots: tuple[Variable, ...], whole: bool) -> list[ProcedurePlan]:
    """The plan of one variable, ``whole``: of all of its slots together, if that can be; else of each slot by itself."""
    if whole:
        try:
            return [_planned(graph, _part_of(named, slots))]
        except SpecError:
            if len(slots) == 1:
                raise
    return [_planned(graph, _part_of(named, (each,))) for each in slots]


def _part_of(named: Named, block: tuple[Variable, ...]) -> Named:
    """A part of a procedure's block, whose solver nobody names."""
    return replace(named, block=block, method=named.method.model_copy(update={"solver": None}), inner=True)


def misfit(graph: Graph, named: Named, plan: ProcedurePlan) -> str:
    """Why a stored plan is not one of this procedure of this graph; empty where it is.

    The choice of the solver is not made again: only that it can do what it is asked to.
    """
    block = tuple(each.id for each in named.block)
    if (plan.block, plan.method) != (block, named.method.type) or any(each not in graph.factors for each in plan.factors):
        return f'"{named.id}" is planned for other variables or factors'
    if not named.method.searches:
        return "" if plan.solver is None else f'"{named.id}" searches for nothing'
    if named.method.sums:
        return misfit_sum(graph, named, plan)
    known = dependences(graph, frozenset(block))
    terms = terms_of(graph, named.factors, known, named.block)
    kind = str((plan.solver or {}).get("type"))
    cls = _candidates(named).get(kind)
    if cls is None:
        return f'"{named.id}" has no solver "{kind}"'
    undivided = _parts_misfit(graph, named, plan) if cls.divides else UNDIVIDED
    structure = _structure(graph, named, terms, known, undivided)
    if (plan.terms, plan.domain) != (terms, structure.domain) or (refusal := _refusal(cls, terms, structure)):
        return f'"{kind}" cannot infer "{named.id}"' + (f": it needs {refusal}" if plan.terms == terms else "")
    return "" if plan.kernel in _kernels(cls, structure) else f'"{named.id}" has no kernel "{plan.kernel}"'


def _parts_misfit(graph: Graph, named: Named, plan: ProcedurePlan) -> str:
    """Why a stored plan's parts are not those of its block, or one of them is no plan of a part; empty where all are."""
    if len(plan.parts) < 2 or sorted(key for part in plan.parts for key in part.block) != sorted(plan.block):
        return "its parts are not its variables"
    variables = {each.id: each for each in named.block}
    parts = ((_part_of(named, tuple(variables[key] for key in part.block)), part) for part in plan.parts)
    return next((why for part, stored in parts if (why := misfit(graph, part, stored))), "")


def _candidates(named: Named) -> dict[str, type[Solver]]:
    """The solvers that its way to infer can use."""
    runs = named.method.runs()
    return {name: cls for name, cls in registry.leaves("solvers").items() if issubclass(cls, Solver) and issubclass(cls, runs)}


def _choose(named: Named, terms: tuple[Term, ...], structure: Structure) -> tuple[Solver, str, tuple[str, ...]]:
    wanted: Solver | None = getattr(named.method, "solver", None)
    candidates = _candidates(named)
    refusals = {name: refusal for name, cls in candidates.items() if (refusal := _refusal(cls, terms, structure))}
    ranks = {name: (cls.divides, -_used(cls, structure), name) for name, cls in candidates.items() if name not in refusals}
    accepting = sorted(ranks, key=ranks.__getitem__)
    idle = {name: why for name in accepting if (why := _idle(candidates[name], named))}
    if wanted is not None and wanted.type not in candidates:
        refusals[wanted.type] = "another method, marginal perhaps: it looks for no minimum"
    if wanted is not None:
        if wanted.type in refusals:
            raise SpecError(
                _refused(
                    named,
                    "FG402",
                    f'"{wanted.type}" cannot infer {_block(named)}: it needs {refusals.pop(wanted.type)}',
                    accepting,
                    _verdicts(refusals),
                )
            )
        return wanted, "named in the spec" + _would_do([each for each in accepting if each != wanted.type]), _verdicts(refusals)
    if not accepting:
        raise SpecError(_insoluble(named, terms, structure, candidates.values(), _verdicts(refusals)))
    first = next(name for name in accepting if name not in idle)
    cls = candidates[first]
    others = [name for name in accepting if name not in (first, *idle)]
    verdicts = tuple(f"{name} is not chosen: {why}" for name, why in sorted(idle.items()))
    return cls(type=first), _reason(cls, structure) + _would_do(others), (*verdicts, *_verdicts(refusals))


def _idle(cls: type[Solver], named: Named) -> str:
    """Why the compiled kernel that a solver is chosen for does not serve; empty where it does, or the solver has none."""
    if not cls.compiled:
        return ""
    if named.inner:
        return "a part is searched for a few steps at a time"
    return "its compiled kernel is for a CPU" if named.device != "cpu" else missing(cls.compiled)


def _reason(cls: type[Solver], structure: Structure) -> str:
    """Why it comes first of those that accept."""
    if cls.divides:
        return "no solver takes all of them together"
    known = cls.uses & structure.has()
    untold = {"differentiable", "settled", *(("bounded",) if "quadratic" in known else ())}  # a part of what is told
    used = [NEEDS[name] for name in NEEDS if name in known - untold]
    if used:
        return f"uses {_spoken(used)}"
    return f"the domain is {structure.domain}" if structure.domain != "real" else "needs only a gradient"


def _verdicts(refusals: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(f"{name} will not do: it needs {why}" for name, why in sorted(refusals.items()))


def _refusal(cls: type[Solver], terms: tuple[Term, ...], structure: Structure) -> str:
    """What the solver lacks, and which term lacks it; empty where it accepts."""
    if structure.domain not in cls.domains:
        domain = " and ".join(FINITE) if structure.domain == "finite" else structure.domain
        return f"a domain among {', '.join(sorted(cls.domains - {'finite', 'mixed'}))}; this one is {domain}"
    if too_large := cls.too_large(structure):
        return too_large
    for need, words in NEEDS.items():
        if need in cls.needs and need not in structure.has():
            return words + (f"; {structure.undivided}" if need == "divisible" else _culprit(need, terms))
    return ""


def _culprit(need: str, terms: tuple[Term, ...]) -> str:
    lacks: dict[str, Callable[[Term], bool]] = {
        "differentiable": lambda term: term.part == "unsolvable",
        "bounded": lambda term: not term.bounded,
        "convex": lambda term: not term.convex,
        "quadratic": lambda term: term.part == "smooth" and not term.quadratic,
        "shared": lambda term: term.own,
        "plain": lambda term: term.part == "rest",
        "settled": lambda term: term.part == "unsolvable",
        "magnitudes": lambda term: term.part == "rest" and not term.magnitude,
    }
    guilty = next((term for term in terms if need in lacks and lacks[need](term)), None)
    return "" if guilty is None else f"; {guilty.factor} is {guilty.promise}"


def _used(cls: type[Solver], structure: Structure) -> int:
    return len(cls.uses & structure.has())


def _refused(named: Named, code: str, message: str, accepting: list[str], verdicts: tuple[str, ...]) -> Issue:
    path = ("inference", named.name) + (("solver",) if code == "FG402" else ())
    fix = (
        f"solver: {accepting[0]}"
        if accepting
        else "keep non-smooth factors on the variable itself, one for each, or infer it by an encoder (method: amortized)"
    )
    return issue(code, message, path, notes=verdicts, allowed=", ".join(accepting), fix=fix)


def _insoluble(
    named: Named,
    terms: tuple[Term, ...],
    structure: Structure,
    candidates: Iterable[type[Solver]],
    verdicts: tuple[str, ...],
) -> Issue:
    """No solver can do it: why not, and what the user can."""
    if structure.domain == "mixed":
        return _mixed(named, verdicts)
    too_large = [why for cls in candidates if structure.domain in cls.domains and (why := cls.too_large(structure))]
    if not (structure.choices and too_large):
        found = _refused(named, "FG401", f"no solver can infer {_block(named)}{_culprit('settled', terms)}", [], verdicts)
        rewarded = next((each.factor for each in terms if each.part == "unsolvable" and each.weight < 0), None)
        # the weight alone is at fault, whatever each solver says of it
        return replace(found, notes=(), fix=f"give {rewarded} a weight of at least 0") if rewarded else found
    what = f"{_block(named)} cannot be searched value by value: {'; '.join(too_large)}"
    fix = "take fewer units, make them nonnegative or simplex, or infer them by an encoder (method: amortized)"
    return issue("FG421", what, ("inference", named.name), fix=fix)


def _mixed(named: Named, verdicts: tuple[str, ...]) -> Issue:
    """Some variables can only be tried and others only be moved, and not in turn either."""
    tried = [each.id for each in named.block if each.domain in FINITE]
    moved = [each.id for each in named.block if each.domain in CONTINUOUS]
    what = f"{_spoken(tried)} may take a few values, which are tried, and {_spoken(moved)} many, which are searched by steps"
    fix = f"infer {_spoken(tried)} and {_spoken(moved)} by procedures of their own"
    return issue("FG420", f"{what}: no solver does both", ("inference", named.name), notes=verdicts, fix=fix)


def _block(named: Named) -> str:
    return " and ".join(each.id for each in named.block)


def _would_do(others: list[str]) -> str:
    return f"; {_spoken(others)} would also do" if others else ""


def _spoken(words: list[str]) -> str:
    return ", ".join(words[:-1]) + f" and {words[-1]}" if len(words) > 1 else "".join(words)


def _kernels(solver: type[Solver], structure: Structure) -> tuple[Kernel, ...]:
    """In which ways a solver can be given the energy, the most laborious to prepare last."""
    if solver.divides:
        return ("",)
    if structure.domain in (*FINITE, "finite"):
        return ("", "gram") if structure.quadratic and structure.shared and structure.size <= LARGEST_GRAM else ("",)
    if not structure.quadratic:
        return ("gradient",)
    formed: tuple[Kernel, ...] = ("gram",) if structure.shared else ("grams",)
    if solver.compiled:
        return ("slices", "compiled_slices") if solver.convolves else (*formed, "compiled")
    if "quadratic" not in solver.needs or solver.largest is None:
        seen: tuple[Kernel, ...] = ("fourier",) if structure.convolved else ()
        fused: tuple[Kernel, ...] = ("fused",) if solver.model_fields["type"].default == fista.STEPS_OF["type"] else ()
        fused = fused if structure.magnitudes and structure.domain in ("real", "nonnegative") else ()
        return ("gradient", *seen, *fused, *formed) if structure.shared else ("gradient",)
    if not (structure.convolved and solver.convolves):
        return formed
    return (*formed, solver.convolves) if structure.size <= LARGEST_GRAM else (solver.convolves,)


def _kernel(
    graph: Graph, named: Named, terms: tuple[Term, ...], structure: Structure, known: Mapping[Id, Dependence], solver: Solver
) -> Kernel:
    """The Hessian is worth forming where it saves work: where there are values to try, or a product with it is cheap.

    Frequencies are worth it where kernels are large beside the logarithm of a picture, or the Hessian would be.
    """
    kernels = _kernels(type(solver), structure)
    if solver.compiled:
        return kernels[0] if _idle(type(solver), named) else kernels[-1]
    if kernels[-1] == solver.convolves:
        return kernels[-1] if structure.size > SMALL_CONVOLUTION else kernels[0]
    if kernels[0] != "gradient" or _cheap(graph, named, structure.size, known):
        return kernels[-1]
    return "fourier" if "fourier" in kernels and is_quick(graph, terms, known) else "gradient"


def _fuses(named: Named, structure: Structure, solver: Solver) -> bool:
    """Whether there is a kernel on this kind of device that searches in the solver's place."""
    fuses = "fused" in _kernels(type(solver), structure) and solver.model_dump(mode="json") == fista.STEPS_OF
    return named.device == "cuda" and fuses and named.method.runs() is Minimising


def _cheap(graph: Graph, named: Named, units: int, known: Mapping[Id, Dependence]) -> bool:
    """Whether one product with the Hessian costs less than differentiating the energy once more."""
    applied = {
        each.function for each in graph.values.values() if hasattr(each, "function") and known[each.id].kind is not Kind.CONSTANT
    }
    counted = {key for factor in named.factors for each in graph.factors[factor].arguments for key in graph.ancestors(each)}
    used = {each.function for key in counted if hasattr(each := graph.values[key], "function")}
    numbers = sum(prod(parameter.shape) for name in applied & used for parameter in graph.functions[name].parameters.values())
    return units**2 <= GRAM_ADVANTAGE * (2 * numbers + units)
