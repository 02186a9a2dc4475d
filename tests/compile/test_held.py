"""What is made of parameters is kept until they change, however they change: the oracle is a model that has kept nothing."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import numpy as np
import pytest
import torch

import factorgraph as fg
from factorgraph.compile.held import Held
from factorgraph.compile.model import Model

SPEC = """
factorgraph: 1
variables:
  Y: {kind: observed, shape: 5}
  Z: {kind: latent, shape: 4}
functions:
  decoder: {type: linear}
factors:
  likelihood: {type: squared_distance, between: [Y, decoder(Z)]}
  prior: {type: squared_distance, between: [Z, 0], weight: 0.2}
inference:
  optimal: {method: argmin, of: Z, solver: exact}
"""
MATRIX = "functions.decoder.matrix"


def matrix(model: Model) -> torch.Tensor:
    return model.get_parameter(MATRIX)


def in_place(model: Model) -> None:
    with torch.no_grad():
        matrix(model)[1, 2] += 0.7


def through_data(model: Model) -> None:
    matrix(model).data[1, 2] += 0.7


def by_numpy(model: Model) -> None:
    matrix(model).detach().numpy()[1, 2] += np.float32(0.7)


def by_swapped_data(model: Model) -> None:
    matrix(model).data = matrix(model).data + 0.3


def learned(model: Model) -> None:
    model.energy(Y=torch.ones(3, 5), Z=torch.ones(3, 4)).sum().backward()
    with torch.no_grad():
        for each in model.parameters():
            assert each.grad is not None
            each.sub_(each.grad, alpha=0.1)


def loaded(model: Model) -> None:
    model.load_state_dict({key: each + 0.3 for key, each in model.state_dict().items()})


def turned(model: Model) -> None:
    model.double()


@pytest.mark.parametrize(
    "change", [in_place, through_data, by_numpy, by_swapped_data, learned, loaded, turned], ids=lambda each: each.__name__
)
def test_codes_are_those_of_the_parameters_of_now(change: Callable[[Model], None]) -> None:
    model = fg.build(fg.loads(SPEC))
    y = torch.randn(3, 5, generator=torch.Generator().manual_seed(1))
    before = [model.infer(Y=y)["Z"] for _ in range(3)]  # from the third call on nothing is made anew
    assert all(torch.equal(each, before[0]) for each in before)
    change(model)
    fresh = fg.build(fg.loads(SPEC)).to(matrix(model).dtype)
    fresh.load_state_dict(model.state_dict())
    known = fresh.infer(Y=y.to(matrix(model).dtype))["Z"]
    assert (known - before[0]).abs().max() > 0.01 or change is turned
    for _ in range(3):
        torch.testing.assert_close(model.infer(Y=y.to(known.dtype))["Z"], known, rtol=0, atol=0)


def test_it_is_made_twice_and_then_kept_and_what_learns_is_never_copied() -> None:
    held: Held[int] = Held()
    tensor, made = torch.zeros(3), iter(range(100))
    assert [held.of(tensor, [tensor], lambda: next(made)) for _ in range(5)] == [0, 1, 1, 1, 1]
    for _ in range(3):
        tensor += 1
        held.of(tensor, [tensor], lambda: next(made))
        assert held._last is not None and held._last.read is None


def test_what_is_made_of_nothing_is_made_once_in_each_type() -> None:
    held: Held[int] = Held()
    single, double, made = torch.zeros(3), torch.zeros(3).double(), iter(range(100))
    assert [held.of(like, (), lambda: next(made)) for like in (single, single, double, double, single)] == [0, 0, 1, 1, 2]


def test_a_copy_of_a_model_has_its_own_codes() -> None:
    """Copies share what was planned, and may not share what was made."""
    model, y = fg.build(fg.loads(SPEC)), torch.ones(2, 5)
    first = [model.infer(Y=y)["Z"] for _ in range(3)][-1]
    other = deepcopy(model)
    in_place(other)
    assert not torch.equal(other.infer(Y=y)["Z"], first)
    assert torch.equal(model.infer(Y=y)["Z"], first)
