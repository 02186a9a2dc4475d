"""What is measured off the data, against geometry that is worked out by itself."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from factorgraph import compile as compiler
from factorgraph.data.dataset import load_data
from factorgraph.data.sources.curve import Curve
from factorgraph.errors import RunError
from factorgraph.registry import leaves
from factorgraph.run.measured import Measured
from factorgraph.spec.load import loads

SPEC = """
factorgraph: 1
variables:
  Y: {kind: observed, shape: [2]}
  N: {kind: noise, shape: [2]}
  moved: map(Y)
  made: 0.2 * N
functions: {map: {type: linear, bias: false}}
factors: {error: {type: squared_distance, between: [Y, moved], weight: 0.37}}
learning: {fit: {loss: energy}}
data: {source: curve, shape: parabola, box: 1.2, gap: 0.1, count: 50, test: 300, bind: {Y: point}}
"""


@pytest.fixture(scope="module")
def on() -> Measured:
    spec = loads(SPEC)
    model = compiler.build(spec)
    with torch.no_grad():
        model.get_parameter("functions.map.matrix").copy_(torch.tensor([[0.9, 0.1], [0.0, 0.7]]))
    return Measured(model, load_data(spec, model.graph.sample_shapes, ()))


def measure(name: str, on: Measured, *arguments: object) -> float:
    return leaves("metrics")[name]().measure(on, *arguments)  # type: ignore[attr-defined,no-any-return]


def to_parabola(points: np.ndarray) -> np.ndarray:
    """The distance to y = x^2 for x from -1 to 1, by trying many places."""
    x = np.linspace(-1, 1, 20001)
    return np.array([np.hypot(x - a, x**2 - b).min() for a, b in points])


def test_near_and_coverage_of_samples(on: Measured) -> None:
    assert measure("near", on, "Y", 1e-4) == 1.0
    made = on.value("made").numpy()
    share = (to_parabola(made) <= 0.1).mean()
    assert 0.2 < share < 0.9 and measure("near", on, "made", 0.1) == pytest.approx(share)
    assert measure("coverage", on, "Y", 12) == 12
    x = np.linspace(-1, 1, 20001)
    length = np.r_[0, np.hypot(np.diff(x), np.diff(x**2)).cumsum()]
    place = [np.hypot(x - a, x**2 - b).argmin() for a, b in made]
    bins = np.unique(np.minimum(length[place] / length[-1] * 12, 11.999).astype(int))
    assert 3 < len(bins) < 12 and measure("coverage", on, "made", 12) == len(bins)


def test_rho_compares_an_energy_with_the_distance_and_leaves_its_weight_out(on: Measured) -> None:
    far = on.background().variables["Y"].double().numpy()
    errors = far - far @ np.array([[0.9, 0.1], [0.0, 0.7]]).T
    wanted = (errors**2).sum(1).mean() / (to_parabola(far) ** 2).mean()
    assert measure("rho", on, "error") == pytest.approx(wanted, rel=1e-4)


def test_attraction_is_the_share_of_the_distance_that_is_lost(on: Measured) -> None:
    points = on.beside().double().numpy()
    assert np.hypot(*(points - on.given["Y"]).T) == pytest.approx(0.15, rel=1e-4)
    before, matrix = to_parabola(points).mean(), np.array([[0.9, 0.1], [0.0, 0.7]])
    after = to_parabola(points @ np.linalg.matrix_power(matrix, 3).T).mean()
    assert measure("attraction", on, "moved", 3) == pytest.approx(1 - after / before, rel=1e-4)
    assert measure("attraction", on, "Y", 5) == 0


def test_jacobian_is_the_squared_norm_of_the_derivative(on: Measured) -> None:
    assert measure("jacobian", on, "moved") == pytest.approx(0.81 + 0.01 + 0.49)
    with pytest.raises(RunError, match="FG630"):
        measure("jacobian", on, "made")


def test_prepared_data_have_no_distance() -> None:
    spec = loads(SPEC.replace("bind:", "prepare: [center], bind:"))
    model = compiler.build(spec)
    prepared = Measured(model, load_data(spec, model.graph.sample_shapes, ()))
    with pytest.raises(RunError, match="FG634"):
        measure("near", prepared, "Y", 0.1)


@pytest.mark.parametrize("curve", [Curve(turns=1.5), Curve(shape="parabola"), Curve(turns=1.5, start=0.3)])
def test_places_go_along_the_curve_by_its_length(curve: Curve) -> None:
    u = np.linspace(curve.start, 1, 4001)
    points = curve.at(u)
    place = curve.place(points)
    assert place[0] == 0 and place[-1] == 1 and (np.diff(place) >= 0).all()
    steps = np.hypot(*np.diff(points, axis=0).T)
    assert place == pytest.approx(np.r_[0, steps.cumsum()] / steps.sum(), abs=1e-3)


@pytest.mark.parametrize(
    ("name", "arguments", "code"),
    [
        ("coverage", ("Y", 0), "FG635"),
        ("coverage", ("Y", 0.5), "FG635"),
        ("attraction", ("moved", -1), "FG635"),
        ("attraction", ("wide", 1), "FG635"),
        ("near", ("wide", 0.1), "FG634"),
    ],
)
def test_what_has_no_place_in_the_plane_is_told(name: str, arguments: tuple[object, ...], code: str) -> None:
    spec = loads(
        SPEC.replace("  moved: map(Y)", "  moved: map(Y)\n  wide: double(Y)").replace(
            "functions: {", "functions: {double: {type: linear, units: 4}, "
        )
    )
    on = Measured(compiler.build(spec), load_data(spec, compiler.build(spec).graph.sample_shapes, ()))
    with pytest.raises(RunError) as caught:
        measure(name, on, *arguments)
    assert caught.value.issues[0].code == code


def test_off_the_data_of_two_variables_nothing_is_known() -> None:
    spec = loads(
        SPEC.replace("  N:", "  X: {kind: observed, shape: [2]}\n  N:")
        .replace("[Y, moved]", "[X, moved]")
        .replace("Y: point", "Y: point, X: point")
    )
    on = Measured(compiler.build(spec), load_data(spec, compiler.build(spec).graph.sample_shapes, ()))
    for name, arguments in (("auc", ()), ("background", ()), ("rho", ("error",)), ("attraction", ("moved", 1))):
        with pytest.raises(RunError) as caught:
            measure(name, on, *arguments)
        assert caught.value.issues[0].code == "FG634" and "Y, X" in caught.value.issues[0].message


GAME = """
factorgraph: 1
variables:
  Y:    {kind: observed, shape: [2]}
  N:    {kind: noise, shape: [2], distribution: uniform}
  fake: {is: generator(N), stands_for: Y}
