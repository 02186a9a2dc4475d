"""An optimizer's memory as named tensors and JSON, and back: by the parameter's name, never by its place in a list.

Names make a checkpoint independent of the order in which a graph's parameters happen to be listed. Every tensor keeps its type
and its bits; what is no tensor goes to the JSON part.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from factorgraph.errors import RunError, issue
from factorgraph.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

COUNTERS = ("step", "mu_product")  # slots that torch reads on the processor: steps done, and the product of nadam's momenta
SEPARATOR = "/"  # between a parameter's name, which has dots, and the slot: functions.decoder.matrix/exp_avg


def optimizer_to_named(
    optimizer: Optimizer, names: Mapping[str, Tensor], prefix: str = ""
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The optimizer's state as tensors called ``<parameter>/<slot>`` and a JSON value with the rest.

    ``names``: the model's parameters by name; it must hold all that the optimizer steps. ``prefix`` goes before every tensor's
    name, to keep players apart. The tensors are those of the optimizer, not copies: saving them copies.
    """
    called = {id(parameter): name for name, parameter in names.items()}
    tensors: dict[str, Tensor] = {}
    rest: dict[str, dict[str, Any]] = {}
    groups: list[dict[str, Any]] = []
    for number, group in enumerate(optimizer.param_groups):
        members = [called[id(parameter)] for parameter in group["params"]]
        options = {key: value for key, value in group.items() if key not in ("params", "param_names")}
        for key, value in options.items():
            if isinstance(value, torch.Tensor):
                tensors[f"{prefix}group.{number}{SEPARATOR}{key}"] = value
        groups.append({"parameters": members, "options": {key: _plain(value) for key, value in options.items()}})
        for name, parameter in zip(members, group["params"], strict=True):
            for slot, value in optimizer.state.get(parameter, {}).items():
                if isinstance(value, torch.Tensor):
                    tensors[f"{prefix}{name}{SEPARATOR}{slot}"] = value
                else:
                    rest.setdefault(name, {})[slot] = _plain(value)
    return tensors, {"type": type(optimizer).__name__, "groups": groups, "rest": rest}


def optimizer_from_named(
    optimizer: Optimizer, names: Mapping[str, Tensor], tensors: Mapping[str, Tensor], about: Mapping[str, Any], prefix: str = ""
) -> None:
    """Put back what :func:`optimizer_to_named` took, bit by bit, on the devices where the parameters are.

    Raises RunError FG609 where the optimizer is of another type, steps other parameters, or a tensor has another shape.
    """
    _check(optimizer, names, about)
    called = {id(parameter): name for name, parameter in names.items()}
    place = {name: number for number, group in enumerate(about["groups"]) for name in group["parameters"]}
    slots = _slots(tensors, prefix)
    for group in optimizer.param_groups:
        number = place[called[id(group["params"][0])]]
        for key, value in about["groups"][number]["options"].items():
            held = slots.get(f"group.{number}", {}).get(key)
            group[key] = _like(group.get(key), value) if held is None else held.clone()
        for parameter in group["params"]:
            name = called[id(parameter)]
            state = dict(about["rest"].get(name, {}))
            fresh = optimizer.state.pop(parameter, {})
            for slot, tensor in slots.get(name, {}).items():
                _check_shape(tensor, fresh.get(slot, parameter), f"{name}{SEPARATOR}{slot}")
                state[slot] = _placed(tensor, slot, parameter, group)
            if state:
                optimizer.state[parameter] = state


def _slots(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, dict[str, Tensor]]:
    found: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        if key.startswith(prefix) and SEPARATOR in key:
            owner, slot = key.removeprefix(prefix).rsplit(SEPARATOR, 1)
            found.setdefault(owner, {})[slot] = tensor
    return found


def _check_shape(tensor: Tensor, like: Tensor, name: str) -> None:
    """A slot has the shape of its parameter, unless it is a number or a new optimizer begins it with another."""
    if tensor.dim() and tensor.shape != like.shape:
        raise _unfit(f"{name} has the shape {list(tensor.shape)}, the parameter {list(like.shape)}")


def _placed(tensor: Tensor, slot: str, parameter: Tensor, group: Mapping[str, Any]) -> Tensor:
    """A slot's tensor where torch wants it: counters stay on the processor unless a fused or captured step reads them."""
    stays = slot in COUNTERS and not (group.get("capturable") or group.get("fused"))
    return tensor.clone() if stays else tensor.to(parameter.device, copy=True)


def _check(optimizer: Optimizer, names: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    try:
        kind, groups, rest = about["type"], about["groups"], about["rest"]
        members = [sorted(group["parameters"]) for group in groups]
        sound = all(isinstance(each, dict) for each in [*rest.values(), *(group["options"] for group in groups)])
    except (KeyError, TypeError, AttributeError) as reason:
        raise _unfit("its description is not one that a run writes") from reason
    if not sound:
        raise _unfit("its description is not one that a run writes")
    if kind != type(optimizer).__name__:
        raise _unfit(f"it was saved from {kind}, the spec asks for {type(optimizer).__name__}")
    called = {id(parameter): name for name, parameter in names.items()}
    wanted = [sorted(called[id(parameter)] for parameter in group["params"]) for group in optimizer.param_groups]
    if sorted(members) != sorted(wanted):
        before, after = {name for each in members for name in each}, {name for each in wanted for name in each}
        changes = [f"no longer {name}" for name in sorted(before - after)] + [f"now {name}" for name in sorted(after - before)]
        raise _unfit(f"it steps other parameters: {', '.join(changes) or 'they are grouped differently'}")


def _unfit(what: str) -> RunError:
    fix = "resume with the spec that the run was begun with, or train a new run"
    return RunError(issue("FG609", f"the optimizer's saved state does not fit: {what}", fix=fix))


def _plain(value: Any) -> Any:
    """A JSON value for an option; a tensor's place is held by ``None``, it travels among the tensors."""
    if isinstance(value, torch.Tensor):
        return None
    if isinstance(value, tuple):
        return list(value)
    assert value is None or isinstance(value, (bool, int, float, str, list)), f"an optimizer holds a {type(value).__name__}"
    return value


def _like(present: Any, value: Any) -> Any:
    return tuple(value) if isinstance(present, tuple) and isinstance(value, list) else value
