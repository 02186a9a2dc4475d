"""What each phase trains, with which procedures: derived from what its losses reach."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from factorgraph.compile.freed import freed, made_of, reads_through
from factorgraph.compile.gradients import moved_by
from factorgraph.compile.naming import awaited, in_order, named_procedures, reads, summed_apart
from factorgraph.compile.plan import PhasePlan, ProcedurePlan
from factorgraph.compile.planner import visible
from factorgraph.errors import Issue, Path, SpecError, issue
from factorgraph.graph.model import Graph, Id
from factorgraph.inference.methods._matrix import Layered
from factorgraph.losses._loss import LossLeaf
from factorgraph.spec.references import standing_for
from factorgraph.structure import Parameter

if TYPE_CHECKING:
    from factorgraph.spec.blocks import LossTerm, Phase, Player
    from factorgraph.spec.schema import Spec


def phases(spec: Spec) -> Iterator[tuple[str, str, Phase]]:
    """Every phase at every slot of its index, in order: (id, name in the spec, phase)."""
    for name, declared in spec.learning.items():
        for slots in declared.every_slot():
            yield name + "".join(f"[{each}]" for each in slots.values()), name, declared.at(slots)


def plan_phases(
    base: Graph,
    base_procedures: Mapping[str, ProcedurePlan],
    graphs: Mapping[str, Graph],
    changed: Mapping[str, Mapping[str, ProcedurePlan]],
) -> tuple[PhasePlan, ...]:
    """The plan of every side of every phase.

    Raises :class:`SpecError` FG404, FG405, FG410, FG448, FG449, FG454 and FG455, all together.

    ``graphs`` and ``changed``: the graph and the procedures of phases that set addresses for their time.
    """
    found: list[PhasePlan] = []
    wrong: list[Issue] = []
    taken: set[str] = set()  # owners of solvers' matrices that are parameters of their own by then
    for key, name, phase in phases(base.spec):
        graph, procedures = graphs.get(key, base), changed.get(key, base_procedures)
        used = sequence(graph, procedures, phase, key)
        wrong += _absent(procedures, key, name, phase)
        wrong += [*summed_apart(graph, procedures, used), *_of_data(graph, procedures, name, phase)]
        wrong += _partitions(graph, procedures, name, phase, used)
        wrong += [
            *_uninferred(graph, procedures, key, name, phase, used),
            *_twice(graph, procedures, name, phase),
            *_early(graph, procedures, used),
        ]
        sides: list[PhasePlan] = []
        for player, side in phase.sides().items():
            plan = _side(graph, procedures, key, phase, player, side, used, taken)
            if not plan.parameters and 0 not in (phase.steps, phase.epochs):
                wrong += _still(graph, name, phase, plan)
            sides.append(plan)
            taken |= {owner_of(each) for each in plan.parameters}
        found += sides
        wrong += _shared(base.spec, name, phase, sides)
    if wrong:
        raise SpecError(list({(each.code, each.path, each.message): each for each in wrong}.values()))
    return tuple(found)


CHANGEABLE = ("factors", "functions", "inference", "variables", "dims")  # what stands in a phase's set


def check_changes(spec: Spec, base: Graph, graphs: Mapping[str, Graph]) -> None:
    """Raise :class:`SpecError` FG408 where a phase's ``set`` changes what a phase cannot: data, learning, sizes of parameters."""
    wrong: list[Issue] = []
    sizes = {address: shape_of(base, address) for address in addresses(base)}
    for key, name, phase in phases(spec):
        path = ("learning", name, "set")
        for address in phase.set:
            if _block_of(address, spec) not in CHANGEABLE:
                what = f'a phase cannot change "{address}" for its time'
                wrong.append(issue("FG408", what, (*path, address), on="key", allowed=", ".join(CHANGEABLE[:3])))
        if key in graphs and {each: shape_of(graphs[key], each) for each in addresses(graphs[key])} != sizes:
            what = f'phase "{name}" sets what changes the parameters or their sizes: all phases learn the same parameters'
            wrong.append(issue("FG408", what, path))
    if wrong:
        raise SpecError(wrong)


