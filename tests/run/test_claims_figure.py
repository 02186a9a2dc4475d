"""Figures of claims: what is across, what is drawn there, and what cannot be."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace

import pytest
from matplotlib.text import Text
from PIL import Image

import factorgraph as fg
from factorgraph.errors import SpecError
from factorgraph.run import claims
from factorgraph.run.claims import NotMeasuredError, judge
from factorgraph.run.figures._chosen import asked_figures, drawn
from factorgraph.spec.load import loads

SPEC = """
factorgraph: 1
dims: {code: 7, keep: [0.5, 0.2, 0.1, 0], T: [1, 3, 7]}
indices: {p: 4, k: 3}
variables: {Y: {kind: observed, shape: [64]}, Z: {kind: latent, shape: [code]}}
functions: {decoder: {type: linear, bias: false, unit_norm: columns}}
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)], weight: 0.5}
  sparsity: {type: l1, of: Z, weight: 0.037}
inference:
  optimal: {method: argmin, of: Z, steps: 30}
  lista: {method: unrolled, of: Z, solver: ista, steps: 2, free: {filter: {}, inhibition: {keep: 1}}}
  deep: {method: unrolled, per: k, of: Z, solver: ista, steps: "T[k] + 1"}
learning:
  dense: {loss: {type: imitation, teacher: optimal, student: lista}, steps: 3}
  thin:
    per: p
    loss: {type: imitation, teacher: optimal, student: lista}
    set: {inference.lista.free.inhibition.keep: "keep[p]"}
    steps: 2
data: {source: digits, count: 60, prepare: [unit_norm], bind: {Y: image}}
expect:
  none: {claim: "so it is", metric: "thin[last].code_error(lista, optimal) / thin[1].code_error(lista, optimal)", at_least: 0}
figures:
  thinning: {type: claims, of: OF}
"""
THIN, DENSE = "thin[p].code_error(lista, optimal)", "dense.code_error(lista, optimal)"
DEEP, STARTED = "code_error(deep[k], optimal)", "start.code_error(deep[k], optimal)"
FIGURES = {"thin[0]": 3.0, "thin[1]": 4.0, "thin[2]": 5.0, "thin[3]": 6.5, "dense": 2.5}
OF_DEEP = {0: 9.0, 1: 4.0, 2: 0.1}


def spec(*of: str) -> fg.Spec:
    return loads(SPEC.replace("OF", f'[{", ".join(repr(each) for each in of)}]'))


def draw(monkeypatch, *of):
    """The axes of the figure, with figures that are written above."""

    def figure(metric, written, on, slots):
        return FIGURES.get(on.state) or OF_DEEP[slots["k"]]

    def states(state):
        if state == "wide":
            raise NotMeasuredError("the variant wide was not trained")
        return SimpleNamespace(state=state, graph=SimpleNamespace(slots_of=lambda name: []))

    monkeypatch.setattr(claims, "_figure", figure)
    return asked_figures(spec(*of), states)["thinning"]()


def test_across_is_what_the_phase_sets_at_the_index(monkeypatch):
    found = draw(monkeypatch, THIN, DENSE)
    (axes,) = found.axes
    assert axes.get_xlabel() == "keep"
    line, level = axes.get_lines()
    assert list(line.get_xdata()) == [0, 0.1, 0.2, 0.5]
    assert list(line.get_ydata()) == [6.5, 5.0, 4.0, 3.0]
    assert set(level.get_ydata()) == {2.5}
    assert [each.get_text() for each in axes.get_xticklabels()] == ["0", "0.1", "0.2", "0.5"]
    assert {THIN, DENSE} <= {each.get_text() for each in axes.get_legend().get_texts()}
    assert all(text.get_fontsize() >= 8 for text in found.findobj(Text) if text.get_text())


def test_across_is_what_a_procedure_reads_at_the_index_and_the_scale_fits(monkeypatch):
    (axes,) = draw(monkeypatch, DEEP).axes
    assert axes.get_xlabel() == "T"
    assert list(axes.get_lines()[0].get_xdata()) == [1, 3, 7]
    assert axes.get_yscale() == "log"  # 9 to 0.1
    assert axes.get_ylabel() == "code error"
    axes.figure.draw_without_rendering()
    assert {"0.1", "0.2", "0.5", "1", "5"} <= {each.get_text() for each in axes.get_yticklabels()}  # no powers to be worked out


def test_across_is_the_slot_where_nothing_changes_with_the_index(monkeypatch):
    text = SPEC.replace('"T[k] + 1"', '"2 * k + 1"').replace("OF", repr(DEEP))
    monkeypatch.setattr(claims, "_figure", lambda metric, written, on, slots: 1.0 + slots["k"])
    on = SimpleNamespace(graph=SimpleNamespace(slots_of=lambda name: []))
    (axes,) = asked_figures(loads(text), lambda state: on)["thinning"]().axes
    assert axes.get_xlabel() == "k"
    assert list(axes.get_lines()[0].get_xdata()) == [0, 1, 2]


@pytest.mark.parametrize(
    ("of", "code", "word"),
    [
        ([DENSE], "FG415", "no index"),
        ([THIN, DEEP], "FG415", "p and k"),
        (["thin[p].code_error(lista, optimall)"], "FG209", "optimal"),
        (["thick[p].code_error(lista, optimal)"], "FG209", "thin"),
        (["thin[p]"], "FG310", "metric"),
    ],
)
def test_what_has_no_single_axis_or_no_meaning_is_refused_in_place(of, code, word):
    with pytest.raises(SpecError) as caught:
        spec(*of)
    it = caught.value.issues[0]
    assert it.code == code
    assert word in f"{it.message} {it.fix}"
    assert it.place is not None and it.place.line == SPEC.count("\n")


def test_the_last_slot_of_a_phase_is_a_state_of_the_run():
    asked = []

    def states(state):
        asked.append(state)
        raise NotMeasuredError("enough")

    judge(spec(THIN), [states])
    assert asked == ["thin[3]"]


def test_a_run_draws_what_its_spec_asks_for_and_judges_its_last_slot(tmp_path: Path):
    run = fg.train(spec(THIN, DENSE), tmp_path / "run")
    assert Image.open(io.BytesIO(run.folder.read("figures/thinning.png"))).size[0] > 500
    (verdict,) = run.evaluate().verdicts
    assert verdict.verdict == "holds", verdict.why


def test_what_was_not_trained_is_not_drawn(monkeypatch):
    text = SPEC.replace("OF", '"wide.code_error(deep[k], optimal)"') + "variants: {wide: {dims.code: 9}}\n"

    def states(state):
        raise NotMeasuredError(state)

    assert dict(drawn(asked_figures(loads(text), states))) == {}


def test_a_phase_without_steps_leaves_the_state_before_it_alone(tmp_path: Path):
    run = fg.train(spec(THIN).with_changes({"learning.thin.steps": 0}, "test"), tmp_path / "run")
    for state in ("dense", "thin[3]"):
        assert (run.measured(state).model.tensors()["inference.lista"]["inhibition"] != 0).all()  # thin[3] keeps none
