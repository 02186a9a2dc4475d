"""The entries of a spec that are no leaves: variables, fragments, phases, data, claims, figures. Their fields are the schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationInfo,
    model_validator,
)

from factorgraph.spec.choices import (
    AugmentationChoice,
    LossChoice,
    Mistake,
    Mistakes,
    OptimizerChoice,
    ScheduleChoice,
    StepChoice,
    checked,
    keys_of,
    long_form,
    pick,
)
from factorgraph.spec.claims import ClaimExpression
from factorgraph.spec.constants import Count, NonNegative, Real, Share, Whole
from factorgraph.spec.expressions import Expression
from factorgraph.spec.lists import Names, listed
from factorgraph.spec.references import Reference
from factorgraph.spec.syntax import ExpressionError
from factorgraph.structure import Leaf, Loss, Source

if TYPE_CHECKING:
    from typing import Self


def _all_is_none(value: Any) -> Any:
    return None if value == "all" else value


Size = Annotated[tuple[Count, ...], BeforeValidator(listed)]


class Entry(BaseModel):
    """A mapping of the spec with fixed keys."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", arbitrary_types_allowed=True, validate_by_name=True, validate_by_alias=True, defer_build=True
    )


def _part(cls: type[Entry], block: str) -> Any:
    def validate(value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, cls):
            return value
        if not isinstance(value, Mapping):
            raise ValueError("takes a map with the keys " + ", ".join(keys_of(cls)))
        try:
            return checked(cls, value, info.context, (block, ""))
        except Mistakes as mistakes:
            raise mistakes.for_pydantic() from None

    return PlainValidator(validate, json_schema_input_type=cls)


class Distribution(Entry):
    """What noise is drawn from."""

    type: Literal["normal", "uniform", "bernoulli"] = Field(
        default="normal", description="mean 0 and variance 1; even from low to high; or 0 and 1, each as likely"
    )
    low: Real = Field(default=-1.0, description="of uniform: the least value")
    high: Real = Field(default=1.0, description="of uniform: the largest")

    @model_validator(mode="after")
    def _has_width(self) -> Self:
        if self.type == "uniform" and self.low >= self.high:
            raise ValueError(f"uniform noise lies between low and a larger high, and {self.low:g} is not below {self.high:g}")
        return self


class Variable(Entry):
    """A named slot: observed, latent, noise, or derived from others by ``is``."""

    kind: Literal["observed", "latent", "noise"] | None = Field(default=None, description="who gives its value")
    shape: Size | None = Field(default=None, description="the shape of one sample")
    domain: Literal["real", "nonnegative", "binary", "one_hot", "simplex"] = Field(default="real", description="its values")
    per: Reference | None = Field(default=None, description="an index: one for each of its slots")
    given: Literal["always", "training"] = Field(default="always", description="training: known when learning, predicted later")
    distribution: Annotated[
        Annotated[Distribution, _part(Distribution, "distribution")] | None,
        BeforeValidator(lambda v: long_form(v) if isinstance(v, str) else v, json_schema_input_type=Distribution | str | None),
    ] = Field(default=None, description="what noise is drawn from, `{type: uniform, low: -2, high: 2}`; normal, if left out")
    is_: Expression | None = Field(default=None, alias="is", description="makes it derived: an expression")
    start: Expression | None = Field(default=None, description="its value where what it reads has no such slot")
    stands_for: Reference | None = Field(default=None, description="the variable in whose place losses may put it")

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if self.kind is None and self.is_ is None:
            raise ValueError("a variable needs a kind (observed, latent, noise), or an expression that it is")
        if self.kind is not None and self.is_ is not None:
            raise ValueError("a variable with an expression that it is has no kind: it is derived")
        if self.kind in ("latent", "noise") and self.given == "training":
            raise ValueError(f"only what is observed is given in training: a {self.kind} variable never is")
        return self


class Use(Entry):
    """Another spec as a fragment of this one."""

    file: str = Field(description="the fragment's file, relative to this one")
    bind: dict[str, Expression] = Field(default={}, description="its observed variables: expressions of this spec")
    with_: dict[str, Any] = Field(default={}, alias="with", description="its dims, or addresses in it, and their values")


class LossTerm(Entry):
    """One loss of a phase, with its weight and the factors that it sees."""

    loss: LossChoice
    weight: Real = Field(default=1.0, description="what it is multiplied by")
    only: Names | None = Field(default=None, description="the factors seen; all, if left out")
    without: Names = Field(default=(), description="factors not seen")


_TERM_KEYS = ("weight", "only", "without")


class _TermOptions(Entry):
    weight: Real = 1.0
    only: Names | None = None
    without: Names = ()


