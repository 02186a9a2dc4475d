"""Who stands left and who right: observed variables at one end, latents at the other, as in the lecture.

An encoder's arrows then run away from what is observed, a decoder's back to it, and a distance stands between the two things
that it compares.
"""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from math import prod

from factorgraph.graph.model import FactorNode, Graph, Id, Value, Variable


class Sides:
    """How far from the data each variable is, and which way each computed value is drawn."""

    def __init__(self, graph: Graph):
        self.graph = graph

    @cached_property
    def values(self) -> dict[Id, Value]:
        """What the energy and the variables are computed from. What only a procedure reads is no part of the model's picture."""
        ends = [*self.graph.variables, *(key for factor in self.graph.factors.values() for key in factor.arguments)]
        needed: frozenset[Id] = frozenset().union(*(self.graph.ancestors(key) for key in ends))
        return {key: each for key, each in self.graph.values.items() if key in needed}

    @cached_property
    def consumers(self) -> dict[Id, list[Value | FactorNode]]:
        found: dict[Id, list[Value | FactorNode]] = defaultdict(list)
        for item in (*self.values.values(), *self.graph.factors.values()):
            for key in dict.fromkeys(item.arguments):
                found[key].append(item)
        return found

    def roots(self, value: Id) -> list[Variable]:
        """The variables that are not computed and that a value is computed from, in the graph's order."""
        return [each for key, each in self._roots.items() if key in self.graph.ancestors(value)]

    @cached_property
    def _roots(self) -> dict[Id, Variable]:
        return {key: each for key, each in self.graph.variables.items() if each.definition is None}

    @cached_property
    def level(self) -> dict[Id, int]:
        """Of each variable that is not computed: how many factors lie between it and the data; 0 for the observed."""
        met = [{each.id for key in factor.arguments for each in self.roots(key)} for factor in self.graph.factors.values()]
        known = {key: 0 for key, each in self._roots.items() if each.kind == "observed"}
        step = 0
        while True:
            step += 1
            reached = {key for group in met if not group.isdisjoint(known) for key in group} - known.keys()
            if not reached:
                break
            known.update(dict.fromkeys(reached, step))
        return {key: known.get(key, 1) for key in self._roots}

    def source(self, value: Id) -> int:
        """The level that a value comes from: the farthest of its roots'. Noise beside something else is no source."""
        roots = self.roots(value)
        telling = [each for each in roots if each.kind != "noise"] or roots
        return max((self.level[each.id] for each in telling), default=0)

    def is_backward(self, value: Id) -> bool:
        """Whether a computed value is drawn towards the data: it is compared with something nearer to them than its source.

        What is compared with its own source turns round where it is smallest: at the code of an autoencoder.
        """
        return self._backward[value]

    @cached_property
    def _backward(self) -> dict[Id, bool]:
        return {key: self._decide(key) for key in self.graph.values}

    def _decide(self, value: Id) -> bool:
        aims = self._aims[value]
        if not aims:
            return False
        source, nearest = self.source(value), min(self.level[target] for target, _ in aims)
        if source != nearest:
            return source > nearest
        own = [end for target, end in aims if target in self.graph.ancestors(end)]
        return bool(own) and source == 0 and self._has_turned(value, own[0])

    def _has_turned(self, value: Id, end: Id) -> bool:
        way = [key for key, each in self.graph.values.items() if each.arguments and key in self.graph.ancestors(end)]
        turn = min(reversed(way), key=lambda key: prod(self.graph.values[key].shape))
        return value != turn and turn in self.graph.ancestors(value)

    @cached_property
    def _aims(self) -> dict[Id, list[tuple[Id, Id]]]:
        """For each value: the variables that what it leads to is compared with, and the end of the computation that is."""
        found: dict[Id, list[tuple[Id, Id]]] = {key: [] for key in self.graph.values}
        for factor in self.graph.factors.values():
            for end in factor.arguments:
                targets = [target for target in factor.arguments if target != end and target in self._roots]
                for key in self.graph.ancestors(end) if end not in self._roots else ():
                    found[key] += [(target, end) for target in targets]
        return found

    def is_before(self, factor: FactorNode, value: Id) -> bool:
        """Whether a value that a factor touches stands on the data's side of the factor."""
        if value not in self._roots:
            return not self.is_backward(value)
        others = [key for key in factor.arguments if value not in self.graph.ancestors(key)]
        if self.level[value] == 0 and others and self._is_only_compared(value):
            return any(self.is_backward(key) for key in others) or all(key in self._roots for key in others)
        return self.level[value] <= min((self.source(key) for key in others), default=self.level[value])

    def _is_only_compared(self, value: Id) -> bool:
        return all(isinstance(each, FactorNode) for each in self.consumers[value])
