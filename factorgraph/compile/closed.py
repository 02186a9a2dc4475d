"""What a phase can set by sums over data: how, where ``closed_form`` or ``online_dictionary`` is exact, and elsewhere why not.

Behind a square, the energy is quadratic in the parameters of a linear function or a convolution whose inputs stand still: their
minimum is one solution of linear equations, and that of one column, the others given, one division. Where a linear function with
orthonormal rows is followed by its own transpose, the rows are the leading directions of its inputs.

The parameters of some factors, as precisions and shares, are sums over data, too. Where codes are summed out, all are sums over
their posterior: that is expectation-maximisation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod

from factorgraph.compile.alone import alone
from factorgraph.compile.dependence import origin
from factorgraph.compile.naming import named_procedures, reads
from factorgraph.compile.phases import loss_factors, owner_of, phases
from factorgraph.compile.plan import Closed, ClosedTerm, Estimate, PhasePlan
from factorgraph.compile.planner import Named
from factorgraph.errors import Issue, Path, SpecError, issue
from factorgraph.graph.model import Application, Constant, FactorNode, Graph, Id, Operation, Variable
from factorgraph.losses._loss import LossLeaf
from factorgraph.spec.blocks import Phase, Player
from factorgraph.structure import Dense, Dispersed, Estimated, Placed, Selection, Square

DESCEND = "descend instead, optimizer: adam"
LARGEST = 4 * 2**30  # bytes of sums
FREE = (0.0, None)  # column norms
SOLVABLE = "a linear function or a convolution"
Ways = dict[tuple[Id, ...], float]  # what a value is multiplied by on its way to another, by the selections that it passes


def plan_closed_forms(base: Graph, graphs: Mapping[str, Graph], planned: tuple[PhasePlan, ...]) -> tuple[PhasePlan, ...]:
    """The plans of phases, with what closed optimizers solve. ``graphs``: those of phases that set addresses for their time.

    Raises :class:`SpecError` FG430 to FG435 and FG480, all together.
    """
    found: list[PhasePlan] = []
    wrong: list[Issue] = []
    by_key = {key: (name, phase) for key, name, phase in phases(base.spec)}
    for plan in planned:
        name, phase = by_key[plan.phase]
        side = phase.sides()[plan.player]
        if side.optimizer is not None and side.optimizer.closed and plan.parameters:
            asked = _Asked(graphs.get(plan.phase, base), plan, name, phase, side)
            wrong += asked.misfits()
            estimates, closed = asked.solved(wrong)
            found.append(replace(plan, closed=closed, estimates=estimates))
        else:
            found.append(plan)
    if wrong:
        raise SpecError(list({(each.code, each.path, each.message): each for each in wrong}.values()))
    return tuple(found)


@dataclass(frozen=True)
class _Asked:
    """One side of a phase that is to be solved."""

    graph: Graph
    plan: PhasePlan
    name: str
    phase: Phase
    side: Player

    @property
    def path(self) -> Path:
        whole = self.plan.player == "model" and not self.phase.players
        return ("learning", self.name) if whole else ("learning", self.name, "players", self.plan.player)

    @property
    def functions(self) -> tuple[str, ...]:
        """Ids of what is trained and can be solved; whatever else is trained is told by :meth:`misfits`."""
        owners = {owner_of(each) for each in self.plan.parameters}
        functions = self.graph.functions.items()
        return tuple(key for key, node in functions if f"functions.{key}" in owners and isinstance(node.leaf, Placed))

    @property
    def estimated(self) -> frozenset[str]:
        """Ids of the factors whose own parameters are trained."""
        owners = (owner_of(each).split(".", 1) for each in self.plan.parameters)
        return frozenset(key for block, key in owners if block == "factors")

    @property
    def by(self) -> str:
        """The optimizer, in the spec's word."""
        assert self.side.optimizer is not None, "a side is asked for its closed optimizer"
        return self.side.optimizer.type

    @property
    def by_column(self) -> bool:
        return self.side.optimizer is not None and self.side.optimizer.by_column

    @property
    def rateless(self) -> str:
        return f"{self.by} {'has no learning rate' if self.by_column else 'goes to the minimum at once'}"

    def misfits(self) -> Iterator[Issue]:
        """What is wrong with the phase, whatever its factors are."""
        yield from self._options()
        for name, term in self.side.loss.items():
            assert isinstance(term.loss, LossLeaf), "the losses' folder holds losses"
            if not term.loss.is_mean:
                what = f"{self.by} minimises the energy of data, and the loss is {term.loss.type}"
                yield issue("FG433", what, (*self.path, "loss", *((name,) if len(self.side.loss) > 1 else ())), fix=DESCEND)
        for owner in dict.fromkeys(owner_of(each) for each in self.plan.parameters):
            if why := self._unsolvable(owner):
                what = f"{self.by} cannot set {owner}: {why}"
                yield issue("FG430", what, self.path, fix=f"{DESCEND}, or train: what is linear")
        for key in self.functions:
            units = prod(self.graph.functions[key].parameters["matrix"].shape[1:])
            if 8 * units**2 > LARGEST:
                what = f"{self.by} sums over all pairs of the {units:,} numbers that {key} reads: {8 * units**2 / 2**30:.0f} GiB"
                yield issue("FG480", what, self.path, fix=f"{DESCEND}, or let it read at most {int((LARGEST / 8) ** 0.5):,}")
        yield from self._moving_codes()

    def _options(self) -> Iterator[Issue]:
        """A rate of learning that would be read and not obeyed."""
        given = self.phase if not self.phase.players else self.phase.players[self.plan.player]
        told: dict[str, object] = {"learning_rate": given.learning_rate}
        told |= {"schedule": given.schedule.type} if isinstance(given, Phase) else {"steps": given.steps}
        usual = {"learning_rate": Phase.model_fields["learning_rate"].default, "schedule": "constant", "steps": 1}
        for key, value in told.items():
            if value not in (None, usual[key]):
                what = f"{self.rateless}: its {key} would change nothing"
                yield issue("FG435", what, (*self.path, key), on="key", fix=f"leave {key} out, or {DESCEND}")

        for owner in dict.fromkeys(owner_of(each) for each in self.plan.parameters):
            block, key = owner.split(".", 1)
            node = self.graph.functions.get(key) if block == "functions" else None
            if node is not None and any(each.rate != 1 for each in node.parameters.values()):
                what = f"{self.rateless}: the rate of {node.spelled} would change nothing"
                yield issue("FG435", what, (*node.written.path, "rate"), on="key", fix=f"leave rate out, or {DESCEND}")

    def _unsolvable(self, owner: str) -> str:
        block, key = owner.split(".", 1)
        if block == "factors" and not self.by_column:
            factor = self.graph.factors[key].leaf
            return (
                ""
                if factor.keeps(Estimated, frozenset())
                else f"it is {factor.type}, whose parameters have no estimate in closed form"
            )
        if block != "functions":
            return f"only {SOLVABLE} has a minimum in closed form"
        leaf = self.graph.functions[key].leaf
        if not isinstance(leaf, Placed):
            return f"it is {leaf.type}, and only {SOLVABLE} has a minimum in closed form"
        bound = " and ".join(name for name, is_told in leaf.constraints().items() if is_told)
        if self.by_column:
            return "" if leaf.column_norms() else f"{bound} does not keep each column by itself"
        is_kept = leaf.column_norms() == FREE or _is_orthonormal(self.graph, key)
        return "" if is_kept else f"{bound} would take its matrix off the minimum again"

    def _moving_codes(self) -> Iterator[Issue]:
        named = named_procedures(self.graph)
        for key in self.plan.procedures:
            read = self.graph.leading_to(reads(self.graph, named[key]).get("by", {}).values())
            seen = named[key].factors if getattr(named[key].method, "gradient", "stop") != "stop" else ()
            read |= self.graph.leading_to(each for factor in seen for each in self.graph.factors[factor].arguments)
            if named[key].method.sums:
                yield from self._summed(named[key])
            for node in dict.fromkeys(each.function for each in self._trained(read)):
                what = f'the codes of "{key}" are made by {node}, and move with it: its minimum has no closed form'
                yield issue("FG434", what, ("inference", named[key].name), fix=f"train it in a phase of its own, or {DESCEND}")

    def _summed(self, named: Named) -> Iterator[Issue]:
        """What keeps sums over the posterior of a procedure from telling where the loss is least."""
        path = ("inference", named.name)
        if self.by_column:
            what = f'"{named.id}" counts all codes of a sample, and {self.by} sums over one code of each'
            yield issue("FG434", what, path, fix="infer one by method: argmin, or optimizer: closed_form")
            return
        summed = self._touching(named, named.factors)
        for term in self.side.loss.values():
            seen = self._touching(named, loss_factors(self.graph, self.phase, term))
            if seen and seen != summed:
                apart = ", ".join(sorted(seen ^ summed))
                what = f'"{named.id}" and the loss do not see the same factors ({apart}): how likely codes are changes the loss'
                yield issue("FG434", what, path, fix=f"let both see the same factors, or {DESCEND}")

    def _touching(self, named: Named, factors: Iterable[str]) -> set[str]:
        block, known = frozenset(each.id for each in named.block), self.graph.factors
        return {key for key in factors if known[key].weight and self.graph.leading_to(known[key].arguments) & block}

    def solved(self, wrong: list[Issue]) -> tuple[tuple[Estimate, ...], tuple[Closed, ...]]:
        """How each factor and each function is solved; what stands in the way is added to ``wrong``."""
        terms: dict[str, list[ClosedTerm]] = {each: [] for each in self.functions}
        estimates: list[Estimate] = []
        for key, weight in self._weights().items():
            factor = self.graph.factors[key]
            applied = tuple(self._trained(self.graph.leading_to(factor.arguments)))
            among = tuple(dict.fromkeys(each.function for each in applied))
            if key in self.estimated and weight > 0 and len(among) < 2:
                estimates.append(Estimate(key, weight, self._told(factor), *among))
            elif key in self.estimated and weight < 0 and not among:
                what = f'factor "{key}" has no least energy in its own parameters: its weight is {weight:g}'
                wrong.append(issue("FG431", what, ("factors", factor.name), fix=DESCEND))
            if weight == 0 or not among:
                continue
            if len(among) > 1:
                what = f'factor "{key}" reads {" and ".join(among)}: what is best for them together has no closed form'
                fix = f"train each in a phase of its own, or {DESCEND}"
                wrong.append(issue("FG432", what, ("factors", factor.name), fix=fix))
                continue
            found = self._term(factor, weight, applied)
            if isinstance(found, str):
                what = f'factor "{key}" is no square in the parameters of {among[0]}: {found}'
                wrong.append(issue("FG431", what, ("factors", factor.name), fix=DESCEND))
            else:
                terms[among[0]].append(found)
        for key, each in terms.items():
            if len(each) > 1 and (alone := next((one.factor for one in each if self._is_metric(one.factor)), "")):
                others = " and ".join(f'"{one.factor}"' for one in each if one.factor != alone)
                what = f'factor "{alone}" measures {key} by its precision, and {others} otherwise: what is best for both together'
                path = ("factors", self.graph.factors[alone].name)
                wrong.append(issue("FG432", f"{what} has no closed form", path, fix=DESCEND))
        return tuple(estimates), tuple(self._closed(key, tuple(each)) for key, each in terms.items() if each)

    def _is_metric(self, key: str) -> bool:
        """Whether a factor's lengths count as they are, whatever its precision: it is set with them, or is no single number."""
        factor = self.graph.factors[key]
        every = frozenset(range(len(factor.arguments)))
        return factor.leaf.keeps(Dispersed, every) and (key in self.estimated or not factor.leaf.keeps(Square, every))

    def _weights(self) -> dict[str, float]:
        """What multiplies each factor in the sum of the losses."""
        found: dict[str, float] = {}
        for term in self.side.loss.values():
            for key in loss_factors(self.graph, self.phase, term):
                found[key] = found.get(key, 0.0) + term.weight * self.graph.factors[key].weight
        return found

    def _term(self, factor: FactorNode, weight: float, applied: tuple[Application, ...]) -> ClosedTerm | str:
        """How a factor weighs in its only function's equations, or why it has no place there."""
        graph, first, metric = self.graph, applied[0], self._is_metric(factor.id)
        every = frozenset(range(len(factor.arguments)))
        if not metric and not (isinstance(factor.leaf, Square) and factor.leaf.keeps(Square, every)):
            return f"it is {factor.leaf.type}"
        if weight < 0:
            return f"its weight is {weight:g}"
        if metric and (why := self._immeasurable(factor, first)):
            return why
        if _is_orthonormal(graph, first.function):
            around = {origin(graph, each) for each in factor.arguments}
            if len(applied) == 2 and _returns(graph, applied) and around == {origin(graph, first.arguments[0]), applied[1].id}:
                return ClosedTerm(factor.id, first.arguments[0], weight)
            return "with orthonormal rows it must compare a value with f.transpose(f(value)), without a bias"
        if len(applied) > 1 or first.method != "forward":
            return "it is applied more than once" if len(applied) > 1 else "it reads the transpose"
        compared = [each for place, each in enumerate(factor.arguments) if factor.leaf.domain(place) == "real"]
        ways = [each for argument in compared if (each := _ways(graph, argument, first.id)) is not None]
        by_place = graph.functions[first.function].leaf.by_map or not any(selections for each in ways for selections in each)
        if len(ways) < len(compared) or not by_place:
            return "between them stands more than sums and numbers"
        net = [(selections, number) for selections, number in _added(ways[0], *ways[1:], by=-1).items() if number]
        if len(net) != 1:
            return "it is cropped in more than one way" if net else "it stands on both sides"
        ((selections, number),) = net
        beside = self._beside(factor, first)
        return ClosedTerm(factor.id, first.arguments[0], weight * number**2, number, selections, beside)

    def _beside(self, factor: FactorNode, applied: Application) -> Id:
        """What a factor compares with the result of a linear function itself; empty where more is between."""
        graph, leaf = self.graph, self.graph.functions[applied.function].leaf
        others = [each for each in factor.arguments if origin(graph, each) != applied.id]
        if not isinstance(leaf, Dense) or len(factor.arguments) != 2 or len(others) != 1:
            return ""
        whole = prod(graph.values[others[0]].shape) == prod(graph.values[applied.id].shape)
        return others[0] if whole and not graph.depends(others[0], frozenset({applied.id})) else ""

    def _immeasurable(self, factor: FactorNode, applied: Application) -> str:
        """Why a function is not best where lengths are least, whatever a factor's precision; empty where it is."""
        graph, leaf = self.graph, self.graph.functions[applied.function].leaf
        choices = [each for place, each in enumerate(factor.arguments) if factor.leaf.domain(place) != "real"]
        sizes = {prod(graph.values[each].shape) for each in factor.arguments if each not in choices}
        if not isinstance(leaf, Dense) or _is_orthonormal(graph, applied.function):
            return "beside a precision only a matrix that is free has a minimum in closed form"
        if max(sizes) != prod(graph.values[applied.id].shape):
            return "between them stands more than sums and numbers"
        for each in choices:
            source = graph.values[origin(graph, each)]
            if not isinstance(source, Variable) or source.domain != "one_hot":
                return f"{each} is not known to be one_hot"
            if origin(graph, each) != origin(graph, applied.arguments[0]):
                return f"each choice of {each} has a precision of its own, and it is applied to {applied.arguments[0]}"
        return ""

    def _closed(self, key: str, terms: tuple[ClosedTerm, ...]) -> Closed:
        graph, metric = self.graph, any(self._is_metric(each.factor) for each in terms)
        inputs = ", ".join(dict.fromkeys(each.input for each in terms))
        if self.by_column:
            kept = "" if self._norms(key) == FREE else ", each onto its norm"
            return Closed(key, "columns", terms, f"column by column, by second moments of {inputs}{kept}")
        if _is_orthonormal(graph, key):
            reason = f"PCA: rows are the leading directions of {inputs}"
            return Closed(key, "directions", terms, reason, alone=alone(graph, self.plan, self.phase, key, terms))
        sources = [graph.values[origin(graph, each.input)] for each in terms]
        means = all(isinstance(each, Variable) and each.domain == "one_hot" for each in sources)
        summed = self._posterior(each.input for each in terms)
        reason = f"least squares on {inputs}{summed}"
        if means and "bias" not in graph.functions[key].parameters:
            columns = f"columns are the means of what the units of {inputs} stand for{summed}"
            reason = columns if summed else f"K-means: {columns}"
        told = "" if metric else alone(graph, self.plan, self.phase, key, terms)
        return Closed(key, "least_squares", terms, reason, metric, told)

    def _told(self, factor: FactorNode) -> str:
        """What the parameters of a factor are set to."""
        of = ", ".join(dict.fromkeys(factor.arguments))
        which = "covariances" if factor.leaf.keeps(Dispersed, frozenset()) else "shares"
        return f"{which}, by sums over {of}{self._posterior(factor.arguments)}"

    def _posterior(self, values: Iterable[Id]) -> str:
        """Of which codes all count, in words; empty where one of each does."""
        leading, named = self.graph.leading_to(values), named_procedures(self.graph)
        sums = (each.id for key in self.plan.procedures if named[key].method.sums for each in named[key].block)
        found = ", ".join(each for each in sums if each in leading)
        return f", all {found} as likely as they are: expectation-maximisation" if found else ""

    def _norms(self, key: str) -> tuple[float, float | None] | None:
        leaf = self.graph.functions[key].leaf
        assert isinstance(leaf, Placed), "only such functions are solved"
        return leaf.column_norms()

    def _trained(self, values: frozenset[Id]) -> Iterator[Application]:
        """The applications of trained functions among values, in the order of the graph."""
        trained = frozenset(self.functions)
        for key, value in self.graph.values.items():
            if key in values and isinstance(value, Application) and value.function in trained:
                yield value


