"""Leaves as Python writes them: ``functions.Linear(bias=False)`` is ``{type: linear, bias: false}``, and no more is known of it.

A form holds what is given, unchecked: constants over dims and names of a spec mean nothing before there is a spec, and whatever
is wrong is told by the one parser. Each leaf of each registry has a form of its own, made when it is asked for; editors and type
checkers read the same from the ``__init__.pyi`` of the family's package, which ``tools/stubs.py`` writes.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from factorgraph.structure import Leaf

REQUIRED = inspect.Parameter.empty
PLAIN = {bool: "bool", str: "Name", int: "int", float: "float", NoneType: "None"}  # types whose form is one word


class Part:
    """A map of the language with the keys that are given."""

    def __init__(self, **given: object):
        self.given = given

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in self.given.items())})"

    def written(self) -> dict[str, object]:
        """The mapping that YAML would hold."""
        return self.given

    def short(self) -> object:
        """The same, in the language's short form if there is one."""
        return self.written()


class Form(Part):
    """A leaf with the options that are given; what is left out has its default. Made by calling a leaf's name."""

    family: ClassVar[str]
    kind: ClassVar[str]
    main: ClassVar[str] = "type"  # the key under which the language gives the type

    def written(self) -> dict[str, object]:
        keys = {each.name: each.key for each in parameters(self.family, self.kind)}
        return {self.main: self.kind, **{keys.get(name, name): value for name, value in self.given.items()}}

    def short(self) -> object:
        return self.written() if self.given else self.kind


class FactorForm(Form):
    family = "factors"


class FunctionForm(Form):
    family = "functions"


class MethodForm(Form):
    family, main = "methods", "method"


class SolverForm(Form):
    family = "solvers"


class LossForm(Form):
    family = "losses"


class OptimizerForm(Form):
    family = "optimizers"


class ScheduleForm(Form):
    family = "schedules"


class SourceForm(Form):
    family, main = "data", "source"


class StepForm(Form):
    family = "steps"


class AugmentationForm(Form):
    family = "augmentations"


BASES: dict[str, type[Form]] = {each.family: each for each in Form.__subclasses__()}


def namespace(family: str) -> tuple[Callable[[str], type[Form]], Callable[[], list[str]]]:
    """``__getattr__`` and ``__dir__`` of a family's package: its leaves' forms by the names of their classes."""
    from factorgraph.registry import FAMILIES

    def find(name: str) -> type[Form]:
        from factorgraph.registry import leaves
        from factorgraph.spec.suggest import near

        if name[:1].isupper():
            kind = next((each for each in leaves(family) if each.replace("_", "") == name.lower()), None)
            if kind is None or leaves(family)[kind].__name__ != name:  # another package's, whose prefix only the type carries
                kind = next((each for each, cls in leaves(family).items() if cls.__name__ == name), None)
            if kind is not None:
                return form(family, kind)
            meant = near(name, names())
            raise AttributeError(f"{FAMILIES[family]} has no {name}" + (f". Did you mean {meant}?" if meant else ""))
        raise AttributeError(f"module {FAMILIES[family]!r} has no attribute {name!r}")

    def names() -> list[str]:
        from factorgraph.registry import leaves

        return [each.__name__ for each in leaves(family).values()]

    return find, names


@cache
def form(family: str, kind: str) -> type[Form]:
    """The form of one leaf: the leaf's name and words, and its fields as the signature."""
    from factorgraph.registry import FAMILIES, leaves

    cls = leaves(family)[kind]
    signature = inspect.Signature([each.parameter() for each in parameters(family, kind)])
    inside = {"kind": kind, "__doc__": documentation(family, kind), "__signature__": signature, "__module__": FAMILIES[family]}
    return type(cls.__name__, (BASES[family],), inside)


def documentation(family: str, kind: str) -> str:
    """The leaf's words, and a line for each option."""
    from factorgraph.registry import leaves

    text = inspect.cleandoc(leaves(family)[kind].__doc__ or "")
    lines = [f"    {each.name}: {each.meaning}" for each in parameters(family, kind)]
    return "\n".join((text, "", "Options:", *lines)) if lines else text


# --- options


@dataclass(frozen=True)
class Option:
    """One option of a leaf, as Python writes it. ``key``: what the language calls it."""

    name: str
    key: str
    type: str
    default: Any
    meaning: str

    def parameter(self) -> inspect.Parameter:
        return inspect.Parameter(self.name, inspect.Parameter.KEYWORD_ONLY, default=self.default, annotation=self.type)

    def __str__(self) -> str:
        simple = isinstance(self.default, bool | int | float | str | NoneType)
        default = "" if self.default is REQUIRED else f" = {self.default!r}" if simple else " = ..."
        return f"{self.name}: {self.type}{default}"


@cache
def parameters(family: str, kind: str) -> tuple[Option, ...]:
    """The options of a leaf, those without a default first."""
    from factorgraph.registry import leaves

    fields = dict(_fields(family, leaves(family)[kind]))
    found = [_option(name, info) for name, info in fields.items()]
    return tuple(sorted(found, key=lambda each: each.default is not REQUIRED))


def _fields(family: str, cls: type[Leaf]) -> Iterator[tuple[str, FieldInfo]]:
    yield from ((name, info) for name, info in cls.model_fields.items() if name != "type")
    if family == "losses":
        from factorgraph.spec.blocks import LossTerm

        yield from ((name, info) for name, info in LossTerm.model_fields.items() if name != "loss")


def _option(name: str, info: FieldInfo) -> Option:
    default = REQUIRED if info.is_required() else info.default if info.default_factory is None else ...
    return Option(name, info.alias or name, written_type(info.annotation, tuple(info.metadata)), default, info.description or "")


def written_type(annotation: Any, metadata: tuple[Any, ...] = ()) -> str:
    """What a field takes in Python: names and expressions as handles or text, numbers also as constants, leaves as forms."""
    from factorgraph.spec.choices import Pick
    from factorgraph.spec.constants import Numeric
    from factorgraph.spec.expressions import Expression

    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return written_type(arguments[0], (*arguments[1:], *metadata))
    pick = next((each for each in metadata if isinstance(each, Pick)), None)
    if pick is not None:
        return f"{BASES[pick.family].__name__} | str"
    if any(isinstance(each, Numeric) for each in metadata):
        return "Number"
    if annotation is Expression:
        return "Expressed"
    if origin in (typing.Union, UnionType):
        parts = [part for each in arguments for part in written_type(each).split(" | ")]
        return " | ".join(sorted(dict.fromkeys(parts), key=lambda part: part == "None"))
    if origin is typing.Literal:
        return f"Literal[{', '.join(map(repr, arguments))}]"
    if origin is tuple:
        return _several(arguments, one=bool(metadata))
    if origin is dict:
        return f"Mapping[str, {written_type(arguments[1])}]"
    return PLAIN.get(annotation, "object")


def _several(parts: tuple[Any, ...], one: bool) -> str:
    """A tuple; ``one``: a single value may stand for a list of one."""
    if parts[-1] is not Ellipsis:
        return f"tuple[{', '.join(map(written_type, parts))}]"
    item = written_type(parts[0])
    return f"{item} | Sequence[{item}]" if one else f"Sequence[{item}]"
