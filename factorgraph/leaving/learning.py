"""Phases of learning as functions: a loss, an optimizer, a loop."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch

from factorgraph.compile.phases import declared, loss_factors, owner_of
from factorgraph.compile.plan import Closed
from factorgraph.graph.model import Graph, Id
from factorgraph.leaving import layers, told, tuned, updates
from factorgraph.leaving.comments import comment
from factorgraph.leaving.names import plain
from factorgraph.leaving.procedures import Call, Procedures
from factorgraph.leaving.recorded import number
from factorgraph.leaving.told import OTHER
from factorgraph.leaving.written import Written, indented, refused
from factorgraph.spec.references import standing_for
from factorgraph.training.optimizers._torch import TorchOptimizer
from factorgraph.training.sides import Stretch
from factorgraph.training.tuning import Tuning


class Learning:
    """The functions of all phases of a spec."""

    def __init__(self, written: Written, procedures: Procedures, has_constraints: bool):
        self.written, self.procedures, self.has_constraints = written, procedures, has_constraints
        self.texts: list[str] = []
        self.calls: list[tuple[str, tuple[Id, ...]]] = []  # of the phases in order: a function and the variables that it takes
        self.begun: set[str] = set()
        self.tuned: set[str] = set()  # factors whose weights phases have tuned by now

    def add(self, stretch: Stretch) -> None:
        """Write a phase."""
        written = self.written
        path = ("learning", stretch.name)
        self._check(stretch, path)
        (plan,) = stretch.plans
        called: dict[str, Call] = {}
        statements, total, takes, known = self._loss(stretch, called)
        needs_none = any(each.kind == "directions" for each in plan.closed)
        arguments = ", ".join(f"{written.local(written.model.graph.values[each])}: Tensor" for each in takes)
        more, beside = self._beside(stretch, known)
        codes, moved = tuned.moved(written, stretch, {key: each.gives for key, each in called.items()})
        beside += [(code, code, "Tensor") for code in codes]
        given = ", ".join([total, *(each for _, each, _ in beside)])
        kinds = ", ".join(["Tensor", *(each for _, _, each in beside)])
        kind = f"tuple[{kinds}]" if beside else kinds
        lines = [*statements, *more, f"return {given}"]
        loss = f"def {self._named(stretch, 'loss')}(model: Model, {arguments}) -> {kind}:\n" + indented("\n".join(lines))
        at_once = plan.closed and not self._by_column(stretch)
        names = ", ".join(["loss", *(each for each, _, _ in beside)])
        body = self._closed(stretch, plan.closed, takes) if at_once else self._descent(stretch, takes, names, moved)
        body = "\n".join([*self._begun(stretch), *tuned.begin(written, stretch, self.tuned), body])
        self.tuned |= Tuning(stretch).by.keys()
        head = "\n".join(comment(written.spec, path))
        train = self._named(stretch, "train")
        loop = f"def {train}(model: Model, {arguments}) -> None:\n{indented(body)}"
        self.texts.append("\n".join([head, loop if needs_none else f"{loss}\n\n\n{loop}"]))
        self.calls.append((train, takes))

    def _named(self, stretch: Stretch, function: str) -> str:
        """The name of a phase's loss, or of its loop (``train``): no value is called so."""
        name = written_name(stretch.id)
        return self.written.names(("phase", stretch.id, function), f"{name}_loss" if function == "loss" else f"train_{name}")

    def _by_column(self, stretch: Stretch) -> bool:
        optimizer = stretch.phase.optimizer
        return optimizer is not None and optimizer.by_column

    def _beside(self, stretch: Stretch, known: Mapping[Id, str]) -> tuple[list[str], list[tuple[str, str, str]]]:
        """What a loss gives beside itself, for an optimizer that is told more: statements; name, expression and type of each."""
        if self._by_column(stretch) and stretch.plans[0].closed:
            statements, read = told.read(self.written, stretch, known)
            return statements, [("read", read, "Tensor")]
        if stretch.phase.optimizer.curved:
            return [], [("residuals", told.residuals(self.written, stretch, known), "list[Tensor]")]
        return [], []

    def _check(self, stretch: Stretch, path: tuple[str, ...]) -> None:
        phase = stretch.phase
        reasons = {
            "players, which take turns": phase.players,
            "labelled rows of each batch": phase.labelled is not None,
            "workers": phase.workers,
            "factors whose parameters it sets at once": any(each.estimates for each in stretch.plans),
        }
        for what, is_there in reasons.items():
            if is_there:
                raise refused(f'phase "{stretch.id}" has {what}: that is not written as plain torch', path)
        for each in phase.loss.values():
            if each.loss.type not in ("energy", "imitation"):
                what = f'phase "{stretch.id}" lowers the loss {each.loss.type}, which is not written as plain torch'
                raise refused(what, path, "energy and imitation are")

    # --- the loss --------------------------------------------------------------------------------------------------------------

    def _loss(
        self, stretch: Stretch, called: dict[str, Call]
    ) -> tuple[list[str], str, tuple[Id, ...], Mapping[Id, str]]:
        """Statements, the loss, what it takes, and how the values are written that are known by then.

        ``called`` gets the procedures that it runs.
        """
        graph, written = stretch.view.graph, self.written
        statements: list[str] = []
        known: dict[Id, str] = {}
        totals, taken = [], list[Id]()
        for term in stretch.phase.loss.values():
            weight = "" if term.weight == 1 else f"{ast.unparse(number(term.weight))} * "
            if term.loss.type == "imitation":
                totals.append(weight + self._imitated(stretch, term.loss, taken, statements, called))
                continue
            for key in stretch.procedures:
                known |= self._called(stretch, key, taken, statements, called)
            factors = loss_factors(graph, stretch.phase, term)
            read = graph.leading_to(factors_read(graph, factors))
            free = [key for key, each in graph.variables.items() if key in read and each.definition is None and key not in known]
            taken += [each for each in free if each not in taken]
            known |= {each: written.local(graph.values[each]) for each in free}
            if stretch.phase.optimizer.curved:  # what factors compare is read twice
                more, found = written.values(graph, [*factors_read(graph, factors)] * 2, known, "model")
                statements += more
                known |= found
            more, total = written.energy(graph, factors, known, "model")
            statements += more
            if total.startswith("("):
                statements.append(f"energy = {total}")
                total = "energy"
            is_one = isinstance(ast.parse(total, mode="eval").body, ast.Name | ast.Call)
            totals.append(f"{weight}{total}.mean()" if is_one else f"{weight}({total}).mean()")
        order = [key for key in graph.variables if key in taken]
        return statements, " + ".join(totals), tuple(order), known

    def _called(
        self, stretch: Stretch, key: str, taken: list[Id], statements: list[str], called: dict[str, Call]
    ) -> dict[Id, str]:
        graph, written = stretch.view.graph, self.written
        call = self._call(stretch, key)
        taken += [each for each in call.takes if each not in taken and graph.variables[each].kind != "latent"]
        names = {each: written.local(graph.values[each]) for each in (*call.takes, *call.gives)}
        if key not in called:
            called[key] = call
            arguments = ", ".join(names[each] for each in call.takes)
            statements.append(f"{', '.join(names[each] for each in call.gives)} = model.{call.name}({arguments})")
        return {each: names[each] for each in call.gives}

    def _call(self, stretch: Stretch, key: str) -> Call:
        return self.procedures.call(stretch.view.graph, stretch.view.inferences[key], f"_in_{written_name(stretch.id)}")

    def _imitated(self, stretch: Stretch, loss: Any, taken: list[Id], statements: list[str], called: dict[str, Call]) -> str:
        """Half the squared distance of each student's code from the teacher's."""
        keys = [*stretch.view.inferences]
        (teacher,) = standing_for(loss.teacher, keys)
        right = self._called(stretch, teacher, taken, statements, called)
        self.written.sources.take(updates.imitated)
        students = []
        for key in (each for student in loss.student for each in standing_for(student, keys)):
            call = self._call(stretch, key)
            taken += [each for each in call.takes if each not in taken]
            arguments = ", ".join(self.written.local(stretch.view.graph.values[each]) for each in call.takes)
            if len(call.gives) > 1:
                raise refused(f'phase "{stretch.id}" teaches several variables at once', ("learning", stretch.name))
            students.append(f"model.{call.name}({arguments})")
        (code,) = right.values()
        listed = ",\n    ".join(students)
        statements.append(f"students = [\n    {listed},\n]" if len(students) > 1 else f"students = [{students[0]}]")
        return f"imitated({code}, students)"

    # --- the loop --------------------------------------------------------------------------------------------------------------

    def _descent(self, stretch: Stretch, takes: Sequence[Id], names: str, moved: Sequence[str]) -> str:
        """The loop, of whose loss a step takes what ``names`` say, and ends with what is ``moved`` by that."""
        written = self.written
        written.sources.take(updates.batches)
        first, rows = self._rows(stretch, takes)
        loss = f"{names} = {self._named(stretch, 'loss')}(model, {', '.join(f'{each}[rows]' for each in first)})"
        before, counter, steps = self._stepped(stretch, loss)
        batches = f"batches(len({first[0]}), size, steps)"
        lines = [
            rows,
            *before,
            f"for step, rows in enumerate({batches}):" if counter else f"for rows in {batches}:",
            *(f"    {each}" for each in steps),
            *(["    model.project()"] if self.has_constraints else []),
            *(f"    {each}" for each in moved),
            f'print(f"{stretch.id}: {{loss.item():.4g}}")',
        ]
        return "\n".join(lines)

    def _stepped(self, stretch: Stretch, loss: str) -> tuple[list[str], bool, list[str]]:
        """Statements before the loop and in it, and whether these count steps."""
        (plan,), phase = stretch.plans, stretch.phase
        if plan.closed:
            return told.by_columns(self.written, stretch, loss, self._curvature(stretch, plan.closed[0]))
        if phase.optimizer.curved:
            return told.by_curvature(self.written, stretch, loss, self._share(phase.schedule))
        share = self._share(phase.schedule)
        schedule = f"schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: {share})"
        lines = ["optimizer.zero_grad()", loss, "loss.backward()", "optimizer.step()"]
        before = [self._groups(stretch, plan.parameters), *([schedule] if share else [])]
        return before, False, [*lines, *(["schedule.step()"] if share else [])]

    def _begun(self, stretch: Stretch) -> list[str]:
        """What begins the matrices of procedures that become parameters of their own in this phase."""
        found = [key for key in stretch.view.inferences if f"inference.{key}" in stretch.trained - self.begun]
        self.begun |= {f"inference.{key}" for key in found}
        lines = [f"model.{layers.begin(self.written, stretch.view.inferences[key])}()" for key in found]
        return [*lines, *(["model.project()"] if lines and self.has_constraints else [])]

    def _groups(self, stretch: Stretch, addresses: Sequence[str]) -> str:
        phase, graph = stretch.phase, stretch.view.graph
        by_rate: dict[float, list[str]] = {}
        for address in addresses:
            owner = owner_of(address)
            name = self.written.attribute(owner, address.removeprefix(f"{owner}.")).removeprefix("self.")
            by_rate.setdefault(declared(graph, address).rate, []).append(f"model.{name}")
        optimizer, rate = phase.optimizer, phase.learning_rate
        assert isinstance(optimizer, TorchOptimizer), "checked before"
        made = f"torch.optim.{optimizer.torch_name}"
        known = inspect.signature(getattr(torch.optim, optimizer.torch_name)).parameters
        usual = {key: each.default for key, each in known.items()}
        options = {key: getattr(optimizer, key) for key in type(optimizer).model_fields if key != "type"}
        more = "".join(f", {key}={value!r}" for key, value in options.items() if value != usual.get(key))
        if not by_rate.keys() - {1.0}:
            return f"optimizer = {made}([{', '.join(by_rate.get(1.0, []))}], lr={rate!r}{more})"
        lines = []
        for own, names in by_rate.items():
            factor = "" if own == 1 else f" * {own:.10g}"
            lines.append(f'    {{"params": [{", ".join(names)}], "lr": {rate!r}{factor}}},')
        return "\n".join(["groups = [", *lines, "]", f"optimizer = {made}(groups{more})"])

    def _rows(self, stretch: Stretch, takes: Sequence[Id]) -> tuple[list[str], str]:
        phase, graph = stretch.phase, stretch.view.graph
        names = [self.written.local(graph.values[each]) for each in takes]
        size = f"len({names[0]})" if phase.batch_size == "all" else f"min({phase.batch_size}, len({names[0]}))"
        steps = str(phase.steps) if phase.steps is not None else f"-(-{phase.epochs} * len({names[0]}) // size)"
        return names, f"size = {size}\nsteps = {steps}"

    def _share(self, schedule: Any) -> str:
        """What a step's learning rate is multiplied by; empty where it is 1."""
        if schedule.type == "linear":
            return "1 - step / steps" if not schedule.begin else f"min(1, (1 - step / steps) / (1 - {schedule.begin!r}))"
        if schedule.type == "step":
            return f"{schedule.by!r} ** sum(each <= step / steps for each in {list(schedule.at)})"
        return ""

    def _closed(self, stretch: Stretch, closed: Sequence[Closed], takes: Sequence[Id]) -> str:
        """Passes through the data, at the end of each of which a matrix goes to the minimum."""
        path = ("learning", stretch.name, "optimizer")
        if len(closed) > 1 or any(len(each.terms) > 1 or any(term.selections for term in each.terms) for each in closed):
            raise refused(f'phase "{stretch.id}" sets several matrices at once', path, OTHER.format(stretch.name))
        (one,) = closed
        node, graph = stretch.view.graph.functions[one.function], stretch.view.graph
        if "bias" in node.parameters or len(next(iter(node.parameters.values())).shape) != 2:
            raise refused(f'phase "{stretch.id}" sets a matrix with a bias, or of kernels', path, OTHER.format(stretch.name))
        matrix = self.written.attribute(f"functions.{one.function}", "matrix").replace("self.", "model.")
        names, _ = self._rows(stretch, takes)
        known = {each: self.written.local(graph.values[each]) for each in takes}
        lines: list[str] = []
        for key in stretch.procedures:
            known |= self._called(stretch, key, [], lines, {})
        more, found = self.written.values(graph, [one.terms[0].input], known, "model")
        inputs = "\n".join([*lines, *more, f"return {next(iter(found.values()))}.flatten(1)"])
        arguments = ", ".join(f"{each}: Tensor" for each in names)
        shown = f"def inputs({arguments}) -> Tensor:\n{indented(inputs)}\n"
        phase = stretch.phase
        size = f"len({names[0]})" if phase.batch_size == "all" else str(phase.batch_size)
        passes = phase.epochs if phase.epochs is not None else phase.steps
        solve = updates.least_squares if one.kind == "least_squares" else updates.directions
        self.written.sources.take(solve)
        given = ", ".join(f"{each}[first : first + {size}]" for each in names)
        gradient = f"torch.autograd.grad({self._named(stretch, 'loss')}(model, *seen) * len(seen[0]), {matrix})[0]"
        steps = [
            f"for _ in range({passes}):",
            f"    gram, slope_of_all = 0, torch.zeros_like({matrix})",
            f"    for first in range(0, len({names[0]}), {size}):",
            f"        seen = ({given},)",
            "        entered = inputs(*seen).detach().double()",
            "        gram = gram + entered.T @ entered",
            f"        slope_of_all += {gradient}",
            "    with torch.no_grad():",
            f"        {matrix}.copy_(least_squares({matrix}, slope_of_all, {self._curvature(stretch, one)!r} * gram))",
        ]
        if one.kind == "directions":
            steps = [each for each in steps if "slope_of_all" not in each]
            steps.insert(1, "    gram = 0")
            steps.append(f"        {matrix}.copy_(directions(gram, len({matrix})))")
        return "\n".join([shown, *steps])

    def _curvature(self, stretch: Stretch, closed: Closed) -> float:
        """How much the energy is curved along what the function makes."""
        (term,) = closed.terms
        leaf = stretch.view.graph.factors[term.factor].leaf
        return float(term.weight * leaf.curvature(self.written.tensors.get(f"factors.{term.factor}", {})))  # type: ignore[attr-defined]


def factors_read(graph: Graph, factors: Iterable[str]) -> Iterator[Id]:
    """All that some factors read."""
    return (each for key in factors for each in graph.factors[key].arguments)


def written_name(key: str) -> str:
    """A phase at a slot as a name."""
    return plain(key)