def _block_of(address: str, spec: Spec) -> str:
    """The block that an address is in, of the spec or of a fragment."""
    first, _, rest = address.partition(".")
    return _block_of(rest, spec.use[first].spec) if rest and first in spec.use else first


def check_curved(spec: Spec) -> Iterator[Issue]:
    """FG439: sides whose optimizer asks for the energy's curvature, where a loss is another function."""
    for _, name, phase in phases(spec):
        for player, side in phase.sides().items():
            optimizer = side.optimizer
            if optimizer is None or not optimizer.curved:
                continue
            for term in side.loss.values():
                if not _leaf(term).is_mean:
                    path = ("learning", name, *(("players", player) if phase.players else ()), "loss")
                    what = f"{optimizer.type} divides by the energy's curvature, and the loss is {_leaf(term).type}"
                    yield issue("FG439", what, path, fix="loss: energy, or optimizer: adam")


def shape_of(graph: Graph, address: str) -> tuple[int, ...]:
    """The shape of the parameter at an address."""
    return declared(graph, address).shape


def declared(graph: Graph, address: str) -> Parameter:
    """What a graph says of the parameter at an address."""
    block, key = owner_of(address).split(".", 1)
    found: Mapping[str, Parameter]
    if block in ("inference", "learning"):
        found = {**freed(graph), **owned(graph.spec)}[owner_of(address)]
    else:
        found = graph.functions[key].parameters if block == "functions" else graph.factors[key].held
    return found[address.rsplit(".", 1)[1]]


def sequence(graph: Graph, procedures: Mapping[str, ProcedurePlan], phase: Phase, key: str = "") -> tuple[str, ...]:
    """The procedures that fill in the latent variables: those that the phase names, and the first for each other.

    ``key``: the phase at one of its slots; without it what losses read beside the energy is not asked for.
    """
    chosen = _named(procedures, phase.inference)
    covered = {each for key in chosen for each in procedures[key].block}
    needed, latent = _needed_latents(graph, key, phase), {each.id for each in graph.of_kind("latent")}
    for procedure, each in procedures.items():
        block = set(each.block)
        if block & needed and not block & covered and block <= latent:
            chosen.append(procedure)
            covered |= block
    waits = _awaited(graph, procedures, chosen)
    return tuple(in_order(chosen, {each: procedures[each].block for each in chosen}, waits))


def loss_factors(graph: Graph, phase: Phase, term: LossTerm) -> tuple[str, ...]:
    """The factors that a loss of a phase sees: both may narrow them."""
    within = set(visible(graph, phase.only, phase.without))
    return tuple(key for key in visible(graph, term.only, term.without) if key in within)


def read_by(graph: Graph, key: str, phase: Phase, player: str, term: str) -> dict[str, tuple[Id, ...]]:
    """The values of the expressions that a loss of a side reads, by its fields, at all of their slots."""
    name, _, slots = key.partition("[")
    side = ("players", player) if phase.players else ()
    base = ("learning", name, *map(int, re.findall(r"\d+", slots)), *side, "loss", term)
    return {str(path[-1]): ids for path, ids in graph.entries.items() if path[:-1] == base}


def owned(spec: Spec) -> dict[str, Mapping[str, Parameter]]:
    """The parameters that losses have of their own, by owner: ``learning.fit.noise_contrastive``."""
    return {
        owned_by(key, phase, player, name): found
        for key, _, phase in phases(spec)
        for player, side in phase.sides().items()
        for name, term in side.loss.items()
        if (found := _leaf(term).parameters())
    }


def owned_by(key: str, phase: Phase, player: str, term: str) -> str:
    """The owner of what a loss has of its own. ``key``: the phase at one of its slots."""
    return ".".join(("learning", key, *((player,) if phase.players else ()), term))


def owner_of(address: str) -> str:
    """``functions.encoder.activation.threshold`` belongs to ``functions.encoder.activation``."""
    return address.rsplit(".", 1)[0]


