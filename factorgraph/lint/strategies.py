"""What keeps the energy from being low everywhere: the eight strategies, each found from what the spec says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from factorgraph.compile.phases import phases
from factorgraph.graph.model import Application, FactorNode, Id, Variable
from factorgraph.lint.reading import Reading
from factorgraph.structure import Normalised

FINITE = {"one_hot": "one-hot", "binary": "binary"}


class Way(Enum):
    """How the volume of low energy is bounded, in the lecture's order."""

    CAPACITY = "the volume of low energy is constant by construction"
    LIKELIHOOD = "pushed down at the data, up everywhere else"
    CONTRAST = "pushed down at the data, up at chosen places"
    CURVATURE = "flat at the data, and curved around them"
    DYNAMICS = "a map that leads back to the data"
    PRIOR = "a term that limits what a code can say"
    CONTRACTION = "a reconstruction that hardly moves with its input"
    ADVERSARY = "pushed up where another player proposes"


@dataclass(frozen=True)
class Strategy:
    """One of the ways, and what in the spec makes it one."""

    way: Way
    why: str

    def __str__(self) -> str:
        return f"{self.way.value}: {self.why}"


def strategies(reading: Reading) -> tuple[Strategy, ...]:
    """All that the spec has, the surest first; none where nothing stops the energy from being low everywhere."""
    return tuple(each for find in (_losses, _capacity, _priors, _noise) for each in find(reading))


def _losses(reading: Reading) -> Iterator[Strategy]:
    """What losses say of themselves, and players that work against each other."""
    for loss in reading.losses:
        if loss.strategy:
            yield Strategy(Way[loss.strategy], f"the loss {loss.type}")
    for _, name, phase in phases(reading.graph.spec):
        if len(phase.players or {}) > 1:
            yield Strategy(Way.ADVERSARY, f"the players of the phase {name}")


def _capacity(reading: Reading) -> Iterator[Strategy]:
    yield from dict.fromkeys(found for code in reading.codes if (found := _narrow(reading, code)) is not None)
    for node in reading.lowered:
        narrow = _bottleneck(reading, node)
        if node.leaf.normalises and node.weight < 0:
            yield Strategy(Way.CAPACITY, f"{node.name} pays for the volume that {node.matrix} takes away")
        elif narrow:
            yield Strategy(
                Way.CAPACITY, f"{narrow} has {reading.size(narrow)} units, less than what {node.name} compares it with"
            )
        elif _predicts(reading, node):
            yield Strategy(Way.CAPACITY, f"{node.name} compares what is observed with what other observations predict")
        elif _keeps_filters(reading, node):
            yield Strategy(Way.CAPACITY, f"{node.name} reads filters of bounded length")
        elif node.leaf.keeps(Normalised, frozenset(range(len(node.arguments)))) and _is_density(reading, node):
            yield Strategy(Way.CAPACITY, f"{node.name} is a density")


def _narrow(reading: Reading, code: Variable) -> Strategy | None:
    """The few values that a code can take, or its few units, together with the codes that it meets in a reconstruction."""
    meetings = list(_meetings(reading, code))
    if code.domain in FINITE and all(each.domain in FINITE for _, met in meetings for each in met):
        return Strategy(Way.CAPACITY, f"{code.name} is {FINITE[code.domain]}")
    for target, met in meetings:
        counted = [each for each in met if each.domain not in FINITE]  # the others add no dimension
        units = sum(reading.size(each.id) for each in counted)
        if units < reading.size(target):
            names = " and ".join(each.name for each in counted)
            have = f"have {units} units together" if len(counted) > 1 else f"has {units} units"
            return Strategy(Way.CAPACITY, f"{names} {have}, {target} has {reading.size(target)}")
    return None


