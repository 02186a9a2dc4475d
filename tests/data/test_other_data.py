"""A spec that was written for one set runs on another by ``--set data...`` alone."""

from __future__ import annotations

import numpy as np
import pytest

import factorgraph
from factorgraph import compile as compiler
from factorgraph.errors import SpecError
from factorgraph.graph.resolve import resolve
from factorgraph.spec.load import load

SPEC = """
factorgraph: 1
dims: {side: 8, code: 6}
variables:
  Y: {kind: observed, shape: [side * side]}
  Z: {kind: latent, shape: [code]}
functions:
  decoder: {type: linear, bias: false, unit_norm: columns}
  encoder: {type: linear, activation: shrink}
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)]}
  prediction:     {type: squared_distance, between: [Z, encoder(Y)]}
  sparsity:       {type: l1, of: Z, weight: 0.37}
inference:
  optimal: {method: argmin, of: Z, start: encoder(Y), steps: 5}
learning:
  joint: {loss: energy, steps: 3, batch_size: 16}
data: {source: digits, count: 200, test: 40, prepare: [remove_mean, unit_variance], bind: {Y: image}}
"""


@pytest.fixture
def home(tmp_path):
    (tmp_path / "spec.yaml").write_text(SPEC)
    np.save(tmp_path / "mine.npy", np.random.default_rng(0).standard_normal((300, 8, 8)))
    return tmp_path


def checked(home, *changes):
    spec = load(str(home / "spec.yaml"), changes)
    compiler.check_data(spec, resolve(spec))
    return spec


def test_the_name_of_another_source_keeps_what_is_bound_and_prepared(home):
    spec = checked(home, "data.source=natural_patches", "data.size=side")
    block = spec.data.first
    assert block.source.type == "natural_patches" and block.source.size == 8 and block.bind == {"Y": "image"}
    assert [step.type for step in block.prepare] == ["remove_mean", "unit_variance"] and block.count == 200
    whole = checked(home, "data={source: natural_patches, size: side, count: 50, bind: {Y: image}}").data.first
    assert (whole.count, whole.prepare, whole.test) == (50, (), None)


def test_options_of_the_source_that_stood_there_ask_for_the_whole_block(home):
    (home / "spec.yaml").write_text(SPEC.replace("source: digits,", "source: natural_patches, folder: pictures,"))
    with pytest.raises(SpecError) as error:
        checked(home, "data.source=digits")
    (issue,) = error.value.issues
    assert issue.code == "FG201" and '--set "data={source: digits, bind: {Y: image}' in issue.fix


def test_a_misspelt_option_is_still_that(home):
    with pytest.raises(SpecError) as error:
        checked(home, "data.source=natural_patches", "data.sise=8")
    assert '"size"' in str(error.value)


@pytest.mark.parametrize(
    "changes",
    [
        ("data.source=arrays", "data.file=mine.npy", "data.bind.Y=array"),
        ("data={source: arrays, file: mine.npy, augment: [mirror, {shift: 1}], bind: {Y: array}}",),
        ("data={one: {source: digits, count: 100, bind: {Y: image}}, two: {source: arrays, file: mine.npy, bind: {Y: array}}}",),
    ],
)
def test_it_learns_from_other_data(home, changes):
    run = factorgraph.train(load(str(home / "spec.yaml"), changes), out=home / "run")
    again = factorgraph.open(run.path)
    assert again.spec.data.blocks.keys() == run.spec.data.blocks.keys()
    assert all((again.dataset.train[name] == run.dataset.train[name]).all() for name in ("Y",))
    assert len(run.metrics) == 4 and all(np.isfinite(each["energy"]) for each in run.metrics)


def test_addresses_lead_into_named_sources(home):
    two = "data={labelled: {source: digits, bind: {Y: image}}, two: {source: arrays, file: mine.npy, bind: {Y: array}}}"
    spec = checked(home, two, "data.labelled.count=70", "data.two.test=0.37")
    assert spec.data.blocks["labelled"].count == 70 and spec.data.blocks["two"].test == 0.37
    with pytest.raises(SpecError, match="FG201"):
        checked(home, two, "data.two={source: digits, sise: 4, bind: {Y: image}}")
    with pytest.raises(SpecError) as error:
        checked(home, two, "data.two.source=digits")
    assert '--set "data.two={source: digits' in str(error.value)


def test_the_schema_of_editors_knows_one_source_and_several(home):
    from jsonschema import Draft202012Validator

    from factorgraph.spec.describe import json_schema

    schema = Draft202012Validator(json_schema())
    values = dict(checked(home).document.values)
    one = {"source": "digits", "augment": ["mirror", {"shift": 2}, {"crop": {"size": 6}}], "bind": {"Y": "image"}}
    for good in (one, {"labelled": one, "more": {"source": "arrays", "file": "a.npy", "bind": {"Y": "array"}}}):
        assert schema.is_valid({**values, "data": good})
    for bad in ({**one, "augment": [3]}, {**one, "sise": 3}, {"few": {"source": "digits"}}):
        assert not schema.is_valid({**values, "data": bad})
