"""A grey picture is the input of a convolution, [1, 8, 8], in learning, measuring and inference."""

from __future__ import annotations

import numpy as np
import pytest

from factorgraph.data.dataset import load_data
from factorgraph.data.inputs import read_input
from factorgraph.data.preparation import check_binding
from factorgraph.spec.load import loads

SPEC = """
factorgraph: 1
variables: {X: {kind: observed, shape: [1, 8, 8]}}
factors: {small: {type: l1, of: X}}
data: {source: digits, count: 20, test: 10, bind: {X: image}}
"""


def test_an_axis_of_length_1_is_added_everywhere(tmp_path):
    found = load_data(loads(SPEC), {"X": (1, 8, 8)}, ())
    flat = load_data(loads(SPEC), {"X": (64,)}, ())
    assert found.train["X"].shape[1:] == found.test["X"].shape[1:] == (1, 8, 8)
    assert np.array_equal(found.train["X"].reshape(-1, 64), flat.train["X"])
    for name, rows in (("plain", flat.test["X"].reshape(-1, 8, 8)), ("channel", found.test["X"])):
        np.save(tmp_path / f"{name}.npy", rows)
        given = read_input(tmp_path / f"{name}.npy", found.preparation)
        assert np.array_equal(given.variables["X"], found.test["X"])
        assert np.allclose(given.assemble("X", given.variables["X"])[0].reshape(-1, 64), flat.test["X"])


def misfits(given, shape):
    return check_binding({"X": "image"}, [], {"X": shape}, {"image": given})


@pytest.mark.parametrize(
    ("given", "shape", "fits"),
    [
        ((28, 28), (1, 28, 28), True),
        ((1, 28, 28), (28, 28), True),
        ((784,), (1, 784), True),
        ((28, 28), (784,), True),
        ((28, 28), (14, 56), False),
        ((784,), (28, 28), False),
        ((2, 3), (3, 2), False),
    ],
)
def test_axes_of_length_1_are_no_misfit_and_other_shapes_of_as_many_values_are(given, shape, fits):
    assert [each.code for each in misfits(given, shape)] == ([] if fits else ["FG505"])


def test_a_misfit_says_how_many_values_there_are_and_what_to_write():
    (colour,) = misfits((3, 32, 32), (784,))
    assert "in colour: [3, 32, 32], 3072 values" in colour.message and "[784], 784 values" in colour.message
    assert colour.fix.startswith("write shape: [3072] or [3, 32, 32], or data.colors: 1")
    (flat,) = misfits((64,), (10,))
    assert flat.fix == "write shape: [64]"
