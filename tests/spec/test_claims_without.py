"""A spec that infers nothing is told what it can claim."""

from __future__ import annotations

import pytest

from factorgraph.errors import SpecError
from factorgraph.spec.load import loads

SPEC = """
factorgraph: 1
variables: {X: {kind: observed, shape: [8, 8]}}
functions: {code: {type: linear, units: 5}, decoder: linear}
factors: {reconstruction: {type: squared_distance, between: [X, decoder(code(X))]}}
learning: {fit: {loss: energy, steps: 5}}
data: {source: digits, bind: {X: image}}
expect: {low: {claim: low, metric: METRIC, at_most: 9}}
"""


@pytest.mark.parametrize(("metric", "code"), [("energy()", "FG215"), ("energy(model)", "FG209"), ("energy(fit)", "FG209")])
def test_the_fix_names_the_value_of_a_factor_and_mends_the_spec(metric, code):
    with pytest.raises(SpecError) as caught:
        loads(SPEC.replace("METRIC", metric))
    (found,) = caught.value.issues
    assert found.code == code and "value(reconstruction)" in found.fix
    loads(SPEC.replace("METRIC", "value(reconstruction)"))
