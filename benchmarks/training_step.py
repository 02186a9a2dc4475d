"""One step of learning from a spec, and the same arithmetic written by hand in torch: operators, and CPU time in pairs.

A step is what changes parameters, and the numbers that are logged of it: codes, energy, gradients, the optimizer, constraints.
What is watched of a model's health is counted by itself. Both begin at the same parameters, and end at the same but for rounding.

    python -m benchmarks.training_step [--pairs 9]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import linear

import factorgraph as fg
from benchmarks.harness import Setting, paired, table
from benchmarks.infer_cost import Count
from factorgraph.compile.learning import Learning
from factorgraph.inference.loop import solve
from factorgraph.inference.problem import Problem, Quadratic, Rest
from factorgraph.inference.solvers.active_set import ActiveSet
from factorgraph.training.health._base import Step
from factorgraph.training.objective import Batch, evaluate
from factorgraph.training.sides import Side, Stretch, parameters_by_address, stretches
from factorgraph.training.watch import Watch

SPECS = Path(__file__).parents[1] / "specs"
STEPS = 5  # of each of a pair
CONVNET = """
factorgraph: 1
title: A convolutional net for digits
variables:
  image: {kind: observed, shape: [1, 28, 28]}
  label: {kind: observed, shape: 10, domain: one_hot}
functions:
  first:  {type: convolution, maps: 8, kernel: 5, padding: valid, activation: relu}
  second: {type: convolution, maps: 16, kernel: 5, padding: valid, activation: relu}
  pool:   {type: pool, window: 2}
  top:    linear
factors:
  classification: {type: cross_entropy, between: [label, top(pool(second(pool(first(image)))))]}
learning:
  supervised: {loss: energy, steps: 1000, batch_size: 50, learning_rate: 0.001}