functions: {critic: {type: linear, units: 1}, generator: {type: linear, units: 2}}
factors: {realism: {type: value, of: critic(Y)}}
learning:
  game:
    steps: 1
    players:
      critic:    {train: [critic], loss: {type: adversarial, fake: fake, FORM}}
      generator: {train: [generator], loss: {type: fool, fake: fake, form: hinge}}
  alone: {loss: energy, train: critic, steps: 1}
data: {source: curve, shape: parabola, box: 1.2, gap: 0.1, count: 20, test: 400, bind: {Y: point}}
"""


def game(form: str = "form: logistic") -> Measured:
    """The critic takes what lies left of 0.3 for data; the generator makes points between -0.4 and 0.6 there."""
    spec = loads(GAME.replace("FORM", form))
    model = compiler.build(spec)
    values = {"critic.matrix": [[1, 0]], "critic.bias": [-0.3]}
    values |= {"generator.matrix": [[0.5, 0], [0, 1]], "generator.bias": [0.1, 0]}
    with torch.no_grad():
        for key, each in values.items():
            model.get_parameter(f"functions.{key}").copy_(torch.tensor(each))
    return Measured(model, load_data(spec, model.graph.sample_shapes, ()))


def test_discrimination_is_the_share_of_right_answers() -> None:
    on = game()
    data, made = (on.given["Y"][:, 0] < 0.3).mean(), (on.value("fake")[:, 0] > 0.3).double().mean().item()
    assert made == pytest.approx(0.3, abs=0.07) and data > 0.55  # of what is uniform, and of a curve of which more lies there
    assert measure("discrimination", on, "game") == pytest.approx((data + made) / 2)
    with torch.no_grad():
        on.model.get_parameter("functions.critic.matrix").zero_()
        on.model.get_parameter("functions.critic.bias").zero_()
    assert measure("discrimination", Measured(on.model, on.dataset), "game") == 0.5  # it says nothing


def test_discrimination_is_asked_of_a_critic_with_a_boundary() -> None:
    for on, phase, words in ((game(), "alone", "no loss that tells"), (game("form: hinge, margin: 0.37"), "game", "margin")):
        with pytest.raises(RunError, match=f"FG635.*{words}"):
            measure("discrimination", on, phase)
