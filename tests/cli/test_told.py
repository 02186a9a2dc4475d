"""What list and explain tell is text: no marks of another language, no empty family, defaults as a spec has them."""

from __future__ import annotations

import pytest

from factorgraph.spec.parse import BLOCKS


def test_list_leaves_out_families_without_a_leaf_and_marks_of_code(cli, monkeypatch):
    import factorgraph.cli.list_ as listed

    monkeypatch.setattr(listed, "_leaves", lambda family: [] if family == "figures" else [("it", family)])
    said = cli("list").out
    assert "figures:" not in said and "schedules:\n  it" in said
    monkeypatch.undo()
    assert "``" not in cli("list").out


def test_explain_tells_defaults_as_a_spec_has_them(cli):
    said = cli("explain", "linear").out
    assert "(left out)" in said and "(auto)" in said and "(false)" in said
    assert not [each for each in ("(None)", "(())", "('", "``") if each in said]


@pytest.mark.parametrize("block", [*BLOCKS, "data", "augment", "prepare"])
def test_explain_knows_every_block(cli, block):
    said = cli("explain", block)
    assert said.code == 0 and said.out.startswith(f"{block} (block)\n\n")
