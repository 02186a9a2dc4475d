"""Fields that hold another leaf: ``solver: fista`` or ``solver: {type: fista, restart: false}``.

Annotate such a field with ``SolverChoice``, ``StepChoice``, ...; the leaf is looked up in its family's registry when a spec is
read. A mistake inside carries its own place, so that the field's error points into the mapping.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from factorgraph.registry import FAMILIES, leaves
from factorgraph.spec.language import KEYS, TYPES
from factorgraph.structure import Leaf, Loss, Optimizer, Schedule, Solver

M = TypeVar("M", bound=BaseModel)

NESTED = "nested"  # the pydantic error that carries the mistakes of what lies inside a field


@dataclass(frozen=True)
class Mistake:
    """A pydantic error on its way to an issue. ``keys`` are those that the mapping takes, in the schema's order."""

    loc: tuple[str | int, ...]
    kind: str
    message: str
    context: Mapping[str, Any]
    input: Any
    keys: tuple[str, ...] = ()
    about: tuple[str, str] = ("", "")  # family and type of the leaf, or block and kind of the part, that the mapping is

    def within(self, *outer: str | int) -> Mistake:
        return replace(self, loc=(*outer, *self.loc))


class Mistakes(Exception):  # noqa: N818  it is many
    """All that is wrong with one mapping."""

    def __init__(self, found: list[Mistake]):
        super().__init__("; ".join(each.message for each in found))
        self.found = found

    def for_pydantic(self) -> PydanticCustomError:
        return PydanticCustomError(NESTED, "what lies inside is wrong", {"found": self.found})


def keys_of(cls: type[BaseModel]) -> tuple[str, ...]:
    """The keys that a mapping of this class takes, as they are written, in the schema's order."""
    return tuple(info.alias or name for name, info in cls.model_fields.items())


def checked(
    cls: type[M], values: Mapping[str, Any], context: Any, about: tuple[str, str] = ("", ""), extra: tuple[str, ...] = ()
) -> M:
    """An instance of a model, or all its mistakes at once. ``extra``: keys that the mapping takes beside the model's own."""
    found = _loose_truths(cls, values, about)
    try:
        made = cls.model_validate(dict(values), context=context)
    except ValidationError as error:
        found += _flat(error, (*keys_of(cls), *extra), about)
    if found:
        raise Mistakes(found)
    return made


def _loose_truths(cls: type[BaseModel], values: Mapping[str, Any], about: tuple[str, str]) -> list[Mistake]:
    """Pydantic takes "no", "on" and 1 for truth values; in YAML 1.2, and so in the language, they are words and numbers."""
    fields = {info.alias or name: info.annotation for name, info in cls.model_fields.items()}
    loose = [key for key, value in values.items() if fields.get(key) is bool and type(value) in (str, int, float)]
    return [Mistake((key,), "bool_type", "", {}, values[key], about=about) for key in loose]


def _flat(error: ValidationError, keys: tuple[str, ...], about: tuple[str, str]) -> list[Mistake]:
    found: list[Mistake] = []
    for each in error.errors(include_url=False):
        inner = each.get("ctx", {}).get("found") if each["type"] == NESTED else None
        if inner is not None:
            found += [mistake.within(*each["loc"]) for mistake in inner]
            continue
        own = keys if len(each["loc"]) <= 1 else ()
        found.append(Mistake(tuple(each["loc"]), each["type"], each["msg"], each.get("ctx", {}), each["input"], own, about))
    return found


def find(family: str, name: Any, key: str = "type") -> type[Leaf]:
    """The leaf class of a type; raises :class:`Mistakes` where this version, or the language, has none."""
    known = leaves(family) if family in FAMILIES else {}
    if isinstance(name, str) and name in known:
        return known[name]
    kind = "not_a_type" if not isinstance(name, str) else "waits" if name in TYPES.get(family, ()) else "unknown_type"
    context = {"family": family, "name": name, "known": tuple(known)}
    raise Mistakes([Mistake((key,), kind, f"no {family} of type {name!r}", context, name, about=(family, ""))])


def long_form(value: Any, main: str = "type") -> Any:
    """A short form written out: a lone word stands for its entry's main key."""
    return value if isinstance(value, Mapping) else {main: value}


def pick(family: str, value: Any, context: Any, split: tuple[str, ...] = ()) -> Leaf:
    """The leaf that a value of YAML means. ``split``: keys that belong to somebody else, named in what is allowed."""
    if isinstance(value, Leaf):
        return value
    values = dict(long_form(value))
    if "type" not in values:
        raise Mistakes([missing_type(family, values)])
    cls = find(family, values["type"])
    return checked(cls, values, context, (family, values["type"]), split)


def missing_type(family: str, values: Mapping[str, Any], key: str = "type") -> Mistake:
    """A mapping without a type: perhaps the word is there, under a key that is not quite right."""
    known = tuple(leaves(family)) if family in FAMILIES else ()
    context = {"family": family, "known": known}
    return Mistake((key,), "missing", f"needs a {key}", context, dict(values), (key,), (family, ""))


def waiting_keys(family: str, kind: str) -> tuple[str, ...]:
    """Keys that the language gives a leaf and this version's leaf does not take yet."""
    return (*KEYS.get((family, kind), ()), *KEYS.get((family, "*"), ()))


@dataclass(frozen=True)
class Pick:
    """The annotation behind the choices: validates with :func:`pick`."""

    family: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(self._validate)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"x-family": self.family}

    def _validate(self, value: Any, info: core_schema.ValidationInfo) -> Any:
        try:
            return self._pick(value, info.context)
        except Mistakes as mistakes:
            raise mistakes.for_pydantic() from None

    def _pick(self, value: Any, context: Any) -> Any:
        return pick(self.family, value, context)


class StepPick(Pick):
    """``remove_mean``, ``{whiten: 0.02}``, ``{whiten: {kept: 100}}`` or ``{type: whiten, kept: 100}``."""

    def _pick(self, value: Any, context: Any) -> Any:
        if not isinstance(value, Mapping) or "type" in value or len(value) != 1:
            return pick(self.family, value, context)
        ((name, given),) = value.items()
        cls = find(self.family, name, key=name)
        main = main_field(cls)
        try:
            return checked(cls, {"type": name, **step_options(main, given)}, context, (self.family, name))
        except Mistakes as mistakes:
            inner = [each if isinstance(given, Mapping) else _without(each, main) for each in mistakes.found]
            raise Mistakes([each.within(name) for each in inner]) from None


def step_options(main: str, given: Any) -> dict[str, Any]:
    """What stands behind a step's name: the options by name, or the value of the main one."""
    return dict(given) if isinstance(given, Mapping) else {main: given}


def main_field(cls: type[Leaf]) -> str:
    """The option that ``{name: value}`` sets: the leaf's ``main``, else its first."""
    return getattr(cls, "main", None) or next((name for name in cls.model_fields if name != "type"), "value")


def _without(mistake: Mistake, main: str) -> Mistake:
    loc = mistake.loc[1:] if mistake.loc[:1] == (main,) else mistake.loc
    return replace(mistake, loc=loc)


SolverChoice = Annotated[Solver, Pick("solvers")]
LossChoice = Annotated[Loss, Pick("losses")]
OptimizerChoice = Annotated[Optimizer, Pick("optimizers")]
ScheduleChoice = Annotated[Schedule, Pick("schedules")]
StepChoice = Annotated[Leaf, StepPick("steps")]
AugmentationChoice = Annotated[Leaf, StepPick("augmentations")]
