"""Claims against verdicts written by hand."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from factorgraph.inference.problem import CONVERGED, OUT_OF_STEPS
from factorgraph.run import claims
from factorgraph.run.claims import NotMeasuredError, exit_status, judge, table
from factorgraph.run.measured import Measured
from factorgraph.run.spelling import value_text
from factorgraph.spec.blocks import Claim
from factorgraph.spec.expressions import parse_value

_SPEC = importlib.util.spec_from_file_location("fakes", Path(__file__).parent / "fakes.py")
fakes = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(fakes)

INDICES = {"k": 3, "p": 3, "single": 1, "none": 0}
FIGURES = {  # by state and metric call
    ("", "energy(fast)"): 3.0,
    ("", "energy(optimal)"): 2.5,
    ("start", "energy(optimal)"): 10.0,
    ("warm", "energy(optimal)"): 5.0,
    ("", "auc()"): math.nan,
    ("", "value(zero)"): 0.0,
    **{("", f"energy(lista[{k}])"): each for k, each in enumerate([4.0, 3.0, 3.0])},
    **{(f"wide[{k}]", "active(optimal)"): each for k, each in enumerate([0.3, 0.2, 0.1])},
}


def saying(it=None, **expect):
    """A spec that claims these; one claim is called it."""
    claimed = expect if it is None else {"it": it}
    return SimpleNamespace(expect=claimed, indices=INDICES, learning={"warm": None}, variants={"wide": {}, "plain": {}})


class Told:
    """A measured state whose figures are written above."""

    def __init__(self, state, only=(), without=()):
        self.state, self.only, self.without = state, only, without
        spec = SimpleNamespace(dims={"T": 4})
        self.graph = SimpleNamespace(spec=spec, slots_of=lambda name: [])

    def seeing(self, only, without):
        return Told(self.state, only, without)

    def plans(self, procedure):
        return ()  # nothing searches


@pytest.fixture
def told(monkeypatch):
    calls = []

    def figure(metric, written, on, slots):
        text = f"{metric}({', '.join(value_text(each, slots, on.graph) for each in written)})"
        calls.append((on.state, text, on.only, on.without))
        return FIGURES[on.state, text]

    monkeypatch.setattr(claims, "_figure", figure)
    return calls


def states(state):
    if state.startswith(("plain", "single")):
        raise NotMeasuredError(f"the variant {state} was not trained")
    return Told(state)


def verdict(told, budget="laptop", **claim):
    (found,) = judge(saying(Claim(claim="so it is", **claim)), [states], budget)
    return found


@pytest.mark.parametrize(
    ("metric", "bounds", "values", "outcome"),
    [
        ("energy(fast) / energy(optimal)", {"at_most": 1.25}, (1.2,), "holds"),
        ("energy(fast) / energy(optimal)", {"at_most": 1.2}, (1.2,), "holds"),
        ("energy(fast) / energy(optimal)", {"at_most": 1.19}, (1.2,), "fails"),
        ("energy(fast) / energy(optimal)", {"at_least": 1, "at_most": 1.3}, (1.2,), "holds"),
        ("energy(fast) / energy(optimal)", {"at_least": 1.21, "at_most": 1.3}, (1.2,), "fails"),
        ("energy(optimal) - energy(fast) * 2 + 1", {"at_most": 0}, (-2.5,), "holds"),
        ("-energy(optimal)", {"at_least": 0}, (-2.5,), "fails"),
        ("start.energy(optimal) / warm.energy(optimal)", {"at_least": 2}, (2.0,), "holds"),
        ("energy(lista[k])", {"at_most": 4}, (4.0, 3.0, 3.0), "holds"),
        ("energy(lista[k])", {"at_most": 3.5}, (4.0, 3.0, 3.0), "fails"),  # not at the first slot
        ("5 - energy(lista[k])", {"at_most": 1.5}, (1.0, 2.0, 2.0), "fails"),  # not at the last two
        ("energy(lista[k])", {"at_least": 3.5}, (4.0, 3.0, 3.0), "fails"),  # not at the last two
        ("energy(lista[k])", {"falls_with": "k"}, (4.0, 3.0, 3.0), "fails"),  # staying is not falling
        ("energy(lista[1])", {"at_most": 3}, (3.0,), "holds"),
        ("energy(lista[k-1]) - energy(lista[k])", {"at_least": 0}, (1.0, 0.0), "holds"),  # at the slots where both exist
        ("wide[p].active(optimal)", {"falls_with": "p"}, (0.3, 0.2, 0.1), "holds"),
        ("wide[p].active(optimal)", {"rises_with": "p"}, (0.3, 0.2, 0.1), "fails"),
        ("energy(optimal) + auc()", {"at_least": -1e9}, (math.nan,), "fails"),
        ("energy(optimal) / value(zero)", {"at_least": 0}, (math.nan,), "fails"),
        ("auc()", {"report": True}, (math.nan,), "fails"),
        ("energy(fast)", {"report": True}, (3.0,), "reported"),
        ("energy(fast)", {"report": True, "at_most": 1}, (3.0,), "reported"),  # a bound that is not calibrated gates nothing
        ("energy(lista[none])", {"at_most": 1}, (), "fails"),  # vacuous
        ("wide[single].active(optimal)", {"rises_with": "single"}, (0.3,), "fails"),  # one point is no trend
        ("plain.energy(optimal) - energy(optimal)", {"at_least": 0}, (), "not measured"),
    ],
)
def test_verdicts(told, metric, bounds, values, outcome):
    found = verdict(told, metric=metric, **bounds)
    assert found.verdict == outcome
    assert found.values == pytest.approx(values, nan_ok=True)
    assert exit_status([found]) == (outcome == "fails")


def test_a_claim_about_another_budget_is_not_measured(told):
    assert verdict(told, metric="energy(fast)", at_most=1, budget="full").verdict == "not measured"
    assert verdict(told, metric="energy(fast)", at_most=1).verdict == "fails"
    assert told == [("", "energy(fast)", (), ())]


def test_only_and_without_reach_the_energies(told):
    verdict(told, metric="energy(fast) / energy(fast)", at_most=1, only=["sparsity"], without=["prediction"])
    assert told == [("", "energy(fast)", ("sparsity",), ("prediction",))]  # measured once


def test_one_seed_is_said_to_be_one(told):
    found = verdict(told, metric="energy(fast)", at_least=1, seeds=3, take="best")
    assert found.why == "one seed of 3, the claim is about their best"


@pytest.mark.parametrize("tolerance, said", [(1e-4, "out of steps, not sure to be at the minimum: 75% of optimal"), (0.0, "")])
def test_a_claim_says_which_search_ran_out_of_steps(told, monkeypatch, tolerance, said):
    status = torch.tensor([OUT_OF_STEPS, OUT_OF_STEPS, CONVERGED, OUT_OF_STEPS])
    monkeypatch.setattr(Told, "plans", lambda self, procedure: [SimpleNamespace(id=procedure)])
    method = SimpleNamespace(method=SimpleNamespace(tolerance=tolerance))
    model = SimpleNamespace(inferences={"optimal": method, "fast": SimpleNamespace(method=None)})
    monkeypatch.setattr(Told, "model", model, raising=False)
    by_now = {0: SimpleNamespace(procedure="optimal", status=status), 1: SimpleNamespace(procedure="fast", status=status)}
    monkeypatch.setattr(Told, "by_now", by_now, raising=False)
    found = verdict(told, metric="energy(fast) / energy(optimal)", at_least=1)
    assert (found.verdict, found.why) == ("holds", said)


def scaled(factor):
    """A seed in which every energy of the state after learning is so many times as large."""

    def seed(state):
        found = states(state)
        found.factor = 1 if state else factor
        return found

    return seed


@pytest.mark.parametrize(
    ("bounds", "taken", "outcome"),
    [
        ({"at_least": 3.5, "take": "best"}, 12.0, "holds"),
        ({"at_most": 3.5, "take": "best"}, 3.0, "holds"),
        ({"at_least": 3.5, "take": "worst"}, 3.0, "fails"),
        ({"at_most": 3.5, "take": "worst"}, 12.0, "fails"),
        ({"at_most": 6.0}, 6.0, "holds"),
        ({"at_most": 6.9, "take": "mean"}, 7.0, "fails"),
    ],
)
def test_of_several_seeds_the_claim_takes_one(told, monkeypatch, bounds, taken, outcome):
    monkeypatch.setattr(claims, "_figure", lambda metric, written, on, slots: 3.0 * on.factor)
    claim = Claim(claim="c", metric="energy(fast)", seeds=3, **bounds)
    (found,) = judge(saying(claim), [scaled(each) for each in (4, 1, 2, 100)])  # the fourth is not asked for
    assert (found.values, found.verdict) == ((pytest.approx(taken),), outcome)
    assert found.seeds == ((12.0,), (3.0,), (6.0,))


def test_a_figure_that_is_no_number_spoils_all_seeds(monkeypatch):
    monkeypatch.setattr(claims, "_figure", lambda metric, written, on, slots: on.factor)
    (found,) = judge(saying(Claim(claim="c", metric="auc()", seeds=2, at_least=0, take="best")), [scaled(1.0), scaled(math.nan)])
    assert found.verdict == "fails"
    assert math.isnan(found.values[0])


@pytest.mark.parametrize(
    ("bound", "control", "outcome", "why"),
    [
        (3.5, "start", "holds", "not so under its control, start: 10"),
        (10, "start", "fails", "proves nothing: it holds under its control, start, too (10)"),
        (3.5, "plain", "holds", "its control, plain, was not trained"),
        (2, "start", "fails", ""),
    ],
)
def test_a_claim_that_holds_under_its_control_proves_nothing(monkeypatch, bound, control, outcome, why):
    monkeypatch.setattr(claims, "_figure", lambda metric, written, on, slots: {"": 3.0, "start": 10.0}[on.state])
    (found,) = judge(saying(Claim(claim="c", metric="energy(fast)", at_most=bound, control=control)), [states])
    assert (found.verdict, found.why) == (outcome, why)


def test_a_control_is_judged_by_the_seed_that_comes_nearest_to_the_claim(monkeypatch):
    monkeypatch.setattr(claims, "_figure", lambda metric, written, on, slots: 0.1 if on.state == "" else 0.2 * on.factor)

    def seed(factor):
        def state(name):
            found = states(name)
            found.factor = factor
            return found

        return state

    claim = Claim(claim="c", metric="energy(fast)", at_most=0.5, seeds=3, take="worst", control="start")
    (found,) = judge(saying(claim), [seed(each) for each in (1, 3, 4)])
    assert (found.verdict, found.control) == ("fails", (0.2,))


def test_a_control_that_is_no_number_shows_nothing(monkeypatch):
    monkeypatch.setattr(claims, "_figure", lambda metric, written, on, slots: {"": 3.0, "start": math.nan}[on.state])
    (found,) = judge(saying(Claim(claim="c", metric="energy(fast)", at_most=3.5, control="start")), [states])
    assert (found.verdict, found.why) == ("fails", "its control, start, is not a finite number: nothing is shown")


def test_before_learning_there_is_no_phase(monkeypatch):
    monkeypatch.setattr(claims, "_figure", lambda metric, written, on, slots: {"warm": 3.0, "start": 10.0}[on.state])
    (found,) = judge(saying(Claim(claim="c", metric="warm.energy(fast)", at_most=3.5, control="start")), [states])
    assert (found.verdict, found.control) == ("holds", (10.0,))


def test_before_learning_no_variant_has_learned(monkeypatch):
    asked = []
    monkeypatch.setattr(claims, "_figure", lambda metric, written, on, slots: asked.append(on.state) or float(len(asked) < 4))
    metric = "wide[0].energy(fast) + wide[0].warm.energy(fast) + start.energy(fast)"
    (found,) = judge(saying(Claim(claim="c", metric=metric, at_least=3, control="start")), [Told])
    assert asked == ["wide[0]", "wide[0].warm", "start", "wide[0].start", "wide[0].start", "start"]
    assert (found.verdict, found.control) == ("holds", (0.0,))


def test_under_a_control_phases_are_those_of_the_control(monkeypatch):
    asked = []
    monkeypatch.setattr(claims, "_figure", lambda metric, written, on, slots: asked.append(on.state) or float(on.state == "warm"))

    def seed(state):
        return Told(state)

    metric = "warm.energy(fast) + wide[0].energy(fast)"
    (found,) = judge(saying(Claim(claim="c", metric=metric, at_least=1, control="plain")), [seed])
    assert asked == ["warm", "wide[0]", "plain.warm", "wide[0]"]
    assert (found.verdict, found.control) == ("holds", (0.0,))


def test_a_claim_about_a_variant_alone_has_the_control_in_its_place(monkeypatch):
    asked = []
    monkeypatch.setattr(claims, "_figure", lambda metric, written, on, slots: asked.append(on.state) or float(len(asked) < 3))
    metric = "plain.energy(fast) + plain.warm.energy(fast)"
    (found,) = judge(saying(Claim(claim="c", metric=metric, at_least=1.5, control="wide[1]")), [Told])
    assert asked == ["plain", "plain.warm", "wide[1]", "wide[1].warm"]
    assert (found.verdict, found.control) == ("holds", (0.0,))


def test_metrics_that_this_version_lacks_are_not_measured():
    (found,) = judge(saying(Claim(claim="in order", metric="pinwheels(decoder)", report=True)), [states])
    assert (found.verdict, found.why) == ("not measured", "this version has no metric called pinwheels")


@pytest.fixture
def real():
    rng = np.random.default_rng(5)
    decoder = rng.standard_normal((6, 3)).astype(np.float32)
    return Measured(fakes.FakeModel(decoder, decoder.T.copy()), fakes.dataset(rng.standard_normal((40, 6))))


def test_real_metrics_are_called_with_what_the_claim_names(real):
    def outcome(metric, **bounds):
        (found,) = judge(saying(Claim(claim="c", metric=metric, **bounds)), [lambda state: real])
        return found

    longest = float(real.model.decoder.norm(dim=0).max())
    assert outcome("largest(column_norm(decoder))", report=True).values == pytest.approx([longest], rel=1e-6)
    code = real.model.infer("fast", Y=torch.as_tensor(real.given["Y"]))
    assert outcome("energy(fast)", report=True).values == pytest.approx([float(code.energy.mean())], rel=1e-6)
    sparse = outcome("energy(fast)", report=True, only=["sparsity"])
    assert sparse.values == pytest.approx([float(code.shares["sparsity"].mean())], rel=1e-6)
    assert outcome("dead(decoder(Z))", at_most=0).verdict == "holds"


def test_a_metric_that_breaks_costs_no_other_claim_its_verdict(told, monkeypatch):
    """Told as a mistake of the package itself."""
    from factorgraph.run import claims

    def breaks(metric, *rest):
        raise ValueError("too many values")

    monkeypatch.setattr(claims, "_figure", breaks)
    found = verdict(told, metric="energy(fast)", at_most=9)
    assert found.verdict == "fails" and "mistake of factorgraph itself" in found.why and "too many" in found.why


def test_what_cannot_be_computed_fails_a_bound_and_leaves_a_report_unmeasured(real):
    for metric in ("dead(encoder(Z))", "column_norm(decoder)", "auc()", "energy()", "largest(decoder)", "gabor_share(decoder)"):
        for bounds, outcome in (({"at_least": 0}, "fails"), ({"report": True}, "not measured")):
            (found,) = judge(saying(Claim(claim="c", metric=metric, **bounds)), [lambda state: real])
            assert (found.verdict, bool(found.why)) == (outcome, True), metric


def test_values_are_spelled_as_the_graph_spells_them():
    plain = ("Y - decoder(Z)", "Y - (A - B)", "A - B - C", "-Y", "-(Y * Z)", "(A + B) * C", "W.transpose(W(Y))", "pool(H).what")
    for text in plain:
        assert value_text(parse_value(text), {}, Told("").graph) == text
    assert value_text(parse_value("decoder(Z[t+1]) - P[t].where"), {"t": 1}, Told("").graph) == "decoder(Z[2]) - P[1].where"


def test_the_table(told):
    expect = {
        "close": Claim(claim="the encoder replaces the search", metric="energy(fast) / energy(optimal)", at_most=1.25),
        "falls": Claim(claim="more steps help", metric="energy(lista[k])", falls_with="k"),
        "speed": Claim(claim="and is quick", metric="energy(fast)", report=True, published="over 100"),
        "plain": Claim(claim="sparsity helps", metric="plain.energy(fast)", at_least=1),
    }
    found = judge(saying(**expect), [states])
    assert exit_status(found) == 1
    assert table(found) == (
        "holds         close  1.2      at most 1.25  the encoder replaces the search\n"
        "fails         falls  4, 3, 3  falls with k  more steps help\n"
        "reported      speed  3                      and is quick\n"
        "              published: over 100\n"
        "not measured  plain  -        at least 1    sparsity helps\n"
        "              the variant plain was not trained"
    )
    assert table([]) == "the spec makes no claims"
    assert found[0].as_dict()["verdict"] == "holds"
    assert verdict(told, metric="auc()", at_least=0).as_dict()["values"] == [None]
