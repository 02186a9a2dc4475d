"""What losses that shape the energy ask of it as a function of what is observed, and where a graph cannot give it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

from factorgraph.compile.naming import named_procedures, reads
from factorgraph.compile.noise import DOMAINS, distribution
from factorgraph.compile.phases import loss_factors, phases, read_by
from factorgraph.compile.plan import PhasePlan
from factorgraph.compile.planner import Named
from factorgraph.compile.slope import made_by, moved_by_data, unnamed
from factorgraph.errors import Issue, Path, address, issue
from factorgraph.graph.model import Application, FunctionNode, Graph, Id, Variable
from factorgraph.inference.domains import FINITE
from factorgraph.losses._loss import LossLeaf, Need
from factorgraph.registry import leaves
from factorgraph.structure import Cornerless, Differentiable, Factor, Leaf, Promise, Saturating

if TYPE_CHECKING:
    from factorgraph.spec.blocks import Phase


def argued(graph: Graph, factors: Iterable[str], procedures: Iterable[str]) -> tuple[Variable, ...]:
    """The observed variables on which the energy of some factors depends, the others inferred as procedures say."""
    named = named_procedures(graph)
    seen = {argument for key in factors for argument in graph.factors[key].arguments}
    for procedure in procedures:
        seen |= {argument for key in named[procedure].factors for argument in graph.factors[key].arguments}
        seen |= {value for values in reads(graph, named[procedure]).values() for value in values.values()}
    behind = graph.leading_to(seen)
    return tuple(each for each in graph.of_kind("observed") if each.id in behind)


def agree(slots: Mapping[str, int], others: Mapping[str, int]) -> bool:
    """Whether what has some slots counts at others: it has no slot of an index that differs there."""
    return all(others.get(index, slot) == slot for index, slot in slots.items())


@dataclass(frozen=True)
class Shaped:
    """One loss of one side of a phase, and the energy that it sees: ``factors`` that weigh something. ``path``: where it is."""

    graph: Graph
    loss: LossLeaf
    factors: tuple[str, ...]
    procedures: tuple[str, ...]
    path: Path
    reads: Mapping[str, tuple[Id, ...]]  # values of its expressions, by its fields

    @cached_property
    def observed(self) -> tuple[Variable, ...]:
        return argued(self.graph, self.factors, self.procedures)

    def has(self) -> str:
        """What the energy is a function of, in words: "Y (real)"."""
        names = {each.name: each.domain for each in self.observed}
        return " and ".join(f"{name} ({domain})" for name, domain in names.items()) or "nothing that is observed"

    def of(self, domain: str) -> frozenset[Id]:
        return frozenset(each.id for each in self.observed if each.domain == domain)

    def names(self) -> str:
        """The variables by which derivatives are taken."""
        return " and ".join(dict.fromkeys(each.name for each in self.observed if each.domain == "real"))

    @cached_property
    def inferring(self) -> tuple[Named, ...]:
        """The procedures that give the energy the variables which are not observed."""
        named = named_procedures(self.graph)
        return tuple(named[key] for key in self.procedures if any(each.id in self.behind for each in named[key].block))

    @cached_property
    def behind(self) -> frozenset[Id]:
        """All values on the way to the energy, those from which an expression makes a latent variable too."""
        found = self.graph.leading_to(argument for key in self.factors for argument in self.graph.factors[key].arguments)
        for named in map(named_procedures(self.graph).__getitem__, reversed(self.procedures)):
            by = reads(self.graph, named).get("by", {})
            found |= self.graph.leading_to(value for variable, value in by.items() if variable in found)
        return found

    @cached_property
    def moving(self) -> frozenset[Id]:
        """What carries slopes on: the real observed variables, and what follows them."""
        return self.following(self.of("real"))

    def following(self, start: frozenset[Id]) -> frozenset[Id]:
        """Some observed variables, and the latent ones that expressions make of them. A code that is found by a search stays at
        its minimum, and one that is summed out is none: neither carries a slope on."""
        found = set(start)
        for named in self.inferring:
            by = reads(self.graph, named).get("by", {})
            found |= {variable for variable, value in by.items() if self.graph.depends(value, frozenset(found))}
        return frozenset(found)

    @cached_property
    def applied(self) -> tuple[tuple[Application, FunctionNode], ...]:
        """The functions that carry slopes on, each time that they are applied."""
        return self.applied_to(self.moving)

    def applied_to(self, moving: frozenset[Id]) -> tuple[tuple[Application, FunctionNode], ...]:
        """The functions between some variables and the energy, each time that they are applied."""
        values = [each for key, each in self.graph.values.items() if key in self.behind and self.graph.depends(key, moving)]
        applied = [each for each in values if isinstance(each, Application) and each.output is None]
        return tuple((each, self.graph.functions[each.function]) for each in applied)

    def without(self, promise: Promise) -> dict[str, Leaf]:
        """The functions and factors between the real observed variables and the energy that do not keep a promise."""
        found: dict[str, Leaf] = {}
        for value, node in self.applied:
            if not node.leaf.keeps(promise) or (promise is Cornerless and value.method not in ("forward", "transpose")):
                found[node.id] = node.leaf
        for factor in (self.graph.factors[key] for key in self.factors):
            at = frozenset(place for place, each in enumerate(factor.arguments) if self.graph.depends(each, self.moving))
            if at and not factor.leaf.keeps(promise, at):
                found[factor.name] = factor.leaf
        return found

    def coupled(self, start: frozenset[Id]) -> tuple[str, ...]:
        """The functions behind some observed variables by which the rows of a batch change each other while learning."""
        nodes = [node for _, node in self.applied_to(self.following(start))]
        found = [each for each in nodes if not each.leaf.by_row or any(one.kept for one in each.parameters.values())]
        return tuple(dict.fromkeys(each.spelled for each in found))

    def suggestion(self, domain: str) -> str:
        """How there could be a variable of a domain."""
        if not self.observed:
            return "let a factor read what is observed"
        return f"{address(('variables', self.observed[0].name, 'domain'))}: {domain}, if that is what its values are"


def shaped(base: Graph, graphs: Mapping[str, Graph], plans: Iterable[PhasePlan]) -> Iterator[Shaped]:
    """Every loss of every side of every phase. ``graphs``: of phases that set addresses for their time."""
    sides = {(each.phase, each.player): each for each in plans}
    for key, name, phase in phases(base.spec):
        for player in phase.sides():
            yield from shaped_by(graphs.get(key, base), name, phase, sides[key, player])


def shaped_by(graph: Graph, name: str, phase: Phase, plan: PhasePlan) -> Iterator[Shaped]:
    """Every loss of one side of a phase."""
    side, players = phase.sides()[plan.player], ("players", plan.player) if phase.players else ()
    for called, term in side.loss.items():
        assert isinstance(term.loss, LossLeaf), "the losses' folder holds losses"
        where: Path = ("learning", name, *players, "loss", *((called,) if len(side.loss) > 1 else ()))
        factors = tuple(each for each in loss_factors(graph, phase, term) if graph.factors[each].weight)
        read = read_by(graph, plan.phase, phase, plan.player, called)
        yield Shaped(graph, term.loss, factors, plan.procedures, where, read)


def check_shaping(losses: Iterable[Shaped]) -> Iterator[Issue]:
    """FG461, FG462, FG464, FG471 to FG475 and FG479 at losses that need of the energy, or of a value, what it has not."""
    yield from (found for each in losses for need in each.loss.needs() for found in CHECKS[need](each))


def _one_temperature(of: Shaped) -> Iterator[Issue]:
    """FG479 where procedures sum at several temperatures: then nothing tells how likely an energy is."""
    named = named_procedures(of.graph)
    betas = {key: getattr(named[key].method, "beta", 1.0) for key in of.procedures if named[key].method.sums}
    first = next(iter(betas), "")
    other = next((key for key, beta in betas.items() if beta != betas[first]), None)
    if other is not None:
        what = f'{of.loss.type} takes an energy for a probability, and the beta of "{first}" is {betas[first]:g}, '
        what += f'that of "{other}" {betas[other]:g}'
        yield issue("FG479", what, of.path, fix="the same beta in both")


def _flips(of: Shaped) -> Iterator[Issue]:
    yield from _one_temperature(of)
    if not any(each.domain == "binary" for each in of.observed):
        what = f"{of.loss.type} flips the units of binary observed variables, and the energy is a function of {of.has()}"
        yield issue("FG471", what, of.path, fix=f"{of.suggestion('binary')}; for real values loss: score_matching")
        return
    yield from _alike(of, of.of("binary"))


def _alike(of: Shaped, replaced: frozenset[Id]) -> Iterator[Issue]:
    """FG472 where learning evaluates the energy of a row otherwise as others stand in the batch's place, or draws noise in it."""
    compares = f"{of.loss.type} compares the energy of data with that of others"
    for key in of.coupled(replaced):
        what = f"{compares}, and by {key} the rows of a batch change each other"
        yield issue("FG472", what, of.path, fix=f"{key} without statistics of the batch")
    spoiling = (node.spelled for _, node in of.applied_to(of.following(replaced)) if node.leaf.spoils())
    for key in dict.fromkeys(spoiling):
        what = f"{compares}, and {key} draws other noise for each of them"
        yield issue("FG472", what, of.path, fix=f"leave {key} out of what the loss sees")