def _needed_latents(graph: Graph, key: str, phase: Phase) -> set[Id]:
    """The latent variables behind what the losses read: factors, and expressions of their own."""
    sides = phase.sides().items()
    return {
        each for player, side in sides for term in side.loss.items() for each in _latents_of(graph, key, phase, player, *term)
    }


def _latents_of(graph: Graph, key: str, phase: Phase, player: str, name: str, term: LossTerm) -> set[Id]:
    seen = loss_factors(graph, phase, term) if _leaf(term).sees_energy else ()
    read = [each for ids in read_by(graph, key, phase, player, name).values() for each in ids]
    behind = graph.leading_to((*read, *(value for factor in seen for value in graph.factors[factor].arguments)))
    return {each.id for each in graph.of_kind("latent")} & behind


def _side(
    graph: Graph, procedures: Mapping[str, ProcedurePlan], key: str, phase: Phase,
    player: str, side: Player, used: tuple[str, ...], taken: Collection[str],
) -> PhasePlan:
    reached = _reached(graph, procedures, key, phase, player, side, used, taken)
    wanted = reached if side.train is None else [each for each in reached if _trained(each, side.train)]
    owners = {name: owned_by(key, phase, player, name) for name in side.loss}
    wanted += [f"{owners[name]}.{each}" for name, term in side.loss.items() for each in _leaf(term).parameters()]
    taught = dict.fromkeys(name for term in side.loss.values() for name in _named(procedures, _leaf(term).procedures()))
    energetic = any(_leaf(term).sees_energy for term in side.loss.values())
    needs = used if energetic or any(_latents_of(graph, key, phase, player, *each) for each in side.loss.items()) else ()
    return PhasePlan(key, player, tuple(wanted), tuple(dict.fromkeys((*needs, *taught))), tuple(side.loss))


def _reached(
    graph: Graph, procedures: Mapping[str, ProcedurePlan], key: str, phase: Phase,
    player: str, side: Player, used: tuple[str, ...], taken: Collection[str],
) -> list[str]:
    """Addresses of the parameters that the losses of a side can move, in the order of the graph: none that is kept."""
    named = named_procedures(graph)
    values: set[Id] = set()
    owners: set[str] = set()
    for name, term in side.loss.items():
        leaf = _leaf(term)
        values |= graph.leading_to(each for ids in read_by(graph, key, phase, player, name).values() for each in ids)
        if leaf.moves_stand_ins:
            values |= graph.leading_to(each.id for made in leaf.stand_ins() for each in graph.slots_of(made))
            continue
        inferring = leaf.sees_energy or _latents_of(graph, key, phase, player, name, term)
        passes = used if inferring else _named(procedures, leaf.students())
        for procedure in passes:
            values |= graph.leading_to(reads(graph, named[procedure]).get("by", {}).values())
            through, made = moved_by(graph, named[procedure])
            values |= graph.leading_to(through)
            owners |= made
            method = named[procedure].method
            if isinstance(method, Layered) and method.gradient == "unroll":
                owner = f"inference.{procedure}"
                own = owner in taken or side.train is None or _trained(owner + ".", side.train)
                values |= graph.leading_to(reads_through(graph, named[procedure], own))
                owners |= {owner} | made_of(graph, named[procedure], own)
        if leaf.sees_energy:
            factors = [each for factor in loss_factors(graph, phase, term) if (each := graph.factors[factor]).weight != 0]
            owners |= {f"factors.{each.id}" for each in factors} | {f"functions.{each.matrix}" for each in factors if each.matrix}
            values |= graph.leading_to(argument for each in factors for argument in each.arguments)
    owners |= {f"functions.{function}" for each in values if (function := getattr(graph.values[each], "function", None))}
    return [each for each in addresses(graph) if owner_of(each) in owners and not declared(graph, each).kept]


def addresses(graph: Graph) -> list[str]:
    """Every parameter of a graph by its owner and name."""
    functions = [f"functions.{key}.{name}" for key, node in graph.functions.items() for name in node.parameters]
    factors = [f"factors.{key}.{name}" for key, factor in graph.factors.items() for name in factor.parameters]
    others = {**freed(graph), **owned(graph.spec)}
    return [*functions, *factors, *(f"{owner}.{name}" for owner, own in others.items() for name in own)]


