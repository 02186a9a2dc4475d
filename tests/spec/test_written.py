"""YAML to Spec to YAML is the identity, and so is Python to Spec to YAML, for specs made of every leaf with any options."""

from __future__ import annotations

import typing
from pathlib import Path
from types import NoneType, UnionType
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import factorgraph as fg
from factorgraph.registry import FAMILIES, leaves
from factorgraph.spec.builder import Builder
from factorgraph.spec.choices import Mistakes, Pick, checked
from factorgraph.spec.constants import Constants, Numeric
from factorgraph.spec.expressions import Expression
from factorgraph.spec.forms import BASES, Form, form
from factorgraph.spec.handles import FunctionName, Value
from factorgraph.spec.load import folder, load, loads, specs, waits_for
from factorgraph.spec.schema import Spec

DIMS = {"d": 3, "share": 0.37, "sizes": [4, "d + 2"]}
CONTEXT = {"constants": Constants(DIMS, {}, None, ("t",))}
A, B, C, g, t = Value("A"), Value("B"), Value("C"), FunctionName("g"), Value("t")
EXPRESSIONS = [A, B, C, g(B), g.transpose(A), 0.37 * A - (B - C), -g(-A), C[t - 1] + 1, "A * g(B)", "C[2]"]
NUMBERS = [1, 2, 5, 0.37, 0.5, 1e-7, "d", "d - 1", "1.5 / d", "share", "sizes[1]"]
TRIES = 30  # draws of what a leaf needs; most of its values are right
SEEN = st.sampled_from(["first", ["first"], []])
NAMED = {  # fields that hold names of the spec
    **{("methods", "of"): st.sampled_from([B, "B", [B, "C"]]), ("methods", "only"): SEEN, ("methods", "without"): SEEN},
    **{("losses", "teacher"): st.just("optimal"), ("losses", "student"): st.sampled_from(["optimal", ["optimal"]])},
    **{("losses", "fake"): st.just("A"), ("losses", "noise"): st.just("A"), ("losses", "partition"): st.just("optimal")},
    ("log_det", "of"): st.just("g"),
    ("functions", "activation"): st.sampled_from(["relu", "softmax"]),
}


