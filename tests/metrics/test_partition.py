"""Log likelihoods against sums over all states that are written out by hand."""

from __future__ import annotations

import itertools
import math
import re
from pathlib import Path

import pytest
import torch

from factorgraph import compile as compiler
from factorgraph.data.dataset import load_data
from factorgraph.errors import RunError
from factorgraph.registry import leaves
from factorgraph.run.measured import Measured
from factorgraph.spec.load import loads

RBM = """
factorgraph: 1
variables:
  Y: {kind: observed, shape: [2, 2], domain: binary}
  Z: {kind: latent, shape: [3], domain: binary}
functions:
  W: {type: linear, bias: false}
factors:
  interaction: {type: inner_product, between: [Z, W(Y)], weight: -1}
  hidden_bias: {type: bias, of: Z}
inference:
  everything:  {method: marginal, of: [Y, Z], beta: 0.7}
  PROCEDURE
learning:
  fit: {loss: {type: likelihood, partition: everything}, steps: 3, batch_size: all}
data: {source: bars_and_stripes, side: 2, bind: {Y: image}}
"""
SUMMED, LEAST = "free_energy: {method: marginal, of: Z, beta: 0.7}", "best: {method: argmin, of: Z}"


def measured(text: str, procedure: str = SUMMED) -> Measured:
    torch.manual_seed(1)
    spec = loads(text.replace("PROCEDURE", procedure))
    model = compiler.build(spec)
    with torch.no_grad():
        for each in model.parameters():
            each.copy_(torch.randn(each.shape))
    return Measured(model, load_data(spec, model.graph.sample_shapes, [Path()], None))


def figure(name: str, on: Measured, *arguments: str) -> float:
    return leaves("metrics")[name]().measure(on, *arguments)


def bits(units: int) -> torch.Tensor:
    return torch.tensor(list(itertools.product((0.0, 1.0), repeat=units)), dtype=torch.float64)


def test_the_likelihood_of_a_machine_is_that_of_all_its_states() -> None:
    on = measured(RBM)
    machine = on.model.__deepcopy__({}).double()
    energies = torch.stack([machine.energy(Y=bits(4).reshape(16, 2, 2), Z=z.expand(16, 3)) for z in bits(3)], 1)
    chances = torch.softmax((-0.7 * energies).flatten(), 0).reshape(16, 8).sum(1)
    shown = [place for place, (a, b, c, d) in enumerate(bits(4).tolist()) if (a == b and c == d) or (a == c and b == d)]
    assert len(shown) == 6 == on.rows
    total = torch.logsumexp(-0.7 * energies.flatten(), 0).item()
    assert figure("log_partition", on, "everything") == pytest.approx(total, abs=1e-6)
    assert figure("mass", on, "everything") == pytest.approx(chances[shown].sum().item(), abs=1e-6)
    assert figure("nll", on, "everything") == pytest.approx(-chances[shown].log().mean().item(), abs=1e-6)


def test_a_pattern_that_comes_twice_counts_once_in_the_mass() -> None:
    once, twice = measured(RBM), measured(RBM.replace("side: 2", "side: 2, test: 12"))
    assert twice.rows == 12
    assert figure("mass", twice, "everything") == pytest.approx(figure("mass", once, "everything"), rel=1e-6)
    assert figure("nll", twice, "everything") == pytest.approx(figure("nll", once, "everything"), rel=1e-6)


UNLEARNED = re.sub(r"learning:\n.*\n", "", RBM)  # a loss would refuse what the metrics are to refuse
OTHERS = {
    "hot first": "hot: {method: marginal, of: Z, beta: 0.1}\n  " + SUMMED,
    "fewer factors first": "bare: {method: marginal, of: Z, beta: 0.7, without: [hidden_bias]}\n  " + SUMMED,
}


@pytest.mark.parametrize("procedures", OTHERS.values(), ids=OTHERS)
def test_latents_are_summed_out_of_the_energy_of_the_partition_function(procedures: str) -> None:
    alone, beside = measured(RBM), measured(UNLEARNED, procedures)
    for name in ("nll", "mass"):
        assert figure(name, beside, "everything") == pytest.approx(figure(name, alone, "everything"), rel=1e-9)


@pytest.mark.parametrize(
    ("text", "procedure", "why"),
    [
        (UNLEARNED, SUMMED.replace("0.7", "0.1"), "at the beta"),
        (UNLEARNED.replace("beta: 0.7", "beta: 3"), SUMMED, "at the beta"),
        (UNLEARNED, SUMMED.replace("}", ", without: [hidden_bias]}"), "with the factors"),
        (UNLEARNED.replace("beta: 0.7", "beta: 0.7, without: [hidden_bias]"), SUMMED, "hidden_bias counts in one of them"),
    ],
)
def test_there_is_no_likelihood_of_two_energies(text: str, procedure: str, why: str) -> None:
    on = measured(text, procedure)
    for name in ("nll", "mass"):
        with pytest.raises(RunError, match=why) as caught:
            figure(name, on, "everything")
        assert [each.code for each in caught.value.issues] == ["FG638"]
    assert figure("log_partition", on, "everything") > 0


def test_there_is_no_likelihood_of_a_least_energy() -> None:
    with pytest.raises(RunError) as caught:
        figure("nll", measured(RBM, LEAST), "everything")
    assert [each.code for each in caught.value.issues] == ["FG638"]
    with pytest.raises(RunError) as caught:
        figure("log_partition", measured(RBM, LEAST), "best")
    assert [each.code for each in caught.value.issues] == ["FG620"]


BOLTZMANN = """
factorgraph: 1
variables:
  Y: {kind: observed, shape: [6], domain: binary}
functions:
  lateral: {type: linear, bias: false, symmetric: true, hollow: true}
factors:
  interaction: {type: inner_product, between: [Y, lateral(Y)], weight: -0.5}
data: {source: planted_boltzmann, units: 6, count: 50, bind: {Y: bits}}
"""


def test_the_error_of_parameters_is_over_those_that_are_free() -> None:
    on = measured(BOLTZMANN)
    matrix = on.model.get_parameter("functions.lateral.matrix")
    with torch.no_grad():
        matrix.copy_(torch.as_tensor(on.truth()).float())
        assert figure("parameter_error", on, "lateral") == pytest.approx(0, abs=1e-7)
        matrix[1, 2] += 0.3  # one of thirty
    assert figure("parameter_error", on, "lateral") == pytest.approx(0.3 / math.sqrt(30), rel=1e-5)