def _meetings(reading: Reading, code: Variable) -> Iterator[tuple[Id, list[Variable]]]:
    """The observed variables that are compared with functions of a code, each with all codes that are nearest to it there."""
    graph, names = reading.graph, {each.name for each in reading.codes}
    for node in reading.others(code):
        targets = reading.observed.intersection(node.arguments)
        seen = set(targets)
        met: set[str] = set()
        waiting = list(node.arguments)
        while waiting:
            value = graph.values[waiting.pop()]
            if isinstance(value, Variable) and value.name in names:
                met.add(value.name)
            elif value.id not in seen:
                seen.add(value.id)
                waiting += value.arguments
        for target in sorted(targets):
            yield target, [each for each in reading.codes if each.name in met] if code.name in met else [code]


def _bottleneck(reading: Reading, node: FactorNode) -> Id | None:
    """A value with fewer units than an observed variable, through which alone that comes back to be compared with itself."""
    graph = reading.graph
    for target in reading.observed.intersection(node.arguments):
        for each in node.arguments:
            value = graph.values[each]
            while isinstance(value, Application) and len(value.arguments) == 1 and graph.depends(value.id, frozenset({target})):
                value = graph.values[value.arguments[0]]
                if isinstance(value, Application) and reading.size(value.id) < reading.size(target):
                    return value.id
    return None


def _is_density(reading: Reading, node: FactorNode) -> bool:
    """Whether a factor is a density of observed variables as they are, given nothing that is inferred."""
    latent = {each.id for each in reading.graph.of_kind("latent")}
    return node.arguments[0] in reading.observed and latent.isdisjoint(reading.graph.leading_to(node.arguments))


def _predicts(reading: Reading, node: FactorNode) -> bool:
    """Whether an observed variable is compared with a function of others, and of nothing that is inferred."""
    graph = reading.graph
    targets = [each for each in node.arguments if each in reading.observed]
    sources = graph.leading_to(each for each in node.arguments if each not in targets)
    kinds = {graph.variables[each].kind for each in sources if each in graph.variables}
    return (
        len(node.arguments) == 2
        and len(targets) == 1
        and "observed" in kinds
        and "latent" not in kinds
        and targets[0] not in sources
    )


def _keeps_filters(reading: Reading, node: FactorNode) -> bool:
    """Whether a factor without a comparison reads observed variables through functions of bounded norm alone."""
    graph = reading.graph
    if len(node.arguments) != 1 or graph.leading_to(node.arguments).isdisjoint(reading.observed):
        return False
    made = [each for each in map(reading.function, graph.leading_to(node.arguments)) if each is not None and each.parameters]
    return bool(made) and all(each.leaf.is_bounded() for each in made)


def _priors(reading: Reading) -> Iterator[Strategy]:
    """One for each factor that is bounded below: one that can fall without end limits no code.

    What a factor says of a derived variable counts only if it reads no latent, or nothing else bounds.
    """
    latent = {each.id for each in reading.graph.of_kind("latent")}
    found: dict[str, Strategy] = {}
    for code in sorted(reading.codes, key=lambda each: each.id not in latent):
        for node in reading.priors(code):
            limits = code.domain in FINITE or reading.is_bounded_below(node)
            if limits and (not found or code.id in latent or latent.isdisjoint(reading.graph.leading_to(node.arguments))):
                found.setdefault(node.name, Strategy(Way.PRIOR, f"{node.name}, of {code.name}"))
    yield from found.values()


def _noise(reading: Reading) -> Iterator[Strategy]:
    """Noise on the way to what is compared with the clean data."""
    graph = reading.graph
    noise = {each.id for each in graph.of_kind("noise")}
    noise |= {key for key in graph.values if (made := reading.function(key)) is not None and made.leaf.spoils()}
    for node in reading.lowered:
        clean = reading.observed.intersection(node.arguments)
        beside = graph.leading_to(each for each in node.arguments if each not in clean)
        if clean and not noise.isdisjoint(beside) and not clean.isdisjoint(beside):
            yield Strategy(Way.DYNAMICS, f"{node.name} compares data with what is made of them and noise")
