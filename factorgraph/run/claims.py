"""Claims judged: what a spec says that its model does, measured on held-out data and held against its bounds."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from factorgraph.errors import FactorgraphError, RunError, issue
from factorgraph.inference.problem import OUT_OF_STEPS
from factorgraph.lazy import torch
from factorgraph.registry import leaves
from factorgraph.run.spelling import Slots, combinations, state_text, value_text
from factorgraph.spec.blocks import Claim
from factorgraph.spec.claimed import START
from factorgraph.spec.claims import ClaimExpression, ClaimNode, Combined, Measure, Minus
from factorgraph.spec.constants import Constants
from factorgraph.spec.expressions import Call, Node, Number

if TYPE_CHECKING:
    from torch import Tensor

    from factorgraph.metrics._base import Kind, MetricLeaf
    from factorgraph.run.measured import Measured
    from factorgraph.spec.schema import Spec

Outcome = Literal["holds", "fails", "reported", "not measured"]
LEAST = 0.005  # of samples out of steps: fewer than that move no figure
States = Callable[[str], "Measured"]  # "" after learning, "start", a phase, "wide", "filters[2].warm"


class NotMeasuredError(Exception):
    """A state that nobody has trained: the message says why, in the words of a user."""


@dataclass(frozen=True)
class Verdict:
    """What became of one claim.

    ``values``: the figure at each slot of the claim's free indices, one if it has none; of several seeds what the claim takes.
    ``seeds``: the figures of each seed. ``control``: those of the claim's control, of all its seeds what the claim takes.
    ``source``: where the claim stands, and how its bound came about.
    """

    name: str
    claim: str
    metric: str
    values: tuple[float, ...]
    bound: str
    verdict: Outcome
    why: str = ""
    published: str = ""
    seeds: tuple[tuple[float, ...], ...] = ()
    control: tuple[float, ...] = ()
    source: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``: numbers that JSON has, ``None`` in the place of others."""
        words = {"claim": self.claim, "metric": self.metric, "bound": self.bound, "verdict": self.verdict}
        seeds = [_numbers(each) for each in self.seeds]
        figures = {"values": _numbers(self.values), "seeds": seeds, "control": _numbers(self.control)}
        notes = {"why": self.why, "published": self.published, "source": self.source}
        return {"name": self.name, **words, **figures, **notes}


def _numbers(values: tuple[float, ...]) -> list[float | None]:
    return [each if math.isfinite(each) else None for each in values]


def judge(spec: Spec, seeds: Sequence[States], budget: str = "laptop") -> list[Verdict]:
    """Measure and judge every claim of a spec, in its order.

    ``seeds``: for each seed what gives the model and data of a state, or raises :class:`NotMeasuredError`; a claim looks at as
    many as it asks for. A bound must hold at every slot; a figure that is no finite number holds no bound. A claim with a bound
    that cannot be computed fails; one that is only reported, or that is about another budget or a variant that was not trained,
    is not measured. One that holds under its control as well proves nothing, and fails.
    """
    judgings = [_Judging(spec, states, {}) for states in seeds]
    return [_verdict(name, claim, judgings[: claim.seeds], budget) for name, claim in spec.expect.items()]


def measured_at(spec: Spec, states: States, metric: ClaimExpression) -> list[tuple[Slots, float]]:
    """A claim's figure at every combination of slots of its free indices. Raises NotMeasuredError, RunError."""
    claim = Claim(claim=metric.text, metric=metric, report=True)
    judging = _Judging(spec, states, {})
    return list(zip(combinations(metric.root, spec.indices), judging.values(claim), strict=True))


def units_at(spec: Spec, states: States, metric: str) -> Tensor:
    """The figures of a metric per unit, (units,), in the state that is written before it. Raises NotMeasuredError, RunError."""
    found = list(units_by_state(spec, states, metric))
    if len(found) != 1:
        raise RunError(issue("FG427", f"{metric} is about {len(found)} models", fix="name one member of the family"))
    return found[0][0]


