"""Names of the spec as names of Python."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Hashable

from torch import nn

TAKEN = {
    *dir(nn.Module), *dir(builtins), *keyword.kwlist,
    *("torch", "nn", "functional", "np", "Path", "Tensor", "argparse", "copy", "Model", "main", "train", "model", "z", "v", "t"),
}  # fmt: skip


def plain(key: str) -> str:
    """An id with letters, digits and ``_`` only."""
    return re.sub(r"\W+", "_", key).strip("_")


class Names:
    """Gives each thing a name of its own, the same one whenever it is asked for."""

    def __init__(self) -> None:
        self.given: dict[Hashable, str] = {}

    def __call__(self, thing: Hashable, wish: str) -> str:
        if thing not in self.given:
            taken, name = TAKEN | set(self.given.values()), plain(wish)
            while name in taken:
                name += "_"
            self.given[thing] = name
        return self.given[thing]
