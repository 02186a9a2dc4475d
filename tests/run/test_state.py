"""An optimizer's memory survives the way through bytes to the last bit, also where the parameters come in another order."""

from __future__ import annotations

import json

import pytest
import torch

from factorgraph.errors import RunError
from factorgraph.run.state import optimizer_from_named, optimizer_to_named
from factorgraph.run.tensors import pack, unpack

OPTIMIZERS = {
    "sgd": lambda groups: torch.optim.SGD(groups, lr=0.037, momentum=0.9, nesterov=True),
    "plain sgd": lambda groups: torch.optim.SGD(groups, lr=0.037),
    "adam": lambda groups: torch.optim.Adam(groups, lr=0.037, betas=(0.8, 0.97), amsgrad=True),
    "adam with a tensor rate": lambda groups: torch.optim.Adam(groups, lr=torch.tensor(0.037, dtype=torch.float64)),
    "adamw": lambda groups: torch.optim.AdamW(groups, lr=0.037, weight_decay=0.11),
    "rmsprop": lambda groups: torch.optim.RMSprop(groups, lr=0.037, momentum=0.3, centered=True),
    "adagrad": lambda groups: torch.optim.Adagrad(groups, lr=0.037, initial_accumulator_value=0.2),
    "adadelta": lambda groups: torch.optim.Adadelta(groups, lr=0.37, weight_decay=0.11),
    "adamax": lambda groups: torch.optim.Adamax(groups, lr=0.037),
    "nadam": lambda groups: torch.optim.NAdam(groups, lr=0.037, decoupled_weight_decay=True),
    "radam": lambda groups: torch.optim.RAdam(groups, lr=0.037),
    "asgd": lambda groups: torch.optim.ASGD(groups, lr=0.037, t0=2),
    "rprop": lambda groups: torch.optim.Rprop(groups, lr=0.037, etas=(0.4, 1.3)),
}


def _parameters() -> dict[str, torch.nn.Parameter]:
    draw = torch.Generator().manual_seed(3)
    shapes = {"functions.decoder.matrix": (4, 3), "functions.decoder.bias": (4,), "factors.fit.scale": ()}
    return {name: torch.nn.Parameter(torch.randn(shape, generator=draw)) for name, shape in shapes.items()}


def _groups(names: dict[str, torch.nn.Parameter], order: list[str]) -> list[dict[str, object]]:
    matrix = [names["functions.decoder.matrix"]]
    return [{"params": matrix, "lr": 0.37}, {"params": [names[name] for name in order if name != "functions.decoder.matrix"]}]


def _step(optimizer: torch.optim.Optimizer, names: dict[str, torch.nn.Parameter], count: int, first: int) -> None:
    for number in range(first, first + count):
        for name, parameter in names.items():
            draw = torch.Generator().manual_seed(number * 31 + len(name))
            parameter.grad = torch.randn(parameter.shape, generator=draw)
        optimizer.step()


def _bits(tensors: dict[str, torch.Tensor]) -> dict[str, tuple[torch.dtype, bytes]]:
    return {name: (each.dtype, each.detach().contiguous().numpy().tobytes()) for name, each in sorted(tensors.items())}


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_going_on_from_saved_state_gives_the_same_bits_in_another_order(kind: str) -> None:
    names = _parameters()
    optimizer = OPTIMIZERS[kind](_groups(names, list(names)))
    optimizer.param_groups[0]["lr"] = 0.21 if kind != "adam with a tensor rate" else torch.tensor(0.21, dtype=torch.float64)
    _step(optimizer, names, 3, first=0)
    tensors, about = optimizer_to_named(optimizer, names, prefix="model:")
    data, text = pack(tensors), json.dumps(about)
    values = {name: parameter.detach().clone() for name, parameter in names.items()}
    _step(optimizer, names, 4, first=3)

    fresh = {name: torch.nn.Parameter(values[name]) for name in reversed(names)}
    again = OPTIMIZERS[kind](_groups(fresh, list(fresh)))
    optimizer_from_named(again, fresh, unpack(data), json.loads(text), prefix="model:")
    assert _bits(optimizer_to_named(again, fresh)[0]) == _bits({k.removeprefix("model:"): v for k, v in unpack(data).items()})
    _step(again, fresh, 4, first=3)

    assert _bits(fresh) == _bits(names)
    assert _bits(optimizer_to_named(again, fresh)[0]) == _bits(optimizer_to_named(optimizer, names)[0])


