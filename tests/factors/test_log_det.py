"""The determinant of a matrix that a function learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from factorgraph import compile as compiler
from factorgraph.errors import SpecError
from factorgraph.graph.drawing import svg
from factorgraph.graph.resolve import resolve
from factorgraph.lint import lint, strategies_of
from factorgraph.spec.load import loads

SPEC = """
factorgraph: 1
dims: {units: 3}
variables: {Y: {kind: observed, shape: [3]}}
functions: {W: {type: linear, units: units, bias: false}}
factors:
  experts: {type: log_cosh, of: W(Y)}
  volume:  {type: log_det, of: W, weight: -0.37}
learning: {fit: {loss: energy}}
data: {source: mixed_sources, sources: 3, bind: {Y: signal}}
"""


def test_every_sample_has_the_logarithm_of_the_determinant_and_its_gradient() -> None:
    model = compiler.build(loads(SPEC)).double()
    matrix = model.get_parameter("functions.W.matrix")
    with torch.no_grad():
        matrix.copy_(torch.tensor([[0.4, 1.0, 0.2], [-0.3, 0.5, 0.9], [2.0, 0.1, -0.7]], dtype=torch.float64))
    y = torch.randn(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    shares = model.infer(None, Y=y).shares
    determinant = np.linalg.det(matrix.detach().numpy())
    torch.testing.assert_close(shares["volume"], torch.full((5,), -0.37 * np.log(abs(determinant)), dtype=torch.float64))
    (gradient,) = torch.autograd.grad(model.program.shares(("volume",), {"Y": y}, model.tensors())["volume"].mean(), matrix)
    torch.testing.assert_close(gradient, -0.37 * torch.linalg.inv(matrix.detach()).T)


def test_it_is_trained_drawn_and_named_as_what_bounds_low_energy() -> None:
    spec = loads(SPEC)
    graph = resolve(spec)
    plan = compiler.plan(spec, graph)
    assert plan.phases[0].parameters == ("functions.W.matrix",)
    assert [each.code for each in lint(graph, plan)] == [] and "volume" in str(strategies_of(graph, plan)[0])
    wrong = spec.with_changes({"factors.volume.weight": 0.37}, "a test")
    assert [each.code for each in lint(resolve(wrong), compiler.plan(wrong))] == ["FGW262"]
    assert "log |det W|" in svg(graph)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"factors.volume.of": "V"}, 'no function "V"'),
        ({"dims.units": 2}, "square"),
        ({"functions.W": {"type": "network", "layers": "3fc"}}, "which has none"),
        ({"factors.experts.of": "Y"}, "applied to nothing"),
    ],
)
def test_what_has_no_determinant_is_told(changes: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        resolve(loads(SPEC).with_changes(changes, "a test"))
    assert caught.value.issues[0].place is not None


def test_one_at_each_slot_of_a_function() -> None:
    text = SPEC.replace("dims:", "indices: {k: 2}\ndims:").replace("bias: false", "bias: false, per: k").replace("W(Y)", "H")
    graph = resolve(loads(text.replace("{kind: observed, shape: [3]}}", "{kind: observed, shape: [3], per: k}, H: W(Y)}")))
    assert [graph.factors[f"volume[{k}]"].matrix for k in range(2)] == ["W[0]", "W[1]"]
