"""Named tensors as bytes and back, in the safetensors format: the only form in which a run stores numbers. No pickle, ever."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from factorgraph.run.files import RefusedError, parse_json

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

# Bytes of one file of tensors: what half the memory holds. A caller who knows its model names fewer.
TENSOR_LIMIT = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
HEADER_LIMIT = 16 * 2**20  # bytes of the names, types and shapes before the numbers: 130,000 tensors
_SEAL = "sha256"


def pack(tensors: Mapping[str, Tensor]) -> bytes:
    """Tensors of any device and layout as bytes. A copy: what happens to the tensors afterwards does not reach it."""
    from safetensors.torch import save

    plain: dict[str, Tensor] = {}
    storages: set[int] = set()
    for name, each in tensors.items():
        tensor = each.detach().cpu().contiguous()
        storage = tensor.untyped_storage().data_ptr()
        plain[name] = tensor.clone() if storage in storages else tensor  # the format refuses two names for one memory
        storages.add(storage)
    data = bytes(save(plain))
    assert _header_length(data) <= HEADER_LIMIT, "a model has at most some 130,000 tensors"
    return data


def unpack(data: bytes) -> dict[str, Tensor]:
    """What :func:`pack` packed, on the processor, bit by bit. Raises :class:`~factorgraph.run.files.RefusedError`."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    _header_length(data)
    try:
        found: dict[str, Tensor] = load(data)
    except (SafetensorError, ValueError, TypeError, KeyError, AttributeError, RuntimeError, OverflowError) as reason:
        raise RefusedError("does not hold tensors in the safetensors format") from reason
    return {name: found[name] for name in sorted(found)}


def pack_arrays(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Numpy arrays as bytes that carry their own checksum, for a file that no manifest vouches for."""
    import numpy
    from safetensors.numpy import save

    plain = {name: numpy.ascontiguousarray(each) for name, each in arrays.items()}
    return bytes(save(plain, metadata={_SEAL: hashlib.sha256(save(plain)).hexdigest()}))


def unpack_arrays(data: bytes) -> dict[str, np.ndarray]:
    """What :func:`pack_arrays` packed. Raises :class:`~factorgraph.run.files.RefusedError` where a bit differs."""
    from safetensors import SafetensorError
    from safetensors.numpy import load, save

    about = _header(data).get("__metadata__")
    try:
        found: dict[str, np.ndarray] = load(data)
        whole = save(found)
    except (SafetensorError, ValueError, TypeError, KeyError, AttributeError, RuntimeError, OverflowError) as reason:
        raise RefusedError("does not hold tensors in the safetensors format") from reason
    if not isinstance(about, dict) or about.get(_SEAL) != hashlib.sha256(whole).hexdigest():
        raise RefusedError("has changed since it was written: its checksum differs")
    return {name: found[name] for name in sorted(found)}


def _header_length(data: bytes) -> int:
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > min(HEADER_LIMIT, len(data) - 8):
        raise RefusedError("does not hold tensors in the safetensors format")
    return length


def _header(data: bytes) -> dict[str, Any]:
    header = parse_json(data[8 : 8 + _header_length(data)])
    if not isinstance(header, dict):
        raise RefusedError("does not hold tensors in the safetensors format")
    return header
