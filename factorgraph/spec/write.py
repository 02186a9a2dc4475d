"""A spec as YAML: as written, or with every default filled in. What is written reads back to the same values."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path as File
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from factorgraph.errors import Path, SpecError
from factorgraph.spec.blocks import LossTerm, several_sources, single_loss
from factorgraph.spec.claims import ClaimExpression
from factorgraph.spec.document import read_scalar
from factorgraph.spec.expressions import Expression
from factorgraph.spec.origins import origin
from factorgraph.structure import Leaf

if TYPE_CHECKING:
    from factorgraph.spec.blocks import DataBlock, Phase
    from factorgraph.spec.declared import Declared
    from factorgraph.spec.schema import Spec

HEAD = ("factorgraph", "title", "source", "seed")  # what a fragment's file says of itself alone
ASIDE = 56  # characters before what is said of a value
WIDTH = 130  # characters of a line; a longer entry is written as a block
_PLAIN = re.compile(r"[A-Za-z_][\w.()*/+-]*( [\w.()*/+-]+)*")


def as_yaml(values: Mapping[str, Any], notes: Mapping[Path, str] | None = None) -> str:
    """Values of YAML as a text, one entry a line where it fits; ``notes``: lines of comment behind an entry, by its address."""
    told = {path: "".join(f"  # {line}".rstrip() + "\n" for line in note.splitlines()) for path, note in (notes or {}).items()}
    parts = []
    for key, value in values.items():
        if isinstance(value, Mapping) and value and key not in ("source", "dims", "indices"):
            lines = (_lines(str(name), each, 1) + told.get((key, name), "") for name, each in value.items())
            parts.append(f"{key}:\n" + "".join(lines))
        else:
            parts.append(_lines(str(key), value, 0) + told.get((key,), ""))
    return "\n".join(parts) if len(parts) < 2 else "".join(p if "\n" not in p.rstrip("\n") else "\n" + p for p in parts)


def _lines(key: str, value: Any, depth: int) -> str:
    lead = "  " * depth
    line = f"{lead}{_text(key)}: {flow(value)}\n"
    if len(line) <= WIDTH or not isinstance(value, Mapping | list) or not value:
        return line
    if isinstance(value, Mapping):
        return f"{lead}{_text(key)}:\n" + "".join(_lines(str(name), each, depth + 1) for name, each in value.items())
    return f"{lead}{_text(key)}:\n" + "".join(f"{lead}  - {flow(each)}\n" for each in value)


def flow(value: Any) -> str:
    """One value on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_text(str(key))}: {flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(flow(each) for each in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    return _text(value) if isinstance(value, str) else repr(value)


def _text(text: str) -> str:
    """A text, quoted where it would read as something else."""
    if _PLAIN.fullmatch(text):
        try:
            if read_scalar(f"[{text}]") == [text]:
                return text
        except SpecError:
            pass  # quoted below
    return json.dumps(text, ensure_ascii=False)


# --- with every default


def full(spec: Spec, *, origins: bool = False) -> str:
    """The spec as YAML with every default written out, and, as comments, what its fragments give.

    ``origins``: each value on a line of its own, and behind it where it came from: a line of a file, ``--set``, ``default``.
    """
    return _full(spec, str(File(spec.document.file).parent) if origins else None)


def _full(spec: Spec, home: str | None, left_out: tuple[str, ...] = ()) -> str:
    """``home``: the folder from which files are named, where origins are told."""
    values = {key: value for key, value in filled(spec).items() if key not in left_out}
    notes: dict[Path, str] = {}
    for name, each in spec.use.items():
        notes["use", name] = f"{name} is {each.file}:\n{_inside(each.spec, home)}"
    if home is None:
        return as_yaml(values, notes)
    return "".join(_told(values, (), lambda path: origin(spec.document, path, home), notes))


def _inside(spec: Spec, home: str | None) -> str:
    return "".join(f"  {line}\n" for line in _full(spec, home, HEAD).strip().splitlines())


def _told(value: Any, path: Path, origin: Callable[[Path], str], notes: Mapping[Path, str]) -> Iterator[str]:
    """The lines of a map or a list: what lies in it line by line, each value with its origin."""
    lead = "  " * len(path)
    for key, each in value.items() if isinstance(value, Mapping) else enumerate(value):
        at = (*path, key)
        head = f"{lead}{_text(str(key))}:" if isinstance(value, Mapping) else f"{lead}-"
        if _has_maps(each):
            lines = list(_told(each, at, origin, notes))
            if isinstance(value, Mapping):
                yield ("\n" if not path else "") + f"{head}\n"
            else:
                lines[0] = f"{head} {lines[0].lstrip()}"
            yield from lines
        else:
            yield f"{f'{head} {flow(each)}':{ASIDE}}  # {origin(at)}\n"
        yield from (f"{lead}# {line}".rstrip() + "\n" for line in notes.get(at, "").splitlines())


def _has_maps(value: Any) -> bool:
    return bool(value) and (isinstance(value, Mapping) or (isinstance(value, list) and any(map(_has_maps, value))))


def filled(spec: Spec) -> dict[str, Any]:
    """The values of a spec with every default written out; what is left out has no value."""
    written = spec.document.values
    result: dict[str, Any] = {"factorgraph": written.get("factorgraph"), "title": spec.title, "source": dict(spec.source)}
    result["seed"] = spec.seed
    for key in ("dims", "indices"):
        if written.get(key):
            result[key] = written[key]
    if spec.use:
        result["use"] = {name: _entry(written["use"][name], "file") for name in spec.use}
    result["variables"] = {name: _model(each) for name, each in spec.own("variables").items()}
    result["functions"] = {name: _common(_model(each), each, "type") for name, each in spec.own("functions").items()}
    result["factors"] = {name: {**_model(each.leaf), "weight": each.written_weight} for name, each in spec.own("factors").items()}
    result["inference"] = {name: _common(_model(each), each, "method") for name, each in spec.own("inference").items()}
    result["learning"] = {name: _phase(each) for name, each in spec.learning.items()}
    if spec.data is not None:
        result["data"] = _data(spec)
    result |= {key: written[key] for key in ("variants", "budgets") if written.get(key)}
    result["expect"] = {name: _plain(each) for name, each in spec.expect.items()}
    result["figures"] = {name: _model(each) for name, each in spec.figures.items()}
    return {key: value for key, value in result.items() if value not in ({}, "")}


def _entry(value: Any, main: str) -> Any:
    return dict(value) if isinstance(value, Mapping) else {main: value}


def _model(declared: Declared[Any]) -> dict[str, Any]:
    """An entry: what is written, constants as they are written, and the defaults of the rest."""
    return _filled(declared.first, declared.values)


def _phase(declared: Declared[Phase]) -> dict[str, Any]:
    """A phase; in a game, what is minimised and trained is the players' own."""
    values = _model(declared)
    return {key: each for key, each in values.items() if not (declared.first.players and key in ("loss", "train"))}


def _common(values: dict[str, Any], declared: Declared[Any], main: str) -> dict[str, Any]:
    """A leaf's own words for its type, and its index."""
    result = {main: values.pop("type"), **values}
    return {**result, "per": declared.per} if declared.per else result


def _filled(instance: BaseModel, written: Mapping[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, info in type(instance).model_fields.items():
        key = info.alias or name
        value = getattr(instance, name)
        if value is None or (key == "epochs" and written.get("steps") is not None):
            continue
        result[key] = _value(value, written.get(key, value))
    return result


def _value(value: Any, written: Any) -> Any:
    """A field: nested leaves with their own defaults, all else as written."""
    if isinstance(value, LossTerm):
        given = dict(written) if isinstance(written, Mapping) else {}
        loss = _filled(value.loss, given)
        rest = _filled(value, {key: given[key] for key in ("weight", "only", "without") if key in given})
        return {**loss, **{key: each for key, each in rest.items() if key != "loss"}}
    if isinstance(value, BaseModel):
        return _filled(value, _options(value, written))
    if isinstance(value, Mapping) and value and all(isinstance(each, BaseModel) for each in value.values()):
        if all(isinstance(each, LossTerm) for each in value.values()) and single_loss(written):
            return _value(next(iter(value.values())), written)
        inside = written if isinstance(written, Mapping) else {}
        return {name: _value(each, inside.get(name, written)) for name, each in value.items()}
    if isinstance(value, tuple) and value and all(isinstance(each, Leaf) for each in value):
        items = written if isinstance(written, list | tuple) else [written]
        return [_value(each, given) for each, given in zip(value, items, strict=True)]
    return _plain(written)


def _options(leaf: BaseModel, written: Any) -> Mapping[str, Any]:
    """What is written about a nested leaf, its short forms apart: a step's ``{whiten: 0.02}`` gives its main option."""
    from factorgraph.spec.choices import main_field, step_options

    kind = getattr(leaf, "type", None)
    if not isinstance(written, Mapping):
        return {}
    if "type" not in written and len(written) == 1 and kind in written and isinstance(leaf, Leaf):
        return step_options(main_field(type(leaf)), written[kind])
    return written


def _data(spec: Spec) -> dict[str, Any]:
    assert spec.data is not None, "asked only where there are data"
    written, sources = spec.document.values["data"], spec.data.sources
    if several_sources(written):
        return {name: _data_block(each.first, written[name]) for name, each in sources.items()}
    return _data_block(spec.data.first, written)


def _data_block(block: DataBlock, value: Any) -> dict[str, Any]:
    written = _entry(value, "source")
    source = _filled(block.source, written)
    rest = _filled(block, written)
    return {"source": source.pop("type"), **source, **{key: each for key, each in rest.items() if key != "source"}}


def _plain(value: Any) -> Any:
    """Instances as values of YAML."""
    if isinstance(value, Expression | ClaimExpression):
        return value.text
    if isinstance(value, BaseModel):
        fields = type(value).model_fields.items()
        return {info.alias or name: _plain(getattr(value, name)) for name, info in fields if getattr(value, name) is not None}
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return value