def _term(value: Any, context: Any) -> LossTerm:
    if isinstance(value, LossTerm):
        return value
    values = dict(long_form(value))
    options = {key: values.pop(key) for key in _TERM_KEYS if key in values}
    found = []
    try:
        loss = pick("losses", values, context, _TERM_KEYS)
    except Mistakes as mistakes:
        found += mistakes.found
    try:
        rest = checked(_TermOptions, options, context)
    except Mistakes as mistakes:
        found += mistakes.found
    if found:
        raise Mistakes(found)
    assert isinstance(loss, Loss), "the losses' folder holds losses"
    return LossTerm(loss=loss, weight=rest.weight, only=rest.only, without=rest.without)


def single_loss(value: Any) -> bool:
    """Whether a phase's loss is one loss, not a map of named ones."""
    if not isinstance(value, Mapping):
        return True
    from factorgraph.registry import leaves
    from factorgraph.spec.language import TYPES
    from factorgraph.spec.suggest import near

    known = {*leaves("losses"), *TYPES["losses"]}
    return "type" in value or any(near(key, ("type",)) and isinstance(value[key], str) and value[key] in known for key in value)


def _losses(value: Any, info: ValidationInfo) -> dict[str, LossTerm]:
    """The losses by name; a single one is called by its type."""
    if isinstance(value, Mapping) and value and all(isinstance(each, LossTerm) for each in value.values()):
        return dict(value)
    if isinstance(value, Mapping) and not value:
        raise ValueError("there is no loss in it, and nothing would be learned: name one, or leave loss out")
    if single_loss(value):
        try:
            term = _term(value, info.context)
        except Mistakes as mistakes:
            raise mistakes.for_pydantic() from None
        return {term.loss.type: term}
    made: dict[str, LossTerm] = {}
    found = []
    for name, each in value.items():
        try:
            made[name] = _term(each, info.context)
        except Mistakes as mistakes:
            found += [mistake.within(name) for mistake in mistakes.found]
    if found:
        raise Mistakes(found).for_pydantic()
    return made


Losses = Annotated[dict[str, LossTerm], PlainValidator(_losses, json_schema_input_type=Any)]


class Player(Entry):
    """One side of a game; what it leaves out is the phase's."""

    train: Names | None = Field(default=None, description="what it trains; all that its loss reaches, if left out")
    loss: Losses = Field(default="energy", validate_default=True, description="what it minimises")
    optimizer: OptimizerChoice | None = Field(default=None, description="how; the phase's, if left out")
    learning_rate: NonNegative | None = Field(default=None, description="the phase's, if left out")
    steps: Count = Field(default=1, description="steps a round")


class Workers(Entry):
    """Copies of the model that learn apart and pull at a common centre."""

    type: Literal["elastic"] = "elastic"
    count: Count = Field(default=2, description="how many")
    period: Count = Field(default=16, description="steps between two pulls")
    pull: Share = Field(default=0.5, description="the share of the way to the centre")


def _by_itself(written: Any) -> Any:
    """The bound of a measure of health as it is written. FG554 where it stands below a key."""
    if not isinstance(written, Mapping):
        return written
    (number,) = written.values() if len(written) == 1 else (None,)
    plain = str(number) if isinstance(number, int | float | str) and not isinstance(number, bool) else None
    what = "the bound of a measure of health is a number by itself, as in health: {dead: 0.01}"
    fix = f"write {plain}, without {next(iter(written))}" if plain else "write the number"
    raise ExpressionError("FG554", what, allowed="a number of at least 0", fix=fix, replacement=plain).for_pydantic()


Bound = Annotated[NonNegative, BeforeValidator(_by_itself)]


def _bounds(value: dict[str, float], info: ValidationInfo) -> dict[str, float]:
    """Bounds of measures of health, each as its measure takes it; names that are no measure are told elsewhere."""
    from factorgraph.registry import leaves

    found: list[Mistake] = []
    for name in value.keys() & leaves("health").keys():
        try:
            checked(leaves("health")[name], {"at_most": value[name]}, info.context, ("health", name))
        except Mistakes as mistakes:
            found += [replace(each, loc=(name,)) for each in mistakes.found]
    if found:
        raise Mistakes(found).for_pydantic()
    return value


