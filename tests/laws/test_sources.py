"""Laws of every source of data: what it states, that it keeps to it, and that its samples are a function of the seed.

A source is tried under each of its ``examples``. Published sets and sources of the user's own files, of which there are none
here, are held to the same by tests of their own.
"""

from __future__ import annotations

import hashlib
import inspect

import numpy as np
import pytest

from factorgraph.data.model import Request
from factorgraph.registry import leaves

SOURCES = dict(leaves("data"))
FILES = {"arrays", "images", "video"}  # of the user's own
CASES = [
    pytest.param(cls, options, id=f"{name} {dict(options)}")
    for name, cls in SOURCES.items()
    if not cls.downloads and name not in FILES
    for options in cls.examples
]
COUNT, TEST = 24, 9


def known_by(table):
    sha = hashlib.sha256()
    for name, x in sorted(table.fields.items()):
        sha.update(f"{name} {x.dtype} {x.shape}".encode() + np.ascontiguousarray(x).tobytes())
    return sha.hexdigest()


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_states_its_licence_and_where_it_is_from(name, tmp_path):
    cls = SOURCES[name]
    assert cls.licence and cls.where and isinstance(cls.at_hand((tmp_path,)), str)
    for file in cls.downloads:
        assert file.url.startswith(("https://", "http://")) and file.url.endswith(file.name)
        assert len(file.sha256) == 64 and file.size > 0 and name in cls.at_hand((tmp_path,))


@pytest.mark.parametrize("name", sorted(set(SOURCES) - FILES))
def test_a_source_has_examples_to_be_tried_under(name):
    required = {info.alias or key for key, info in SOURCES[name].model_fields.items() if info.is_required()}
    assert SOURCES[name].examples and all(required <= set(options) for options in SOURCES[name].examples)


@pytest.mark.parametrize(("cls", "options"), CASES)
def test_samples_are_what_was_said_and_a_function_of_the_seed(cls, options):
    source = cls(**options)
    splits = source.load(Request(5, COUNT, TEST))
    assert (splits.train.rows, splits.test.rows) == (COUNT, TEST)
    assert not set(splits.train.groups.tolist()) & set(splits.test.groups.tolist())
    for table in (splits.train, splits.test):
        shapes = {field: tuple(x.shape[1:]) for field, x in table.fields.items()}
        assert not source.fields() or shapes == source.fields()
        for field, x in table.fields.items():
            assert len(x) == table.rows and np.isfinite(x).all(), field
            assert x.dtype == np.float32 or (x.dtype == np.int64 and x.ndim == 1), field
    again, other = (cls(**options).load(Request(seed, COUNT, TEST)) for seed in (5, 6))
    assert known_by(again.train) == known_by(splits.train) and known_by(again.test) == known_by(splits.test)
    assert known_by(other.train) != known_by(splits.train)


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_names_its_fields_where_users_read_of_it(name):
    """In its docstring, which ``explain`` and the reference show."""
    cls = SOURCES[name]
    _, _, told = inspect.cleandoc(cls.__doc__).partition("\n\nFields:  ")
    assert told
    for options in cls.examples if name not in FILES else ({},):
        for field in cls.model_construct(**options).fields():
            assert f"{field} (" in told
