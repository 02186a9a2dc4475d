"""What a phase reads and leaves as it is: codes of procedures, and values of the graph, that may be found once for every row.

They are functions of a training row alone while the phase goes on: it trains nothing that they are computed from, no random
number and no other row enters them, and the row itself comes in one form. Then what is kept is what would be found again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from factorgraph.compile.naming import minimised, named_procedures, reads
from factorgraph.compile.phases import loss_factors, owner_of, sequence
from factorgraph.compile.plan import PhasePlan, ProcedurePlan
from factorgraph.compile.planner import Named
from factorgraph.compile.warm import remembered
from factorgraph.graph.model import Application, Graph, Id, Variable
from factorgraph.graph.texts import shape_text
from factorgraph.losses._loss import LossLeaf
from factorgraph.spec.references import standing_for
from factorgraph.structure import Selection

if TYPE_CHECKING:
    from factorgraph.spec.blocks import Phase


@dataclass(frozen=True)
class Resting:
    """What a phase does not change. ``trained``: owners of what its sides train; ``augmented``: variables that chance varies."""

    graph: Graph
    trained: frozenset[str]
    augmented: frozenset[str] = frozenset()

    @cached_property
    def learned(self) -> frozenset[str]:
        """Ids of the functions that learn here: those that a side trains, and those that have nothing to be trained.

        What is frozen rests: a phase does not change what it does not train.
        """
        return frozenset(key for key in self.graph.functions if f"functions.{key}" in self.trained | self.free)

    @cached_property
    def free(self) -> frozenset[str]:
        """Owners of parameters none of which a gradient reaches."""
        functions = self.graph.functions.items()
        return frozenset(f"functions.{key}" for key, node in functions if all(each.kept for each in node.parameters.values()))

    def trains(self, owner: str) -> str:
        return f"the phase trains {owner}" if owner in self.trained else ""

    def moves(self, key: Id) -> str:
        """Why one value may differ where all that it is computed from does not, in words; empty where it does not."""
        value = self.graph.values[key]
        if isinstance(value, Application):
            leaf = self.graph.functions[value.function].leaf
            if not leaf.by_row or (leaf.learns_apart and value.function in self.learned):
                return f"{value.function} sees more than the row"
        elif isinstance(value, Variable):
            if value.name in self.augmented:
                return f"{value.name} is augmented"
            if value.kind in ("noise", "latent"):
                return f"it reads {key}, which the row does not tell"
        return ""


def resting(graph: Graph, sides: Sequence[PhasePlan]) -> Resting:
    """What the sides of a phase leave as it is."""
    blocks = graph.spec.data.blocks if graph.spec.data is not None else {}
    augmented = frozenset(variable for block in blocks.values() if block.augment for variable in block.bind)
    return Resting(graph, frozenset(owner_of(address) for side in sides for address in side.parameters), augmented)


@dataclass(frozen=True)
class Kept:
    """What may be kept: what procedures find, or ``wanted`` values of the graph."""

    kind: str  # "teacher", "codes" or "features"
    name: str
    graph: Graph
    plans: tuple[ProcedurePlan, ...] = ()
    wanted: tuple[Id, ...] = ()

    @property
    def title(self) -> str:
        return f"{self.kind} {self.name}" if self.kind == "teacher" else f"{self.kind} of {self.name}"

    @cached_property
    def named(self) -> dict[str, Named]:
        known = named_procedures(self.graph)
        return {each.id: known[each.id] for each in self.plans}

    @cached_property
    def factors(self) -> tuple[str, ...]:
        """Ids of the factors in the energies that it makes small, or is unrolled from."""
        return tuple(dict.fromkeys(key for each in self.plans for key in minimised(self.graph, each, self.named[each.id].method)))

    @cached_property
    def reads(self) -> dict[str, dict[str, dict[Id, Id]]]:
        """The values that procedures read in their fields, by procedure."""
        return {key: reads(self.graph, each) for key, each in self.named.items()}

    @cached_property
    def values(self) -> frozenset[Id]:
        """All values of the graph that it reads."""
        written = [key for fields in self.reads.values() for field in fields.values() for key in field.values()]
        touched = [key for each in self.factors for key in self.graph.factors[each].arguments]
        return self.graph.leading_to([*self.wanted, *written, *touched])

    @cached_property
    def functions(self) -> tuple[str, ...]:
        """Ids of the functions that it reads."""
        applied = (self.graph.values[key] for key in sorted(self.values))
        return tuple(dict.fromkeys(each.function for each in applied if isinstance(each, Application)))

    @cached_property
    def owners(self) -> tuple[str, ...]:
        """Owners of the parameters that it reads."""
        keys = (("functions", self.functions), ("factors", self.factors), ("inference", self.named))
        return tuple(f"{block}.{key}" for block, each in keys for key in each)

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The names of what it finds, and the shape of one."""
        codes = {f"{plan.id}/{key}": self.graph.variables[key].shape for plan in self.plans for key in plan.block}
        return codes | {f"{self.name}/{key}": self.graph.values[key].shape for key in self.wanted}

    def varies(self, rest: Resting) -> str:
        """Why it is not a function of the row alone while the phase goes on, or nothing."""
        for plan in self.plans:
            if self.named[plan.id].method.sums:
                return f"{plan.id} sums, and what it leaves is no code"
            if remembered(self.graph, plan, self.named[plan.id].method):
                return f"{plan.id} starts at the row's previous code"
        inferred = {key for plan in self.plans for key in plan.block}
        reasons = [*map(rest.trains, self.owners), *(rest.moves(key) for key in sorted(self.values - inferred))]
        return next(filter(None, reasons), "")


