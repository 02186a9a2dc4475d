"""What a spec says, where it came from, and how it differs from another."""

from __future__ import annotations

import json

import pytest

from factorgraph.spec import upgrade
from factorgraph.spec.load import load


class TestFill:
    def test_every_value_says_where_it_came_from(self, cli, tiny):
        said = cli("fill", "tiny.yaml", "--set", "factors.sparsity.weight=0.5")
        assert said.code == 0
        lines = {line.partition("#")[0].strip(): line.rpartition("# ")[2] for line in said.out.splitlines()}
        assert lines["weight: 0.5"] == "--set"
        assert lines["code: 4"] == "tiny.yaml:3"
        assert lines["batch_size: 8"] == "tiny.yaml:15"
        assert lines["seed: 0"] == "default"

    def test_the_file_is_the_same_spec(self, cli, tiny, tmp_path):
        said = cli("fill", "tiny.yaml", "-o", "full.yaml")
        assert (said.code, said.out) == (0, "full.yaml\n")
        full = load(tmp_path / "full.yaml")
        assert full.full() == load(tiny).full()

    def test_a_run_remembers_what_was_set_after_it_was_made_longer(self, cli, tiny, tmp_path):
        """Origins outlive ``--resume --epochs``, which writes the filled spec anew."""
        trained = cli("train", "tiny.yaml", "--set", "factors.sparsity.weight=0.5", "--epochs", "1", "--out", "run")
        assert trained.code == 0, trained.err
        resumed = cli("train", "--resume", "run", "--epochs", "2")
        assert resumed.code == 0, resumed.err
        for text in ((tmp_path / "run" / "spec.full.yaml").read_text(), cli("fill", "run").out):
            lines = {line.partition("#")[0].strip(): line.rpartition("# ")[2] for line in text.splitlines()}
            assert lines["weight: 0.5"] == "--set"
            assert lines["epochs: 2"] == "--epochs"
            assert lines["batch_size: 8"] == "tiny.yaml:15"

    def test_what_is_no_spec_is_told(self, cli, tiny, tmp_path):
        (tmp_path / "wrong.yaml").write_text(tiny.read_text().replace("l1", "l7"))
        said = cli("fill", "wrong.yaml")
        assert said.code == 2 and "wrong.yaml:11:20" in said.err
        assert cli("fill", "no/such/spec").code == 2
        (tmp_path / "folder").mkdir()
        assert cli("fill", "folder").code == 1
        said = cli("fill", "tiny.yaml", "-o", "no/such/folder/full.yaml")
        assert said.code == 1 and "error FG6" in said.err
        assert cli("fill", "a" * 5000).code == 2


class TestDiff:
    def test_what_is_only_written_differently_is_no_difference(self, cli, tiny, tmp_path):
        other = tiny.read_text().replace("[code]", "[4]").replace("decoder(Z)", "(decoder( Z ))")
        (tmp_path / "other.yaml").write_text(f"# mine\n{other}")
        said = cli("diff", "tiny.yaml", "other.yaml")
        assert (said.code, said.out) == (0, "tiny.yaml and other.yaml mean the same\n")
        cli("fill", "tiny.yaml", "-o", "full.yaml")
        assert cli("diff", "tiny.yaml", "full.yaml").code == 0

    def test_a_difference_has_its_address_its_values_and_both_places(self, cli, tiny):
        said = cli("diff", "tiny.yaml", "psd")
        lines = said.out.splitlines()
        assert said.code == 1
        assert any(line.startswith("+ functions.encoder ") and "psd.yaml:13" in line for line in lines)
        assert any(line.startswith("~ factors.sparsity.weight") and "0.37 -> 3.0  # tiny.yaml:11 -> " in line for line in lines)

    def test_for_machines(self, cli, tiny, tmp_path):
        (tmp_path / "other.yaml").write_text(tiny.read_text().replace("weight: 0.37", "weight: 0.5"))
        said = cli("diff", "tiny.yaml", "other.yaml", "--json")
        assert said.code == 1
        ends = {"before": "0.37", "after": "0.5", "from": "tiny.yaml:11", "to": "other.yaml:11"}
        assert json.loads(said.out) == [{"change": "changed", "address": "factors.sparsity.weight", **ends}]

    def test_a_run_beside_its_spec(self, cli, tiny, trained):
        assert cli("diff", str(trained), "tiny.yaml").code == 0
        said = cli("diff", str(trained), "tiny.yaml@smoke", "--picture", "both.svg")
        assert said.code == 0 and said.out.endswith("both.svg\n")

    def test_both_graphs_in_one_picture(self, cli, tiny, tmp_path):
        said = cli("diff", "tiny.yaml", "psd", "--picture", "both.svg")
        assert said.code == 1 and "added" in (tmp_path / "both.svg").read_text()
        assert cli("diff", "tiny.yaml", "psd", "--picture", "both.xyz").code == 2

    @pytest.mark.parametrize(
        "words", [("tiny.yaml", "no/such"), ("no/such", "tiny.yaml"), ("tiny.yaml", "tiny.yaml@no"), ("tiny.yaml",)]
    )
    def test_wrong_use_is_told(self, cli, tiny, words):
        said = cli("diff", *words)
        assert said.code == 2 and said.err and "Traceback" not in said.err


