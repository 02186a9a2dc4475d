"""What Python's operators write is read as the same tree that Python built; names carry no more than their text."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factorgraph.spec.expressions import Call, Negate, Node, Number, Read, parse_constant, parse_value
from factorgraph.spec.handles import SIGN, FactorName, FragmentName, FunctionName, ProcedureName, Value, call

A, B, C = Value("A"), Value("B"), Value("C")
t, decoder, pool = Value("t"), FunctionName("decoder"), FunctionName("pool")


def shape(node: Node) -> object:
    """A tree without its places."""
    if isinstance(node, Number):
        return node.value
    if isinstance(node, Read):
        return ".".join(node.name)
    if isinstance(node, Negate):
        return ("-", shape(node.operand))
    if isinstance(node, Call):
        return (".".join(node.name), *map(shape, node.arguments))
    return (node.operator, shape(node.left), shape(node.right))


def by_python(tree: object) -> Value | float:
    """The same tree by Python's own operators."""
    if isinstance(tree, str):
        return Value(tree)
    if not isinstance(tree, tuple):
        return tree
    name, *parts = tree
    parts = [by_python(each) for each in parts]
    if name == "f":
        return FunctionName("f")(*parts)
    if len(parts) == 1:
        return -parts[0]
    left, right = parts
    return {"+": lambda: left + right, "-": lambda: left - right, "*": lambda: left * right, "/": lambda: left / right}[name]()


def as_read(tree: object) -> object:
    """Numbers have no sign of their own in the language."""
    if isinstance(tree, tuple):
        return tuple(each if number == 0 else as_read(each) for number, each in enumerate(tree))
    return ("-", -tree) if isinstance(tree, int | float) and tree < 0 else tree


def trees(operators: str, calls: bool) -> st.SearchStrategy[object]:
    leaf = st.sampled_from(["X", "Y", "Z"])
    number = st.sampled_from([0.5, 3, -2, -0.37, 1e-7])

    def grown(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
        one = st.tuples(st.sampled_from(operators), inner, inner | number) | st.tuples(st.sampled_from(operators), number, inner)
        made = one | st.tuples(st.just("-"), inner)
        return made | st.tuples(st.just("f"), inner, number) if calls else made

    return st.recursive(leaf, grown, max_leaves=8)


@given(trees("+-*", calls=True))
def test_a_value_is_read_as_the_tree_that_python_built(tree):
    assert shape(parse_value(str(by_python(tree)))) == as_read(tree)


@given(trees("+-*/", calls=False))
def test_a_constant_is_read_as_the_tree_that_python_built(tree):
    assert shape(parse_constant(str(by_python(tree)))) == as_read(tree)


@pytest.mark.parametrize(
    "made, text",
    [
        (decoder(A), "decoder(A)"),
        (decoder.transpose(B - A), "decoder.transpose(B - A)"),
        (pool.unpool(A.what, A.where), "pool.unpool(A.what, A.where)"),
        (pool(A).what, "pool(A).what"),
        (A[t] - A[t - 1], "A[t] - A[t-1]"),
        (A[t + 1].where, "A[t+1].where"),
        (A[2] + B["last"], "A[2] + B[last]"),
        (A - (B - C), "A - (B - C)"),
        (A - B - C, "A - B - C"),
        ((A + B) * C, "(A + B) * C"),
        (A * (B * C), "A * (B * C)"),
        (-(A + B), "-(A + B)"),
        (-Value("-A", SIGN), "-(-A)"),
        (A - (-B), "A - (-B)"),
        (A * -2, "A * (-2)"),
        (1 - 0.5 * A, "1 - 0.5 * A"),
        (1.25 / (A - 1), "1.25 / (A - 1)"),
        (call("relu", "A + B"), "relu(A + B)"),
        (call("sum", A, t), "sum(A, t)"),
        (call("energy", ProcedureName("fast")) / call("energy", ProcedureName("optimal")), "energy(fast) / energy(optimal)"),
        (FragmentName("first").decoder(FragmentName("first").Z), "first.decoder(first.Z)"),
        (FragmentName("first").decoder.transpose(A), "first.decoder.transpose(A)"),
        (ProcedureName("lista").filter, "lista.filter"),
        (FactorName("reconstruction")["l"], "reconstruction[l]"),
    ],
)
def test_texts(made, text):
    assert str(made) == text
    assert f"{made}" == text and repr(made) == f"<{text}>"


def test_numbers_of_numpy_are_numbers():
    assert str(np.float64(0.5) * A) == "0.5 * A"
    assert str(A + np.float32(2)) == "A + 2.0"
    assert str(np.int64(3) - A) == "3 - A"


def test_a_value_is_no_sequence_and_can_be_copied():
    with pytest.raises(TypeError):
        list(A)
    with pytest.raises(TypeError):
        assert B in A
    assert str(copy.deepcopy(A - B)) == "A - B"
    assert not hasattr(A, "_repr_html_")
    assert len({A, B, Value("A")}) == 3  # names are keys of bind by identity
