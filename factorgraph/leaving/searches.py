"""Searches as methods: the problem, the solver and its stopping rule, all in sight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from factorgraph.compile import inferences, plan_procedures
from factorgraph.compile.dependence import origin, varies
from factorgraph.compile.procedures import CERTAIN, Inference
from factorgraph.compile.program import Program
from factorgraph.compile.targets import ROUNDING
from factorgraph.errors import SpecError, address
from factorgraph.graph.model import Constant, Graph, Id
from factorgraph.graph.resolve import resolve
from factorgraph.leaving import blocks, reference
from factorgraph.leaving.maps import drawn
from factorgraph.leaving.names import plain
from factorgraph.leaving.written import Written, indented, refused

ANYWHERE = "any"  # the device that is planned for: one for which no kernel is compiled
SOLVERS = ("ista", "fista", "coordinate_descent", "admm", "half_quadratic", "lbfgs", "exact", "enumerate")


@dataclass(frozen=True)
class Search:
    """A search on its way out. ``owner``: whose methods it calls, ``self`` or a copy in double precision."""

    written: Written
    graph: Graph
    inference: Inference
    solver: str
    owner: str
    names: Mapping[Id, str]  # of what the smooth part reads beside z

    def solved(self, start: str) -> list[str]:
        """Statements that find z."""
        beside = ", ".join(dict.fromkeys(self.names.values()))
        plan, take, more = self.inference.plan, self.written.sources.take, f", {beside}" if beside else ""
        options: Any = self.inference.method  # those of argmin
        lines = [f"start = {start}"]
        if self.solver == "lbfgs":
            energy = _function("energy", "z", f"return smooth(z{more})") if more else ""
            slope = _function("gradient", "z", f"return {take(reference.slope)}(smooth, z{more})")
            called = f"{take(reference.lbfgs)}(start, {'energy' if more else 'smooth'}, gradient"
            return [*lines, energy, slope, f"z = {called}, {options.steps}, {options.tolerance!r})"]
        if plan.kernel == "gram":
            take(reference.quadratic_form)
            constant = "constant" if self.has_gap and self.solver not in ("exact", "enumerate") else "_"
            lines.append(f"hessian, linear, {constant} = quadratic_form(smooth, start{more})")
            if self.solver in ("exact", "enumerate"):
                return [*lines, f"z = {take(reference.exact if self.solver == 'exact' else reference.nearest)}(hessian, linear)"]
            if self.steps_whole:
                lines.append(f"bound = {take(reference.eigenvalue_bound)}(hessian).clamp_min(1e-6)")
            gradient, value = "z @ hessian + linear", "(z * (gradient(z) + linear)).sum(1) / 2 + constant"
        else:
            lines += [f"bound = {self._bound()}"] if self.steps_whole else []
            gradient, value = f"{take(reference.slope)}(smooth, z{more})", f"smooth(z{more})"
        lines += [_function("gradient", "z", f"return {gradient}"), self.shrinkage() if self.steps_whole else ""]
        name = ""
        if self.solver == "coordinate_descent":
            inner = "hessian, linear, least"
            lines += self._least()
        elif self.solver == "admm":
            name, inner, before = halves(self)
            lines += before
        elif self.solver == "half_quadratic":
            each: Any = self.inference.solver
            inner = f"gradient, settle, ({each.first!r}, {each.factor!r}, {each.last!r}, {each.turns})"
            lines.append(self.shrinkage("settle", "price", "v: Tensor, price"))
        else:
            inner = "descend, shrink"
            lines.append(_function("descend", "z", "return z - gradient(z) / bound"))
        lines.append(_function("certificate", "z", f"return {self._certificate(value)}"))
        restart = getattr(self.inference.solver, "restart", True)
        name = name or take(getattr(reference, self.solver if restart else f"{self.solver}_without_restart"))
        return [*lines, f"z = {name}(start, {inner}, certificate, {options.steps}, {options.tolerance!r})"]

    @property
    def rest(self) -> Any:
        """What of the energy has no gradient, the domain included; None where there is nothing."""
        block = self.inference.block
        return block.rest_of(torch.zeros(2, sum(block.sizes)), {}, self.written.tensors)

    @property
    def has_gap(self) -> bool:
        """Whether its certificate is a duality gap."""
        least = None if self.rest is None else self.rest.least
        return self.inference.block.squares and least is not None and bool((least > 0).all())

    @property
    def steps_whole(self) -> bool:
        """Whether a step of all units is made, to move or to judge: else no bound and no shrinkage are asked for."""
        return self.solver not in ("coordinate_descent", "admm", "half_quadratic") or not self.has_gap

    def _certificate(self, value: str) -> str:
        take = self.written.sources.take
        if not self.has_gap:
            sure = "z - gradient(z) / bound"
            return f"{take(reference.residual)}(z, shrink({sure}))"
        if self.rest.groups is not None:
            pull = "-gradient(z)" if self.rest.nonnegative else "gradient(z).abs()"
            groups = blocks.groups(self.written, self.inference.block, self.owner, self.rest.groups)
            return f"{take(reference.duality_gap_of_groups)}(z, gradient(z), {pull}, {value}, {groups})"
        gap = take(reference.duality_gap_nonnegative if self.rest.nonnegative else reference.duality_gap)
        weight = blocks.weights(self.written, self.inference.block, "z", self.owner, self.rest.l1)
        return f"{gap}(z, gradient(z), {value}, {weight})"

    def shrinkage(self, name: str = "shrink", inverse: str = "bound", arguments: str = "v") -> str:
        """What the rest makes of a point after a step of length 1 / bound."""
        rest = self.rest
        if rest is None:
            return _function(name, arguments, "return v")
        block = self.inference.block
        v, bound = torch.rand(self.written.batch, sum(block.sizes)), torch.rand(())
        names = {"v": v, inverse: bound, **blocks.tuned(self.written, block, self.owner)}
        body = self.written.record(names, "len(v)", lambda: rest.prox(v, 1 / bound))
        return _function(name, arguments, body)

    def _least(self) -> list[str]:
        """Where each unit costs least by itself, from where its square alone would."""
        rest = self.rest
        if rest is None:
            return [_function("least", "v", "return v")]
        weight = blocks.weights(self.written, self.inference.block, "linear", self.owner, rest.l1)
        moved = "(v - threshold).clamp_min(0)" if rest.nonnegative else "v - v.clamp(-threshold, threshold)"
        return [f"threshold = {weight} / hessian.diagonal().clamp_min(1e-6)", _function("least", "v", f"return {moved}")]

    def _bound(self) -> str:
        """At least the Lipschitz constant of the gradient: a method of its own."""
        block, written, plan = self.inference.block, self.written, self.inference.plan
        owners = sorted(key for key in written.tensors if key.startswith("functions."))
        names = {key: each for owner in owners for key, each in written.given(owner).items()}
        start = torch.rand(written.batch, sum(block.sizes))
        body = written.record(names, "rows", lambda: block.bound(written.tensors, start))
        name = written.names(("bound", plan.id, body), f"{plain(plan.id)}_bound")
        told = "(): at least the Lipschitz constant of the gradient of what a search descends."
        written.methods.setdefault(name, written.method(name, [], "Tensor", told, body, []))
        return f"{self.owner}.{name}()"


def argmin(written: Written, graph: Graph, inference: Inference) -> tuple[tuple[Id, ...], str]:
    """What a search takes, and the body of its method."""
    solver = (inference.plan.solver or {}).get("type", "")
    _check(inference, solver)
    still = [key for key in inference.block.still if varies(graph, key)]
    takes = blocks.taken(graph, inference, still)
    inputs = blocks.known(written, graph, takes)
    options: Any = inference.method  # those of argmin
    precise = 0 < options.tolerance < CERTAIN * torch.finfo(torch.float32).eps
    lines: list[str] = []
    if precise:
        lines.append("precise = copy.deepcopy(self).double()  # in single precision rounding would hide what is left to gain")
        lines.append(f"usual = {next(iter(inputs.values()))}.dtype")
        lines += [f"{name} = {name}.double()" for name in inputs.values()]
    owner = "precise" if precise else "self"
    statements, names = _named(written, graph, still, inputs, owner)
    lines += statements
    more, begin = blocks.start(written, graph, inference, takes, owner)
    lines += [each for each in more if each not in lines]
    lines.append(blocks.smooth(written, graph, inference.block, names, owner))
    lines += Search(written, graph, inference, solver, owner, names).solved(begin)
    return takes, blocks.returned(inference.block, lines, ".to(usual)" if precise else "")


def largest(written: Written, graph: Graph, inference: Inference, factor: str) -> tuple[tuple[Id, ...], str]:
    """What the smallest weight of magnitudes takes at which no unit of a sample is active, and its method's name."""
    block = inference.block
    still = [key for key in block.still if varies(graph, key)]
    takes = blocks.taken(graph, inference, still)
    inputs = blocks.known(written, graph, takes)
    statements, names = _named(written, graph, still, inputs, "self")
    (of,) = (each for each in block.variables if each.id == origin(graph, graph.factors[factor].arguments[0]))
    first = sum(block.sizes[: block.variables.index(of)])
    rows, beside = next(iter(inputs.values())), "".join(f", {each}" for each in dict.fromkeys(names.values()))
    start = f"{rows}.new_zeros(len({rows}), {sum(block.sizes)})"
    part = "" if len(block.variables) == 1 else f"[:, {first}:{first + block.sizes[block.variables.index(of)]}]"
    rest = Search(written, graph, inference, "", "self", {}).rest
    others = blocks.magnitudes(written, block, of.id, "self", factor) if rest is not None and rest.l1 is not None else []
    pull = "-pull" if of.domain == "nonnegative" else "pull.abs()"
    lines = [
        *statements,
        blocks.smooth(written, graph, block, names, "self"),
        f"pull = {written.sources.take(reference.slope)}(smooth, {start}{beside}){part}",
        f"pull = {' - '.join([pull, *others])}",
        f"return pull.amax(1).clamp_min(0) * (1 + {ROUNDING} * torch.finfo(pull.dtype).eps)",
    ]
    body = "\n".join(lines)
    name = written.names(("largest", factor, body), f"largest_{plain(factor)}_weight")
    told = f"(batch,): the smallest weight of {plain(factor)} at which no unit of a sample is active."
    written.methods.setdefault(name, written.method(name, [*inputs.values()], "Tensor", told, body, [], "@torch.no_grad()"))
    return takes, name


