"""One step of one side: a batch, what is inferred for it, and the losses over its energy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce
from typing import TYPE_CHECKING

import torch
from torch.utils.checkpoint import checkpoint

from factorgraph.compile.dependence import varies
from factorgraph.compile.lacking import counted
from factorgraph.compile.learning import Learning
from factorgraph.compile.model import Model
from factorgraph.compile.noise import draw, log_density
from factorgraph.compile.phases import loss_factors, owned, owned_by, owner_of, read_by
from factorgraph.compile.predictions import predictions
from factorgraph.compile.procedures import Found, Inference
from factorgraph.compile.program import Program
from factorgraph.compile.shaping import agree, argued
from factorgraph.compile.slope import squared_slope, unnamed
from factorgraph.compile.summed import ENTROPY, Summed
from factorgraph.compile.summed import shares as free_shares
from factorgraph.data.order import torch_generator
from factorgraph.graph.model import WEIGHT, Application, Graph, Id, Variable
from factorgraph.inference.problem import CONVERGED
from factorgraph.losses._loss import LossLeaf
from factorgraph.spec.references import standing_for
from factorgraph.structure import Function, Parameters

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.training.sides import Side, Stretch

LOSS, ACTIVE, LATE = "the loss", "active units", "samples that did not converge"  # no factor has a name of two words
AT_ONCE = 2**22  # numbers of what stands in the batch's place, 16 MiB of float32: what is made of them is some times as much


@dataclass(frozen=True)
class View:
    """The model as a phase sees it: its own weights and options, the same parameters."""

    model: Model
    program: Program
    inferences: Mapping[str, Inference]

    @property
    def graph(self) -> Graph:
        return self.program.graph

    @cached_property
    def predictions(self) -> Mapping[str, Id]:
        """Factors that compare a latent variable with what is predicted of it."""
        return predictions(self.graph)

    @cached_property
    def numbers(self) -> tuple[str, ...]:
        """Addresses of the numbers that losses learn themselves."""
        return numbers_owned(self.model.graph)

    def observed(self, domain: str, factors: tuple[str, ...], procedures: tuple[str, ...]) -> tuple[Id, ...]:
        """The observed variables of a domain on which the energy of some factors depends, as procedures infer the others."""
        asked = (domain, factors, procedures)
        if asked not in self._observed:
            self._observed[asked] = tuple(each.id for each in argued(self.graph, factors, procedures) if each.domain == domain)
        return self._observed[asked]

    @cached_property
    def _observed(self) -> dict[tuple[str, tuple[str, ...], tuple[str, ...]], tuple[Id, ...]]:
        return {}

    def told(self, procedures: tuple[str, ...], factors: tuple[str, ...], given: frozenset[Id]) -> tuple[Id, ...]:
        """The values that follow from what is given, and that both procedures and the energy of some factors read."""
        asked = (procedures, factors, given)
        if asked not in self._told:
            graph = self.graph
            read = frozenset[Id]().union(*(self.inferences[key].read for key in procedures))
            energy = graph.leading_to(each for key in factors for each in graph.factors[key].arguments)
            free = frozenset(key for key, each in graph.variables.items() if each.definition is None)
            common = (key for key in graph.values if key in read & energy and key not in given and varies(graph, key))
            self._told[asked] = tuple(key for key in common if not graph.depends(key, free - given))
        return self._told[asked]

    @cached_property
    def _told(self) -> dict[tuple[tuple[str, ...], tuple[str, ...], frozenset[Id]], tuple[Id, ...]]:
        return {}


@dataclass
class Batch:
    """What losses read. Codes are inferred once a step, however many losses ask; what the batch alone tells is evaluated once."""

    view: View
    given: Mapping[Id, Tensor]
    procedures: tuple[str, ...]
    learning: Learning | None = None
    factors: tuple[str, ...] = ()
    reads: Mapping[str, tuple[Id, ...]] = field(default_factory=dict)  # values of the loss's own expressions, by its fields
    own: Mapping[str, Tensor] = field(default_factory=dict)  # the loss's own parameters
    shares: dict[str, Tensor] = field(default_factory=dict)
    found: dict[str, Found] = field(default_factory=dict)
    present: Mapping[str, Tensor] = field(default_factory=dict)  # of each variable that rows lack, which have it: (batch,)
    told: dict[Id, Tensor] = field(default_factory=dict)  # what the batch alone tells both procedures and the energy

    def inferred(self) -> dict[Id, Tensor]:
        """The batch with its latent variables, as the phase's procedures infer them."""
        missing = tuple(name for name in self.procedures if name not in self.found)
        before = {key: each for name in self.procedures if name in self.found for key, each in self.found[name].values.items()}
        self._run(missing, before)
        codes = {key: each for name in self.procedures for key, each in self.found[name].values.items()}
        return {**self.given, **codes}

    def codes(self, procedure: str) -> Mapping[Id, Tensor]:
        """The variables that one procedure infers, (batch, *shape) each; at every slot, if it has an index."""
        return {variable: code for each in self.codes_by_slot(procedure) for variable, code in each.items()}

    def codes_by_slot(self, procedure: str) -> list[Mapping[Id, Tensor]]:
        """The same for each slot of the procedure by itself: several may infer one variable."""
        keys = standing_for(procedure, self.view.inferences)
        missing = tuple(key for key in keys if key not in self.found)
        self._run(missing, {})
        return [self.found[key].values for key in keys]

    def _run(self, procedures: tuple[str, ...], before: Mapping[Id, Tensor]) -> None:
        """Run procedures that have not run. What they read and the energy reads too is evaluated here, with its gradients: in a
        search it rests."""
        told = self.view.told(procedures, self.factors, frozenset(self.given)) if torch.is_grad_enabled() else ()
        if missing := [key for key in told if key not in self.told]:
            given = {**self.given, **self.told}
            known = self.view.program.values(missing, given, self.view.model.tensors(), self.learning)
            self.told.update({key: known[key] for key in missing})
        given = {**self.given, **self.told, **before}
        self.found.update(self.view.model.run(procedures, given, self.view.inferences, self.learning))

    def energy(self, known: Mapping[Id, Tensor], sums: Sequence[Summed] = ()) -> Tensor:
        """(batch,): the sum of the visible factors' shares, which are kept for the log. Its mean is what counts where rows lack
        a variable: a factor that touches it averages over the others. ``sums``: what was summed out."""
        learning, own = self.learning_of(known), known if self._others(known) else {**known, **self.told}
        shares = free_shares(self.view.program, self.factors, own, self.view.model.tensors(), sums, learning)
        self.shares = counted(self.view.graph, shares, self.present, learning=True)
        return reduce(torch.add, self.shares.values()) if self.shares else self.zero().expand(self.size)

    def free_energy(self) -> Tensor:
        """(batch,): F, the energy with the latent variables removed as the phase's procedures say."""
        known = self.inferred()
        return self.energy(known, [each.summed for key in self.procedures if (each := self.found[key]).summed is not None])

    def potential(self) -> Tensor:
        """(batch,): beta F, minus the logarithm of how likely a row is, but for a constant: at the temperature at which the
        phase's procedures sum; where none sums, beta is 1."""
        sums = (self.view.inferences[key].sum for key in self.procedures)
        return next((each.beta for each in sums if each is not None), 1.0) * self.free_energy()

    def log_partition(self, procedure: str) -> Tensor:
        """(batch,), or (1,) where no sample changes it: minus the free energy that is left where a procedure sums all out.

        Over the inverse temperature: it is in the units of the energy.
        """
        (key,) = standing_for(procedure, self.view.inferences)
        total = self.view.inferences[key].sum
        assert total is not None, "the planner lets a loss name only what sums"
        return -total(self.given, self.view.model.in_use(), self.learning).free

    def at(self, others: Mapping[Id, Tensor]) -> Batch:
        """The same step with other tensors, (batch, *shape) each, in the place of some of the batch's: latent variables are
        inferred anew. Its shares are its own: the log tells of the data.

        Of (several * batch, *shape) the first ``batch`` rows belong with the batch's others, and so do the next, and so on.
        """
        several = len(next(iter(others.values()))) // self.size
        beside = {key: each for key, each in self.given.items() if key not in others}
        given = {**(beside if several == 1 else {key: _tiled(each, several) for key, each in beside.items()}), **others}
        learning = None if self.learning is None else self.learning.beside(others)
        return replace(self, given=given, learning=learning, shares={}, found={}, told={})

    def far(self, others: Mapping[Id, Tensor]) -> Tensor:
        """(several * batch,): the potential at other tensors, as :meth:`at` takes them. Where they are many it is evaluated in
        pieces, each of which is evaluated once more on the way back, so that memory holds one of them."""
        numbers = sum(each.numel() for each in others.values())
        if numbers <= AT_ONCE:
            return self.at(others).potential()
        several = len(next(iter(others.values()))) // self.size
        rows = max(1, several * AT_ONCE // numbers) * self.size
        pieces = zip(*(torch.split(each, rows) for each in others.values()), strict=True)
        found = (self.at(dict(zip(others, each, strict=True))) for each in pieces)
        return torch.cat([checkpoint(_again, each, use_reentrant=False, preserve_rng_state=False) for each in found])

    def observed(self, domain: str) -> tuple[Id, ...]:
        """The observed variables of a domain that the energy is a function of."""
        return self.view.observed(domain, self.factors, self.procedures)

    def standing(self, stand_in: str) -> dict[Id, Tensor]:
        """What a stand-in is at each of its slots, by the variable in whose place it stands. Gradients reach what made it."""
        slots = self.stood_for(stand_in)
        known = self.values(tuple(each.id for each in slots.values()), self.inferred())
        return {key: known[each.id] for key, each in slots.items()}

    def by_slot(self, stand_in: str) -> list[Tensor]:
        """(batch,): F as :meth:`free_energy`, at each slot of a stand-in: of its factors, and of those without slots."""
        whole, known, factors = self.free_energy(), self.inferred(), self.view.graph.factors
        sums = [one.summed for key in self.procedures if (one := self.found[key]).summed is not None]
        found = []
        for each in self.view.graph.slots_of(stand_in):
            beside = tuple(key for key in self.factors if agree(factors[key].slots, each.slots))
            own = [summed for summed in sums if summed.sum.touched & {*beside}]
            if beside == self.factors:
                found.append(whole)
            elif own:  # the way back goes through the entropy: that of these sums alone
                found.append(replace(self, factors=beside, shares={}).energy(known, own))
            else:
                found.append(sum((self.shares[key] for key in beside), self.zero().expand(self.size)))
        return found

    def read(self, field: str) -> list[Tensor]:
        """(batch, *shape): what an expression of the loss is, at each of its slots."""
        known = self.values(self.reads[field], self.inferred())
        return [known[each] for each in self.reads[field]]

    def normal(self, like: Tensor, purpose: str) -> Tensor:
        """Standard normal numbers of this step, of the shape of a tensor. They are drawn on the CPU: all devices see the same."""
        return torch.randn(like.shape, generator=self._random(purpose)).to(like)

    def noise(self, variable: str, several: int) -> dict[Id, Tensor]:
        """(several * batch, *shape): noise anew, at each slot of a noise variable, by the variable in whose place it stands."""
        rows, like = several * self.size, self.zero()
        drawn = ((key, draw(each, rows, self._random(each.id))) for key, each in self.stood_for(variable).items())
        return {key: each.to(like) for key, each in drawn}

    def log_density(self, variable: str, values: Mapping[Id, Tensor]) -> Tensor:
        """(rows,): how likely values, (rows, *shape) each, are as noise."""
        return sum((log_density(each, values[key]) for key, each in self.stood_for(variable).items()), self.zero())

    def stood_for(self, stand_in: str) -> dict[Id, Variable]:
        """Each slot of a stand-in by the variable in whose place it stands."""
        return {each.stands_for: each for each in self.view.graph.slots_of(stand_in) if each.stands_for is not None}

    def _random(self, purpose: str) -> torch.Generator:
        step = self.learning.purpose if self.learning is not None else ()
        return torch_generator(self.view.graph.spec.seed, "loss", *step, purpose)

    def slopes(self, field: str) -> list[Tensor]:
        """(batch,): the squared norm of its derivative by what is observed, at each of its slots."""
        known, tensors = self.inferred(), self.view.model.tensors()
        return [squared_slope(self.view.program, each, known, tensors, self.learning) for each in self.reads[field]]

    def made_by(self, field: str) -> list[tuple[Function, Tensor, Parameters]]:
        """The function of which it is a result, with what that is applied to and its parameters, at each of its slots."""
        graph, tensors = self.view.graph, self.view.model.tensors()
        made = [graph.values[unnamed(graph, each)] for each in self.reads[field]]
        known = self.values(tuple(each.arguments[0] for each in made), self.inferred())
        applied = [(each.function, known[each.arguments[0]]) for each in made if isinstance(each, Application)]
        return [(graph.functions[key].leaf, inputs, tensors.get(f"functions.{key}", {})) for key, inputs in applied]

    def values(self, wanted: tuple[Id, ...], known: Mapping[Id, Tensor]) -> dict[Id, Tensor]:
        """Values of the graph, from those of its variables, as the energy sees them."""
        found = self.view.program.values(wanted, known, self.view.model.tensors(), self.learning_of(known))
        return {key: found[key] for key in wanted}

    def learning_of(self, known: Mapping[Id, Tensor]) -> Learning | None:
        """How functions learn where ``known`` stands: other tensors than the batch's have random numbers of their own."""
        others = self._others(known)
        return self.learning.beside(others) if self.learning is not None and others else self.learning

    def _others(self, known: Mapping[Id, Tensor]) -> dict[Id, Tensor]:
        return {key: known[key] for key, each in self.given.items() if key in known and known[key] is not each}

    def zero(self) -> Tensor:
        return next(iter(self.given.values())).new_zeros(())

    @property
    def size(self) -> int:
        return int(next(iter(self.given.values())).shape[0])


@dataclass(frozen=True)
class Outcome:
    """A step's loss, and its numbers for the log by name, still on the device: what the step did not measure is not there."""

    loss: Tensor
    numbers: Mapping[str, Tensor]
    batch: Batch
    sums: tuple[Tensor, ...] = ()  # what a side adds up that needs no gradient
    counts: Mapping[Id, Tensor] = field(default_factory=dict)  # how often units of a variable are on, where no code was made


def evaluate(
    stretch: Stretch,
    side: Side,
    given: Mapping[Id, Tensor],
    learning: Learning | None = None,
    present: Mapping[str, Tensor] | None = None,
    found: Mapping[str, Found] | None = None,
) -> Outcome:
    """The loss of a side of a phase on a batch, and what the log says of it.

    ``found``: what procedures are known to find for the batch; they are not run.
    """
    batch = Batch(stretch.view, given, stretch.procedures, learning, found=dict(found or {}), present=present or {})
    return side.outcome(stretch, batch)


def outcome(stretch: Stretch, side: Side, batch: Batch) -> Outcome:
    """The same by the losses, with gradients to all that they see."""
    terms: list[Tensor] = []
    shares: dict[str, Tensor] = {}
    for _, leaf, weight in _losses(batch, stretch, side):
        value = leaf.value(batch)
        terms.append(value if weight == 1 else weight * value)
        shares.update(batch.shares)
    loss = reduce(torch.add, terms) if terms else batch.zero()
    with torch.no_grad():
        seen = {key: shares[key].mean() for key in (*stretch.view.graph.factors, ENTROPY) if key in shares}
        return Outcome(loss, noted(batch, {LOSS: loss.detach(), **seen, **_searched(batch)}), batch)


def noted(batch: Batch, numbers: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A step's numbers for the log, in the precision of its loss, with the weights as they are now: they go on learning."""
    weights = {key: each.clone() for key, each in _weights(batch).items()}
    return {key: each.to(numbers[LOSS].dtype) for key, each in {**numbers, **weights}.items()}


def prepare(stretch: Stretch, side: Side, given: Mapping[Id, Tensor]) -> None:
    """Give the losses of a side their own parameters as a phase begins, from some rows of its data."""
    model = stretch.view.model
    learning = Learning(model.spec.seed, (stretch.id, "begin", side.plan.player), ())
    batch = Batch(stretch.view, given, stretch.procedures, learning)
    with torch.no_grad():
        for owner, leaf, _ in _losses(batch, stretch, side):
            if leaf.parameters():
                model.keep({owner: leaf.begin(batch)})


def _losses(batch: Batch, stretch: Stretch, side: Side) -> Iterator[tuple[str, LossLeaf, float]]:
    """The losses of a side, with the owner of what is their own and with their weights; the batch as each of them sees it."""
    graph, phase, player = stretch.view.graph, stretch.phase, side.plan.player
    tensors = stretch.view.model.tensors()
    for name, term in side.player.loss.items():
        assert isinstance(term.loss, LossLeaf), "the losses' folder holds losses"
        owner = owned_by(stretch.id, phase, player, name)
        batch.factors = loss_factors(graph, phase, term)
        batch.reads = read_by(graph, stretch.id, phase, player, name)
        batch.own = tensors.get(owner, {})
        yield owner, term.loss, term.weight


def numbers_owned(graph: Graph) -> tuple[str, ...]:
    """Addresses of the numbers that losses learn themselves, in all phases."""
    return tuple(f"{owner}.{name}" for owner, own in owned(graph.spec).items() for name, each in own.items() if not each.shape)


def shares_of(named: Mapping[str, float], graph: Graph) -> dict[str, float]:
    """Of a step's numbers, each factor's share of the energy, and that of an entropy where something was summed out."""
    return {key: named[key] for key in (*graph.factors, ENTROPY) if key in named}


def _again(batch: Batch) -> Tensor:
    """A batch's potential, as if nothing of it had been inferred yet."""
    return replace(batch, shares={}, found={}, told={}).potential()


def _tiled(each: Tensor, several: int) -> Tensor:
    """(batch, *shape) -> (several * batch, *shape)"""
    return each.expand(several, *each.shape).reshape(several * each.shape[0], *each.shape[1:])


def _weights(batch: Batch) -> dict[str, Tensor]:
    """The weights that are tuned, as they are, a phase may put a number in their place; and the numbers that losses learn."""
    view, tensors = batch.view, batch.view.model.tensors()
    tuned = {f"factors.{key}.{WEIGHT}": batch.zero() + view.program.weight(key, tensors) for key in view.model.graph.tuned}
    return tuned | {each: tensors[owner_of(each)][each.rsplit(".", 1)[1]] for each in view.numbers}


def _searched(batch: Batch) -> dict[str, Tensor]:
    """The share of active units in the inferred codes, and of samples that did not converge."""
    codes = [each for found in batch.found.values() for each in found.values.values() if found.summed is None]
    status = [found.status for found in batch.found.values() if found.status is not None]
    active = {ACTIVE: _share_of(codes)} if codes else {}
    late = {LATE: _share_of([each != CONVERGED for each in status])} if status else {}
    return active | late


def _share_of(found: list[Tensor]) -> Tensor:
    """The share of what is not 0, (), in tensors together."""
    return reduce(torch.add, map(torch.count_nonzero, found)) / sum(each.numel() for each in found)