def _slope(of: Shaped) -> Iterator[Issue]:
    yield from _one_temperature(of)
    takes = f"{of.loss.type} takes the slope of"
    if not of.of("real"):
        what = f"{takes} the energy in real observed variables, and it is a function of {of.has()}"
        yield issue("FG471", what, of.path, fix=f"{of.suggestion('real')}; for binary values loss: ratio_matching")
        return
    yield from _searched(of)
    for key, leaf in of.without(Differentiable).items():
        what = f"{takes} the energy in {of.names()}, and {key} ({leaf.type}) has no slope everywhere"
        yield issue("FG472", what, of.path, fix=f"{smoother(key, leaf)}, or leave it out by without")
    for key in of.coupled(of.of("real")):
        what = f"{takes} each row's energy by itself, and by {key} the rows of a batch change each other"
        yield issue("FG472", what, of.path, fix=f"{key} without statistics of the batch")


def _curvature(of: Shaped) -> Iterator[Issue]:
    found = list(_slope(of))
    yield from found
    for key, leaf in of.without(Cornerless).items() if not found else ():
        what = f"{of.loss.type} looks at how the slope of the energy changes, and {key} ({leaf.type}) has corners"
        why = "between them it changes too little, and what happens at them no derivative sees"
        yield issue("FG472", f"{what}: {why}", of.path, fix=f"{smoother(key, leaf)}, or estimator: denoising")