def _named(
    written: Written, graph: Graph, still: Sequence[Id], inputs: Mapping[Id, str], owner: str
) -> tuple[list[str], dict[Id, str]]:
    """Statements, and the names by which the energy reads what stands still beside a block."""
    lines, found = written.values(graph, still, inputs, owner)
    names = dict(found)
    for key, text in found.items():
        if not text.isidentifier():
            names[key] = written.local(graph.values[key])
            lines.append(f"{names[key]} = {text}")
    return lines, names


def _check(inference: Inference, solver: str) -> None:
    """Raise SpecError FG692 where a search cannot be written."""
    if inference.method.through() != "stop":
        what = f'learning sees through the search "{inference.plan.id}": that is not written as plain torch'
        raise refused(what, blocks.path_of(inference), "gradient: stop, or method: unrolled")
    why = _unwritten(inference, solver)
    if why:
        what = f'"{inference.plan.id}" {why}: that is not written as plain torch'
        raise refused(what, blocks.path_of(inference), _nearest(inference))


def _nearest(inference: Inference) -> str:
    """What can be written, each tried: with another solver, or without the first factor that has no bound of its curvature."""
    plan, spec = inference.plan, inference.block.program.graph.spec
    path = blocks.path_of(inference)

    def is_written(field: str, value: Any) -> bool:
        try:
            graph = resolve(spec.with_changes({address((*path, field)): value}, "the nearest that can be written"))
            made = inferences(graph, Program(graph), plan_procedures(graph, ANYWHERE))[plan.id]
        except SpecError:
            return False
        return not _unwritten(made, (made.plan.solver or {}).get("type", ""))

    if solvers := [each for each in SOLVERS if is_written("solver", each)]:
        return f"{address((*path, 'solver'))}: {', '.join(solvers)}; or infer by method: amortized or unrolled"
    unbounded = _unbounded(inference)
    without = [*inference.method.without, *unbounded[:1]]
    if unbounded and is_written("without", without):
        return f"{address((*path, 'without'))}: [{', '.join(without)}]; or infer by method: amortized"
    return "infer by method: amortized or unrolled"