class Phase(Entry):
    """A stretch of learning: a loss, what is trained, with which inference, for how long."""

    loss: Losses = Field(default="energy", validate_default=True, description="one, or a map of named ones that add up by weight")
    train: Names | None = Field(default=None, description="what is trained; all that the loss reaches, if left out")
    inference: Names = Field(default=(), description="procedures, if not the first")
    only: Names | None = Field(default=None, description="the factors seen; all, if left out")
    without: Names = Field(default=(), description="factors not seen")
    steps: Whole | None = Field(default=None, description="steps; instead of epochs")
    epochs: Whole | None = Field(default=None, description="times through the data; 10, if steps are left out too")
    batch_size: Count | Literal["all"] = Field(default=100, description="rows a step, or all")
    labelled: Whole | None = Field(default=None, description="rows of each batch that have every variable")
    optimizer: OptimizerChoice = Field(default="adam", validate_default=True, description="one of torch.optim's")
    learning_rate: NonNegative = Field(default=1e-3, description="the optimizer's step")
    schedule: ScheduleChoice = Field(default="constant", validate_default=True, description="how the learning rate changes")
    set: dict[str, Any] = Field(default={}, description="addresses changed for this phase")
    per: str | None = Field(default=None, description="an index: once for each slot, in order")
    on_dead: Literal["resample"] | None = Field(default=None, description="what to do with units that are hardly ever active")
    health: Annotated[dict[str, Bound], AfterValidator(_bounds)] = Field(
        default={}, description="bounds of measures of health in place of their own, `{dead: 0.01}`"
    )
    players: dict[str, Annotated[Player, _part(Player, "players")]] = Field(default={}, description="the sides of a game")
    workers: Annotated[Workers, _part(Workers, "workers")] | None = Field(default=None, description="copies that learn apart")

    @model_validator(mode="before")
    @classmethod
    def _ten_epochs(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and values.get("steps") is None and values.get("epochs") is None:
            return {**values, "epochs": 10}
        return values

    def sides(self) -> dict[str, Player]:
        """The players with everything filled in; without ``players`` there is one, called model, made from the phase itself."""
        if not self.players:
            return {"model": Player(loss=self.loss, train=self.train, optimizer=self.optimizer, learning_rate=self.learning_rate)}
        return {
            name: each.model_copy(
                update={
                    "optimizer": each.optimizer or self.optimizer,
                    "learning_rate": self.learning_rate if each.learning_rate is None else each.learning_rate,
                }
            )
            for name, each in self.players.items()
        }


class DataBlock(Entry):
    """Where samples come from, how many, and what is done to them."""

    source: Annotated[Source, PlainValidator(lambda v: v, json_schema_input_type=str)]
    bind: dict[str, str] = Field(description="variable: field of the data, one of those that the source has")
    count: Annotated[Count | None, BeforeValidator(_all_is_none)] = Field(default=None, description="samples; all, if left out")
    test: Count | Share | None = Field(default=None, description="samples kept for measuring, a number or a share")
    labelled: Annotated[Whole | None, BeforeValidator(_all_is_none)] = Field(
        default=None, description="training rows that keep their labels, as many of each class; all, if left out"
    )
    prepare: Annotated[tuple[StepChoice, ...], BeforeValidator(listed)] = Field(default=(), description="done once, in order")
    augment: Annotated[tuple[AugmentationChoice, ...], BeforeValidator(listed)] = Field(
        default=(), description="done to pictures anew each time, while learning"
    )


def several_sources(value: Any) -> bool:
    """Whether a data block is a map of named sources, not one source."""
    from factorgraph.spec.suggest import near

    if not isinstance(value, Mapping) or not value or {"source", "bind"} & set(value):
        return False
    return all(isinstance(each, Mapping) and any(near(key, ("source",)) for key in each) for each in value.values())


class Claim(Entry):
    """What the model is said to do, as a number that one command checks."""

    claim: str = Field(description="in words")
    metric: ClaimExpression = Field(description="what is measured")
    at_least: Real | None = Field(default=None, description="the least value at which the claim holds")
    at_most: Real | None = Field(default=None, description="the largest")
    rises_with: str | None = Field(default=None, description="an index with which it rises")
    falls_with: str | None = Field(default=None, description="an index with which it falls")
    report: bool = Field(default=False, description="printed, not judged")
    source: str | None = Field(default=None, description="paper, section, table; how the bound came about")
    published: str | float | None = Field(default=None, description="the source's figure, and how it is known")
    only: Names | None = Field(default=None, description="the factors that its energies see")
    without: Names = Field(default=(), description="factors that they do not see")
    seeds: Count = Field(default=1, description="how many runs")
    take: Literal["median", "mean", "best", "worst"] = Field(default="median", description="of the runs")
    budget: str = Field(default="laptop", description="at which size")
    control: str | None = Field(default=None, description="a variant, or start: where it must not hold")

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        bounds = (self.at_least, self.at_most, self.rises_with, self.falls_with)
        if not self.report and all(each is None for each in bounds):
            raise ValueError("a claim needs at_least, at_most, rises_with or falls_with, or report: true")
        if self.report and self.control is not None:
            raise ValueError("a claim that is only reported has no control: leave out report, or control")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError("no figure is at_least the larger and at_most the smaller: exchange them")
        if self.take in ("best", "worst") and (self.at_least is None) == (self.at_most is None):
            raise ValueError("the best of several runs is known with one bound, at_least or at_most: take median or mean")
        return self


class Figure(Leaf):
    """A picture beyond those that are chosen from the graph."""

    type: str
    of: Annotated[tuple[Expression | str, ...], BeforeValidator(listed)] = Field(min_length=1, description="what is shown")
    by: str | None = Field(default=None, description="with which procedure")
