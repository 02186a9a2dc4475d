"""Ways to infer by steps of a solver whose matrices may be learned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, model_validator

from factorgraph.inference.methods._method import Method
from factorgraph.inference.solvers._unrolled import Unrollable
from factorgraph.spec.choices import Mistake, Mistakes, checked
from factorgraph.spec.constants import Count, Positive, Share
from factorgraph.spec.lists import listed
from factorgraph.structure import SolverClass

Name = Literal["filter", "inhibition", "threshold"]


class Matrix(BaseModel):
    """How a matrix of a solver is kept while it learns. A row is what one unit receives, a column what one input sends."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_row_norm: Positive | None = Field(default=None, description="keeps the norm of each row at or below this")
    max_column_norm: Positive | None = Field(default=None, description="keeps the norm of each column at or below this")
    keep: Share = Field(default=1.0, description="share of entries, the largest, that are not zero and stay free")
    rate: Positive = Field(default=1.0, description="times the learning rate")


def _with_options(value: Any, info: ValidationInfo) -> Any:
    """A name, or several, without options; what is wrong with options is told at its own place."""
    names = listed(value)
    if not isinstance(value, Mapping):
        if not all(isinstance(each, str) for each in names):
            raise ValueError("takes names, or one map of names with their options")
        if len(set(names)) < len(names):
            raise ValueError(f"{next(each for each in names if names.count(each) > 1)} stands there twice")
    named = value if isinstance(value, Mapping) else dict.fromkeys(names)
    made: dict[Any, Any] = {}
    wrong: list[Mistake] = []
    for name, options in named.items():
        try:
            whole = options is None or isinstance(options, Mapping)
            made[name] = checked(Matrix, options or {}, info.context, ("methods", "unrolled")) if whole else options
        except Mistakes as mistakes:
            wrong += [each.within(name) for each in mistakes.found]
    if wrong:
        raise Mistakes(wrong).for_pydantic()
    return made


Matrices = Annotated[
    dict[Name, Matrix], BeforeValidator(_with_options, json_schema_input_type=dict[Name, Matrix | None] | list[Name])
]


class Layered(Method):
    """A way to infer whose parameters are matrices of its solver, one of each, or one for each step."""

    searches: ClassVar[bool] = True

    steps: Count = Field(default=100, description="applications of the shrinkage")
    free: Matrices = Field(
        default={}, description="which of filter, inhibition, threshold are learned: names, or a map with their options"
    )
    gradient: Literal["unroll", "stop"] = Field(
        default="unroll", description="how learning sees the code: through all steps, or as a constant"
    )
    share: Literal["steps", "none"] = Field(default="steps", description="whether all steps have the same matrices, or none do")

    @model_validator(mode="after")
    def _threshold_is_no_matrix(self) -> Layered:
        threshold, usual = self.free.get("threshold", Matrix()), Matrix()
        told = [name for name in Matrix.model_fields if name != "rate" and getattr(threshold, name) != getattr(usual, name)]
        if told:
            raise ValueError(f"a threshold is one number a unit: of {' and '.join(told)} it has none, only a rate")
        return self

    def runs(self) -> SolverClass:
        return Unrollable

    def removing(self) -> Mapping[str, float]:
        """The matrices that lose entries, with the share that stays."""
        return {name: each.keep for name, each in self.free.items() if each.keep < 1}
