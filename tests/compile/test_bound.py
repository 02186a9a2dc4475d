"""Data give observed variables, all that are read; procedures infer what data do not give. All of it is said before learning."""

from __future__ import annotations

import pytest

from factorgraph import compile as compiler
from factorgraph.errors import SpecError
from factorgraph.graph.resolve import resolve
from factorgraph.spec.load import loads

SPEC = """
factorgraph: 1
variables:
  X: {kind: observed, shape: [8, 8]}
  L: {kind: KIND, shape: [10], domain: one_hot}
  N: {kind: noise, shape: [3]}
  D: {is: net(X)}
functions: {net: {type: linear, units: 10}}
factors: {classification: {type: cross_entropy, between: [L, net(X)]}}
inference: {guess: {method: argmin, of: L}}
learning: {fit: {loss: energy, steps: 5}}
data: {source: digits, bind: {X: image, BOUND}}
"""


def issues(kind: str, bound: str, spec: str = SPEC):
    text = spec.replace("KIND", kind).replace(", BOUND", f", {bound}" if bound else "")
    try:
        loaded = loads(text)
        graph = resolve(loaded)
        compiler.check_rows(loaded, graph, compiler.plan(loaded, graph))
    except SpecError as error:
        return error.issues
    return ()


@pytest.mark.parametrize(
    ("kind", "bound", "code", "line", "words"),
    [
        ("latent", "L: label", "FG441", 12, '"L" is latent, and only observed variables are bound'),
        ("latent", "N: label", "FG441", 12, '"N" is noise'),
        ("latent", "D: label", "FG441", 12, '"D" is derived'),
        ("latent", "K: label", "FG209", 12, 'no observed variable "K"'),
        ("observed", "L: label", "FG442", 10, "nothing of it to infer"),
        ("observed", "", "FG443", 12, 'no source binds it: phase "fit" reads it in the factor "classification"'),
    ],
)
def test_what_data_cannot_give_and_what_nothing_gives_is_told_at_its_place(kind, bound, code, line, words):
    (found,) = issues(kind, bound)
    assert (found.code, found.place.line) == (code, line) and words in found.message


def test_only_observed_variables_are_offered_to_bind():
    for bound in ("N: label", "K: label"):
        assert issues("latent", bound)[0].allowed == "X"


def test_what_no_phase_and_no_procedure_reads_needs_no_data():
    inferred, learned = "inference: {guess: {method: argmin, of: L}}\n", "learning: {fit: {loss: energy, steps: 5}}\n"
    unread = SPEC.replace(learned, "").replace(inferred, "")
    assert issues("observed", "", unread) == () and issues("latent", "") == ()
    assert [each.code for each in issues("observed", "", SPEC.replace(learned, ""))] == ["FG443"]


def test_a_fragment_s_observed_variable_is_bound_by_its_own_name(tmp_path):
    (tmp_path / "inner.yaml").write_text(SPEC.split("learning", maxsplit=1)[0].replace("KIND", "latent"))
    text = "factorgraph: 1\nuse: {deep: {file: inner.yaml}}\ndata: {source: digits, bind: {deep.X: image, deep.L: label}}\n"
    with pytest.raises(SpecError) as caught:
        loads(text, str(tmp_path / "outer.yaml"))
    assert [(each.code, each.allowed) for each in caught.value.issues] == [("FG441", "deep.X")]
