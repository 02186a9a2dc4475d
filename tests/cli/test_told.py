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


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("active_fraction", "weight: {active_fraction: 0.05}"),
        ("of_maximum", "weight: {of_maximum: 0.1}"),
        ("weight", "The only multiplier of a factor"),
        ("on_dead", "their columns become rows of training data"),
        ("resample", "their columns become rows of training data"),
        ("health", "{dead: 0.01}"),
        ("learning_rate", "the optimizer's step"),
        ("dead", "health: {dead: NUMBER}; the share of units that may be dead (0.05)"),
        ("distribution", "normal, uniform, bernoulli"),
        ("distribution", "  low            of uniform: the least value (-1.0)"),
        ("curve", "Fields:  point (2,)"),
        ("methods", "The code of a sample is the one of least energy."),
        ("specs", "toy/kmeans"),
        ("fragments", "fragments/rbm.yaml"),
        ("fragments", "; binds Y; dims visible 9, hidden 8"),
    ],
)
def test_explain_tells_words_of_the_language(cli, word, told):
    said = cli("explain", word)
    assert said.code == 0 and told in said.out and "``" not in said.out


def test_explain_tells_every_family(cli):
    from factorgraph.cli.list_ import FAMILIES

    for family in FAMILIES:
        said = cli("explain", family)
        assert said.code == 0 and f"{family} (" in said.out, family