def _is_orthonormal(graph: Graph, function: str) -> bool:
    leaf = graph.functions[function].leaf
    return isinstance(leaf, Dense) and leaf.constraints().get("orthonormal", False)


def _returns(graph: Graph, applied: tuple[Application, ...]) -> bool:
    """Whether the second application is the transpose of the first, and there is no bias."""
    first, second = applied
    there_and_back = (first.method, second.method) == ("forward", "transpose")
    free = "bias" not in graph.functions[first.function].parameters
    return there_and_back and free and origin(graph, second.arguments[0]) == first.id


def _ways(graph: Graph, key: Id, target: Id) -> Ways | None:
    """How a value leads to another, the target being multiplied by numbers and selected from; ``None`` where there is more."""
    value = graph.values[key]
    if key == target:
        return {(): 1.0}
    if not graph.depends(key, frozenset({target})):
        return {}
    selects = isinstance(value, Application) and value.method == "forward" and len(value.arguments) == 1
    if isinstance(value, Application) and not (selects and graph.functions[value.function].leaf.keeps(Selection)):
        return None
    parts = [_ways(graph, each, target) for each in value.arguments]
    known = [each for each in parts if each is not None]
    if len(known) < len(parts):
        return None
    if isinstance(value, Operation):
        return _combined(graph, value, known)
    return {(key, *selections): number for selections, number in known[0].items()} if selects else known[0]  # else: a name


def _combined(graph: Graph, value: Operation, parts: list[Ways]) -> Ways | None:
    if value.operator == "negate":
        return _added({}, parts[0], by=-1)
    if value.operator == "-":
        return _added(parts[0], parts[1], by=-1)
    if value.operator in ("+", "sum", "mean"):
        return _added({}, *parts, by=1 / (len(parts) if value.operator == "mean" else 1))
    if value.operator != "*":
        return None
    (one, other), (first, second) = (graph.values[each] for each in value.arguments), parts
    number = other if first else one
    return _added({}, first or second, by=number.value) if isinstance(number, Constant) else None


def _added(first: Ways, *others: Ways, by: float) -> Ways:
    """The first, and the others times a number."""
    found = dict(first)
    for each in others:
        for selections, number in each.items():
            found[selections] = found.get(selections, 0.0) + by * number
    return found
