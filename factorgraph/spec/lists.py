"""Fields that hold several of something, where one may stand for a list of one."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationInfo

from factorgraph.spec.expressions import Expression
from factorgraph.spec.references import Reference
from factorgraph.spec.syntax import ExpressionError


def listed(value: Any) -> Any:
    """One value as a list of one."""
    return value if isinstance(value, list | tuple) else [value]


def mapped(value: Any, info: ValidationInfo) -> Any:
    """What stands for one variable, or a map for several: a list would not say which of them each is for."""
    if not isinstance(value, list | tuple):
        return value
    of = [str(each) for each in info.data.get("of", ())]
    texts = value if len(value) == len(of) else ["..."] * len(of)
    wanted, fix = "an expression", str([*value, "..."][0])
    if len(of) > 1:
        wanted = "a map from each variable to its expression"
        fix = f"{{{', '.join(f'{name}: {text}' for name, text in zip(of, texts, strict=True))}}}"
    error = ExpressionError("FG317", f"{wanted} is wanted here, not a list", fix=f"write {fix}")
    raise error.for_pydantic()


Mapped = BeforeValidator(mapped)  # of a field whose leaf has a field ``of`` before it
Names = Annotated[tuple[Reference, ...], BeforeValidator(listed)]
Values = Annotated[tuple[Expression, ...], BeforeValidator(listed)]
