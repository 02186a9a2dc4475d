"""Any text at all is either a document or a list of mistakes with lines: nothing else ever comes out of reading."""

from __future__ import annotations

import os
import random

import pytest
import yaml

from factorgraph.errors import Issue, SpecError, render
from factorgraph.spec.claims import ClaimExpression
from factorgraph.spec.constants import Constants
from factorgraph.spec.document import Document, decode, read
from factorgraph.spec.expressions import Expression
from factorgraph.spec.syntax import ExpressionError

CASES = int(os.environ.get("FACTORGRAPH_FUZZ", "2000"))

SAMPLES = [
    """factorgraph: 1
title: "Sparse coding: it's a sample"   # with a comment
dims: {side: 12, code: 256, width: [16, 'side * 3']}
variables:
  Y: {kind: observed, shape: [side * side]}
  Z: {kind: latent, shape: [code]}
  input:  {is: "stage[l-1].what", start: X}
functions:
  decoder: {type: linear, bias: false, unit_norm: columns}
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)]}
  sparsity:       {type: l1, of: Z, weight: 1e-3}
""",
    """learning:
  warm:
    loss: energy
    set: {factors.prediction.weight: 0.1}
    list:
    - a
    - {b: "x\\u0041\\n"}
    text: |
      two
      lines
    folded: >-
      one
      line
expect:
  close: {claim: "the encoder", metric: energy(fast) / energy(optimal), at_most: 1.1}
""",
]
PIECES = [
    "[", "]", "{", "}", ",", ": ", ":", "- ", "-", "'", '"', "#", " #", "&a ", "*a", "!", "!!python/x ", "|", ">", "%",
    "@", "`", "?", "? ",
    "\n", "\n\n", "\t", " ", "  ", "\r", "\r\n", "\0", "\x85", "\u2028", "\ufeff", "\ud800", "é", "𝒵",
    "---\n", "...\n", "<<: ", "\\", "\\x",
    "0x", "1e999", "~", "null", "true: ", "[" * 70, "f(a, b)", "Z[t-1]", "\\\n", "''", '""', ":\n", "1: ", "=",
]  # fmt: skip


def mutated(chance: random.Random) -> str:
    text = chance.choice(SAMPLES)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(text) + 1)
        kind = chance.randrange(5)
        if kind == 0:
            text = text[:at] + text[at + chance.randint(1, 5) :]
        elif kind == 1:
            text = text[:at] + chance.choice(PIECES) + text[at:]
        elif kind == 2:
            text = text[:at] + chr(chance.choice([chance.randrange(128), chance.randrange(0x10000)])) + text[at + 1 :]
        elif kind == 3:
            lines = text.split("\n")
            chance.shuffle(lines)
            text = "\n".join(lines[: chance.randint(1, len(lines))])
        else:
            start = chance.randrange(len(text) + 1)
            text = text[:at] + text[start : start + chance.randint(1, 40)] + text[at:]
    return text


def check_issue(it: Issue, text: str) -> None:
    assert it.place is not None
    lines = text.replace("\r\n", "\n").replace("\r", "\n").count("\n") + 1
    assert 1 <= it.place.line <= lines and it.place.column >= 1
    assert (it.place.end_line, it.place.end_column) >= (it.place.line, it.place.column)
    assert it.message and it.code.startswith("FG1")


def check_places(document: Document, value: object, path: tuple[str | int, ...] = ()) -> None:
    for on in ("key", "value"):
        assert document.place(path, on).line >= 1  # type: ignore[arg-type]
    if isinstance(value, str) and value.strip():
        place = document.place(path, span=(0, 1))
        assert place.line >= 1 and place.end_column >= place.column
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        check_places(document, inner, (*path, key))


@pytest.mark.parametrize("with_libyaml", [True, False])
def test_any_text_is_a_document_or_mistakes_with_lines(with_libyaml: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml, "__with_libyaml__", with_libyaml and yaml.__with_libyaml__)
    for seed in range(CASES if with_libyaml else CASES // 10):
        text = mutated(random.Random(seed))
        try:
            document = read(text, "fuzz.yaml")
        except SpecError as error:
            assert error.issues and render(error.issues)
            for it in error.issues:
                check_issue(it, text)
        else:
            check_places(document, document.values)


def test_any_bytes_are_text_or_a_mistake() -> None:
    for seed in range(CASES // 4):
        chance = random.Random(seed)
        data = bytearray(chance.choice(SAMPLES).encode())
        for _ in range(chance.randint(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            assert isinstance(decode(bytes(data), "fuzz.yaml"), str)
        except SpecError as error:
            assert error.issues[0].code == "FG101" and error.issues[0].place is not None


def test_any_expression_is_a_tree_or_a_mistake_inside_its_text() -> None:
    alphabet = [*"Zf()[],.+-*/2t ='é\n", "1e9", "**", "lambda", "last", "size"]
    constants = Constants({"Z": 2, "f": ["Z", "t / 0"]}, {"t": 1}, lambda name: 3)
    for seed in range(CASES):
        chance = random.Random(seed)
        text = "".join(chance.choice(alphabet) for _ in range(chance.randint(0, 25)))
        for read_it in (Expression.of, ClaimExpression.of, constants.evaluate):
            try:
                read_it(text)
            except ExpressionError as error:
                assert error.message and error.code.startswith("FG3")
                if error.span is not None and error.path is None:
                    assert 0 <= error.span[0] <= error.span[1] <= len(text)