def _trained(address: str, names: tuple[str, ...]) -> bool:
    key = owner_of(address).split(".", 1)[1]
    return any(standing_for(name, (key,)) for name in names)


def _named(procedures: Mapping[str, ProcedurePlan], names: Iterable[str]) -> list[str]:
    return [key for name in names for key in standing_for(name, procedures)]


def _leaf(term: LossTerm) -> LossLeaf:
    assert isinstance(term.loss, LossLeaf), "the losses' folder holds losses"
    return term.loss


def _absent(procedures: Mapping[str, ProcedurePlan], key: str, name: str, phase: Phase) -> Iterator[Issue]:
    """Procedures that a phase asks for at one of its slots and that have no such slot."""
    losses = (_leaf(term) for side in phase.sides().values() for term in side.loss.values())
    for written in (*phase.inference, *(each for leaf in losses for each in leaf.procedures())):
        if not standing_for(written, procedures):
            what = f'phase "{key}" asks for {written}, which is not there'
            yield issue("FG410", what, ("learning", name), fix="name one that is there at every slot of the phase")


def _twice(graph: Graph, procedures: Mapping[str, ProcedurePlan], name: str, phase: Phase) -> Iterator[Issue]:
    """Procedures that a phase names and that give one variable its value: the last would count alone."""
    by: dict[Id, str] = {}
    for key in _named(procedures, phase.inference):
        before = next((by[each] for each in procedures[key].block if each in by), None)
        if before is not None:
            variable = graph.variables[procedures[key].block[0]].name
            what = f'"{before}" and "{key}" both give {variable} its value, and an energy has one: the last would count alone'
            yield issue("FG448", what, ("learning", name, "inference"), fix="a phase for each of them")
            return
        by |= dict.fromkeys(procedures[key].block, key)


def _of_data(graph: Graph, procedures: Mapping[str, ProcedurePlan], name: str, phase: Phase) -> Iterator[Issue]:
    """Procedures that a phase names to infer its latent variables and that say something of observed ones."""
    for key in _named(procedures, phase.inference):
        given = [each for each in procedures[key].block if graph.variables[each].kind == "observed"]
        if given:
            what = f'"{key}" is over {given[0]} too, which the data give: it says nothing of one sample'
            yield issue("FG454", what, ("learning", name, "inference"), fix="name a procedure of latent variables alone")


def _partitions(
    graph: Graph, procedures: Mapping[str, ProcedurePlan], name: str, phase: Phase, used: tuple[str, ...]
) -> Iterator[Issue]:
    """Partition functions that are not those of the energy that a loss lowers."""
    named = named_procedures(graph)
    betas = {key: getattr(named[key].method, "beta", 1.0) for key in used if named[key].method.sums}
    for side in phase.sides().values():
        for term in side.loss.values():
            lowered = {key for key in loss_factors(graph, phase, term) if graph.factors[key].weight}
            for written in _leaf(term).partitions():
                found = _named(procedures, (written,))
                why = f"there are {len(found)} of it" if len(found) != 1 else no_partition(graph, procedures[found[0]], lowered)
                beta = getattr(named[found[0]].method, "beta", 1.0) if found and not why else 1.0
                other = next((key for key, each in betas.items() if each != beta), None) if not why else None
                if other is not None:
                    why = f'its beta is {beta:g}, and that of "{other}" {betas[other]:g}'
                if why:
                    what = f'"{written}" is not the partition function of what phase "{name}" lowers: {why}'
                    fix = "everything: {method: marginal, of: all observed and latent variables}, with the factors of the phase"
                    yield issue("FG454", what, ("learning", name), fix=fix)


