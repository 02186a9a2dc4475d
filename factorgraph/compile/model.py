"""The compiled model: an ordinary module that owns the parameters of a graph and evaluates it."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterator, Mapping
from copy import copy
from functools import reduce
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from factorgraph.compile.freed import TAKEN, constrain
from factorgraph.compile.later import predicted
from factorgraph.compile.naming import in_order, leading_to
from factorgraph.compile.noise import draw
from factorgraph.compile.phases import declared
from factorgraph.compile.plan import Plan
from factorgraph.compile.procedures import Found, Inference, Procedure, worst
from factorgraph.compile.program import MissingError, Program, Tensors, shaped
from factorgraph.compile.solution import Solution
from factorgraph.compile.summed import Summed
from factorgraph.compile.summed import shares as free_shares
from factorgraph.errors import RunError, issue
from factorgraph.graph.model import Graph, Id, Variable
from factorgraph.inference.problem import NOT_FINITE
from factorgraph.inference.rows import readable
from factorgraph.inference.solvers._kinds import Iterative
from factorgraph.notebook import heading, table
from factorgraph.spec.references import standing_for
from factorgraph.structure import Parameters

if TYPE_CHECKING:
    from factorgraph.compile.learning import Learning
    from factorgraph.compile.tiled import Tiling
    from factorgraph.spec.schema import Spec


class Node(nn.Module):
    """A place in the tree of parameters. Children may carry any name that the language allows, ``half`` or ``train`` included."""

    def child(self, name: str) -> Node:
        if name not in self._modules:
            self._modules[name] = Node()
        found = self._modules[name]
        assert isinstance(found, Node), "only nodes are put into the tree"
        return found

    def put(self, name: str, value: Tensor, kept: bool = False) -> None:
        """``kept``: a buffer, which no optimizer sees."""
        if kept:
            self._buffers[name] = value
        else:
            self._parameters[name] = nn.Parameter(value)

    def tensors(self) -> dict[str, Tensor]:
        return {name: each for name, each in (*self._parameters.items(), *self._buffers.items()) if each is not None}


def parts_of(owner: str) -> list[str]:
    """``functions.decoder[1].activation`` as the places of a tree: functions, decoder, 1, activation."""
    return owner.replace("[", ".").replace("]", "").replace(",", ".").split(".")


class Model(nn.Module):
    """A graph with parameters. ``parameters`` are named by their addresses: ``functions.decoder.matrix``.

    Calling it infers with the first procedure. Variables are keyword arguments, (batch, *shape); one with slots is
    (batch, slots, *shape).
    """

    def __init__(self, graph: Graph, plan: Plan, inferences: Mapping[str, Inference], start: Mapping[str, Mapping[str, Tensor]]):
        super().__init__()
        self.graph = graph
        self.plan = plan
        self.program = Program(graph)
        self.inferences = dict(inferences)
        for top in ("functions", "factors", "inference", "learning"):
            self._modules[top] = Node()
        self.taken: set[str] = set()  # owners of solvers' matrices that are parameters of their own; others follow the solver
        for owner, tensors in start.items():
            for name, value in tensors.items():
                self._node(owner).put(name, value, declared(graph, f"{owner}.{name}").kept)
        self.nodes = {owner: self._node(owner) for owner in start}
        self.register_load_state_dict_post_hook(lambda model, _: model.recall())  # type: ignore[no-untyped-call]  # torch's
        self.recall()

    @property
    def spec(self) -> Spec:
        return self.graph.spec

    def __deepcopy__(self, memo: dict[int, Any]) -> Model:
        start = {owner: {name: each.detach().clone() for name, each in found.items()} for owner, found in self.tensors().items()}
        other = Model(self.graph, self.plan, self.inferences, start)
        other.taken = set(self.taken)
        other.train(self.training)
        for (_, mine), (_, theirs) in zip(self.named_parameters(), other.named_parameters(), strict=True):
            theirs.requires_grad_(mine.requires_grad)
        memo[id(self)] = other
        return other

    def tensors(self) -> Tensors:
        """Parameters by owner and local name."""
        return {owner: node.tensors() for owner, node in self.nodes.items()}

    def in_use(self) -> Tensors:
        """The same without the matrices that follow their solver."""
        return {owner: each for owner, each in self.tensors().items() if TAKEN not in each or owner in self.taken}

    def recall(self) -> None:
        """Learn from the parameters which matrices are their own: after they were read from somewhere."""
        taken = {owner: each[TAKEN] for owner, each in self.tensors().items() if TAKEN in each}
        self.taken = {owner for owner, each in taken.items() if readable(each) and bool(each)}

    def take(self, procedure: str, inferences: Mapping[str, Inference] | None = None) -> None:
        """Make a solver's matrices, as they are now, parameters of their own, and keep them on their constraints from now on."""
        owner = f"inference.{procedure}"
        inference = (inferences or self.inferences)[procedure]
        assert inference.network is not None, "only what is unrolled has matrices"
        tensors = self.tensors()[owner]
        values = inference.network.own(tensors, next(iter(self.parameters())), self.in_use())
        self.keep({owner: {**{name: each for name, each in values.items() if name in tensors}, TAKEN: torch.ones(())}})
        self.taken.add(owner)
        self.project(inferences=inferences, owners={owner})

    def project(
        self,
        graph: Graph | None = None,
        inferences: Mapping[str, Inference] | None = None,
        owners: Container[str] | None = None,
    ) -> None:
        """Put every parameter back on its constraints, in place, or on those that hold for a phase's time.

        ``owners``: whose parameters have moved; those of others stay as they are to the bit.
        """
        tensors = self.tensors()
        for key, node in (graph or self.graph).functions.items():
            if node.parameters and (owners is None or f"functions.{key}" in owners):
                node.leaf.project(tensors[f"functions.{key}"])
        for key, inference in (inferences or self.inferences).items():
            if (owner := f"inference.{key}") in self.taken and (owners is None or owner in owners):
                constrain(inference.method, tensors[owner])

    def keep(self, values: Mapping[str, Parameters]) -> None:
        """Write new values of kept parameters, by owner, in place."""
        with torch.no_grad():
            for owner, found in values.items():
                tensors = self._node(owner).tensors()
                for name, value in found.items():
                    tensors[name].copy_(value)

    def _repr_html_(self) -> str:
        rows = [[name, "×".join(map(str, each.shape)) or "1", f"{each.numel():,}"] for name, each in self.named_parameters()]
        total = f"{sum(each.numel() for each in self.parameters()):,} parameters"
        ways = (f"{key}: {(each.solver or {}).get('type', each.method)}" for key, each in self.plan.procedures.items())
        return heading(self.spec.title or self.spec.name, total, *ways) + table(("parameter", "shape", "numbers"), rows)

    def energy(self, **values: Tensor) -> Tensor:
        """The energy of a batch, (batch,); differentiable in every argument. Every free variable that it needs must be given."""
        given = self.assign(values)
        shares = self._evaluated(given)
        return _total(shares, given)

    def evaluate(self, wanted: tuple[Id, ...], **values: Tensor) -> dict[Id, Tensor]:
        """The tensors of values of the graph, by id, from those of its variables."""
        given = self.assign(values)
        try:
            known = self.program.values(wanted, given, self.tensors())
        except MissingError as missing:
            raise self._not_given(missing) from None
        return {key: known[key] for key in wanted}

    def forward(self, **values: Tensor) -> Solution:
        return self.infer(None, **values)

    def infer(self, procedure: str | None = None, **values: Tensor) -> Solution:
        """The latent variables that were not given, by a named procedure; others by the first that infers them."""
        given = self.with_noise(self.assign(values))
        return self._solution(procedure, given, given)

    def predict(self, procedure: str | None = None, **values: Tensor) -> Solution:
        """The same as held-out samples are measured: what is given in training only counts in the energy, and is not seen."""
        return self.measured(procedure, values)

    def measured(self, procedure: str | None, values: Mapping[str, Tensor], needed: Collection[Id] | None = None) -> Solution:
        """The same; with ``needed`` only these latents are inferred, the procedure's own, and what is waited for."""
        given = self.with_noise(self.assign(values))
        seen = {key: each for key, each in given.items() if key not in predicted(self.graph)}
        return self._solution(procedure, seen, given, needed)

    def _solution(
        self, procedure: str | None, seen: Mapping[Id, Tensor], given: Mapping[Id, Tensor], needed: Collection[Id] | None = None
    ) -> Solution:
        """What procedures infer from what is seen, and the energy of that with all that is given."""
        names = self.sequence(procedure, given, needed)
        found = self.run(names, seen, self.inferences)
        known = {**given, **{key: each for one in found.values() for key, each in one.values.items()}}
        first = (names if procedure is None else standing_for(procedure, names))[:1]
        factors = None if needed is None else tuple(each for each in self.visible(known) if self._counts(each, known))
        return self.conclude("".join(first), known, found.values(), factors)

    def conclude(
        self, procedure: str, known: Mapping[Id, Tensor], found: Collection[Found], factors: tuple[str, ...] | None = None
    ) -> Solution:
        """What is known once all is inferred, with its energy. ``factors``: those that count; all that can be evaluated."""
        shares, ended = self._evaluated(known, factors, found), worst(found)
        like = next(iter(known.values()))
        size = len(like)
        derived = tuple(each.id for each in self.graph.of_kind("derived") if self.computable(each.id, known))
        variables = {
            key: each for key, each in self.program.values(derived, known, self.tensors()).items() if key in self.graph.variables
        }
        status = ended.status if ended.status is not None else torch.zeros(size, dtype=torch.int64, device=like.device)
        energy = _total(shares, known)
        return Solution(
            procedure=procedure,
            variables=variables,
            energy=energy,
            shares=shares,
            status=status.masked_fill((energy - energy) != 0, NOT_FINITE),  # it is 0 unless the energy is not finite
            steps=ended.steps if ended.steps is not None else torch.zeros(size, dtype=torch.int64, device=like.device),
            certificate=ended.certificate if ended.certificate is not None else like.new_full((size,), float("nan")),
        )

    def run(
        self,
        names: tuple[str, ...],
        given: Mapping[Id, Tensor],
        inferences: Mapping[str, Inference],
        learning: Learning | None = None,
    ) -> dict[str, Found]:
        """What each procedure finds, each one seeing what those before it found. ``learning``: the step that it is part of."""
        known, tensors = dict(given), self.in_use()
        found: dict[str, Found] = {}
        for name in names:
            try:
                found[name] = inferences[name](known, tensors, learning)
            except MissingError as missing:
                raise self._not_given(missing) from None
            known.update(found[name].values)
        return found

    def approach(self, procedure: str, **values: Tensor) -> Iterator[dict[Id, Tensor]]:
        """The code after 0, 1, 2, ... steps of a procedure, without end. Raises :class:`RunError` FG620 where it has no steps."""
        inference = self.inferences.get(procedure)
        if inference is None or not isinstance(inference.solver, Iterative):
            stepwise = [key for key, each in self.inferences.items() if isinstance(each.solver, Iterative)]
            what = f'there is no procedure "{procedure}" that goes step by step'
            raise RunError(issue("FG620", what, allowed=", ".join(stepwise) or "none here"))
        given = self.with_noise(self.assign(values))
        return Procedure(inference.knowing(given), given, self.in_use()).approach()

    def summed(self, procedure: str, **values: Tensor) -> Summed:
        """What a procedure that sums leaves: ``free`` is minus the log of its partition function, over its inverse temperature.
        Without values nothing may be read beside what is summed out. Raises :class:`RunError` FG620, FG621."""
        total = self.inferences[procedure].sum if procedure in self.inferences else None
        if total is None:
            sums = ", ".join(key for key, each in self.inferences.items() if each.sum is not None)
            raise RunError(issue("FG620", f'there is no procedure "{procedure}" that sums', allowed=sums or "none here"))
        like = next(self.parameters(), torch.zeros(()))
        try:
            return total(self.assign(values) if values else {"": like.new_zeros(1)}, self.in_use())
        except MissingError as missing:
            raise self._not_given(missing) from None

    def limited(self, procedure: str, steps: int, tolerance: float) -> Model:
        """The same parameters, with another end of a procedure's search."""
        other = copy(self)
        called = {key: self.inferences[key].limited(steps, tolerance) for key in standing_for(procedure, self.inferences)}
        other.inferences = {**self.inferences, **called}
        return other

    def tiled(self, procedure: str, tiling: Tiling) -> Model:
        """The same parameters, with a procedure that searches tile by tile. See :func:`tiled.untileable`."""
        other = copy(self)
        called = {key: self.inferences[key].tiled(tiling) for key in standing_for(procedure, self.inferences)}
        other.inferences = {**self.inferences, **called}
        return other

    def sequence(self, procedure: str | None, given: Collection[Id], needed: Collection[Id] | None = None) -> tuple[str, ...]:
        """The procedures that fill in all latents that are not given, or are needed: the named one, and the first for others."""
        latent = [each.id for each in self.graph.of_kind("latent") if each.id not in given]
        chosen = [] if procedure is None else standing_for(procedure, self.inferences)
        if procedure is not None and not chosen:
            raise RunError(issue("FG620", f'there is no procedure "{procedure}"', allowed=", ".join(self.inferences)))
        covered = {key for name in chosen for key in self.inferences[name].plan.block}
        wanted = [*covered, *(latent if needed is None else needed)]
        for key in sorted(covered & set(given)):
            what = f'"{key}" is given, and the procedure "{procedure}" would infer it'
            raise RunError(issue("FG621", what, fix="leave one out"))
        for key, each in self.inferences.items():
            block = set(each.plan.block)
            if block & set(latent) and not block & covered and block <= set(latent):
                chosen.append(key)
                covered |= block
        blocks = {key: self.inferences[key].plan.block for key in chosen}
        waits = {key: self.inferences[key].waits for key in chosen}
        return tuple(in_order(leading_to(chosen, wanted, blocks, waits), blocks, waits))

    def assign(self, values: Mapping[str, Tensor]) -> dict[Id, Tensor]:
        """Variables by name, as users give them, as values of the graph. Raises :class:`RunError` FG621 where they do not fit."""
        given: dict[Id, Tensor] = {}
        for name, tensor in values.items():
            slots = self.graph.slots_of(name)
            if name in self.graph.variables:
                given[name] = self._fitted(self.graph.variables[name], tensor)
            elif slots:
                for position, each in enumerate(slots):
                    given[each.id] = self._fitted(each, tensor[:, position])
            else:
                raise RunError(issue("FG621", f'the model has no variable "{name}"', allowed=", ".join(self.graph.variables)))
        sizes = {tensor.shape[0] for tensor in given.values()}
        if len(sizes) > 1:
            raise RunError(issue("FG621", f"variables come in batches of different sizes: {', '.join(map(str, sorted(sizes)))}"))
        if not given:
            raise RunError(issue("FG621", "no variable was given", allowed=", ".join(self.graph.variables)))
        return given

    def with_noise(self, given: dict[Id, Tensor], generator: torch.Generator | None = None) -> dict[Id, Tensor]:
        """The same, with noise drawn for the noise variables that were not given: from the spec's seed, unless told otherwise."""
        missing = [each for each in self.graph.of_kind("noise") if each.id not in given]
        if not missing:
            return given
        like = next(iter(given.values()))
        generator = generator or torch.Generator().manual_seed(self.spec.seed)
        drawn = ((each.id, draw(each, like.shape[0], generator)) for each in missing)
        return {**given, **{key: each.to(dtype=like.dtype, device=like.device, non_blocking=True) for key, each in drawn}}

    def visible(self, known: Mapping[Id, Tensor]) -> tuple[str, ...]:
        """The factors that can be evaluated: one that touches a variable predicted later is left out where that is not given."""
        later = predicted(self.graph) - known.keys()
        return tuple(
            key
            for key, factor in self.graph.factors.items()
            if not any(self.graph.depends(each, later) for each in factor.arguments)
        )

    def _evaluated(
        self, known: Mapping[Id, Tensor], factors: tuple[str, ...] | None = None, found: Collection[Found] = ()
    ) -> dict[str, Tensor]:
        factors, sums = self.visible(known) if factors is None else factors, [each.summed for each in found if each.summed]
        try:
            return free_shares(self.program, factors, known, self.tensors(), sums)
        except MissingError as missing:
            raise self._not_given(missing) from None

    def _counts(self, factor: Id, known: Mapping[Id, Tensor]) -> bool:
        return all(self.computable(each, known) for each in self.graph.factors[factor].arguments)

    def computable(self, key: Id, known: Mapping[Id, Tensor]) -> bool:
        """Whether a value of the graph follows from what is known."""
        try:
            self.program.order((key,), frozenset(known))
        except MissingError:
            return False
        return True

    def _fitted(self, variable: Variable, tensor: Tensor) -> Tensor:
        if not isinstance(tensor, torch.Tensor):
            what = f'"{variable.id}" must be a tensor, and is a {type(tensor).__name__}'
            raise RunError(issue("FG621", what, fix="torch.as_tensor makes one"))
        # ``parameters()`` would walk the whole tree
        own = (each for node in self.nodes.values() for each in node._parameters.values() if each is not None)
        wanted = next(own, tensor).dtype
        if tensor.is_floating_point() and tensor.dtype != wanted:
            what = f'"{variable.id}" is {tensor.dtype}, and the model\'s parameters are {wanted}'
            raise RunError(issue("FG621", what, fix="convert one of them: model.double(), or values.float()"))
        shape = tuple(tensor.shape[1:])
        if tensor.dim() == 0 or (shape != variable.shape and torch.Size(shape).numel() != torch.Size(variable.shape).numel()):
            fitting, got = ["batch", *variable.shape], list(tensor.shape)
            raise RunError(
                issue(
                    "FG621",
                    f'"{variable.id}" must have the shape {_listed(fitting)}, and has {_listed(got)}',
                    variable.written.path,
                )
            )
        return shaped(tensor, (tensor.shape[0], *variable.shape))

    def _not_given(self, missing: MissingError) -> RunError:
        key = missing.args[0]
        return RunError(issue("FG621", f'"{key}" is needed and was not given', self.graph.variables[key].written.path))

    def _node(self, owner: str) -> Node:
        top, *rest = parts_of(owner)
        node = self._modules[top]
        assert isinstance(node, Node), "the tree of parameters holds nodes"
        for part in rest:
            node = node.child(part)
        return node


def _total(shares: Mapping[str, Tensor], given: Mapping[Id, Tensor]) -> Tensor:
    like = next(iter(given.values()))
    return reduce(torch.add, shares.values()) if shares else like.new_zeros(len(like))


def _listed(shape: list[Any]) -> str:
    return "[" + ", ".join(str(each) for each in shape) + "]"