def option(annotation: Any, metadata: tuple[Any, ...] = ()) -> st.SearchStrategy[Any]:
    """Values of Python for a field; not all are right for it."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return option(arguments[0], (*arguments[1:], *metadata))
    picks = [each.family for each in metadata if isinstance(each, Pick)]
    if picks:
        return st.sampled_from(list(leaves(picks[0]))).flatmap(lambda kind: filled(picks[0], kind))
    if any(isinstance(each, Numeric) for each in metadata):
        return st.sampled_from(NUMBERS)
    if annotation is Expression:
        return st.sampled_from(EXPRESSIONS)
    if origin in (typing.Union, UnionType):
        return st.one_of(*(option(each) for each in arguments if each is not NoneType))
    if origin is typing.Literal:
        return st.sampled_from(list(arguments))
    if origin is tuple:
        if arguments[-1] is not Ellipsis:
            return st.tuples(*map(option, arguments))
        several = st.lists(option(arguments[0]), max_size=3)
        return several | option(arguments[0]) if metadata else several
    if origin is dict:
        return option(arguments[1]).map(lambda value: {"B": value})
    simple = {bool: st.booleans(), str: st.sampled_from(["a", "b c"]), int: st.integers(1, 5), float: st.just(0.37)}
    return simple.get(annotation, st.none())


def leaf(made: Form) -> Any:
    """The leaf with these options; nothing if it does not take them."""
    written = dict(Builder()._plain(made.written(), ()))
    written["type"] = written.pop(made.main)
    try:
        return checked(leaves(made.family)[made.kind], written, CONTEXT)
    except Mistakes:
        return None


@st.composite
def filled(draw: st.DrawFn, family: str, kind: str) -> Form:
    """A leaf with what it needs, and any of its other options that go together."""
    write, cls = form(family, kind), leaves(family)[kind]
    fields = {name: info for name, info in cls.model_fields.items() if name != "type"}
    named = {name: NAMED.get((kind, name), NAMED.get((family, name))) for name in fields}
    options = {name: option(info.annotation, tuple(info.metadata)) for name, info in fields.items() if named[name] is None}
    values = {name: each if each is not None else options[name] for name, each in named.items()}
    needed = [name for name, info in fields.items() if info.is_required()]
    for one_more in ((), *((name,) for name in fields), *((),) * TRIES):  # of two options that have defaults one may be needed
        options = dict(draw(st.sampled_from(cls.examples or ({},))))
        options |= {name: draw(values[name]) for name in (*needed, *one_more) if name not in options}
        if leaf(write(**options)):
            break
    assert leaf(write(**options)), f"{family} {kind}: give it examples that are right"
    for name in fields:
        if name not in options and draw(st.booleans()):
            more = {**options, name: draw(values[name])}
            options = more if leaf(write(**more)) else options
    terms = {"weight": st.sampled_from([0.37, "share"]), "only": SEEN, "without": SEEN} if family == "losses" else {}
    return write(**options, **{name: draw(values) for name, values in terms.items() if draw(st.booleans())})


NO_SHRINKING = (Phase.explicit, Phase.generate)  # a spec of twenty leaves takes minutes to shrink, and its message says enough

names = st.from_regex(r"[a-z][a-z_0-9]{0,6}x", fullmatch=True)  # ends in a letter that no word of Python's ends in
texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp", "Cn"], exclude_characters="\ufeff"))


@st.composite
def builders(draw: st.DrawFn, family: str) -> Builder:
    """A spec that holds every leaf of a family, each under a name of its own."""
    b = fg.Builder("made", title=draw(texts), seed=draw(st.integers(0, 2**40)))
    for name, value in DIMS.items():
        b.dim(name, value)
    b.index("t", draw(st.integers(3, 5)))
    b.observed("A", shape=draw(st.sampled_from([4, "d", ["d", 2], []])))
    b.latent("B", domain=draw(st.sampled_from([None, "binary", "nonnegative"])))
    b.latent("C", 2, per="t")
    b.function("g", "linear")
    b.factor("first", fg.factors.SquaredDistance(between=("A", g(B))), weight=draw(st.sampled_from([None, 2, 0.37, "1 / d"])))
    b.infer("optimal", fg.methods.Argmin(of=B))
    unique = iter(draw(st.lists(names, min_size=len(leaves(family)), max_size=len(leaves(family)), unique=True)))
    for kind in leaves(family):
        add(draw, b, next(unique), draw(filled(family, kind)))
    return b


def add(draw: st.DrawFn, b: Builder, name: str, made: Form) -> None:
    """A leaf where specs have leaves of its family."""
    per = draw(st.sampled_from([None, "t"]))
    if made.family == "functions":
        b.function(name, made, per=per)
    elif made.family == "factors":
        b.factor(name, made, weight=draw(st.sampled_from([None, 0.37, "share"])))
    elif made.family == "methods":
        b.infer(name, made, per=per)
    elif made.family == "solvers":
        b.infer(name, fg.methods.Argmin(of=[B, C], solver=made, start={"B": 0.5 * g(A)}))
    elif made.family == "losses":
        b.learn(name, draw(st.sampled_from([made, {"one": made, "two": "energy"}])), train="g", steps=draw(st.integers(0, 9)))
    elif made.family == "optimizers":
        b.learn(name, optimizer=made, players={"one": fg.Player(train=[g], optimizer=made), "two": fg.Player(steps="d")})
    elif made.family == "schedules":
        b.learn(name, schedule=made, epochs=3, set={"factors.first.weight": draw(st.sampled_from([2, "share"]))}, per=per)
    elif made.family == "data":
        b.data(made, {A: next(iter(leaf(made).fields() or ["x"]))}, name=name)
    else:
        where = "prepare" if made.family == "steps" else "augment"
        b.data("curve", {A: "point"}, **{where: [made, made]}, name=name)


def same_again(spec: Spec) -> None:
    """Written and read, with and without every default, a spec is what it was."""
    file = spec.document.file
    again = loads(spec.to_yaml(), file)
    assert again == spec
    assert again.to_yaml() == spec.to_yaml()
    full = loads(spec.full(), file)
    assert full == spec
    assert full.full() == spec.full()


@pytest.mark.parametrize("family", sorted(set(BASES) & set(FAMILIES)))
@given(data=st.data())
@settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck), phases=NO_SHRINKING)
def test_a_spec_of_every_leaf_of_a_family_is_the_same_in_python_and_in_yaml(family: str, data: st.DataObject) -> None:
    spec = data.draw(builders(family)).spec()
    same_again(spec)


@pytest.mark.parametrize("file", [each.path for each in specs() if each.name], ids=lambda file: file.stem)
def test_a_shipped_spec_is_the_same_again(file: Path) -> None:
    same_again(load(file))


DRAFTS = sorted(folder().glob("drafts/**/*.yaml"))


@pytest.mark.parametrize("file", DRAFTS, ids=lambda file: file.stem)
def test_a_draft_waits_for_the_same_when_it_is_written_and_read(file: Path, tmp_path: Path) -> None:
    """Drafts do not load yet; what they say does not change by writing it."""
    from factorgraph.spec.document import read
    from factorgraph.spec.load import waited
    from factorgraph.spec.write import as_yaml

    values = read(file.read_text(), str(file)).values
    again = read(as_yaml(values), str(file))
    assert again.values == values
    assert waited(again) == waits_for(file)