def teachers(graph: Graph, plans: Mapping[str, ProcedurePlan], phase: Phase) -> Iterator[Kept]:
    """What the losses of a phase take as right, each name once: at every slot that the name stands for."""
    for name in dict.fromkeys(name for each in _losses(phase) for name in each.teachers()):
        yield Kept("teacher", name, graph, tuple(plans[key] for key in standing_for(name, plans)))


def beside(graph: Graph, plans: Mapping[str, ProcedurePlan], phase: Phase, rest: Resting) -> Iterator[Kept]:
    """What else may be kept of a phase whose losses see the energy at the data alone: codes, then what is read beside them."""
    if not all(each.at_data for each in _losses(phase)):
        return
    taught = {key for each in teachers(graph, plans, phase) for key in each.named}
    codes = [Kept("codes", key, graph, (plans[key],)) for key in sequence(graph, plans, phase) if key not in taught]
    found = [each for each in codes if not each.varies(rest) and not _tuned(each)]
    yield from found
    running = [plans[key] for key in _procedures(graph, plans, phase) if key not in {each.name for each in found}]
    wanted = features(graph, read_in(graph, running, phase), rest)
    if wanted:
        yield Kept("features", " and ".join(wanted), graph, wanted=wanted)


def features(graph: Graph, roots: Collection[Id], rest: Resting) -> tuple[Id, ...]:
    """The last values on the way to ``roots`` that functions compute from a row and that the phase leaves as they are."""
    still = _still(graph, rest)
    applied = {
        key
        for key, each in graph.values.items()
        if isinstance(each, Application) and not graph.functions[each.function].leaf.keeps(Selection)
    }
    found: set[Id] = set()
    seen: set[Id] = set()
    waiting = list(roots)
    while waiting:
        key = waiting.pop()
        if key in seen:
            continue
        seen.add(key)
        if key not in still:
            waiting += graph.values[key].arguments
        elif graph.leading_to([key]) & applied:
            found.add(key)
    return tuple(key for key in graph.values if key in found)


