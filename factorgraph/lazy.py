"""The one lazy doorway to the heavy third-party libraries.

``from factorgraph.lazy import torch`` costs nothing until the first attribute is read, so that reading, checking and drawing a
spec never pays for torch. Type checkers see the real modules.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any

__all__ = ["np", "torch"]

if TYPE_CHECKING:
    import numpy as np
    import torch
else:

    class _Lazy(ModuleType):
        """A module that is imported when its first attribute is read."""

        def __getattr__(self, name: str) -> Any:
            value = getattr(importlib.import_module(self.__name__), name)
            self.__dict__[name] = value  # found at once from now on
            return value

    np = _Lazy("numpy")
    torch = _Lazy("torch")