def units_by_state(spec: Spec, states: States, metric: str) -> Iterator[tuple[Tensor, Measured, str]]:
    """The same at each slot of its family of states: the figures, the model that has them, the function that they are about."""
    measure = ClaimExpression.of(metric).measures()[0]
    claim = Claim(claim=metric, metric=ClaimExpression.of(metric), report=True)
    for slots, on, arguments in about(spec, states, measure):
        figures = _Judging(spec, states, {}).measured(measure, claim, slots)
        yield torch.as_tensor(figures).reshape(-1), on, arguments[0]


def about(spec: Spec, states: States, measure: Measure) -> Iterator[tuple[Slots, Measured, tuple[str, ...]]]:
    """What a metric is about, at each combination of slots: the model, and the arguments. Raises NotMeasuredError."""
    for slots in combinations(measure, spec.indices):
        on = states(state_text(measure.states, slots, spec))
        yield slots, on, tuple(value_text(each, slots, on.graph) for each in measure.arguments)


def exit_status(verdicts: Iterable[Verdict]) -> int:
    """1 if a claim fails, else 0."""
    return int(any(each.verdict == "fails" for each in verdicts))


def _verdict(name: str, claim: Claim, judgings: Sequence[_Judging], budget: str) -> Verdict:
    found: list[tuple[float, ...]] = []
    control: tuple[float, ...] = ()

    def made(outcome: Outcome, why: str = "", values: tuple[float, ...] = ()) -> Verdict:
        published = "" if claim.published is None else _plain(claim.published)
        about = (name, claim.claim, claim.metric.text, values, bound_text(claim))
        return Verdict(*about, outcome, why, published, tuple(found), control, claim.source or "")

    if claim.budget != budget:
        return made("not measured", f"it is about the budget {claim.budget}, this run's is {budget}")
    try:
        found += [each.values(claim) for each in judgings]
        values = _taken(claim, found, claim.take)
        outcome, why = _held_against(claim, values)
        notes = [why, _unsure([each.out_of_steps(claim) for each in judgings])]
        if len(judgings) < claim.seeds:
            notes.append(f"{_count(len(judgings))} of {claim.seeds}, the claim is about their {claim.take}")
        if outcome == "holds" and claim.control is not None:
            outcome, control, note = _against_control(claim, claim.control, judgings)
            notes.append(note)
    except NotMeasuredError as reason:
        return made("not measured", str(reason))
    except FactorgraphError as error:
        return made("not measured" if claim.report else "fails", error.issues[0].message)
    except (ArithmeticError, LookupError, TypeError, ValueError, RuntimeError) as error:  # one claim loses no verdict of others
        why = f"it cannot be measured, a mistake of factorgraph itself: {type(error).__name__}: {error}"
        return made("not measured" if claim.report else "fails", why)
    return made(outcome, "; ".join(filter(None, notes)), values)


def _unsure(found: Sequence[dict[str, float]]) -> str:
    """Which searches of a claim ended before they were sure, in more than half a percent of the samples: of seeds the most."""
    most = {name: max(each.get(name, 0.0) for each in found) for name in dict.fromkeys(name for each in found for name in each)}
    told = [f"{share:.0%} of {name}" for name, share in most.items() if share > LEAST]
    return f"out of steps, not sure to be at the minimum: {', '.join(told)}" if told else ""


def _count(seeds: int) -> str:
    return "one seed" if seeds == 1 else f"{seeds} seeds"


def _taken(claim: Claim, found: Sequence[tuple[float, ...]], take: str) -> tuple[float, ...]:
    """Of the seeds' figures at each slot the one that is taken. One that is no number stays one."""
    larger_is_better = claim.at_least is not None
    ways: dict[str, Callable[[Sequence[float]], float]] = {
        "median": statistics.median,
        "mean": statistics.fmean,
        "best": max if larger_is_better else min,
        "worst": min if larger_is_better else max,
    }
    choose = ways[take]
    return tuple(choose(each) if all(map(math.isfinite, each)) else math.nan for each in zip(*found, strict=True))


