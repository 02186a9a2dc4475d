"""A trained model and held-out data, with what was inferred once kept: what metrics, claims and figures look at."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from factorgraph.compile.lacking import counted, unmeasured
from factorgraph.compile.later import predicted
from factorgraph.compile.plan import runs
from factorgraph.compile.planner import visible
from factorgraph.errors import RunError, issue
from factorgraph.lazy import np, torch
from factorgraph.run.around import Around
from factorgraph.run.batches import as_tensor, batches, seconds, slices
from factorgraph.run.denoised import Denoised, denoised
from factorgraph.run.labels import energies_by_label
from factorgraph.run.layers import below, drawn_on, picture_sides
from factorgraph.run.matrices import joined, matrices, units_of
from factorgraph.run.posterior import posterior
from factorgraph.run.solved import Solved
from factorgraph.run.sourced import from_source
from factorgraph.spec.references import standing_for

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.compile.model import Model
    from factorgraph.compile.plan import ProcedurePlan
    from factorgraph.data.chain import Chain
    from factorgraph.data.dataset import Dataset
    from factorgraph.graph.model import FactorNode, FunctionNode, Graph, Variable
    from factorgraph.structure import Shape

TIMED_ROWS = 100  # a batch as learning uses them


class Measured(Around):
    """A model, and one split of its data.

    ``only`` and ``without`` name the factors that :meth:`energies` counts; the inference is always the procedure's own.
    """

    def __init__(
        self, model: Model, dataset: Dataset, split: str = "test", only: Sequence[str] = (), without: Sequence[str] = ()
    ) -> None:
        if split not in ("train", "test"):
            raise RunError(issue("FG633", f"there is no split called {split!r}", allowed="train, test"))
        self.model, self.dataset, self.split = model, dataset, split
        self.only, self.without = tuple(only), tuple(without)
        self.by_now: dict[tuple[object, ...], Solved] = {}  # all that was inferred, by what was asked
        self._background: dict[str, Solved] = {}
        if not self.rows:
            raise RunError(issue("FG633", f"the split {split!r} has no rows, nothing can be measured on it", ("data", "test")))

    def seeing(self, only: Sequence[str], without: Sequence[str]) -> Measured:
        """The same model and data, with other factors counted; what was inferred is shared."""
        other = Measured(self.model, self.dataset, self.split, only, without)
        other.by_now, other._background = self.by_now, self._background
        return other

    # --- the split ------------------------------------------------------------------------------------------------------------

    @property
    def graph(self) -> Graph:
        return self.model.graph

    @cached_property
    def given(self) -> Mapping[str, np.ndarray]:
        """The split's observed variables by name: (rows, *shape)."""
        return dict(self.dataset.test if self.split == "test" else self.dataset.train)

    @property
    def seen(self) -> Mapping[str, np.ndarray]:
        """Those of them that are known before anything is predicted: what procedures infer from."""
        later = {self.graph.variables[key].name for key in predicted(self.graph)}
        return {name: each for name, each in self.given.items() if name not in later}

    @property
    def rows(self) -> int:
        return next((len(each) for each in self.given.values()), 0)

    @cached_property
    def _present(self) -> Mapping[str, Tensor]:
        """Of each variable that rows lack, which rows of the split have it: (rows,)."""
        return {name: torch.as_tensor(each) for name, each in self.dataset.present[self.split].items()}

    # --- procedures -----------------------------------------------------------------------------------------------------------

    @property
    def procedures(self) -> tuple[str, ...]:
        """What is run by itself, the default first: the procedures' names; where slots of one infer one variable, each slot."""
        return runs(each.plan for each in self.model.inferences.values() if each.of_latents)

    def plans(self, procedure: str) -> Sequence[ProcedurePlan]:
        """The plans that a name stands for, several where it has slots: what it does where labels are still to be predicted."""
        called = [self.model.inferences[key].plan for key in standing_for(procedure, self.model.inferences)]
        return [each.later or each for each in called]

    def method(self, procedure: str) -> str:
        """How a procedure infers: *argmin*, *amortized*, ...; empty for a model without procedures."""
        declared = self.graph.spec.inference.get(procedure.partition("[")[0])
        return "" if declared is None else str(declared.first.type)

    def solved(self, procedure: str | None, needed: Collection[str] | None = None) -> Solved:
        """What a procedure (the first, if ``None``) infers for the split, with others' latents that are ``needed``: else all."""
        return self.kept(self._name(procedure), self.given, needed=needed)

    def kept(self, name: str, given: Mapping[str, np.ndarray], *about: object, needed: Collection[str] | None = None) -> Solved:
        """What a procedure infers for the split as it is, or changed in a way that ``about`` tells apart. Inferred once."""
        key = (self.model.sequence(name or None, given, needed), *about)
        if key not in self.by_now:
            self.by_now[key] = self._rated(self.inferred(name, given, needed))
        return replace(self.by_now[key], procedure=name, latents=self.latents(name))

    def latents(self, procedure: str) -> tuple[str, ...]:
        """The latents that a procedure infers itself; all, of a model without procedures."""
        every = [each.id for each in self.graph.of_kind("latent")]
        own = {key for each in self.plans(procedure) for key in each.block} if procedure else {*every}
        return tuple(key for key in every if key in own)

    def denoised(self, procedure: str, sigma: float) -> Denoised:
        """Clean values, noisy ones and what a procedure restores of these."""
        return denoised(self, procedure, sigma)

    def posterior(self, partition: str) -> str | None:
        """The procedure that sums out the latent variables, given one that sums everything. Raises RunError FG638."""
        return posterior(self, partition)

    def seconds(self, procedure: str) -> float:
        """The time that a procedure takes for the codes of one batch of at most 100 rows, once; the energy is not evaluated."""
        return seconds(self.model, procedure, self._tensors({key: each[:TIMED_ROWS] for key, each in self.seen.items()}))

    def steps(self, procedure: str) -> int:
        """How many steps a procedure's search takes at most."""
        return max(int(getattr(self.model.inferences[each.id].method, "steps", 1)) for each in self.plans(procedure))

    def after(self, procedure: str, steps: int) -> Solved:
        """What a procedure infers for the split if it ends after so many steps."""
        return Measured(self.model.limited(procedure, steps, 0.0), self.dataset, self.split).solved(procedure)

    def approach(self, procedure: str) -> Iterator[dict[str, Tensor]]:
        """The split's latents, (rows, *shape) by id, after 0, 1, 2, ... steps of a procedure's solver, without end."""
        parts = [self.model.approach(procedure, **self._tensors(batch)) for batch in batches(self.seen)]
        for found in zip(*parts, strict=True):
            yield {key: torch.cat([each[key].detach().cpu() for each in found]) for key in found[0]}

    def _name(self, procedure: str | None) -> str:
        if procedure is not None:
            return procedure
        return self.procedures[0] if self.procedures else ""

    def inferred(self, procedure: str | None, given: Mapping[str, np.ndarray], needed: Collection[str] | None = None) -> Solved:
        """What a procedure infers for other rows: observed variables by name, (rows, *shape)."""
        parts = [self._part(self._name(procedure), batch, needed) for batch in batches(given)]
        first = parts[0]
        return replace(
            first,
            variables={key: torch.cat([part.variables[key] for part in parts]) for key in first.variables},
            energy=torch.cat([part.energy for part in parts]),
            shares={key: torch.cat([part.shares[key] for part in parts]) for key in first.shares},
            status=torch.cat([part.status for part in parts]),
            steps=torch.cat([part.steps for part in parts]),
        )

    def _rated(self, solved: Solved) -> Solved:
        """The split's energies where rows lack variables: a factor that touches one averages over the rows that have it."""
        if not self._present:
            return solved
        shares = counted(self.graph, solved.shares, self._present)
        return replace(solved, shares=shares, energy=torch.stack(list(shares.values())).sum(0))

    def _part(self, procedure: str, batch: Mapping[str, np.ndarray], needed: Collection[str] | None) -> Solved:
        with torch.no_grad():
            solution = self.model.measured(procedure or None, self._tensors(batch), needed)
        known = self.graph.variables
        return Solved(
            procedure,
            {key: each.detach().cpu() for key, each in solution.variables.items() if key in known},
            self.latents(procedure),
            solution.energy.detach().cpu(),
            {key: each.detach().cpu() for key, each in solution.shares.items()},
            solution.status.cpu(),
            solution.steps.cpu(),
        )

    def _tensors(self, arrays: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
        like = next(iter(self.model.parameters()), None)
        device, dtype = (like.device, like.dtype) if like is not None else (None, torch.float32)
        return {key: torch.as_tensor(np.ascontiguousarray(each), dtype=dtype, device=device) for key, each in arrays.items()}

    # --- energies and values --------------------------------------------------------------------------------------------------

    @property
    def touched(self) -> frozenset[str] | None:
        """The latents that the factors that are seen depend on; ``None`` where all are seen."""
        seen = [self.graph.factors[key] for key in visible(self.graph, self.only or None, self.without)]
        behind = self.graph.leading_to(each for node in seen for each in node.arguments)
        return frozenset(behind) if self.only or self.without else None

    def energies(self, solved: Solved) -> Tensor:
        """The energy of each row, of the factors that are seen: (rows,).

        Raises RunError FG636 where none is, FG637 where no row has what one touches.
        """
        if not self.only and not self.without:
            self._check_measured(solved.shares)
            return solved.energy
        seen = [key for key in visible(self.graph, self.only or None, self.without) if key in solved.shares]
        if not seen:
            text = f"an energy of no factors is no figure: only {list(self.only)} and without {list(self.without)} leave none"
            fix = "name factors that the model has; a slot is counted from 0"
            raise RunError(issue("FG636", text, allowed=", ".join(self.graph.factors), fix=fix))
        self._check_measured(seen)
        seen += [key for key in solved.shares if key not in self.graph.factors]  # the entropy of what was summed out
        return torch.stack([solved.shares[key] for key in seen]).sum(0)

    def energies_for(self, procedure: str, solved: Solved) -> Tensor:
        """The energy of each row, of the factors that count for a procedure and that some row has what they touch: (rows,)."""
        seen = {key for each in self.plans(procedure) for key in each.factors if not self.lacking(key)}
        seen |= solved.shares.keys() - self.graph.factors.keys()
        return torch.stack([share for key, share in solved.shares.items() if key in seen] or [solved.energy * 0]).sum(0)

    def factor_values(self, name: str, solved: Solved) -> Tensor:
        """A factor's value without its weight, summed over its slots: (rows,). RunError FG637: no row has what it touches."""
        nodes = [each for each in self.graph.factors.values() if name in (each.name, each.id)]
        if not nodes:
            raise RunError(issue("FG630", f"there is no factor called {name!r}", allowed=", ".join(self.graph.factors)))
        self._check_measured([node.id for node in nodes])
        return torch.stack([self._factor_value(node, solved) for node in nodes]).sum(0)

    def by_label(self, factor: str) -> tuple[Tensor, Tensor]:
        """A factor's value at each value of its label, (rows, values), and the number of the true one, (rows,)."""
        return energies_by_label(self, factor)

    def lacking(self, factor: str) -> frozenset[str]:
        """The variables for which a factor cannot be measured: it touches them, and no row of the split has all of them."""
        return unmeasured(self.graph, factor, self._present)

    def _check_measured(self, factors: Iterable[str]) -> None:
        for key in factors:
            lacked = self.lacking(key)
            if lacked:
                name, what = self.graph.factors[key].name, " and ".join(sorted(lacked))
                side = "held-out" if self.split == "test" else "training"
                fix = f"hold out some with {what}, or measure without: [{name}]"
                raise RunError(issue("FG637", f'the factor "{name}" cannot be measured: no {side} row has {what}', fix=fix))

    def _factor_value(self, node: FactorNode, solved: Solved) -> Tensor:
        share = solved.shares.get(node.id)
        if share is not None and node.weight != 0:
            weight = self.model.program.weight(node.id, self.model.tensors())
            return share / (weight if node.target is None else float(weight))
        parts = []
        for given in self._givens(solved):
            with torch.no_grad():
                known = self.model.evaluate(node.arguments, **given)
                parts.append(self.model.program.energy(node.id, known, self.model.tensors()).detach().cpu())
        return counted(self.graph, {node.id: torch.cat(parts)}, self._present)[node.id]

    def value(self, id: str) -> Tensor:
        """A value of the graph, where the first procedure leaves the latents: (rows, *shape)."""
        return self.evaluated(id, self.solved(None))

    def evaluated(self, id: str, solved: Solved) -> Tensor:
        """A value of the graph for variables that were inferred, or made up: (rows, *shape)."""
        if id in solved.variables:
            return solved.variables[id]
        if id not in self.graph.values:
            text = f"the model does not compute {id!r}"
            raise RunError(issue("FG630", text, fix="ask for a variable, or for an expression that stands in the spec"))
        parts = []
        for given in self._givens(solved):
            with torch.no_grad():
                parts.append(self.model.evaluate((id,), **given)[id].detach().cpu())
        return torch.cat(parts)

    def _givens(self, solved: Solved) -> Iterator[dict[str, Tensor]]:
        """What a row's values are computed from, a bounded number of rows at a time, where the model is."""
        for rows in slices(len(solved.energy)):
            kinds = {key: each.kind for key, each in self.graph.variables.items()}
            yield self._tensors({key: each[rows].numpy() for key, each in solved.variables.items() if kinds[key] != "derived"})

    # --- functions ------------------------------------------------------------------------------------------------------------

    def matrix(self, function: str) -> Tensor:
        """The matrix of a function, (outputs, inputs), or (outputs, inputs, kernel, kernel); with slots the first slot's."""
        return self._matrices(function)[0][1]

    def units(self, function: str) -> Tensor:
        """What each unit of a function writes or reads: a decoder's columns, an encoder's rows: (units, values).

        Of a convolution what each map draws at a place, which is its kernel turned by half a turn, or looks for.
        """
        return joined(function, [units_of(matrix, self.writes(node)).flatten(1) for node, matrix in self._matrices(function)])

    def filters(self, function: str) -> Tensor:
        """The units of a function as pictures, in the space of the prepared data: (units, [channels,] height, width).

        What a function writes into a variable that others draw from is shown as they draw it.
        """
        found = [pictures for node, matrix in self._matrices(function) if (pictures := self._pictures(node, matrix)) is not None]
        if not found:
            values = self.units(function).shape[1]
            text = f"the units of function {function!r} are no pictures: no observed picture has {values} values"
            raise RunError(issue("FG632", text, fix="ask for a function that reads or writes a variable bound to images"))
        return joined(function, found)

    def _pictures(self, node: FunctionNode, matrix: Tensor) -> Tensor | None:
        units, way = units_of(matrix, self.writes(node)), below(self.graph, node)
        for each in way:
            units = drawn_on(units, units_of(self._matrices(each.id)[0][1], writes=True))
        last = way[-1] if way else node
        shape = self._shape_of_size(math.prod(last.result if self.writes(last) else last.given))
        if shape is None or not picture_sides(self, last)[self.writes(last)]:
            return None
        if units.dim() == 4:
            return units if units.shape[1] > 1 else units[:, 0]
        return units.reshape(len(units), *shape)

    def pixels(self, function: str) -> Tensor:
        """The same as they look in the source's own pixels: preparation undone or transposed.

        Undone for what a unit writes, transposed for what it reads. Kernels stay as they are: they have no place in a picture.
        """
        filters = self.filters(function)
        return filters if self.convolves(function) else self._in_source_space(function, filters.flatten(1))

    def units_in_source_space(self, function: str) -> Tensor:
        """What each unit writes or reads, preparation undone: (units, values)."""
        return self._in_source_space(function, self.units(function)).flatten(1)

    def writes(self, node: FunctionNode) -> bool:
        """Whether a function's units write (a decoder's columns) or read (an encoder's rows)."""
        if node.role or below(self.graph, node):
            return node.role != "encoder"
        return picture_sides(self, node) == (False, True)

    def picture_shape(self, function: str) -> Shape | None:
        """The shape of the pictures that a function's units are, or ``None``: those of a slot may be of another size."""
        found = [self._pictures(node, matrix) for node, matrix in self._matrices(function)]
        shapes = {None if each is None else tuple(each.shape[1:]) for each in found}
        return shapes.pop() if len(shapes) == 1 else None

    def convolves(self, function: str) -> bool:
        """Whether the units of a function are kernels, each of which a whole map of units uses."""
        return self.matrix(function).dim() == 4

    def pictured_functions(self) -> tuple[str, ...]:
        """The functions with a matrix whose units are pictures, in the order of the spec; by slot where slots differ in size."""
        nodes = [each for each in self.graph.functions.values() if "matrix" in each.parameters]
        several = {name for name in {each.spelled for each in nodes} if len({m.shape[1:] for _, m in self._matrices(name)}) > 1}
        names = dict.fromkeys(each.id if each.spelled in several else each.spelled for each in nodes)
        return tuple(name for name in names if self.picture_shape(name) is not None)

    def picture_shape_of(self, variable: Variable) -> Shape | None:
        """The shape of the pictures that an observed variable holds, or ``None``: its own, or that of its prepared field."""
        chain = self._chain_of(variable)
        for shape in (variable.shape, chain.prepared_shape if chain is not None else ()):
            if len(shape) in (2, 3) and math.prod(shape) == math.prod(variable.shape):
                return tuple(shape)
        return None

    def unprepared(self, variable: Variable, samples: Tensor) -> Tensor:
        """Prepared samples (rows, values) as differences from a flat picture, (rows, *raw shape): the linear part undone."""
        chain = self._chain_of(variable)
        assert chain is not None, "only pictures of the data are shown unprepared"
        return as_tensor(chain.pixels(samples.numpy()))

    def _chain_of(self, variable: Variable) -> Chain | None:
        preparation = self.dataset.preparation
        return preparation.chain_of(variable.name) if variable.name in preparation.bind else None

    def _in_source_space(self, function: str, flat: Tensor) -> Tensor:
        node, _ = self._matrices(function)[0]
        chains = [self._chain_of(each) for each in self.graph.of_kind("observed") if math.prod(each.shape) == flat.shape[1]]
        chain = next((each for each in chains if each is not None), None)
        if chain is None:
            text = f"function {function!r} neither writes nor reads a variable that is bound to data"
            raise RunError(issue("FG632", text, fix="ask for an encoder or a decoder of the data"))
        show = chain.pixels if self.writes(node) else chain.pixels_of_rows
        return as_tensor(show(flat.numpy()))

    def _matrices(self, function: str) -> list[tuple[FunctionNode, Tensor]]:
        return matrices(self.model, self.graph, function)

    # --- the source -----------------------------------------------------------------------------------------------------------

    def _shape_of_size(self, size: int) -> Shape | None:
        """The shape of the observed picture that has so many values."""
        shapes = [self.picture_shape_of(each) for each in self.graph.of_kind("observed")]
        return next((shape for shape in shapes if shape is not None and math.prod(shape) == size), None)

    def truth(self) -> Tensor:
        """The true atoms of generated data: (atoms, values)."""
        return as_tensor(from_source(self.graph, "truth", self.graph.spec.seed)).T