data: {source: mnist, count: 1000, bind: {image: image, label: label}}
"""


class Learner:
    """The first steps of a phase of a spec, on one batch, as the loop takes them."""

    def __init__(self, spec: fg.Spec, phase: str, values: dict[str, Tensor]):
        self.model, self.values, self.taken = fg.build(spec), values, 0
        self.stretch: Stretch = next(each for each in stretches(self.model, 1000) if each.id == phase)
        self.stretch.begin()
        self.side: Side = self.stretch.sides()[0]
        self.watch = Watch()

    def step(self) -> Batch:
        model, side, stretch = self.model, self.side, self.stretch
        learning = Learning(0, (stretch.id, self.taken, "model", 0), stretch.learned)
        outcome = evaluate(stretch, side, model.assign(self.values), learning)
        if side.learn(outcome, stretch.moment(self.taken)):
            model.project(stretch.view.graph, stretch.view.inferences, side.owners)
        self.taken, self.loss = self.taken + 1, outcome.loss
        return outcome.batch

    def copies(self) -> dict[str, Tensor]:
        return {key: each.detach().clone().requires_grad_() for key, each in parameters_by_address(self.model).items()}


def logged(loss: Tensor, shares: list[Tensor], code: Tensor | None = None, status: Tensor | None = None) -> list[Tensor]:
    with torch.no_grad():
        active = [] if code is None else [(code != 0).float().mean()]
        found = [loss.detach(), *(each.mean() for each in shares), *active]
        return found if status is None else [*found, (status != 0).float().mean()]


def psd(own: dict[str, Tensor], y: Tensor) -> Callable[[], object]:
    decoder, encoder = own["functions.decoder.matrix"], own["functions.encoder.matrix"]
    bias, threshold = own["functions.encoder.bias"], own["functions.encoder.activation.threshold"]
    optimizer = torch.optim.Adam([decoder, encoder, bias, threshold], lr=0.005)
    weight, eye = torch.full((len(bias),), 3.0), torch.eye(len(bias))

    def magnitudes(z: Tensor) -> Tensor:
        return 3 * z.abs().sum(1)

    rest = Rest(magnitudes, lambda v, t: torch.nn.functional.softshrink(v, float(t) * 3), weight)

    def step() -> object:
        drive = linear(y, encoder, bias)
        guess = drive.sign() * torch.relu(drive.abs() - threshold.clamp_min(0))
        with torch.no_grad():
            start, constant = guess.clone(), y.square().sum(1) + guess.square().sum(1)
            form = Quadratic(2 * (decoder.T @ decoder + eye), -2 * (y @ decoder + guess), constant)
            problem = Problem(start, form.value, form.gradient, None, rest, form, squares=True, compiled=True)
            found = solve(ActiveSet(), problem, 100, 1e-4)
        shares = [(y - linear(found.z, decoder)).square().sum(1), (found.z - guess).square().sum(1), magnitudes(found.z)]
        loss = (shares[0] + shares[1] + shares[2]).mean()
        numbers = logged(loss, shares, found.z, found.status)
        step_by(optimizer, loss, [decoder, encoder, bias, threshold])
        with torch.no_grad():
            decoder.div_(torch.linalg.vector_norm(decoder, dim=0, keepdim=True))
            threshold.clamp_min_(0)
        return numbers

    return step


def drsae(own: dict[str, Tensor], x: Tensor) -> Callable[[], object]:
    names = ("functions.decoder.matrix", *(f"inference.recurrent.{each}" for each in ("filter", "inhibition", "threshold")))
    decoder, filters, inhibition, threshold = trained = [own[each] for each in names]
    rates = (1, 1 / 11, 1 / 10, 1 / 11)
    optimizer = torch.optim.SGD([{"params": [each], "lr": 0.06 * rate} for each, rate in zip(trained, rates, strict=True)])

    def step() -> object:
        drive, z = linear(x, filters), x.new_zeros(len(x), len(threshold))
        for _ in range(11):
            z = torch.relu(torch.addmm(drive, z, inhibition.T) - threshold)
        shares = [0.5 * (x - linear(z, decoder)).square().sum(1), 0.018 * z.abs().sum(1)]
        loss = (shares[0] + shares[1]).mean()
        numbers = logged(loss, shares, z)
        step_by(optimizer, loss, trained)
        with torch.no_grad():
            for matrix, axis, most in ((decoder, 0, 1), (filters, 1, 0.125)):
                matrix.mul_((most / torch.linalg.vector_norm(matrix, dim=axis, keepdim=True)).clamp_max(1))
            threshold.clamp_min_(0)
        return numbers

    return step


def convnet(own: dict[str, Tensor], image: Tensor, label: Tensor) -> Callable[[], object]:
    names = [f"functions.{each}.{part}" for each in ("first", "second", "top") for part in ("matrix", "bias")]
    first, first_bias, second, second_bias, top, top_bias = trained = [own[each] for each in names]
    optimizer = torch.optim.Adam(trained, lr=0.001)

    def step() -> object:
        x = torch.nn.functional.max_pool2d(torch.relu(torch.nn.functional.conv2d(image, first, first_bias)), 2)
        x = torch.nn.functional.max_pool2d(torch.relu(torch.nn.functional.conv2d(x, second, second_bias)), 2)
        share = -(label * torch.log_softmax(linear(x.flatten(1), top, top_bias), 1)).sum(1)
        loss = share.mean()
        numbers = logged(loss, [share])
        step_by(optimizer, loss, trained)
        return numbers

    return step


def step_by(optimizer: torch.optim.Optimizer, loss: Tensor, parameters: list[Tensor]) -> None:
    for each, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        each.grad = gradient
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def cases() -> Iterator[tuple[str, Learner, Callable[[], object], dict[str, Tensor]]]:
    """A name, the learner, the step by hand and the parameters that it moves."""
    source = torch.Generator().manual_seed(0)
    y, x = torch.randn(100, 144, generator=source), torch.rand(50, 784, generator=source)
    x = x / x.norm(dim=1, keepdim=True)
    digits = {"image": x.reshape(50, 1, 28, 28), "label": torch.eye(10)[torch.randint(10, (50,), generator=source)]}
    shipped = {name: fg.load(SPECS / f"{name}.yaml") for name in ("psd", "drsae")}
    told: list[tuple[str, fg.Spec, str, dict[str, Tensor], Callable[..., Callable[[], object]]]] = [
        ("psd", shipped["psd"], "joint", {"Y": y}, psd),
        ("drsae", shipped["drsae"], "unsupervised", {"X": x}, drsae),
        ("a net for digits", fg.loads(CONVNET), "supervised", digits, convnet),
    ]
    for name, spec, phase, values, by_hand in told:
        learner = Learner(spec, phase, values)
        own = learner.copies()
        yield f"{name}, {phase}", learner, by_hand(own, *values.values()), own


def operators(call: Callable[[], object]) -> int:
    """Of one call, after a first, which makes the optimizer's memory."""
    call()
    with Count() as count:
        call()
    return count.number


def repeated(call: Callable[[], object]) -> Setting:
    def run() -> np.ndarray:
        for _ in range(STEPS):
            call()
        return np.empty(0)

    return Setting("", run, STEPS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=9)
    told = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for name, learner, step, own in cases():
        mine, hand = operators(learner.step), operators(step)
        known = parameters_by_address(learner.model)
        apart = max(float((known[key].detach() - each.detach()).abs().max()) for key, each in own.items())
        batch = learner.step()
        with Count() as watched:
            learner.watch.see(learner.stretch, Step(batch, learner.side.plan.player, learner.loss))
        ratio = paired(repeated(learner.step), repeated(step), told.pairs)
        rows.append(
            {
                "step of": name,
                "operators": f"{mine}",
                "by hand": f"{hand}",
                "ratio": f"{mine / hand:.3f}",
                "health, beside it": f"{watched.number}",
                "ms, ours": f"{ratio.ours / 1e3:.1f}",
                "ms, by hand": f"{ratio.theirs / 1e3:.1f}",
                "time, ours / by hand": f"{1 / ratio.value:.2f}",
                "parameters apart": f"{apart:.1e}",
            }
        )
    print(table(rows))


if __name__ == "__main__":
    main()