def _against_control(claim: Claim, control: str, judgings: Sequence[_Judging]) -> tuple[Outcome, tuple[float, ...], str]:
    """The verdict on a claim that holds, once its control was looked at, of its seeds the one that comes nearest to the claim."""
    try:
        found = [each.under(control, claim).values(claim) for each in judgings]
    except NotMeasuredError:
        return "holds", (), f"its control, {control}, was not trained"
    values = _taken(claim, found, "median" if claim.rises_with or claim.falls_with else "best")
    if not all(map(math.isfinite, values)):
        return "fails", values, f"its control, {control}, is not a finite number: nothing is shown"
    if _held_against(claim, values)[0] == "holds":
        return "fails", values, f"proves nothing: it holds under its control, {control}, too ({shown(values)})"
    return "holds", values, f"not so under its control, {control}: {shown(values)}"


def _held_against(claim: Claim, values: tuple[float, ...]) -> tuple[Outcome, str]:
    if not values:
        return "fails", "there is no slot at which it could hold"
    if not all(map(math.isfinite, values)):
        return "fails", "the figure is not a finite number"
    if claim.report:  # a bound that is not calibrated yet is shown, and gates nothing
        return "reported", ""
    trend = claim.rises_with or claim.falls_with
    if trend is not None and len(values) < 2:
        return "fails", f"a trend with {trend} needs two slots"
    kept = (
        (claim.at_least is None or min(values) >= claim.at_least)
        and (claim.at_most is None or max(values) <= claim.at_most)
        and (claim.rises_with is None or all(a < b for a, b in _neighbours(values)))
        and (claim.falls_with is None or all(a > b for a, b in _neighbours(values)))
    )
    return ("holds" if kept else "fails"), ""


def _neighbours(values: tuple[float, ...]) -> Iterator[tuple[float, float]]:
    return itertools.pairwise(values)


def bound_text(claim: Claim) -> str:
    """``at least 0.4, at most 1``; empty where nothing is demanded."""
    parts = [f"at least {claim.at_least:g}" if claim.at_least is not None else ""]
    parts += [f"at most {claim.at_most:g}" if claim.at_most is not None else ""]
    parts += [f"rises with {claim.rises_with}" if claim.rises_with else ""]
    parts += [f"falls with {claim.falls_with}" if claim.falls_with else ""]
    return ", ".join(filter(None, parts))


# --- measuring -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Judging:
    """Measures claims; the same figure of the same state is measured once."""

    spec: Spec
    states: States
    known: dict[tuple[Any, ...], float | Tensor]

    def values(self, claim: Claim) -> tuple[float, ...]:
        """The claim's figure at every slot of its free indices at which all that it reads exists."""
        root = claim.metric.root
        return tuple(self._number(root, claim, slots) for slots in combinations(root, self.spec.indices))

    def out_of_steps(self, claim: Claim) -> dict[str, float]:
        """By procedure the largest share of samples that ran out of steps, of the procedures that a measured claim is about."""
        found: dict[str, float] = {}
        for measure in claim.metric.measures():
            for _, on, arguments in about(self.spec, self.states, measure):
                for kind, name in zip(_leaf(measure.metric).arguments, arguments, strict=True):
                    if kind == "procedure":
                        found[name] = max(found.get(name, 0.0), _out_of_steps(on, name))
        return found

    def under(self, control: str, claim: Claim) -> _Judging:
        """The same where what a claim says of the model, or of the one variant that all of it is about, is said of its control.

        Under *start* it is said of the model and its variants untrained.
        """
        about = self._about(claim)

        def states(state: str) -> Measured:
            first, _, rest = state.partition(".")
            name = first.split("[", maxsplit=1)[0]
            if control == START:
                return self.states(f"{first}.{START}" if name in self.spec.variants else START)
            if name == about:
                return self.states(f"{control}.{rest}" if rest else control)
            return self.states(f"{control}.{state}" if name in self.spec.learning else state)

        return _Judging(self.spec, states, {})

    def _about(self, claim: Claim) -> str:
        """The variant that a claim measures, where it measures nothing else; else nothing: the spec itself."""
        firsts = {each.states[0].name if each.states else "" for each in claim.metric.measures()}
        return firsts.pop() if len(firsts) == 1 and firsts <= self.spec.variants.keys() else ""

    def _number(self, node: ClaimNode, claim: Claim, slots: Slots) -> float:
        if isinstance(node, Number):
            return float(node.value)
        if isinstance(node, Minus):
            return -self._number(node.operand, claim, slots)
        if isinstance(node, Combined):
            left, right = self._number(node.left, claim, slots), self._number(node.right, claim, slots)
            return _combined(node.operator, left, right)
        figure = self.measured(node, claim, slots)
        if not isinstance(figure, float):
            text = f"{node.metric} gives a figure for each unit, where one number is needed"
            raise RunError(issue("FG635", text, fix=f"write largest({node.metric}(...)) or smallest({node.metric}(...))"))
        return figure

    def measured(self, node: Measure, claim: Claim, slots: Slots) -> float | Tensor:
        state = state_text(node.states, slots, self.spec)
        on = self.states(state)
        only, without = tuple(claim.only or ()), tuple(claim.without)
        arguments = tuple(value_text(each, slots, on.graph) for each in node.arguments)
        key = (state, only, without, node.metric, arguments)
        if key not in self.known:
            seen = on.seeing(only, without) if only or without else on
            self.known[key] = _figure(node.metric, node.arguments, seen, slots)
        return self.known[key]


