"""Every command: what it says and how it ends. 0 well, 1 a run or a claim failed, 2 a wrong spec or command, 130 interrupted."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest

from factorgraph import __version__
from factorgraph.cli.app import COMMANDS


def test_help_of_every_command(cli):
    top = cli("--help")
    assert top.code == 0
    for name in COMMANDS:
        assert name in top.out
        said = cli(name, "-h")
        assert said.code == 0
        assert said.out.startswith(f"Usage: factorgraph {name}")


def test_version(cli):
    said = cli("--version")
    assert (said.code, said.out) == (0, f"factorgraph, version {__version__}\n")


def test_an_unknown_command_is_answered_by_the_one_that_was_meant(cli):
    said = cli("vaildate", "psd")
    assert said.code == 2
    assert 'Did you mean "validate"?' in said.err


@pytest.mark.parametrize(
    "words",
    [
        ("validate",),
        ("validate", "psd", "--set"),
        ("validate", "--no-such-option", "psd"),
        ("train",),
        ("train", "psd", "--resume", "."),
        ("train", "psd", "--epochs", "-1"),
        ("train", "psd", "--precision", "float16"),
        ("train", "--resume", "no/such/run"),
        ("evaluate", "no/such/run"),
        ("compare",),
        ("compare", "no/such/spec"),
        ("infer", "no/such/run", "photo.png", "-o", "out"),
        ("list", "nothing"),
        ("explain", "FG999"),
    ],
    ids=" ".join,
)
def test_wrong_use_ends_with_2_and_no_traceback(cli, words):
    said = cli(*words)
    assert said.code == 2
    assert said.err and "Traceback" not in said.err


class TestValidate:
    def test_a_right_spec_says_how_each_procedure_infers(self, cli):
        said = cli("validate", "psd", "toy/kmeans")
        assert said.code == 0
        assert re.search("optimal: (active_set|fista), fast: amortized", said.out)  # whether there is a compiler or not
        assert "nearest: enumerate" in said.out

    def test_it_counts_what_the_file_declares(self, cli):
        """PSD has an activation and a gain behind its encoder, the hierarchy a slot for each stage: neither is counted."""
        assert "(2 variables, 2 functions, 3 factors;" in cli("validate", "psd").out

    def test_a_mistake_is_shown_in_place(self, cli, tiny):
        tiny.write_text(tiny.read_text().replace("weight: 0.37", "wieght: 0.37"))
        said = cli("validate", str(tiny))
        assert said.code == 2
        assert f"{tiny}:11:" in said.out
        assert 'Did you mean "weight"?' in said.out

    def test_json_is_for_editors(self, cli, tiny):
        tiny.write_text(tiny.read_text().replace("weight: 0.37", "wieght: 0.37"))
        said = cli("validate", "--json", str(tiny))
        (found,) = json.loads(said.out)
        assert said.code == 2
        assert (found["severity"], found["line"], found["replacement"]) == ("error", 11, "weight")
        column = tiny.read_text().splitlines()[10].index("wieght") + 1
        assert (found["column"], found["end_column"]) == (column, column + len("wieght"))
        assert json.loads(cli("validate", "--json", "psd").out) == []

    def test_a_missing_file_is_told_with_what_ships(self, cli):
        said = cli("validate", "pds")
        assert said.code == 2
        assert 'Did you mean "psd"?' in said.out + said.err

    def test_one_wrong_spec_does_not_hide_the_others(self, cli):
        said = cli("validate", "missing.yaml", "psd")
        assert said.code == 2
        assert "psd: valid" in said.out

    def test_a_change_is_checked_like_the_file(self, cli):
        assert cli("validate", "psd", "--set", "factors.sparsity.weight=0.37").code == 0
        said = cli("validate", "psd", "--set", "factors.sparsity.wieght=0.37")
        assert said.code == 2
        assert "--set" in said.out

    @pytest.mark.parametrize("name", ["\x1b[31m", "-", "a" * 5000, "../" * 40, "/dev/null", "{x}", "%s%n", "con\nfig"])
    def test_hostile_names_are_refused_as_any_other(self, cli, name):
        said = cli("validate", "--", name)
        assert said.code == 2
        assert "Traceback" not in said.err + said.out and "mistake of factorgraph itself" not in said.err


class TestRender:
    @pytest.mark.parametrize(
        ("ending", "begins"), [("svg", b"<"), ("pdf", b"%PDF"), ("png", b"\x89PNG"), ("dot", b"digraph"), ("mmd", b"---\ntitle")]
    )
    def test_each_format_is_what_its_ending_says(self, cli, tmp_path, ending, begins):
        said = cli("render", "psd", "-o", f"drawn.{ending}")
        assert said.code == 0
        assert f"drawn.{ending}" in said.out
        assert (tmp_path / f"drawn.{ending}").read_bytes().lstrip().startswith(begins)

    def test_without_a_name_it_is_the_spec_s(self, cli, tmp_path):
        assert cli("render", "psd").code == 0
        assert (tmp_path / "psd.svg").read_text().rstrip().endswith("</svg>")

    def test_an_unrolled_procedure_is_drawn_as_a_loop_and_step_by_step(self, cli, tmp_path):
        assert cli("render", "lista", "-o", "loop.mmd", "--loop", "lista[1]").code == 0
        assert cli("render", "lista", "-o", "steps.mmd", "--unfold", "lista[1]").code == 0
        assert [(tmp_path / f"{each}.mmd").read_text().count('("inhibition<') for each in ("loop", "steps")] == [1, 3]
        said = cli("render", "lista", "--unfold", "optimal")
        assert said.code == 2 and "FG266" in said.err and "lista[0], lista[1], lista[2]" in said.err
        assert "lista.yaml:23:3" in said.err
        assert cli("render", "lista", "--unfold", "lista[1]", "--phases").code == 2

    @pytest.mark.parametrize("path", ["no/such/folder/x.svg", "x.docx"])
    def test_what_cannot_be_written_is_one_sentence(self, cli, path, tmp_path):
        said = cli("render", "psd", "-o", path)
        assert said.code in (1, 2)
        assert "error" in said.err and "mistake of factorgraph itself" not in said.err
        assert list(tmp_path.iterdir()) == []


class TestExplain:
    def test_a_spec_s_plan(self, cli):
        said = cli("explain", "psd")
        assert said.code == 0
        for word in ("fista", "would also do", "exact will not do", "psd.yaml:", "trains  functions.decoder.matrix"):
            assert word in said.out

    def test_a_code(self, cli):
        said = cli("explain", "fg203")
        assert (said.code, said.out[:7]) == (0, "# FG203")

    def test_a_leaf(self, cli):
        said = cli("explain", "l1")
        assert said.code == 0
        assert "prox" in said.out and "promises: Proximal" in said.out

    @pytest.mark.parametrize("name", ["join", "sum", "mean"])
    def test_what_expressions_have_built_in(self, cli, name):
        said = cli("explain", name)
        assert said.code == 0
        assert said.out.startswith(f"{name} (") and "promises: Affine" in said.out

    @pytest.mark.parametrize("word, meant", [("l11", "l1"), ("fistaa", "fista"), ("psdd", "psd"), ("qqqq", "")])
    def test_what_is_neither_is_answered_by_what_was_meant(self, cli, word, meant):
        said = cli("explain", word)
        assert said.code == 2
        assert "Traceback" not in said.err
        assert (f'Did you mean "{meant}"?' in said.err) == bool(meant)


class TestList:
    def test_everything(self, cli):
        said = cli("list")
        assert (said.code, said.err) == (0, "")
        for word in ("squared_distance", "linear", "fista", "energy", "natural_patches", "toy/kmeans"):
            assert f"  {word} " in said.out

    def test_specs_say_what_they_wait_for(self, cli):
        said = cli("list", "specs")
        lines = {line.split()[0]: line for line in said.out.splitlines()}
        assert "waits for" in lines["drafts/ladder_network"] and "ladder_combinator" in lines["drafts/ladder_network"]
        assert "waits" not in lines["psd"]


class TestTrain:
    def test_from_spec_to_claims(self, cli, tiny, tmp_path):
        said = cli("train", str(tiny))
        assert said.code == 0
        assert "holds" in said.out and "the energy is low" in said.out
        assert (tmp_path / "runs" / "tiny-0001" / "done").exists()

    def test_a_claim_that_fails_ends_with_1(self, cli, tiny):
        said = cli("train", str(tiny), "--set", "expect.low.at_most=1e-6", "--out", "here")
        assert said.code == 1
        assert "fails" in said.out

    def test_a_wrong_spec_ends_with_2_and_leaves_nothing(self, cli, tiny, tmp_path):
        tiny.write_text(tiny.read_text().replace("of: Z,", "of: X,"))
        said = cli("train", str(tiny))
        assert said.code == 2
        assert [each.name for each in tmp_path.iterdir()] == ["tiny.yaml"]

    def test_what_is_fixed_does_not_go_with_resume(self, cli, trained):
        said = cli("train", "--resume", str(trained), "--seed", "3")
        assert said.code == 2
        assert "--seed" in said.err

    def test_resuming_longer(self, cli, trained, tmp_path):
        shutil.copytree(trained, tmp_path / "copy")
        said = cli("train", "--resume", "copy", "--epochs", "1")
        assert said.code == 0
        assert "from step 3" in said.err
        rows = [json.loads(line) for line in (tmp_path / "copy" / "metrics.jsonl").read_text().splitlines()]
        assert [row["step"] for row in rows if row["split"] == "train"] == [1, 2, 3, 4, 5]  # 40 rows, 8 a batch

    def test_ctrl_c_before_anything_is_130(self, cli, monkeypatch):
        import factorgraph.spec.load

        def interrupted(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr(factorgraph.spec.load, "load", interrupted)
        assert cli("train", "psd").code == 130

    def test_a_device_that_is_not_there(self, cli, tiny):
        said = cli("train", str(tiny), "--device", "gpu")
        assert said.code == 1
        assert "FG676" in said.err


class TestEvaluate:
    def test_text(self, cli, trained):
        said = cli("evaluate", str(trained))
        assert said.code == 0
        assert "4 test samples" in said.out

    def test_json_adds_up(self, cli, trained):
        said = cli("evaluate", str(trained), "--json", "--on", "train")
        report = json.loads(said.out)
        found = report["procedures"]["optimal"]
        assert report["rows"] == 40
        assert found["energy"] == pytest.approx(sum(found["shares"].values()), rel=1e-5)

    def test_no_such_procedure(self, cli, trained):
        said = cli("evaluate", str(trained), "--procedure", "fast")
        assert said.code == 1
        assert "optimal" in said.err

    def test_a_folder_that_is_no_run(self, cli, tmp_path):
        said = cli("evaluate", str(tmp_path))
        assert said.code == 1
        assert "Traceback" not in said.err and "mistake of factorgraph itself" not in said.err


class TestCompare:
    @pytest.fixture
    def two_ways(self, tiny):
        text = tiny.read_text().replace("functions:\n", "functions:\n  encoder: {type: linear, activation: shrink}\n")
        tiny.write_text(text.replace("inference:\n", "inference:\n  fast: {method: amortized, of: Z, by: encoder(Y)}\n"))
        return tiny

    def test_a_spec_is_trained_first_and_its_run_compared_again(self, cli, two_ways, tmp_path):
        said = cli("compare", str(two_ways), "--set", "seed=3", "--device", "cpu")
        assert said.code == 0
        assert said.out.startswith("the first 4 test samples") and "1 is one pass of fast" in said.out
        run = tmp_path / "runs" / "tiny-0001"
        assert (run / "figures" / "compared.png").read_bytes().startswith(b"\x89PNG")
        assert "seed: 3" in (run / "spec.full.yaml").read_text()
        (run / "figures" / "compared.png").unlink()
        again = cli("compare", str(run), "--json", "--device", "cpu")
        assert again.code == 0
        (comparison,) = json.loads(again.out)["comparisons"]
        assert [each["name"] for each in comparison["curves"]] == ["fast", "optimal"]
        assert (run / "figures" / "compared.png").exists()
        assert cli("compare", str(run), "--set", "seed=4").code == 2

    def test_one_procedure_is_refused_before_it_is_trained(self, cli, tiny, trained, tmp_path):
        for target in (tiny, trained):
            said = cli("compare", str(target), "--device", "cpu")
            assert said.code == 2
            assert "nothing to compare" in said.err and "FG641" in said.err
        assert not (tmp_path / "runs").exists()


class TestInfer:
    def test_codes_and_energies_of_an_array(self, cli, trained, tmp_path):
        said = cli("infer", str(trained), str(trained.parents[1] / "points.npy"), "-o", "out.npz")
        assert said.code == 0
        with np.load(tmp_path / "out.npz", allow_pickle=False) as found:
            shares = [found[key] for key in found.files if key.startswith("share.")]
            assert found["energy"].shape == (5,)
            np.testing.assert_allclose(sum(shares), found["energy"], rtol=1e-5)

    def test_an_ending_that_nobody_writes(self, cli, trained):
        said = cli("infer", str(trained), str(trained.parents[1] / "points.npy"), "-o", "out.mp4")
        assert said.code == 1
        assert "FG677" in said.err

    def test_an_array_of_another_size(self, cli, trained, tmp_path):
        np.save(tmp_path / "wrong.npy", np.zeros((5, 3), np.float32))
        said = cli("infer", str(trained), "wrong.npy", "-o", "out.npz")
        assert said.code == 1
        assert "mistake of factorgraph itself" not in said.err
