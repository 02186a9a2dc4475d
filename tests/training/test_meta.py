"""No step reads a tensor back from its device: on the meta device .item() and a branch on a tensor raise."""

from __future__ import annotations

import pytest
import torch

from factorgraph import compile as compiler
from factorgraph.compile.learning import Learning
from factorgraph.compile.model import Model
from factorgraph.spec.load import load, loads, specs
from factorgraph.spec.schema import Spec
from factorgraph.training.objective import LOSS, evaluate
from factorgraph.training.pace import Moment
from factorgraph.training.sides import stretches
from tests.training.specs import RUN
from tests.training.test_unrolled import RUN as UNROLLED

SHIPPED = [each.name for each in specs() if each.name]


def models() -> list[Spec]:
    """The shipped specs with searches of few steps: without values none of them ends early."""
    return [loads(RUN), loads(UNROLLED), *(load(name).budget("smoke") for name in SHIPPED)]


@pytest.mark.parametrize("spec", models(), ids=lambda each: each.name)
def test_energy_procedures_and_a_step_of_every_side(spec: Spec) -> None:
    model: Model = compiler.build(spec).to("meta")
    rows = 3
    values = {name: torch.empty(rows, *shape, device="meta") for name, shape in model.graph.sample_shapes.items()}
    for name, each in model.inferences.items():
        if each.of_latents:
            assert model.infer(procedure=name, **values).energy.shape == (rows,)
        else:
            assert model.summed(name).free.shape == (1,)
    given = model.with_noise(model.assign(values))
    for stretch in stretches(model, rows=100):
        stretch.begin()
        for side in stretch.sides():
            learning = Learning(0, (stretch.id, 0, side.plan.player, 0), stretch.learned)
            outcome = evaluate(stretch, side, given, learning)
            assert side.learn(outcome, Moment(0.5, is_last=True))
            model.project()
            assert LOSS in outcome.numbers
            assert {(each.shape, each.device.type) for each in outcome.numbers.values()} == {((), "meta")}