def no_partition(graph: Graph, plan: ProcedurePlan, lowered: set[str]) -> str:
    """Why a procedure does not sum an energy over everything; empty where it does."""
    kinds = {graph.variables[each].kind for each in plan.block}
    latent = {each.id for each in graph.of_kind("latent")}
    read = graph.leading_to(each for key in plan.factors for each in graph.factors[key].arguments)
    counted = {key for key in plan.factors if graph.factors[key].weight}
    if not named_procedures(graph)[plan.id].method.sums:
        return f"its method is {plan.method}"
    if "observed" not in kinds:
        return "it is over nothing that is observed"
    if left := sorted(read & latent - set(plan.block)):
        return f"it leaves {left[0]} out"
    if counted != lowered:
        return f"{min(counted ^ lowered)} counts in one of them and not in the other"
    return ""


def _still(graph: Graph, name: str, phase: Phase, plan: PhasePlan) -> list[Issue]:
    """A phase, or one of its players, whose loss moves nothing of what it may train: FG405, or why the loss is not to be had."""
    from factorgraph.compile.shaping import check_shaping, shaped_by

    if found := list(check_shaping(shaped_by(graph, name, phase, plan))):
        return found
    path: Path = ("learning", name)
    player = plan.player
    what = f'phase "{name}" trains nothing: no parameter of what it may train is reached by its loss'
    if phase.players:
        named = ", ".join(phase.players[player].train or ()) or "any parameter"
        path, what = _trains(name, phase, player), f'the player "{player}" trains nothing: its loss never moves {named}'
    return [issue("FG405", what, path, fix="train something that its loss reaches, or leave train out")]


def _shared(spec: Spec, name: str, phase: Phase, sides: Iterable[PhasePlan]) -> Iterator[Issue]:
    """Players of a phase that train one and the same parameter: each would undo what the other has done."""
    first: dict[str, str] = {}
    for side in sides:
        both = next((each for each in side.parameters if each in first), None)
        if both is not None:
            other = spec.document.place(_trains(name, phase, first[both]), "value")
            what = f'the players "{first[both]}" and "{side.player}" both train {both}'
            note = f'"{first[both]}" is at {other.address or f"{other.file}:{other.line}"}'
            fix = f"train of {side.player}: what is its own"
            yield issue("FG460", what, _trains(name, phase, side.player), notes=(note,), fix=fix)
        first |= dict.fromkeys(side.parameters, side.player)


def _trains(name: str, phase: Phase, player: str) -> Path:
    path = ("learning", name, "players", player)
    return path if phase.players[player].train is None else (*path, "train")


def _awaited(graph: Graph, procedures: Mapping[str, ProcedurePlan], used: Iterable[str]) -> dict[str, frozenset[Id]]:
    """The latent variables that each of some procedures waits for."""
    named = named_procedures(graph)
    return {key: awaited(graph, procedures[key], named[key].method, reads(graph, named[key])) for key in used}


def _early(graph: Graph, procedures: Mapping[str, ProcedurePlan], used: tuple[str, ...]) -> Iterator[Issue]:
    """Procedures that read a latent variable which nothing before them infers."""
    waits, known = _awaited(graph, procedures, used), set[Id]()
    for key in used:
        plan = procedures[key]
        missing = waits[key] - known
        if missing:
            first = graph.variables[min(missing)].name
            of = ", ".join(dict.fromkeys([*(graph.variables[each].name for each in plan.block), first]))
            what = f'"{key}" needs {first}, and nothing infers it before'
            yield issue("FG449", what, ("inference", plan.name, "of"), fix=f"of: [{of}], or without: the factors that tie them")
        known |= set(plan.block)


def _uninferred(
    graph: Graph, procedures: Mapping[str, ProcedurePlan], key: str, name: str, phase: Phase, used: tuple[str, ...]
) -> Iterator[Issue]:
    covered = {each for procedure in used for each in procedures[procedure].block}
    for latent in sorted(_needed_latents(graph, key, phase) - covered):
        variable = graph.variables[latent]
        what = f'phase "{name}" needs the latent variable "{latent}", and no procedure infers it'
        yield issue("FG404", what, variable.written.path, fix=f"inference: {{optimal: {{method: argmin, of: {variable.name}}}}}")