def _unbounded(inference: Inference) -> list[str]:
    """The factors whose curvature has no bound."""
    terms = inference.plan.terms
    return [inference.block.program.graph.factors[each.factor].name for each in terms if each.part != "rest" and not each.bounded]


def _unwritten(inference: Inference, solver: str) -> str:
    """Why a search cannot be written; empty where it can."""
    plan, block, graph = inference.plan, inference.block, inference.block.program.graph
    unbounded = ", ".join(dict.fromkeys(_unbounded(inference)))
    bounded = not unbounded
    told = {
        f"is searched by {solver}": solver not in SOLVERS or getattr(inference.solver, "order", "greedy") != "greedy",
        "has a Hessian that is not formed once for all samples": plan.kernel == "grams"
        or (plan.kernel != "gram" and solver not in ("ista", "fista", "lbfgs", "admm", "half_quadratic")),
        "has a bound of its curvature that it begins with": solver == "lbfgs" and (bounded or plan.kernel == "gram"),
        f"has no bound of its curvature, for {unbounded} has none": plan.kernel != "gram" and not bounded and solver != "lbfgs",
        "tries values of several variables, or of binary ones": solver == "enumerate"
        and (plan.domain != "one_hot" or len(plan.block) > 1),
        "starts at what was found before": any(inference.method.remembers(each.name) for each in block.variables),
        "reads a value that no sample changes": not all(
            varies(graph, key) or isinstance(graph.values[key], Constant) for key in block.still
        ),
    }
    return next((what for what, is_so in told.items() if is_so), "")


def halves(search: Search) -> tuple[str, str, list[str]]:
    """ADMM: its function, what that takes behind the start, and statements before."""
    take, settle = search.written.sources.take, search.shrinkage("settle", "price")
    price = take(reference.price_of_distance)
    if search.inference.plan.kernel == "gram":
        before = [f"price = {price}(hessian.diagonal())", settle]
        return take(reference.admm), "hessian, linear, price, settle", before
    lines, inner = drawn(search)
    return take(reference.admm_of_maps), f"{inner}, price, settle", [*lines, settle]


def _function(name: str, argument: str, body: str) -> str:
    """A function of one tensor, or of more, inside a method."""
    return f"\ndef {name}({argument}: Tensor) -> Tensor:\n{indented(body)}\n"
