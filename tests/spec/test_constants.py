"""Constants: arithmetic over dims in any order, slots, sizes, and the fields that hold them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from factorgraph.spec.constants import Constants, Count, NonNegative, Positive, Real, Share, Whole
from factorgraph.spec.syntax import ExpressionError

DIMS: dict[str, Any] = {
    "sites": "density * (side - field + 1)",
    "side": 12,
    "density": 2,
    "field": 3,
    "T": 7,
    "width": [16, "side * 3", 5],
}
CONSTANTS = Constants(DIMS, {"l": 1}, lambda name: {"X": 8}[name], ("l", "t"))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.25 / (T - 1)", Fraction(5, 24)),
        ("side - field + 1", 10),
        ("sites", 20),
        ("width[l]", 36),
        ("width[l-1]", 16),
        ("width[2]", 5),
        ("width[last]", 5),
        ("l", 1),
        ("side + (l + 1) * (field - 1)", 16),
        ("0.37 / size(X)", Fraction(37, 800)),
        ("-2 * -3", 6),
        (0.37, Fraction(37, 100)),
        (4, 4),
    ],
)
def test_values(text: object, value: Fraction | int) -> None:
    assert CONSTANTS.evaluate(text) == pytest.approx(float(value), rel=1e-15)


def test_whole_numbers_stay_whole() -> None:
    assert isinstance(CONSTANTS.evaluate("side / 4 * 3"), int)
    assert CONSTANTS.evaluate("9007199254740993 + 2") == 9007199254740995  # beyond what a float could count


def test_the_last_slot_and_an_index_called_last() -> None:
    assert Constants(DIMS, {"last": 0}).evaluate("width[last]") == 16


@pytest.mark.parametrize(
    ("text", "code", "marked"),
    [
        ("2 / (side - 12)", "FG313", "side - 12"),
        ("1e200 * 1e200", "FG313", "1e200 * 1e200"),
        ("1 + sid", "FG311", "sid"),
        ("size(Q)", "FG311", "Q"),
        ("t", "FG316", "t"),
        ("width[t]", "FG316", "t"),
        ("width", "FG315", "width"),
        ("side[0]", "FG315", "side[0]"),
        ("width[l+2]", "FG315", "width[l+2]"),
        ("width[l-2]", "FG315", "width[l-2]"),
    ],
)
def test_mistakes_point_at_their_characters(text: str, code: str, marked: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        CONSTANTS.evaluate(text)
    assert caught.value.code == code
    assert caught.value.span is not None and text[slice(*caught.value.span)] == marked
    assert caught.value.path is None


def test_an_unknown_name_is_guessed() -> None:
    with pytest.raises(ExpressionError, match='Did you mean "side"') as caught:
        CONSTANTS.evaluate("sid")
    assert caught.value.replacement == "side"
    assert "density, field, l, side, sites" in caught.value.allowed


def test_a_mistake_in_a_dim_is_the_dims_own() -> None:
    constants = Constants({"a": "zz + 1", "w": [1, "2 * yy"]})
    for text, path in (("3 * a", ("dims", "a")), ("w[1]", ("dims", "w", 1))):
        with pytest.raises(ExpressionError) as caught:
            constants.evaluate(text)
        assert caught.value.issue(("factors", "x", "weight")).path == path


def test_a_circle_is_told_once_with_all_its_members() -> None:
    issues = Constants({"x": 1, "a": "b", "b": "c + x", "c": "2 * a", "d": "a"}).check()
    assert [it.code for it in issues] == ["FG312"]
    assert "a -> b -> c -> a" in issues[0].message
    assert issues[0].path == ("dims", "a")


def test_check_finds_what_is_wrong_with_dims() -> None:
    dims = {"good": 3, "bad": "3 +", "empty": [], "word": "full", "none": None, "late": "size(X)", "slot": "2 * t", "w": [1, "x"]}
    found = {(it.path, it.code) for it in Constants(dims, indices=("t",)).check()}
    assert found == {
        (("dims", "bad"), "FG304"),
        (("dims", "empty"), "FG318"),
        (("dims", "word"), "FG311"),
        (("dims", "none"), "FG317"),
        (("dims", "late"), "FG318"),
        (("dims", "slot"), "FG316"),
        (("dims", "w", 1), "FG311"),
    }


def test_dims_that_double_each_other_take_no_time_and_no_stack() -> None:
    doubling = {f"d{n}": f"d{n + 1} + d{n + 1}" for n in range(60)} | {"d60": 1}
    assert Constants(doubling).evaluate("d0") == 2**60
    chain = {f"d{n}": f"d{n + 1}" for n in range(5000)} | {"d5000": 1}
    with pytest.raises(ExpressionError, match="more than 64 steps"):
        Constants(chain).evaluate("d0")


class _Fields(BaseModel):
    count: Count = 1
    whole: Whole = 0
    real: Real = 0.0
    positive: Positive = 1.0
    low: NonNegative = 0.0
    share: Share = 0.5
    either: Count | str = "auto"


def test_fields_evaluate_in_the_context() -> None:
    written = {"count": "side / 2", "real": "-side", "share": "1 / T", "positive": 3, "whole": "l - 1", "low": 0}
    held = _Fields.model_validate(written, context={"constants": CONSTANTS})
    assert (held.count, held.real, held.positive, held.whole, held.low) == (6, -12.0, 3.0, 0, 0.0)
    assert held.share == pytest.approx(1 / 7)
    assert type(held.count) is int and type(held.real) is float and type(held.positive) is float
    assert _Fields.model_validate({"either": "auto"}, context={"constants": CONSTANTS}).either == "auto"


@pytest.mark.parametrize(
    ("field", "written", "code"),
    [
        ("count", "side / 5", "FG314"),
        ("count", 12.5, "FG314"),
        ("count", 0, "FG314"),
        ("count", 10**12 + 1, "FG314"),
        ("count", 10**400, "FG313"),
        pytest.param("count", 10**6000, "FG313", id="longer than Python prints"),
        ("count", True, "FG317"),
        ("count", None, "FG317"),
        ("whole", -1, "FG314"),
        ("real", float("nan"), "FG313"),
        ("real", float("inf"), "FG313"),
        ("real", "full", "FG311"),
        ("positive", 0, "FG314"),
        ("low", -0.01, "FG314"),
        ("share", "T / 6", "FG314"),
        ("share", [1], "FG317"),
    ],
)
def test_fields_refuse(field: str, written: object, code: str) -> None:
    with pytest.raises(ValidationError) as caught:
        _Fields.model_validate({field: written}, context={"constants": CONSTANTS})
    assert caught.value.errors()[0]["type"] == code


def test_messages_show_the_expression_and_its_value() -> None:
    with pytest.raises(ValidationError, match=r"side / 5 = 2\.4 is no whole number"):
        _Fields.model_validate({"count": "side / 5"}, context={"constants": CONSTANTS})
    with pytest.raises(ValidationError, match="1000000000001 is outside"):
        _Fields(count=10**12 + 1)


def test_without_a_context_only_numbers_are_taken() -> None:
    assert _Fields(count=3, share=1).share == 1.0
    with pytest.raises(ValidationError) as caught:
        _Fields(count="3")  # type: ignore[arg-type]
    assert caught.value.errors()[0]["type"] == "FG317"
