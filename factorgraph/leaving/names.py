"""Names of the spec as names of Python."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Hashable

from torch import nn

from factorgraph.leaving import reference, updates

WORDS = """
torch nn functional np math Tensor Callable Iterator argparse copy Model main model parser given v z pulls inputs
start smooth gradient energy shrink descend least certificate hessian linear constant bound threshold precise usual
drive length slopes loss students optimizer groups size steps rows schedule step gram slope_of_all first seen matrix
self output entered each price settle nothing lacking target kernels beside residuals read kept moment products rate
found curved mean means parameter parameters value pull
"""  # what methods and loops call their own values
TAKEN = {*dir(nn.Module()), *dir(builtins), *keyword.kwlist, "project", "torch"}  # torch: the class body's decorators read it
INSIDE = {*WORDS.split(), *vars(reference), *vars(updates)}  # a value's name inside a method is none of these either


def plain(key: str) -> str:
    """An id with letters, digits and ``_`` only, a letter first."""
    text = re.sub(r"\W+", "_", key).strip("_")
    return text if text[:1].isalpha() else f"value_{text}"


class Names:
    """Gives each thing a name of its own, the same one whenever it is asked for."""

    def __init__(self) -> None:
        self.given: dict[Hashable, str] = {}

    def __call__(self, thing: Hashable, wish: str) -> str:
        if thing not in self.given:
            taken, name = TAKEN | set(self.given.values()), plain(wish)
            taken |= INSIDE if isinstance(thing, tuple) and thing[0] == "local" else set()
            while name in taken:
                name += "_"
            self.given[thing] = name
        return self.given[thing]