def smoother(key: str, leaf: Leaf) -> str:
    """What to write in the place of something with corners."""
    if isinstance(leaf, Factor):
        return f"log_cosh or student_t in the place of {key}"
    spelled = key.removesuffix(".activation")
    if spelled != key or "activation" in type(leaf).model_fields:
        return f"functions.{spelled}.activation: softplus"
    return f"a function without corners, as softplus, in the place of {key}"


def _searched(of: Shaped) -> Iterator[Issue]:
    """FG473 at codes that are found by a search through which learning does not see."""
    for each in of.inferring:
        if each.method.searches and not each.method.sums and each.method.through() != "implicit":
            block = " and ".join(variable.id for variable in each.block)
            what = f"{of.loss.type} asks how {block} moves with {of.names()}, and {each.name} does not tell"
            finite = any(variable.domain in FINITE for variable in each.block)
            fix = "method: marginal" if finite else "method: argmin with gradient: implicit"
            yield issue("FG473", what, of.path, fix=f"{address(('inference', each.name))}: {fix}, or method: amortized")


def _motion(of: Shaped) -> Iterator[Issue]:
    graph = of.graph
    latent = frozenset(each.id for each in graph.of_kind("latent"))
    for key in of.reads["of"]:
        behind = graph.ancestors(key)
        coupled = next((each for each in map(partial(made_by, graph), sorted(behind)) if each and not each.leaf.by_row), None)
        if not moved_by_data(graph, key) or behind & latent:
            inferred = min(behind & latent, default="")
            why = f"it depends on {inferred}, which is inferred" if inferred else "it depends on nothing observed"
            fix = "of: what an encoder makes of the data, such as encoder(Y)"
        elif coupled is not None:
            why = f"{coupled.spelled} lets the rows of a batch change each other"
            fix = f"of: a value without {coupled.spelled}"
        else:
            continue
        yield issue("FG461", f"{key} has no derivative by the data: {why}", (*of.path, "of"), fix=fix)


