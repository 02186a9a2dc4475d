"""Ways to infer beside each other, against direct calls of the model and of metrics."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import islice
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch

import factorgraph as fg
from factorgraph.data.dataset import load_data
from factorgraph.errors import SpecError
from factorgraph.registry import leaves
from factorgraph.run.compare import ARRIVED, check, compare, first
from factorgraph.run.figures._chosen import comparison_figures, drawn
from factorgraph.run.measured import Measured
from factorgraph.run.report import evaluate

SPEC = """
factorgraph: 1
dims: {T: [2, 7]}
indices: {k: 2}
variables:
  Y: {kind: observed, shape: [8]}
  Z: {kind: latent, shape: [5]}
functions:
  decoder: {type: linear, bias: false, unit_norm: columns}
  encoder: {type: linear, activation: shrink}
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)], weight: 0.37}
  prediction: {type: squared_distance, between: [Z, encoder(Y)], weight: 0.11}
  sparsity: {type: l1, of: Z, weight: 0.07}
inference:
  fast: {method: amortized, of: Z, by: encoder(Y)}
  slow: {method: argmin, of: Z, solver: ista, steps: 7, tolerance: 0.5, without: prediction}
  optimal: {method: argmin, of: Z, solver: fista, steps: 400, tolerance: 1e-7, without: prediction}
  lista: {method: unrolled, per: k, of: Z, solver: ista, steps: "T[k]", without: prediction}
