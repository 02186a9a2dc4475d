"""What a leaf says of itself is what users read: its first sentence, its formula, its shapes and where it comes from."""

from __future__ import annotations

import inspect

import pytest

from factorgraph import registry, structure

LEAVES = [(family, name) for family in ("factors", "functions", "solvers") for name in registry.leaves(family)]


@pytest.mark.parametrize(("family", "name"), LEAVES)
def test_a_leaf_says_what_it_does_and_where_it_comes_from(family, name):
    described = registry.describe(family, name)
    assert described.summary.endswith(".") and len(described.summary) <= 120
    lines = inspect.cleandoc(registry.leaves(family)[name].__doc__).split("\n")
    for word in (".. math:: ", "Shapes:  ", "Source:  "):
        assert any(line.startswith(word) for line in lines), f"{name} has no line {word.strip()}"


@pytest.mark.parametrize(("family", "name"), LEAVES)
def test_every_option_is_described(family, name):
    for key, info in registry.leaves(family)[name].model_fields.items():
        assert key == "type" or info.description, f"{name}.{key} has no description"


@pytest.mark.parametrize(("family", "name"), LEAVES)
def test_the_promises_that_are_shown_are_those_of_the_class(family, name):
    """Also of a leaf that has a promise's name, such as the function linear."""
    cls = registry.leaves(family)[name]
    for promise in registry.describe(family, name).promises:
        assert issubclass(cls, getattr(structure, promise))