def _out_of_steps(on: Measured, procedure: str) -> float:
    """The share of rows whose search ended before it was sure, of what was inferred by now; 0 where none is asked to be sure."""
    if not any(getattr(on.model.inferences[each.id].method, "tolerance", 0) > 0 for each in on.plans(procedure)):
        return 0.0
    found = [each.status for each in on.by_now.values() if each.procedure == procedure]
    return max((float((status == OUT_OF_STEPS).double().mean()) for status in found), default=0.0)


def _combined(operator: str, left: float, right: float) -> float:
    if operator == "/":
        return left / right if right != 0 else math.nan
    return {"+": left + right, "-": left - right, "*": left * right}[operator]


def _figure(metric: str, written: tuple[Node, ...], on: Measured, slots: Slots) -> float | Tensor:
    leaf = _leaf(metric)
    if len(written) != len(leaf.arguments):
        wanted = ", ".join(leaf.arguments) or "no argument"
        text = f"{metric} takes {len(leaf.arguments)} arguments and is given {len(written)}"
        raise RunError(issue("FG635", text, allowed=wanted))
    return leaf.measure(on, *(_argument(kind, node, on, slots) for kind, node in zip(leaf.arguments, written, strict=True)))


def _leaf(metric: str) -> MetricLeaf:
    known = leaves("metrics")
    if metric not in known:
        raise NotMeasuredError(f"this version has no metric called {metric}")
    leaf: Any = known[metric](type=metric)
    return leaf  # type: ignore[no-any-return]


def _argument(kind: Kind, node: Node, on: Measured, slots: Slots) -> Any:
    if kind == "units":
        if not isinstance(node, Call):
            text = f"{value_text(node, slots, on.graph)!r} is no metric that gives a figure for each unit"
            raise RunError(issue("FG635", text))
        return _figure(".".join(node.name), node.arguments, on, slots)
    if kind == "number":
        spec = on.graph.spec
        return float(Constants(spec.dims, slots).evaluate(value_text(node, slots, on.graph)))
    return value_text(node, slots, on.graph)


# --- as text -------------------------------------------------------------------------------------------------------------------


def table(verdicts: Iterable[Verdict]) -> str:
    """The verdicts as plain text, one line a claim, what there is to add below it."""
    verdicts = list(verdicts)
    if not verdicts:
        return "the spec makes no claims"
    cells = [(each.verdict, each.name, shown(each.values), each.bound, each.claim) for each in verdicts]
    widths = [max(len(row[column]) for row in cells) for column in range(4)]
    lines = []
    for each, row in zip(verdicts, cells, strict=True):
        columns = [cell.ljust(width) for cell, width in zip(row, widths, strict=False) if width]
        lines.append("  ".join([*columns, row[4]]).rstrip())
        notes = [each.why, f"published: {each.published}" if each.published else ""]
        lines += [" " * (widths[0] + 2) + note for note in notes if note]
    return "\n".join(lines)


def shown(values: tuple[float, ...]) -> str:
    """Four significant digits; several slots with commas between them; a dash for none."""
    return ", ".join(f"{each:.4g}" for each in values) or "-"


def _plain(figure: str | float) -> str:
    return figure if isinstance(figure, str) else f"{figure:g}"
