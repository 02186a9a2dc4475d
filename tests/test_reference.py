"""What the reference marks as not yet is what this version refuses, no more and no less."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from factorgraph.errors import SpecError
from factorgraph.spec.load import loads

ROOT = Path(__file__).parent.parent
SPEC = """
factorgraph: 1
variables: {X: {kind: observed, shape: [3]}, Y: {kind: observed, shape: [3]}}
factors: {small: {type: l1, of: X}}
learning: {fit: {loss: energyPHASE}}
"""
REFUSED = {
    ("Phase", "workers", None): ("PHASE", ", workers: {type: elastic}"),
}


def test_each_marked_key_is_refused_and_each_refusal_is_marked():
    spec = importlib.util.spec_from_file_location("reference", ROOT / "tools" / "reference.py")
    reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reference)
    assert set(REFUSED) == reference.REFUSED
    assert (ROOT / "factorgraph" / "spec" / "names.py").read_text().count("yield _waits(") == len(REFUSED)
    text = reference.reference()
    assert text.count("(not yet)") == len(REFUSED) and "`workers` (not yet)" in text


@pytest.mark.parametrize("case", REFUSED.values(), ids=[each[1] for each in REFUSED])
def test_what_is_marked_is_refused(case):
    place, more = case
    with pytest.raises(SpecError) as caught:
        loads(SPEC.replace(place, more).replace("PHASE", ""))
    assert {each.code for each in caught.value.issues} == {"FG205"}
