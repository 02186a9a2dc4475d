"""What a model makes of points that are no samples: far from the data, beside them, and how values move on the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from factorgraph.compile.phases import loss_factors, phases
from factorgraph.compile.shaping import agree
from factorgraph.compile.slope import moved_by_data, squared_slope
from factorgraph.errors import RunError, issue
from factorgraph.lazy import np, torch
from factorgraph.losses._loss import LossLeaf
from factorgraph.run.batches import as_tensor
from factorgraph.run.sourced import from_source
from factorgraph.spec.references import standing_for

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.compile.model import Model
    from factorgraph.data.chain import Chain
    from factorgraph.graph.model import Graph, Variable
    from factorgraph.run.solved import Solved

BACKGROUND_ROWS = 4000  # the standard error of an AUC of 0.9 is then below 0.01
OFF = 0.15  # how far points are moved off the data


class Around:
    """The part of :class:`~factorgraph.run.measured.Measured` that looks where no samples are."""

    model: Model
    _background: dict[str, Solved]

    if TYPE_CHECKING:

        @property
        def graph(self) -> Graph: ...
        @property
        def given(self) -> Mapping[str, np.ndarray]: ...
        def solved(self, procedure: str | None) -> Solved: ...
        def inferred(self, procedure: str | None, given: Mapping[str, np.ndarray]) -> Solved: ...
        def evaluated(self, id: str, solved: Solved) -> Tensor: ...
        def _name(self, procedure: str | None) -> str: ...
        def _givens(self, solved: Solved) -> Iterator[dict[str, Tensor]]: ...
        def _chain_of(self, variable: Variable) -> Chain | None: ...

    def background(self, procedure: str | None = None) -> Solved:
        """What a procedure infers for points far from the data, as the source makes them."""
        name = self._name(procedure)
        if name not in self._background:
            self._background[name] = self.inferred(name, self._background_rows())
        return self._background[name]

    def _background_rows(self) -> Mapping[str, np.ndarray]:
        points = from_source(self.graph, "background", BACKGROUND_ROWS, self.graph.spec.seed)
        variable = self.sole()
        chain = self._chain_of(variable)
        prepared = points if chain is None else chain.apply(points)[0]
        return {variable.name: prepared.reshape(len(prepared), *variable.shape)}

    def sole(self) -> Variable:
        """The observed variable whose samples lie on the source's curve: the only one. Raises RunError FG634."""
        observed = self.graph.of_kind("observed")
        if len(observed) != 1:
            names = ", ".join(each.id for each in observed) or "none"
            text = f"what is off the data is asked of a model with one observed variable, and this one has {names}"
            raise RunError(issue("FG634", text, ("variables",), fix="ask this of a spec that observes the points alone"))
        return observed[0]

    def distances(self, points: Tensor) -> Tensor:
        """How far points, (rows, 2), are from the source's curve: (rows,). Raises RunError FG634."""
        return as_tensor(from_source(self.graph, "distance", self._as_made(points)))

    def places(self, points: Tensor) -> Tensor:
        """Where along the source's curve points, (rows, 2), are nearest to it, 0 to 1 by its length: (rows,). FG634."""
        return as_tensor(from_source(self.graph, "place", self._as_made(points)))

    def _as_made(self, points: Tensor) -> np.ndarray:
        """Points where the source makes them, which are those of the model where nothing is prepared."""
        blocks = self.graph.spec.data.blocks.values() if self.graph.spec.data is not None else ()
        if any(each.prepare for each in blocks):
            text = "prepared data are no longer where their source has made them, and it knows no distance to them"
            raise RunError(issue("FG634", text, ("data", "prepare"), fix="leave prepare out"))
        flat = points.double().reshape(len(points), -1)
        if flat.shape[1] != 2:
            text = f"a curve lies in a plane, and these samples have {flat.shape[1]} numbers each"
            raise RunError(issue("FG634", text, fix="ask for a value of two numbers, as the points of the data"))
        return flat.numpy()

    def beside(self) -> Tensor:
        """The held-out samples of the only observed variable, each moved ``OFF`` in a direction of its own: (rows, *shape)."""
        variable = self.sole()
        samples = torch.as_tensor(self.given[variable.name])
        random = torch.Generator().manual_seed(self.graph.spec.seed)
        aside = torch.randn(samples.shape, generator=random, dtype=samples.dtype).flatten(1)
        return samples + OFF * torch.nn.functional.normalize(aside, dim=1).reshape(samples.shape)

    def moved(self, value: str, points: Tensor) -> Tensor:
        """What a value is where the only observed variable has other points: (rows, *shape) -> (rows, *shape)."""
        variable = self.sole()
        found = self.evaluated(value, self.inferred(None, {variable.name: points.numpy()}))
        if found.numel() != points.numel():
            text = f"{value!r} has {found[:1].numel()} numbers a sample, and takes the place of {points[:1].numel()}"
            raise RunError(issue("FG635", text, fix=f"ask for a value of the shape of {variable.name}"))
        return found.reshape(points.shape)

    def judged(self, phase: str) -> list[tuple[LossLeaf, Tensor, Tensor]]:
        """The losses of a phase that tell data from what stands in for them, with the energies of each held-out sample and of
        one made for it, both as the loss sees them: (rows,) each, at each slot of the stand-in."""
        graph, solved, found = self.graph, self.solved(None), []
        named = {key: declared for key, _, declared in phases(graph.spec)}
        for declared in (named[key] for key in standing_for(phase, named)):
            for term in (each for side in declared.sides().values() for each in side.loss.values()):
                loss = term.loss
                assert isinstance(loss, LossLeaf), "the losses' folder holds losses"
                if "stand_in" not in loss.needs() or loss.moves_stand_ins:
                    continue
                factors = loss_factors(graph, declared, term)
                slots = [each for name in loss.stand_ins() for each in graph.slots_of(name)]
                made = {str(each.stands_for): self.evaluated(each.id, solved).numpy() for each in slots}
                replaced = {graph.variables[key].name for key in made}
                beside = {key: each for key, each in self.given.items() if key not in replaced}
                fake = self.inferred(None, {**beside, **made})
                for each in slots:
                    seen = [key for key in solved.shares if key not in graph.factors]  # the entropy of what was summed out
                    seen += [key for key in factors if key in solved.shares and agree(graph.factors[key].slots, each.slots)]
                    real, other = (sum((one.shares[key] for key in seen), torch.zeros(1)) for one in (solved, fake))
                    found.append((loss, real, other))
        return found

    def slopes(self, value: str) -> Tensor:
        """The squared norm of the derivative of a value by what is observed, at each row of the split: (rows,)."""
        if not moved_by_data(self.graph, value):
            text = f"{value!r} does not move with the data"
            raise RunError(issue("FG630", text, fix="ask for a value that is computed from what is observed"))
        program, tensors = self.model.program, self.model.tensors()
        given = (self.model.assign(each) for each in self._givens(self.solved(None)))
        return torch.cat([squared_slope(program, value, each, tensors).detach().cpu() for each in given])
