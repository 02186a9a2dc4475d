"""A value of a spec: where it comes from, what it means, what may stand there, and who uses it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from factorgraph.compile.plan import Plan
from factorgraph.errors import Issue, Path, Place, SpecError, address
from factorgraph.graph.model import Graph
from factorgraph.graph.resolve import resolve
from factorgraph.registry import describe, keys_of, leaves
from factorgraph.spec.addresses import AddressError, Here, walked
from factorgraph.spec.blocks import Claim, Figure, Phase, Use, Variable
from factorgraph.spec.describe import allowed, schema_of
from factorgraph.spec.document import Document, read
from factorgraph.spec.language import SINGULAR
from factorgraph.spec.origins import DEFAULT, origin, words_of, written
from factorgraph.spec.parse import FAMILY, IN_EXPRESSIONS
from factorgraph.spec.schema import Spec
from factorgraph.spec.suggest import near
from factorgraph.spec.syntax import ExpressionError
from factorgraph.spec.targets import FORMS
from factorgraph.spec.write import filled, flow

LEFT_OUT = "left out"
HEADS = {
    "factorgraph": "the version of the language",
    "title": "what people read above the model",
    "source": "where the model is from",
    "seed": "what everything random begins with",
    "dims": "a named constant: every number of the spec may be computed from it",
    "indices": "how many slots there are: what is `per` it has one copy for each",
    "variants": "addresses and values under which the spec is another model, which claims compare",
    "budgets": "addresses and values that make another size of the spec",
}
COMMON = {"weight": ("what the factor is multiplied by (1)", FORMS), "per": ("an index: one for each of its slots", "an index")}
ENTRIES = {"variables": Variable, "use": Use, "learning": Phase, "expect": Claim, "figures": Figure}
TEXTS = {"claim", "source", "published", "type", "kind", "method", "domain", "file"}  # keys of values without names in them
NAMING = {"bind", "start", "by"}  # maps whose keys are names
_Planned = tuple[Graph, Plan] | None
_SLOTS = re.compile(r"\[[^\]]*\]")


@dataclass(frozen=True)
class Answer:
    """What there is to say of a value. ``over``: what stood there before; ``changed``: what else would change it."""

    address: str
    value: str
    origin: str
    over: tuple[str, ...] = ()
    means: str = ""
    allowed: str = ""
    changed: tuple[str, ...] = ()
    used: tuple[str, ...] = ()

    def __str__(self) -> str:
        rows = [("from", self.origin), *(("in place of", each) for each in self.over)]
        rows += [("means", self.means), ("allowed", self.allowed)]
        rows += [*(("changed by", each) for each in self.changed), *(("used by", each) for each in self.used)]
        return "\n".join([f"{self.address}: {self.value}", *(f"  {head:11}  {text}" for head, text in rows if text)])


def why(spec: Spec, key: str) -> tuple[Answer, ...]:
    """What there is to say of an address, ``factors.sparsity.weight``, or of all that end like it, ``weight``.

    Raises SpecError FG211 where nothing is called so.
    """
    whole = {f"{each.prefix}{address(path)}": (each, path) for each in _owners(spec) for path in each.values}
    end = key.split(".")
    wanted = [key] if key in whole else [each for each, (_, path) in whole.items() if [*map(str, path)][-len(end) :] == end]
    planned = cache(lambda: _plan(spec))  # once, however many are asked for
    return tuple(_answer(spec, each, *whole[each], planned) for each in wanted) or (_left_out(spec, key, whole),)


def text(answers: Sequence[Answer]) -> str:
    """All that there is to say of one value; of several, a line for each."""
    if len(answers) == 1:
        return str(answers[0])
    wide = max(len(each.address) for each in answers)
    return "\n".join(f"{each.address:{wide}}  {each.value}  # {each.origin}" for each in answers)


@dataclass(frozen=True)
class _Owner:
    """A spec, or a fragment of it, with all that stands in it; ``prefix``: what its addresses begin with, ``first.``."""

    prefix: str
    spec: Spec
    values: Mapping[Path, Any]


def _owners(spec: Spec, prefix: str = "") -> Iterator[_Owner]:
    yield _Owner(prefix, spec, dict(_below((), filled(spec))))
    for name, fragment in spec.use.items():
        yield from _owners(fragment.spec, f"{prefix}{name}.")


def _below(path: Path, value: Any) -> Iterator[tuple[Path, Any]]:
    if path:
        yield path, value
    if isinstance(value, Mapping | list):
        for key, each in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _below((*path, key), each)


def _left_out(spec: Spec, key: str, whole: Iterable[str]) -> Answer:
    """Of what may be written and nobody wrote. Raises SpecError where there is no such address."""
    try:
        _, path, here = walked(spec.document, key)
    except AddressError as error:
        raise SpecError(_nothing(spec, key, error, whole)) from None
    means, may = _field(path, here)
    return Answer(key, LEFT_OUT, DEFAULT, (), means, may, tuple(_changed(spec, key)))


def _nothing(spec: Spec, key: str, error: AddressError, whole: Iterable[str]) -> Issue:
    """Nothing has the name: what was probably meant."""
    place = Place("KEY", 1, 1, 1, len(key) + 1, key, "KEY")
    if "." in key:
        start, end = error.span
        meant = f"{key[:start]}{error.replacement}{key[end:]}" if error.replacement else None
        message, allowed, place = error.message, ", ".join(error.allowed), replace(place, column=start + 1, end_column=end + 1)
    else:
        meant = near(key, dict.fromkeys(part for each in whole for part in each.split(".")))
        message = f'nothing in {spec.name} is called "{key}"' + (f'. Did you mean "{meant}"?' if meant else "")
        allowed = ""
    fix = f"write {meant}" if meant else "name an address, as factors.sparsity.weight, or its end; factorgraph fill shows all"
    return Issue("FG211", message, allowed=allowed, fix=fix, replacement=meant, place=place)


def _answer(spec: Spec, name: str, owner: _Owner, path: Path, planned: Callable[[], _Planned]) -> Answer:
    document, value = owner.spec.document, owner.values[path]
    now = origin(document, path)
    over = [each for each in _over(document, path) if not each.endswith(f"# {now}")]
    means, may = _meaning(owner.spec, path)
    used = dict.fromkeys((*_mentions(owner, path), *_users(planned, owner.prefix, path)))
    shown = f"{flow(value)}{_computed(owner.spec, value)}"
    return Answer(name, shown, now, tuple(reversed(over)), means, may, tuple(_changed(spec, name)), tuple(used))


def _over(document: Document, path: Path) -> Iterator[str]:
    """What the file says, and what was put in its place, one after the other."""
    file = read(document.text, document.file)
    at = written(file, path)
    yield from (f"# {DEFAULT}",) if at is None else _shown(file.place(at))
    for place in document.overlaid(path):
        yield from _shown(place)


def _shown(place: Place) -> Iterator[str]:
    yield f"{place.text[place.column - 1 : place.end_column - 1]}  # {words_of(place)}"


def _computed(spec: Spec, value: Any) -> str:
    """The number that a constant is."""
    values = value if isinstance(value, list) else [value]
    if not any(isinstance(each, str) for each in values):
        return ""
    with suppress(ExpressionError):
        numbers = [spec.scales.constants().evaluate(each) for each in values]
        return f" = {flow(numbers if isinstance(value, list) else numbers[0])}"
    return ""


# --- what it means


def _meaning(spec: Spec, path: Path) -> tuple[str, str]:
    """What a key means, and what may stand there."""
    if len(path) == 1 or path[0] in HEADS:
        return HEADS.get(str(path[0]), ""), ""
    if len(path) == 2 and (path[0] != "data" or path[1] in (spec.data.sources if spec.data else ())):
        return _entry(spec, str(path[0]), str(path[1])), ""
    try:
        _, _, here = walked(spec.document, address(path))
    except AddressError:
        return "", ""
    return _field(path, here)


def _entry(spec: Spec, block: str, name: str) -> str:
    if block in FAMILY:
        entry = spec.factors[name].leaf if block == "factors" else getattr(spec, block)[name]
        return describe(FAMILY[block], entry.cls.model_fields["type"].default).summary.replace("``", "")
    return " ".join(inspect.cleandoc(ENTRIES[block].__doc__ or "").split()).replace("``", "") if block in ENTRIES else ""


def _field(path: Path, here: Here) -> tuple[str, str]:
    if here.family:
        return f"which {SINGULAR[here.family]} it is", ", ".join(leaves(here.family))
    if here.field is None:
        return COMMON.get(str(path[-1]), ("", ""))
    cls, key = here.field
    schema = schema_of(cls)["properties"].get(key, {})
    return keys_of(cls).get(key, "").replace("`", ""), allowed(schema)


# --- who changes it, who uses it


def _changed(spec: Spec, name: str) -> Iterator[str]:
    """Variants, budgets and phases that put another value there, or around it."""
    changes: list[tuple[str, Path, Mapping[str, Any]]] = []
    changes += [(f"variant {key}", ("variants", key), each) for key, each in spec.variants.items()]
    changes += [(f"budget {key}", ("budgets", key), each) for key, each in spec.budgets.items()]
    changes += [(f"phase {key}", ("learning", key, "set"), each.first.set) for key, each in spec.learning.items()]
    for who, at, values in changes:
        for key, value in values.items():
            if f"{name}.".startswith(f"{key}."):
                yield f"{who}: {flow(value)}  # {origin(spec.document, (*at, key))}"


def _mentions(owner: _Owner, path: Path) -> Iterator[str]:
    """The addresses at which an entry is named."""
    if len(path) < 2 or path[0] not in IN_EXPRESSIONS:
        return
    named = re.compile(rf"(?<![\w.]){re.escape(str(path[1]))}(?!\w)")
    for at, value in owner.values.items():
        if at[0] in ("title", "source", "variants", "budgets") or at[-1] in TEXTS or at[:2] == path[:2] or type(at[-1]) is int:
            continue
        said = value if isinstance(value, list) else value if at[-1] in NAMING and isinstance(value, Mapping) else [value]
        if any(isinstance(each, str) and named.search(each) for each in said):
            yield f"{owner.prefix}{address(at)}"


def _plan(spec: Spec) -> _Planned:
    from factorgraph import compile as compiler

    with suppress(SpecError):  # what cannot be planned has nothing to say here
        graph = resolve(spec)
        return graph, compiler.plan(spec, graph)
    return None


def _users(planned: Callable[[], _Planned], prefix: str, path: Path) -> Iterator[str]:
    """Procedures that count a factor, phases that train an entry, as they are planned."""
    if len(path) < 2 or path[0] not in ("factors", "functions", "inference") or (made := planned()) is None:
        return
    name, (graph, plan) = f"{prefix}{path[1]}", made
    for each in plan.procedures.values():
        if path[0] == "factors" and any(graph.factors[key].name == name for key in each.factors):
            yield f"inference.{each.name} counts it"
    for phase in plan.phases:
        if any(_SLOTS.sub("", key).startswith(f"{path[0]}.{name}.") for key in phase.parameters):
            yield f"learning.{phase.phase} trains it"