def spoiled(graph: Graph, plans: Mapping[str, ProcedurePlan], phase: Phase, rest: Resting) -> str:
    """Why what functions with frozen parameters compute is not kept, or nothing: some of it, where some is."""
    if not all(each.at_data for each in _losses(phase)):
        return ""
    running = [plans[key] for key in _procedures(graph, plans, phase)]
    latent = frozenset(each.id for each in graph.of_kind("latent"))
    for key in sorted(graph.leading_to(read_in(graph, running, phase)) - _still(graph, rest)):
        value = graph.values[key]
        if isinstance(value, Application) and not graph.depends(key, latent) and graph.functions[value.function].parameters:
            above = graph.leading_to([key])
            functions = {each.function for each in map(graph.values.__getitem__, above) if isinstance(each, Application)}
            moved = [why for each in sorted(above) if (why := rest.moves(each))]
            if moved and not any(rest.trains(f"functions.{each}") for each in functions):
                return moved[0]
    return ""


def _still(graph: Graph, rest: Resting) -> frozenset[Id]:
    """The values that are the same each time that a row comes."""
    still: set[Id] = set()
    for key, value in graph.values.items():
        trained = isinstance(value, Application) and rest.trains(f"functions.{value.function}")
        if not trained and not rest.moves(key) and still.issuperset(value.arguments):
            still.add(key)
    return frozenset(still)


def _tuned(kept: Kept) -> bool:
    """Whether the phase moves a weight that its codes are found with."""
    targets = [kept.graph.factors[key].target for key in kept.factors]
    return any(each is not None and each.kind == "active_fraction" for each in targets)


def _losses(phase: Phase) -> list[LossLeaf]:
    return [each.loss for side in phase.sides().values() for each in side.loss.values() if isinstance(each.loss, LossLeaf)]


def _procedures(graph: Graph, plans: Mapping[str, ProcedurePlan], phase: Phase) -> tuple[str, ...]:
    """All procedures that a phase runs, but for its teachers."""
    students = [key for each in _losses(phase) for name in each.students() for key in standing_for(name, plans)]
    return tuple(dict.fromkeys([*sequence(graph, plans, phase), *students]))


def factors_in(graph: Graph, running: Sequence[ProcedurePlan], phase: Phase) -> frozenset[str]:
    """Ids of the factors that a phase sees: its losses, and the procedures that it runs."""
    named = named_procedures(graph)
    terms = [term for side in phase.sides().values() for term in side.loss.values()]
    seeing = [term for term in terms if isinstance(term.loss, LossLeaf) and term.loss.sees_energy]
    found = {key for term in seeing for key in loss_factors(graph, phase, term) if graph.factors[key].weight != 0}
    return frozenset(found | {key for each in running for key in minimised(graph, each, named[each.id].method)})


def read_in(graph: Graph, running: Sequence[ProcedurePlan], phase: Phase) -> frozenset[Id]:
    """What these factors and procedures read."""
    named = named_procedures(graph)
    written = {key for each in running for field in reads(graph, named[each.id]).values() for key in field.values()}
    return frozenset(written.union(*(graph.factors[key].arguments for key in factors_in(graph, running, phase))))


def describe(graph: Graph, plans: Mapping[str, ProcedurePlan], phase: Phase, sides: Sequence[PhasePlan]) -> list[str]:
    """What a phase keeps of each training row, as ``explain`` prints it, and why it does not keep what it could."""
    rest = resting(graph, sides)
    found = [each for each in (*teachers(graph, plans, phase), *beside(graph, plans, phase, rest)) if not each.varies(rest)]
    lines = [f"  keeps   {each.title}, of each training row {' and '.join(_size(each))}" for each in found]
    why = spoiled(graph, plans, phase, rest)
    return lines + ([f"  finds   anew for each batch what it could keep, as {why}"] if why else [])


def _size(kept: Kept) -> list[str]:
    return [shape_text(shape) for shape in kept.shapes.values()]
