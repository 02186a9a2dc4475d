"""Tensors come back with every bit, whatever their type, layout and place in memory."""

from __future__ import annotations

import pytest
import torch

from factorgraph.run import tensors as module
from factorgraph.run.files import RefusedError
from factorgraph.run.tensors import pack, unpack

TYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16, torch.int64, torch.int32, torch.uint8, torch.bool)


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_every_type_and_layout(dtype: torch.dtype) -> None:
    base = (torch.randn(4, 3, 5, generator=torch.Generator().manual_seed(1)) * 100).to(dtype)
    given = {
        "plain": base,
        "transposed": base.permute(2, 0, 1),
        "strided": base[::2, :, 1::2],
        "same memory": base[0],
        "number": base[0, 0, 0],
        "nothing": base[:, :0],
    }
    found = unpack(pack(given))
    assert set(found) == set(given)
    for name, each in given.items():
        assert found[name].dtype == dtype
        assert torch.equal(found[name], each)


def test_what_happens_to_a_tensor_later_does_not_reach_its_bytes() -> None:
    parameter = torch.nn.Parameter(torch.full((4, 3), 0.37))
    data = pack({"a": parameter})
    with torch.no_grad():
        parameter.zero_()
    assert torch.equal(unpack(data)["a"], torch.full((4, 3), 0.37))


def test_numbers_that_are_not_finite_keep_their_bits() -> None:
    given = torch.tensor([float("nan"), float("inf"), -0.0, 1e-45])
    assert unpack(pack({"a": given}))["a"].numpy().tobytes() == given.numpy().tobytes()


def test_a_long_header_is_refused_before_it_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    data = pack({f"tensor.{number}": torch.zeros(1) for number in range(50)})
    assert len(unpack(data)) == 50
    monkeypatch.setattr(module, "HEADER_LIMIT", 1000)
    with pytest.raises(RefusedError):
        unpack(data)