learning: {fit: {loss: energy, steps: 1}}
data: {source: planted_codes, units: 8, atoms: 5, active: 2, count: 12000, bind: {Y: signal}}
"""


def measured(text=SPEC):
    spec = fg.loads(text, "compared.yaml")
    model = fg.build(spec)
    return Measured(model, load_data(spec, model.graph.sample_shapes, [Path.cwd()], None))


@pytest.fixture(scope="module")
def on():
    return measured()


@pytest.fixture(scope="module")
def found(on):
    return compare(on)


def places(found):
    (comparison,) = found.comparisons
    return {(each.procedure, each.steps): each for curve in comparison.curves for each in curve.places}


def test_what_is_looked_at(found):
    (comparison,) = found.comparisons
    assert comparison.latents == ("Z",)
    assert [(each.name, each.method) for each in comparison.curves] == [
        ("fast", "amortized"),
        ("slow", "argmin"),
        ("optimal", "argmin"),
        ("lista", "unrolled"),
    ]
    steps = {each.name: [place.steps for place in each.places] for each in comparison.curves}
    assert (steps["fast"], steps["slow"], steps["lista"]) == ([1], [1, 2, 3, 5, 7], [2, 7])
    ladder = [1, 2, 3, 5, 10, 20, 50, 100, 200, 400]
    assert steps["optimal"] == ladder[: len(steps["optimal"])]
    assert [each.procedure for each in comparison.curves[3].places] == ["lista[0]", "lista[1]"]
    assert comparison.reference.procedure in ("slow", "optimal")
    assert comparison.reference.certified == 1
    assert comparison.reference.factors == ("reconstruction", "sparsity")


def test_both_counts_of_papers_are_told(found):
    """LISTA(T) is T products with the inhibition and T + 1 shrinkages; an encoder has neither."""
    known = places(found)
    assert [known["lista[0]", 2].products, known["lista[1]", 7].products, known["slow", 1].products] == [1, 6, 0]
    assert known["fast", 1].products is None
    (line,) = (line for line in found.text().splitlines() if line.startswith("lista[1]"))
    assert line.split()[1:3] == ["7", "6"]
    assert "T: products with" in found.text()


def test_a_report_tells_both_counts_of_networks(on):
    report = evaluate(first(on, 50))
    known = {each.procedure: (each.steps, each.products) for each in report.procedures}
    assert (known["lista[0]"], known["lista[1]"], known["fast"]) == ((2, 1), (7, 6), (0, None))
    assert known["slow"][1] is None  # a search is no network
    (line,) = (line for line in report.text().splitlines() if line.startswith("products"))
    assert line.split()[-2:] == ["1", "6"]


def test_a_step_of_coordinate_descent_is_one_unit_s_share_of_a_product():
    text = SPEC.replace("solver: ista, steps: \"T[k]\"", "solver: coordinate_descent, steps: \"T[k]\"")
    (comparison,) = compare(first(measured(text), 50)).comparisons
    lcod = [each.products for curve in comparison.curves for each in curve.places if each.procedure.startswith("lista")]
    assert lcod == [2 / 5, 7 / 5]  # of five units


def test_a_search_comes_down_to_the_reference_and_nothing_below_it(found):
    (comparison,) = found.comparisons
    errors = [each.code_error for each in comparison.curves[2].places]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] <= ARRIVED * comparison.reference.norm < errors[-2]
    for each in places(found).values():
        assert each.energy >= comparison.reference.energy * (1 - 1e-6)
    assert comparison.curves[2].places[-1].energy == pytest.approx(comparison.reference.energy, rel=1e-5)


def test_the_reference_is_the_minimum(on, found):
    """By plain proximal steps in numpy, of a third of the longest length, until nothing moves."""
    y, d = on.given["Y"][:1000].astype(float), on.matrix("decoder").double().numpy()
    length = 1 / (2 * 0.37 * np.linalg.norm(d, 2) ** 2) / 3
    z = np.zeros((1000, 5))
    for _ in range(4000):
        v = z - length * 2 * 0.37 * (z @ d.T - y) @ d
        z = np.sign(v) * np.maximum(abs(v) - length * 0.07, 0)
    energy = (0.37 * ((z @ d.T - y) ** 2).sum(1) + 0.07 * abs(z).sum(1)).mean()
    (comparison,) = found.comparisons
    assert comparison.reference.energy == pytest.approx(energy, rel=1e-7)
    assert comparison.reference.norm == pytest.approx((z**2).sum(1).mean(), rel=1e-3)


def test_the_reference_is_the_search_that_comes_lowest(monkeypatch, on):
    monkeypatch.setattr("factorgraph.run.compare.STEPS", 1)
    monkeypatch.setattr(Measured, "seconds", lambda self, name: 1.0)
    (comparison,) = compare(first(on, 20)).comparisons
    assert comparison.reference.procedure == "optimal"  # slow is the first, and has 7 steps


def test_the_figures_are_those_of_direct_calls(on, found):
    """After k steps of the model's own solver, watched step by step; energies by the model's factors, summed by hand."""
    few = first(on, 1000)
    y = torch.as_tensor(few.given["Y"])
    matrix = on.matrix("decoder")
    end = few.solved("optimal").variables["Z"]
    for taken, codes in enumerate(islice(few.approach("slow"), 8)):
        place = places(found).get(("slow", taken))
        if place is not None:
            z = codes["Z"]
            energy = float((0.37 * (y - z @ matrix.T).square().sum(1) + 0.07 * z.abs().sum(1)).double().mean())
            assert place.energy == pytest.approx(energy, rel=1e-5)
            assert place.code_error == pytest.approx(float((z - end).square().sum(1).double().mean()), rel=1e-4)


@pytest.mark.parametrize("name", ["fast", "lista[0]", "lista[1]"])
def test_a_code_error_is_that_of_the_metric(on, found, name):
    """The search of the spec itself goes as far as float32 does, so that the two references are one."""
    few = first(on, 1000)
    place = next(each for each in places(found).values() if each.procedure == name)
    assert place.code_error == pytest.approx(leaves("metrics")["code_error"]().measure(few, name, "optimal"), rel=1e-4)
    assert place.energy == pytest.approx(float(few.energies_for("optimal", few.solved(name)).mean()), rel=1e-5)


def test_an_untrained_unrolled_solver_is_where_its_search_is_then(found):
    known = places(found)
    for slot, steps in enumerate((2, 7)):
        assert known[(f"lista[{slot}]", steps)].code_error == pytest.approx(known[("slow", steps)].code_error, rel=1e-4)


def test_time_is_counted_in_passes_of_the_encoder(monkeypatch, on):
    lengths = {"fast": 0.25, "slow": 3.0, "optimal": 5.0, "lista[0]": 0.5, "lista[1]": 0.75}
    monkeypatch.setattr(Measured, "seconds", lambda self, name: lengths[name])
    found = compare(on)
    assert {each.procedure: each.time for each in places(found).values()} == {key: each / 0.25 for key, each in lengths.items()}
    assert (found.comparisons[0].unit, found.comparisons[0].seconds) == ("one pass of fast", 0.25)


def test_without_an_encoder_time_is_counted_in_first_steps_of_the_reference(monkeypatch):
    monkeypatch.setattr(Measured, "seconds", lambda self, name: 0.5 if name == "optimal" else 2.0)
    (comparison,) = compare(measured(without(SPEC, "fast", "lista"))).comparisons
    assert comparison.unit in ("optimal with 1 steps", "slow with 1 steps")
    assert comparison.seconds == (0.5 if comparison.reference.procedure == "optimal" else 2.0)


def test_json_keeps_everything(found):
    said = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    (comparison,) = found.comparisons
    (kept,) = said["comparisons"]
    assert (said["split"], said["rows"]) == ("test", found.rows)
    for one, other in zip(comparison.curves, kept["curves"], strict=True):
        assert other["places"] == [vars(each) for each in one.places]
    assert kept["reference"] == {**vars(comparison.reference), "factors": list(comparison.reference.factors)}


def test_the_text_is_a_table(found):
    lines = found.text().splitlines()
    assert lines[0] == f"the first {found.rows} test samples, means per sample"
    table = lines[6:]
    assert table[0].split() == ["steps", "T", "energy", "code", "error", "time"]
    assert len(table) == 2 + len(places(found))
    assert len({len(line) for line in table[2:]}) == 1
    place = places(found)[("lista[1]", 7)]
    assert table[-1].split() == ["lista[1]", "7", "6", f"{place.energy:.5g}", f"{place.code_error:.3g}", f"{place.time:.3g}"]


def test_what_a_busy_machine_adds_is_not_counted(monkeypatch, on):
    """Two calls of three, whoever they are of, are a hundred times slower."""
    random = Random(5)
    lengths = {"fast": 0.25, "slow": 3.0, "optimal": 5.0, "lista[0]": 0.5, "lista[1]": 0.75}
    monkeypatch.setattr(Measured, "seconds", lambda self, name: 1e-6 * lengths[name] * random.choice((1, 100, 100)))
    known = places(compare(first(on, 20)))
    assert known["lista[1]", 7].time == pytest.approx(3)
    assert known["slow", 7].time == pytest.approx(12)


def test_at_most_a_thousand_samples(on, found):
    assert found.rows == 1000 < on.rows
    few = compare(first(on, 37))
    assert few.rows == 37
    assert places(few)[("fast", 1)].code_error != places(found)[("fast", 1)].code_error


def test_the_figure_holds_every_place(found):
    ((name, picture),) = drawn(comparison_figures(found))
    assert (name, picture[:8]) == ("compared.png", b"\x89PNG\r\n\x1a\n")
    figure = comparison_figures(found)["compared"]()
    (comparison,) = found.comparisons
    labels = [each.get_text() for each in figure.axes[1].get_legend().get_texts()]
    assert labels == ["fast: one pass", "slow: ista", "optimal: fista", "lista: ista, unrolled"]
    for axes, field in zip(figure.axes, ("steps", "time"), strict=True):
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
        for line, curve in zip(axes.lines, comparison.curves, strict=True):
            assert list(line.get_xdata()) == [getattr(each, field) for each in curve.places]
            floor = ARRIVED * comparison.reference.norm
            assert list(line.get_ydata()) == [max(each.code_error, floor) for each in curve.places]


def test_nothing_in_the_figure_is_cut_off(found):
    (comparison,) = found.comparisons
    curves = tuple(replace(each, name=f"a_rather_long_name_for_{each.name}") for each in comparison.curves)
    figure = comparison_figures(replace(found, comparisons=(replace(comparison, curves=curves),)))["compared"]()
    figure.draw_without_rendering()
    box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert min(box.x0, box.y0) >= 0 and box.x1 <= width and box.y1 <= height


def test_several_comparisons_are_several_figures(found):
    (comparison,) = found.comparisons
    both = replace(found, comparisons=(comparison, replace(comparison, latents=("Z[0]", "X"))))
    assert list(comparison_figures(both)) == ["compared-Z", "compared-Z-0--X"]


def without(text, *names):
    return "\n".join(line for line in text.splitlines() if line.strip().partition(":")[0] not in names)


@pytest.mark.parametrize(
    ("text", "code"),
    [(without(SPEC, "slow", "fast", "lista"), "FG641"), (without(SPEC, "slow", "optimal"), "FG642")],
)
def test_what_cannot_be_compared_is_refused_before_anything_is_trained(text, code):
    spec = fg.loads(text, "compared.yaml")
    with pytest.raises(SpecError) as refused:
        check(spec)
    (told,) = refused.value.issues
    assert (told.code, told.path) == (code, ("inference",))
    check(fg.loads(SPEC, "compared.yaml"))


def test_the_amortization_gap_counts_what_the_search_counts(on):
    """Of all that was learned, one line each; the slots of a name that infer one variable are procedures of their own."""
    report = evaluate(on)
    assert [each.procedure for each in report.procedures] == ["fast", "slow", "optimal", "lista[0]", "lista[1]"]
    assert [each.fast for each in report.compared] == ["fast", "lista[0]", "lista[1]"]
    gap = report.compared[0]
    figures = {each.procedure: sum(each.shares[key] for key in ("reconstruction", "sparsity")) for each in report.procedures}
    assert gap.gap == pytest.approx(figures["fast"] - figures["slow"], rel=1e-4)
    assert gap.relative_gap == pytest.approx(gap.gap / figures["slow"], rel=1e-6)
    assert f"amortization gap of fast to slow: {gap.gap:.4g}, {gap.relative_gap:.2%} of its energy" in report.text()


def test_the_amortization_gap_leaves_out_what_no_row_has(on):
    lacks = replace(on.dataset, present={"train": {}, "test": {"Y": np.zeros(on.rows, bool)}})
    report = evaluate(Measured(on.model, lacks))
    norms = [float(on.solved(name).variables["Z"].abs().sum(1).double().mean()) for name in ("fast", "slow")]
    assert report.compared[0].gap == pytest.approx(0.07 * (norms[0] - norms[1]), rel=1e-4)
