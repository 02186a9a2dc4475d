"""The stretches of learning, ready to run: each phase with its sides, its view of the model and its number of steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor
from torch.optim import Optimizer

from factorgraph import compile as compiler
from factorgraph.compile.freed import remove
from factorgraph.compile.kept import Resting, resting
from factorgraph.compile.lacking import wanted_by
from factorgraph.compile.model import Model
from factorgraph.compile.phases import declared, loss_factors, owner_of, phases, sequence
from factorgraph.compile.plan import Closed, PhasePlan, ProcedurePlan
from factorgraph.compile.program import Program
from factorgraph.data.dataset import Share
from factorgraph.data.order import epoch_of, steps_of
from factorgraph.errors import DataError, issue
from factorgraph.graph.resolve import resolve
from factorgraph.run.state import SEPARATOR, optimizer_from_named, optimizer_to_named
from factorgraph.structure import Placed
from factorgraph.training import alone
from factorgraph.training.closed import Estimates, Moved, inputs, slope
from factorgraph.training.curved import curvatures
from factorgraph.training.objective import Batch, Outcome, View, outcome
from factorgraph.training.pace import Moment, Pace
from factorgraph.training.watch import measures

if TYPE_CHECKING:
    from numpy import ndarray

    from factorgraph.data.dataset import Dataset
    from factorgraph.spec.blocks import Phase, Player
    from factorgraph.training.health._base import HealthLeaf
    from factorgraph.training.optimizers._minimum import Minimum
    from factorgraph.training.optimizers._newton import Newton
    from factorgraph.training.optimizers._sums import Sums


FIRST_DRAWS = 16  # of curvatures at a first step: the square of one normal number is next to zero too often to divide by
LEAST, SAMPLES = 25, 20_000  # steps and samples of a look at health, see ``Stretch.look``


class Side:
    """One player of a phase: what it trains and its optimizer. A phase without players has one side, called model."""

    alike: ClassVar[bool] = True  # each step does the same with its batch

    def __init__(self, plan: PhasePlan, player: Player, view: View, phase: Phase):
        self.plan, self.player, self.phase, self.graph = plan, player, phase, view.graph
        known = parameters_by_address(view.model)
        self.names: dict[str, Tensor] = {address: known[address] for address in plan.parameters}
        self.owners = {owner_of(address) for address in self.names}
        assert player.optimizer is not None and player.learning_rate is not None, "a phase fills in what its players leave out"
        self.learning_rate = player.learning_rate
        groups = self._groups()
        self.optimizer: Optimizer | None = player.optimizer.build(groups, self.learning_rate) if groups else None
        rates = [self.learning_rate * declared(view.graph, address).rate for address in self.names]
        self.pace = Pace(self.optimizer, rates, phase.schedule)

    def _groups(self) -> list[dict[str, Any]]:
        return [{"params": [each]} for each in self.names.values()]

    def outcome(self, stretch: Stretch, batch: Batch) -> Outcome:
        """What it makes of a batch, before anything moves."""
        return outcome(stretch, self, batch)

    def learn(self, outcome: Outcome, at: Moment) -> bool:
        """What a step does with what it has evaluated. Says whether parameters moved."""
        self.pace.at(at.progress)
        self.descend(self.gradients(outcome))
        return True

    def gradients(self, outcome: Outcome) -> tuple[Tensor | None, ...]:
        """Those of the loss by what the side trains."""
        return torch.autograd.grad(outcome.loss, list(self.names.values()), allow_unused=True)

    def descend(self, gradients: tuple[Tensor | None, ...]) -> None:
        """One step along the gradients."""
        if self.optimizer is None:
            return
        for parameter, gradient in zip(self.names.values(), gradients, strict=True):
            parameter.grad = gradient
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)

    def forget(self, address: str, columns: list[int]) -> None:
        """Forget what the optimizer remembers of some columns of a matrix, as if it had never stepped them."""
        parameter = self.names.get(address)
        if self.optimizer is None or parameter is None:
            return
        for slot, value in self.optimizer.state.get(parameter, {}).items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                value[:, columns] = self.learning_rate if slot == "step_size" else 0  # rprop's own step is where it began

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The optimizer's memory by parameter name."""
        if self.optimizer is None:
            return {}, {}
        return optimizer_to_named(self.optimizer, self.names, f"{self.plan.player}:")

    def restore(self, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
        """Put the memory back, bit by bit."""
        if self.optimizer is not None:
            optimizer_from_named(self.optimizer, self.names, tensors, about, f"{self.plan.player}:")
            self.pace.place()


class ClosedSide(Side):
    """A side that goes by sums over data: to the minimum at the end of each pass, or column by column at each step."""

    alike = False
    optimizer: Sums | None

    def __init__(self, plan: PhasePlan, player: Player, view: View, phase: Phase):
        super().__init__(plan, player, view, phase)
        self.estimates = Estimates(plan.estimates, view)

    def _groups(self) -> list[dict[str, Any]]:
        return [{"params": self._of(each.function), **self._options(each)} for each in self.plan.closed]

    def _of(self, function: str) -> list[Tensor]:
        addresses = (f"functions.{function}.{name}" for name in ("matrix", "bias"))
        return [self.names[address] for address in addresses if address in self.names]

    def _options(self, closed: Closed) -> dict[str, Any]:
        if closed.kind != "columns":
            return {"directions": closed.kind == "directions"}
        leaf = self.graph.functions[closed.function].leaf
        assert isinstance(leaf, Placed), "the planner moves columns of such functions alone"
        return {"norms": leaf.column_norms()}

    @property
    def by_gradient(self) -> bool:
        """Whether a gradient tells what some function is compared with."""
        return any(not each.told and not each.metric for each in self.plan.closed)

    def outcome(self, stretch: Stretch, batch: Batch) -> Outcome:
        with torch.set_grad_enabled(self.by_gradient):
            return super().outcome(stretch, batch)

    def learn(self, outcome: Outcome, at: Moment) -> bool:
        batch = outcome.batch
        if self.by_gradient:
            for parameter, gradient in zip(self.names.values(), self.gradients(outcome), strict=True):
                parameter.grad = gradient
        groups = [] if self.optimizer is None else self.optimizer.param_groups
        with torch.no_grad():
            for group, closed in zip(groups, self.plan.closed, strict=True):
                assert self.optimizer is not None, "its groups are these"
                if closed.metric:
                    slope(batch, closed, group["params"])
                self.optimizer.gather(group, inputs(batch, closed), batch.size)
            self.estimates.gather(batch)
        for parameter in self.names.values():
            parameter.grad = None
        return self.move(at)

    @torch.no_grad()
    def move(self, at: Moment) -> bool:
        """At the end of a pass, or where columns go by themselves at each step. Says whether it was time."""
        is_time = at.is_last or not self.plan.whole
        if is_time:
            self._step()
        return is_time

    def _step(self) -> None:
        """Functions first: what they explain is no part of what is left to factors."""
        moved: dict[str, Moved] = {}
        if self.optimizer is not None:
            joined, wanted = self.optimizer.joined, {each.function for each in self.plan.estimates}
            solved = [*zip(self.optimizer.param_groups, self.plan.closed, strict=True)]
            used = [(group, each.function) for group, each in solved if each.function in wanted]
            before = [(joined(group["params"]), self.optimizer.sums(group)[0].clone()) for group, _ in used]
            self.optimizer.step()
            for (group, function), (old, gram) in zip(used, before, strict=True):
                moved[function] = joined(group["params"]) - old, gram
        self.estimates.set(moved)

    def forget(self, address: str, columns: list[int]) -> None:
        if self.optimizer is not None and address in self.names:
            self.optimizer.forget(self.names[address], columns)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        tensors, about = super().state()
        told = {f"{self._prefix(key)}{name}": each for key, own in self.estimates.sums.items() for name, each in own.items()}
        return {**tensors, **told}, {**about, "estimates": list(self.estimates.sums)}

    def restore(self, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
        super().restore(tensors, about)
        for key in about.get("estimates", ()):
            start, device = self._prefix(key), self.estimates.device
            own = {name.removeprefix(start): each for name, each in tensors.items() if name.startswith(start)}
            self.estimates.sums[key] = {name: each.to(device, copy=True) for name, each in own.items()}

    def _prefix(self, factor: str) -> str:
        return f"{self.plan.player}:factors.{factor}{SEPARATOR}"


class AloneSide(ClosedSide):
    """A closed side whose function is told by sums over one value, and so is its energy: there is no gradient."""

    optimizer: Minimum

    def _options(self, closed: Closed) -> dict[str, Any]:
        return {**super()._options(closed), "means": closed.kind == "least_squares"}

    def outcome(self, stretch: Stretch, batch: Batch) -> Outcome:
        (closed,), (term,) = self.plan.closed, self.player.loss.values()
        return alone.outcome(batch, closed, self.names[f"functions.{closed.function}.matrix"], term.weight)

    def learn(self, outcome: Outcome, at: Moment) -> bool:
        self.optimizer.add(self.optimizer.param_groups[0], outcome.sums)
        return self.move(at)


class CurvedSide(Side):
    """A side whose optimizer is told how much the energy is curved along each parameter."""

    alike = False
    optimizer: Newton | None

    def learn(self, outcome: Outcome, at: Moment) -> bool:
        if self.optimizer is not None:
            seen: dict[str, float] = {}
            for term in self.player.loss.values():
                for key in loss_factors(self.graph, self.phase, term):
                    seen[key] = seen.get(key, 0.0) + term.weight
            draws = 1 if self.optimizer.has_begun else FIRST_DRAWS
            self.optimizer.gather(curvatures(outcome.batch, seen, list(self.names.values()), draws))
        return super().learn(outcome, at)


@dataclass(frozen=True)
class Stretch:
    """A phase at one slot of its index."""

    id: str
    phase: Phase
    view: View
    steps: int
    procedures: tuple[str, ...]
    plans: tuple[PhasePlan, ...]
    rows: int  # of the training data that are drawn
    among: ndarray | None = None  # which these are; all, if none is left out
    parts: tuple[Share, ...] = ()  # of a batch whose rows with every variable are counted: those without, those with all

    @property
    def whole(self) -> bool:
        """Whether batches stay within a pass through the data: where a side is solved at its end."""
        return any(each.whole for each in self.plans)

    @cached_property
    def shares(self) -> tuple[Share, ...]:
        """What each batch is made of. A pass through the data is one through the rows of the first."""
        return self.parts or (Share(self.phase.batch_size, self.rows, self.among),)

    @cached_property
    def batch(self) -> int:
        """How many rows a step has."""
        return sum(each.count if isinstance(each.size, str) else min(each.size, each.count) for each in self.shares)

    def epoch(self, step: int) -> int:
        """The pass through the data in which the batch of a step begins."""
        return epoch_of(step, self.shares[0].count, self.shares[0].size, self.whole)

    @property
    def name(self) -> str:
        """What the spec calls the phase, at whichever slot."""
        return self.id.partition("[")[0]

    @cached_property
    def measures(self) -> list[HealthLeaf]:
        """What is watched while it learns."""
        return measures(self.phase)

    @cached_property
    def look(self) -> int:
        """The steps of a look at its health: a pass through the data, at least ``LEAST`` steps, at most ``SAMPLES`` samples."""
        whole = steps_of(1, self.shares[0].count, self.shares[0].size, self.whole)
        if self.whole:  # its sides move once a pass
            return whole
        return max(LEAST, min(whole, SAMPLES // self.batch))

    def ends_look(self, step: int) -> bool:
        return (step + 1) % self.look == 0 or step + 1 == self.steps

    def moment(self, step: int) -> Moment:
        is_last = step + 1 == self.steps or self.epoch(step + 1) > self.epoch(step)
        return Moment(step / max(self.steps, 1), is_last)

    @cached_property
    def planned(self) -> dict[str, ProcedurePlan]:
        """The plans of all procedures, as the phase has them."""
        return {key: each.plan for key, each in self.view.inferences.items()}

    @cached_property
    def resting(self) -> Resting:
        """What it leaves as it is."""
        return resting(self.view.graph, self.plans)

    @property
    def trained(self) -> frozenset[str]:
        """Owners of what its sides train."""
        return self.resting.trained

    @property
    def learned(self) -> frozenset[str]:
        """Ids of the functions that learn here."""
        return self.resting.learned

    @property
    def free(self) -> frozenset[str]:
        """Owners of parameters none of which a gradient reaches."""
        return self.resting.free

    def begin(self) -> None:
        """What changes at its first step: matrices that it trains stop to follow their solver, small entries are removed."""
        model, inferences = self.view.model, self.view.inferences
        for key, inference in inferences.items():
            owner = f"inference.{key}"
            if owner in self.trained and owner not in model.taken:
                model.take(key, inferences)
            if owner in model.taken:
                remove(inference.method, model.tensors()[owner])

    def sides(self) -> tuple[Side, ...]:
        """Its players with fresh optimizers."""
        players = self.phase.sides()
        return tuple(_kind(each, players[each.player])(each, players[each.player], self.view, self.phase) for each in self.plans)


def _kind(plan: PhasePlan, player: Player) -> type[Side]:
    curved = player.optimizer is not None and player.optimizer.curved
    if any(each.alone for each in plan.closed):
        return AloneSide
    return ClosedSide if plan.closed or plan.estimates else CurvedSide if curved else Side


def stretches(model: Model, rows: int, data: Dataset | None = None) -> list[Stretch]:
    """Every phase of the model's spec in order, as its plan says. ``rows``: how many training samples there are.

    Rows of ``data`` that no factor of a phase can use are not drawn. Raises DataError FG543 where none is left.
    """
    views = {key: _view(model, spec, key) for key, spec in compiler.phase_specs(model.spec)}
    found = []
    for key, name, phase in phases(model.spec):
        view = views.get(key) or View(model, model.program, model.inferences)
        procedures = sequence(view.graph, {each: one.plan for each, one in view.inferences.items()}, phase, key)
        plans = tuple(each for each in model.plan.phases if each.phase == key)
        wanted = () if data is None else wanted_by(view.graph, phase, data.lacked)
        among = None if data is None else data.usable(wanted)
        drawn = rows if among is None else len(among)
        if not drawn:
            what = f'no training row has all that a factor of phase "{key}" reads'
            raise DataError(model.spec.document.locate(issue("FG543", what, ("learning", name), fix="give some rows all of it")))
        stretch = Stretch(key, phase, view, 0, procedures, plans, drawn, among, _parts(model, name, phase, data, wanted))
        first = stretch.shares[0]
        steps = phase.steps if phase.steps is not None else steps_of(phase.epochs or 0, first.count, first.size, stretch.whole)
        found.append(replace(stretch, steps=steps))
    return found


def _parts(model: Model, name: str, phase: Phase, data: Dataset | None, wanted: Sequence[frozenset[str]]) -> tuple[Share, ...]:
    """The two parts of each batch, where a phase says how many of its rows have every variable and not all have.

    Raises DataError FG556 where fewer rows have them all.
    """
    if phase.labelled is None or data is None:
        return ()
    lacking, whole = data.apart(wanted)
    if not len(lacking):
        return ()
    if len(whole) < phase.labelled:
        what = f"{phase.labelled} rows of each batch are to have every variable, and {len(whole)} training rows have them all"
        path = ("learning", name, "labelled")
        raise DataError(model.spec.document.locate(issue("FG556", what, path, fix=f"at most {len(whole)}")))
    assert isinstance(phase.batch_size, int), "a batch of which a part is counted has a size"
    return Share(phase.batch_size - phase.labelled, len(lacking), lacking), Share(phase.labelled, len(whole), whole)


def parameters_by_address(model: Model) -> dict[str, Tensor]:
    """``functions.decoder[1].matrix`` -> the model's parameter."""
    return {f"{owner}.{name}": tensor for owner, tensors in model.tensors().items() for name, tensor in tensors.items()}


def _view(model: Model, spec: Any, phase: str) -> View:
    graph = resolve(spec)
    compiler.check_plan(graph, model.plan.changed[phase])
    program = Program(graph)
    return View(model, program, compiler.inferences(graph, program, model.plan.changed[phase]))