class TestWhy:
    def test_a_value_and_where_it_comes_from(self, cli, tiny):
        said = cli("why", "tiny.yaml", "sparsity.weight", "--set", "factors.sparsity.weight=0.5")
        assert said.code == 0
        lines = [" ".join(line.split()) for line in said.out.splitlines()]
        assert lines[:3] == ["factors.sparsity.weight: 0.5", "from --set", "in place of 0.37 # tiny.yaml:11"]
        assert "used by inference.optimal counts it" in lines

    def test_a_run_knows_it_too(self, cli, tiny, trained):
        said = cli("why", str(trained), "sparsity.weight")
        assert said.code == 0 and "tiny.yaml:11" in said.out

    def test_several_are_a_line_each(self, cli, tiny):
        assert len(cli("why", "tiny.yaml", "type").out.splitlines()) > 3

    @pytest.mark.parametrize(
        "words", [("tiny.yaml", "wieght"), ("tiny.yaml", "factors.x"), ("no/such", "weight"), ("tiny.yaml",)]
    )
    def test_wrong_use_is_told(self, cli, tiny, words):
        said = cli("why", *words)
        assert said.code == 2 and said.err and "Traceback" not in said.err


class TestUpgrade:
    def test_a_file_of_today_stays_as_it_is(self, cli, tiny):
        before = tiny.read_bytes(), tiny.stat().st_mtime_ns
        said = cli("upgrade", "tiny.yaml", "psd")
        assert said.code == 0 and "tiny.yaml: nothing to change\n" in said.out
        assert (tiny.read_bytes(), tiny.stat().st_mtime_ns) == before

    def test_old_spellings_are_mended_in_place(self, cli, tiny, monkeypatch):
        monkeypatch.setattr(upgrade, "VERSION", 2)
        old = tiny.read_bytes()
        said = cli("upgrade", "--check", "tiny.yaml")
        assert (said.code, said.out) == (1, "tiny.yaml:1:14: 1 -> 2\n")
        assert tiny.read_bytes() == old
        assert cli("upgrade", "tiny.yaml").code == 0
        assert tiny.read_bytes() == old.replace(b"factorgraph: 1", b"factorgraph: 2")
        assert cli("upgrade", "--check", "tiny.yaml").code == 0

    def test_what_needs_a_decision_is_told(self, cli, tiny):
        tiny.write_text(tiny.read_text().replace("count: 40", "hard_negatives: 3"))
        said = cli("upgrade", "tiny.yaml")
        assert said.code == 2 and "FG216" in said.err and "tiny.yaml:16:23" in said.err
        assert "nothing to change" not in said.out

    def test_wrong_use_is_told(self, cli, tmp_path):
        (tmp_path / "bad.yaml").write_text("a: &b 1\n")
        for words in ((), ("no/such",), ("bad.yaml",), ("tiny.yaml@wide",)):
            said = cli("upgrade", *words)
            assert said.code == 2 and said.err and "Traceback" not in said.err


def test_a_spec_is_not_replaced_by_what_is_made_of_it(cli, tiny):
    before = tiny.read_bytes()
    for command in ("fill", "eject"):
        said = cli(command, "tiny.yaml", "-o", "tiny.yaml")
        assert said.code == 1 and "FG661: tiny.yaml is what this is made of" in said.err and tiny.read_bytes() == before