def _flatness(of: Shaped) -> Iterator[Issue]:
    for key in of.reads["of"]:
        made = made_by(of.graph, unnamed(of.graph, key))
        if made is None or not made.leaf.keeps(Saturating):
            flat = ", ".join(name for name, cls in leaves("functions").items() if issubclass(cls, Saturating))
            what = f"{key} is not made by an activation with a flat part, in which its units could rest"
            fix = f"give the function behind it activation: {flat.partition(', ')[0]}"
            yield issue("FG462", what, (*of.path, "of"), allowed=flat, fix=fix)


def _density(of: Shaped) -> Iterator[Issue]:
    """FG474 where a stand-in is no noise that could be told from data."""
    yield from _one_temperature(of)
    replaced = {each.stands_for for name in of.loss.stand_ins() for each in of.graph.slots_of(name)}
    yield from _alike(of, frozenset(each.id for each in of.observed if each.id in replaced))
    for name in of.loss.stand_ins():
        slots = of.graph.slots_of(name)
        if why := next(filter(None, (_no_noise(of, each) for each in slots)), ""):
            observed = next((each for each in of.observed if each.domain in KINDS), None)
            kind, stands_for = (KINDS[observed.domain], observed.name) if observed is not None else ("normal", "what is observed")
            what = f"{of.loss.type} tells data from noise whose density is known, and {name} {why}"
            fix = f"{address(('variables', name))}: {{kind: noise, distribution: {kind}, stands_for: {stands_for}}}"
            yield issue("FG474", what, (*of.path, "noise"), fix=f"{fix}; without a density loss: adversarial")


def _slots(of: Shaped) -> Iterator[Issue]:
    """FG464 where one sum is over what belongs to several slots of a stand-in: no slot has an energy of its own."""
    factors, latent = of.graph.factors, {each.id for each in of.graph.of_kind("latent")}
    for each in (named for named in of.inferring if named.method.sums):
        block = {variable.id for variable in each.block} & latent
        read = [key for key in of.factors if of.graph.leading_to(factors[key].arguments) & block]
        for made in (slot for name in of.loss.stand_ins() for slot in of.graph.slots_of(name)):
            if len({agree(factors[key].slots, made.slots) for key in read}) > 1:
                what = f"{of.loss.type} judges {made.id} by the energy of its slot, and {each.id} sums over several slots at once"
                fix = f"{address(('inference', each.name))}: one procedure for each slot, by per"
                yield issue("FG464", what, of.path, fix=fix)
                return


def _no_noise(of: Shaped, variable: Variable) -> str:
    """Why a variable is no noise with a density over what is observed; empty where it is."""
    if variable.kind != "noise":
        return f"is {variable.kind}: nothing tells how likely its values are"
    target = next((each for each in of.observed if each.id == variable.stands_for), None)
    if target is None:
        return f"stands for {variable.stands_for or 'nothing'}, of which the energy is no function"
    kind = distribution(variable)[0]
    if DOMAINS[kind] != target.domain:
        return f"is {kind}, and {target.id} is {target.domain}: of such values it has no density"
    return ""


def _stand_in(of: Shaped) -> Iterator[Issue]:
    """FG475 where nothing is put in the place of what the energy is a function of."""
    for fake in of.loss.stand_ins():
        wrong = next((each for each in of.graph.slots_of(fake) if each.stands_for not in of.behind), None)
        if wrong is None:
            continue
        why = f"stands for {wrong.stands_for or 'nothing'}" + (", of which the energy is no function" if wrong.stands_for else "")
        standing = dict.fromkeys(each.name for each in of.graph.variables.values() if each.stands_for in of.behind)
        data = of.observed[0].name if of.observed else "what the energy reads"
        fix = f"{' or '.join(standing)} in the place of {fake}" if standing else ""
        if not standing and wrong.kind == "derived":
            fix = f"{address(('variables', fake, 'stands_for'))}: {data}"
        fix = fix or f"a variable that noise makes, {{is: generator(N), stands_for: {data}}}"
        yield issue("FG475", f"{of.loss.type} puts {fake} in the place of data, and {fake} {why}", (*of.path, "fake"), fix=fix)


KINDS = {"real": "normal", "binary": "bernoulli"}  # of noise that has a density wherever values of a domain are
CHECKS: Mapping[Need, Callable[[Shaped], Iterator[Issue]]] = {
    "flips": _flips,
    "slope": _slope,
    "curvature": _curvature,
    "density": _density,
    "slots": _slots,
    "stand_in": _stand_in,
    "motion": _motion,
    "flatness": _flatness,
}