def test_moments_keep_their_type_though_the_parameter_has_another() -> None:
    parameter = torch.nn.Parameter(torch.zeros(5, dtype=torch.bfloat16))
    optimizer = torch.optim.Adam([parameter])
    optimizer.state[parameter] = {"step": torch.tensor(7.0), "exp_avg": torch.full((5,), 1 / 3), "exp_avg_sq": torch.ones(5)}
    tensors, about = optimizer_to_named(optimizer, {"a.b": parameter})
    assert set(tensors) == {"a.b/step", "a.b/exp_avg", "a.b/exp_avg_sq"}

    again = torch.optim.Adam([parameter])
    optimizer_from_named(again, {"a.b": parameter}, unpack(pack(tensors)), about)

    assert again.state[parameter]["exp_avg"].dtype == torch.float32
    assert again.state[parameter]["step"].item() == 7.0


def test_options_come_back_with_their_own_type() -> None:
    parameter = torch.nn.Parameter(torch.zeros(3))
    optimizer = torch.optim.Adam([parameter], betas=(0.7, 0.9))
    tensors, about = optimizer_to_named(optimizer, {"a": parameter})
    again = torch.optim.Adam([parameter])
    optimizer_from_named(again, {"a": parameter}, tensors, json.loads(json.dumps(about)))
    assert again.param_groups[0]["betas"] == (0.7, 0.9)


def test_state_from_before_the_first_step_replaces_what_is_there() -> None:
    parameter = torch.nn.Parameter(torch.zeros(3))
    tensors, about = optimizer_to_named(torch.optim.Adam([parameter]), {"a": parameter})
    again = torch.optim.Adam([parameter])
    _step(again, {"a": parameter}, 2, first=0)
    optimizer_from_named(again, {"a": parameter}, tensors, about)
    assert not again.state[parameter]


def test_another_optimizer_other_parameters_or_another_shape_are_refused_by_name() -> None:
    names = _parameters()
    optimizer = torch.optim.Adam(names.values())
    _step(optimizer, names, 1, first=0)
    tensors, about = optimizer_to_named(optimizer, names)

    with pytest.raises(RunError, match=r"FG609.*from Adam, the spec asks for SGD"):
        optimizer_from_named(torch.optim.SGD(names.values()), names, tensors, about)
    fewer = {**names, "functions.encoder.matrix": names["functions.decoder.matrix"]}
    del fewer["functions.decoder.matrix"]
    with pytest.raises(RunError, match=r"no longer functions.decoder.matrix, now functions.encoder.matrix"):
        optimizer_from_named(torch.optim.Adam(fewer.values()), fewer, tensors, about)
    other = {**names, "functions.decoder.matrix": torch.nn.Parameter(torch.zeros(4, 5))}
    with pytest.raises(RunError, match=r"functions.decoder.matrix/exp_avg has the shape \[4, 3\], the parameter \[4, 5\]"):
        optimizer_from_named(torch.optim.Adam(other.values()), other, tensors, about)
    for damaged in ({}, {**about, "groups": [{}]}, {**about, "groups": 3}, {**about, "rest": [1]}, {**about, "rest": {"a": 1}}):
        with pytest.raises(RunError, match="not one that a run writes"):
            optimizer_from_named(torch.optim.Adam(names.values()), names, tensors, damaged)
