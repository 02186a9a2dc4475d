"""Fields that hold several of something, where one may stand for a list of one."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator

from factorgraph.spec.expressions import Expression
from factorgraph.spec.references import Reference


def listed(value: Any) -> Any:
    """One value as a list of one."""
    return value if isinstance(value, list | tuple) else [value]


Names = Annotated[tuple[Reference, ...], BeforeValidator(listed)]
Values = Annotated[tuple[Expression, ...], BeforeValidator(listed)]
