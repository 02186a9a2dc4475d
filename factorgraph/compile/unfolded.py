"""A procedure's steps as a picture: the network that it is, as a loop or step by step, in the graph that it infers for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from math import prod

from factorgraph.compile.beside import Beside
from factorgraph.compile.dependence import dependences
from factorgraph.compile.naming import named_procedures, reads
from factorgraph.compile.network import group_shapes, inputs, shrinks_units
from factorgraph.compile.plan import Plan
from factorgraph.compile.planner import Named
from factorgraph.compile.problems import solver_of
from factorgraph.errors import Issue, SpecError, issue
from factorgraph.graph.drawing import Drawing, draw, words
from factorgraph.graph.drawing.direction import is_across, is_free_of_loops, ranked
from factorgraph.graph.drawing.parts import before
from factorgraph.graph.drawing.text import subscript
from factorgraph.graph.model import Graph
from factorgraph.inference.methods._matrix import Layered
from factorgraph.inference.solvers._unrolled import Unrollable
from factorgraph.spec.suggest import nearest

MOST, MOST_LONG = 8, 5  # steps that are all drawn, and of those that each choose a unit; of more the first two and the last
ONE = "a step"  # what stands at the frame around the shapes that one step of a loop is
DOTS = "⋯"


def network_of(graph: Graph, plan: Plan, procedure: str, unfold: bool, open: Sequence[str] = ()) -> Drawing:
    """The graph with the steps of an unrolled procedure: drawn one by one, or as the loop that they are.

    Raises :class:`SpecError` FG266 where no unrolled procedure has this name.
    """
    named = named_procedures(graph)
    known = [key for key, each in named.items() if isinstance(each.method, Layered)]
    if procedure not in known:
        raise SpecError(graph.spec.document.locate(_absent(procedure, known, named)))
    around = [part for each in named[procedure].block if (part := before(each.name))]  # what it infers is to be seen
    return _Network(graph, plan, named[procedure], draw(graph, open=[*open, *around])).drawing(unfold)


def _absent(procedure: str, known: Collection[str], named: Mapping[str, Named]) -> Issue:
    """A name of no unrolled procedure, with those that there are, the nearest first, where it or they would be written."""
    path = ("inference", named[procedure].name) if procedure in named else ("inference",)
    allowed = nearest(procedure, known)
    fix = f"name {allowed[0]}, or draw the graph alone" if known else "draw the graph alone: nothing is unrolled"
    what = f'there is no unrolled procedure "{procedure}"'
    return issue("FG266", what, path, on="key", allowed=", ".join(allowed), fix=fix)


class _Network(Beside):
    """The shapes of one procedure beside those of the graph. What it adds is named by its part and its step."""

    def __init__(self, graph: Graph, plan: Plan, named: Named, base: Drawing):
        assert isinstance(named.method, Layered), "asked only of what has steps"
        super().__init__(graph, base)
        self.named, self.method = named, named.method
        own = plan.procedures[named.id]
        solver = solver_of(own)
        assert isinstance(solver, Unrollable), "the planner gives such a method a solver that has layers"
        self.solver = solver
        known = dependences(graph, frozenset(own.block))
        smooth = [term.factor for term in own.terms if term.part == "smooth"]
        rest = [term for term in own.terms if term.part == "rest"]
        self.inputs = inputs(graph, known, smooth)
        self.shrinks = shrinks_units(graph, known, rest)
        self.groups = bool(group_shapes(graph, known, rest))
        bounded = [each.domain for each in named.block if each.domain in ("nonnegative", "simplex")]
        self.domains = [words.DOMAINS[each] for each in dict.fromkeys(bounded)]
        self.units = own.units
        self.count = named.method.steps + solver.finishes  # of shrinkages
        most = MOST_LONG if solver.chooses() else MOST
        self.drawn = tuple(range(1, self.count + 1)) if self.count <= most else (1, 2, self.count)
        self.starts = tuple(reads(graph, named).get("start", {}).values())
        self.family = max((node.family for node in base.nodes if node.family is not None), default=-1) + 1
        self.block = [self.shown[each] for each in own.block]

    def drawing(self, unfold: bool) -> Drawing:
        drives = self._drives(unfold)
        if unfold:
            self._steps(drives)
        else:
            self._loop(drives[0])
        edges = tuple(self.edges)
        pairs = [*map(ranked, edges)]
        columns: list[tuple[str, ...]] = []
        for column in self.base.columns:
            if is_free_of_loops(pairs, [*columns, column]):
                columns.append(column)
        across = is_across(self.nodes, edges, columns)
        note = f"{self.named.id}: {self.method.steps} steps of {self.solver.type}, from {'a start' if self.starts else 'zero'}"
        return replace(
            self.base, nodes=tuple(self.nodes.values()), edges=edges, columns=tuple(columns), across=across, notes=(note,)
        )

    # --- as a loop, and step by step -------------------------------------------------------------------------------------------

    def _loop(self, drive: str) -> None:
        code, kept = self.block, self.nodes.keys() | set()
        back = [self._operator(self.solver.leaps, "leap", 0)] if self.solver.leaps else []
        inhibition = self._box("inhibition", 0, self._about("inhibition", f"{self.units}×{self.units}"))
        total = self._operator("+", "sum", 0)
        self.flow([drive] if drive else [], total)
        self.flow([*code], (back or [inhibition])[0], backward=True)
        if back:
            self.flow(back, inhibition, backward=True)
        self.flow([inhibition], total, backward=True)
        self.flow(self._start(), inhibition)
        last = self._shrunk(total, 0)
        if self.solver.chooses():
            chosen = self._operator(self.solver.chooses(), "choice", 0)
            self.flow([last], chosen)
            self.flow([*code], chosen, backward=True)
            last = chosen
        for each in code:
            self.flow([last], each)
        within = ".".join(filter(None, [before(self.named.block[0].name), ONE]))
        self.nodes |= {key: replace(each, part=within) for key, each in self.nodes.items() if key not in kept}

    def _steps(self, drives: Sequence[str]) -> None:
        codes = [self._start()]  # what each step begins with: nothing is zero
        for place, step in enumerate(self.drawn):
            if place and step != self.drawn[place - 1] + 1:
                gap = self.add("constant", "gap", step, (f"{DOTS} {self.drawn[place - 1] + 1} to {step - 1} {DOTS}",))
                self.flow([*codes[-1], *filter(None, drives[:1])] if len(drives) == 1 else codes[-1], gap)
                codes = [[gap], [gap]]
            reached = self._reach(drives[place if len(drives) > 1 else 0], codes, step)
            last = self._shrunk(reached, step)
            if self.solver.chooses() and step <= self.method.steps:
                chosen = self._operator(self.solver.chooses(), "choice", step)
                self.flow([last, *codes[-1]], chosen)
                last = chosen
            code = self._code(step)
            for each in code:
                self.flow([last], each)
            codes.append(code)

    def _reach(self, drive: str, codes: Sequence[Sequence[str]], step: int) -> str:
        """What is shrunk at a step: the drive, and what the code before inhibits; nothing inhibits at a code of zeros."""
        before = codes[-1]
        if not before:
            return drive
        if self.solver.leaps and len(codes) > 2:
            leap = self._operator(self.solver.leaps, "leap", step)
            self.flow([*codes[-2], *before], leap)
            before = [leap]
        inhibition = self._box("inhibition", step, self._about("inhibition", f"{self.units}×{self.units}"))
        self.flow(before, inhibition)
        if not drive:
            return inhibition
        total = self._operator("+", "sum", step)
        self.flow([drive, inhibition], total)
        return total

    # --- parts -----------------------------------------------------------------------------------------------------------------

    def _drives(self, unfold: bool) -> list[str]:
        """What each step is driven by: one filter, or one a step where none is shared; no name where nothing drives."""
        if not self.inputs:
            return [""]
        steps = self.drawn if unfold and self._is_apart("filter") else (0,)
        size = f"{self.units}×{sum(prod(self.graph.values[each].shape) for each in self.inputs)}"
        boxes = [self._box("filter", step, self._about("filter", size)) for step in steps]
        sources = [end for each in self.inputs for end in self.ends(each)]
        for box in boxes:
            self.flow(sources, box)
        return boxes

    def _start(self) -> list[str]:
        """Where the first step begins, as the domain allows; nothing where that is zero."""
        ends = list(dict.fromkeys(end for each in self.starts for end in self.ends(each)))
        if not ends or not self.domains:
            return ends
        allowed = self._box(self.domains[0], 0, "", learns=False)
        self.flow(ends, allowed)
        return [allowed]

    def _shrunk(self, reached: str, step: int) -> str:
        """The box behind what is reached: the shrinkage, or what puts values back where they may be; none where all is free."""
        if not (self.shrinks or self.groups or self.domains):
            return reached
        domains = ", ".join(self.domains)
        if self.shrinks or self.groups:
            what = "units, then groups" if self.shrinks and self.groups else "groups" if self.groups else "threshold"
            below = ", ".join(filter(None, [domains, self._about("threshold", what)]))
            box = self._box("shrink", step, below, owner="threshold")
        else:
            box = self._box(domains, step, "", learns=False)
        self.flow([reached], box)
        return box

    def _code(self, step: int) -> list[str]:
        """Where a step leads: the variables themselves at the last one, else one thin circle."""
        if step == self.count:
            return self.block
        name = ", ".join(words.variable_name(each) for each in self.named.block)
        shape = words.size(self.named.block[0].shape) if len(self.named.block) == 1 else str(self.units)
        return [self.add("derived", "code", step, (f"{name} ({step})", shape))]

    def _about(self, matrix: str, size: str) -> str:
        own = self.method.free.get(matrix)  # type: ignore[call-overload]
        thinned = f", {own.keep:.0%} kept" if own is not None and own.keep < 1 else ""
        return f"{size}, {'learned' if own is not None else 'of the energy'}{thinned}"

    def _is_apart(self, matrix: str) -> bool:
        """Whether each step has its own."""
        return self.method.share == "none" and matrix in self.method.free

    def _box(self, name: str, step: int, below: str, owner: str = "", learns: bool = True) -> str:
        """A function of the network; all steps' have one colour where they share what they learn."""
        owner = owner or name
        apart = self._is_apart(owner)
        families = {"filter": 0, "inhibition": 1, "threshold": 2}
        family = self.family + families[owner] if learns and step and not apart else None
        return self.add("function", name, step, (subscript(name, step) if apart and step else name, below), family)

    def _operator(self, text: str, name: str, step: int) -> str:
        return self.add("operator", name, step, (text,))
