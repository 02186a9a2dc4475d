"""The table of claims: renewed a spec at a time, made from a record, and stale when the spec or a leaf that it uses changes."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from factorgraph.errors import RunError
from factorgraph.run import dependencies
from factorgraph.spec.load import load, loads
from factorgraph.training import record
from factorgraph.training.record import commit, note, read, text
from factorgraph.training.reproduce import fingerprint, reproduce

ROOT = Path(__file__).parents[2]
SPEC = """
factorgraph: 1
seed: 4
variables:
  Y: {kind: observed, shape: [2]}
  Z: {kind: latent, shape: [2]}
functions:
  decoder: {type: linear, bias: false, unit_norm: columns}
factors:
  reconstruction: {type: squared_distance, between: [Y, decoder(Z)]}
  sparsity: {type: l1, of: Z, weight: 0.37}
inference:
  optimal: {method: argmin, of: Z, steps: 5}
learning:
  fit: {loss: energy, steps: 8, batch_size: 8, learning_rate: 0.05}
data: {source: curve, count: 40, bind: {Y: point}}
variants:
  heavy: {factors.sparsity.weight: 5}
budgets:
  full: {learning.fit.steps: 6}
expect:
  low:    {claim: "a | b", metric: energy(optimal), at_most: 100, seeds: 2, take: best, source: "a paper, page 3", published: 7}
  lower:  {claim: "less than heavy", metric: energy(optimal) / heavy.energy(optimal), at_most: 1, control: heavy}
  longer: {claim: "at the full size", metric: energy(optimal), at_most: 100, budget: full}
"""


@pytest.fixture
def spec(tmp_path):
    def named(name, text=SPEC):
        return loads(text, str(tmp_path / f"{name}.yaml"))

    return named


def test_a_table_has_a_row_for_each_claim_that_was_measured(spec, tmp_path):
    made = reproduce(spec("small"), tmp_path / "out")
    page = tmp_path / "pages" / "claims.md"
    note(page, made)
    rows = read(page)["small"]
    assert list(rows) == ["low", "lower"]  # the third is about another budget
    low, lower = made.verdicts[:2]
    assert rows["low"]["values"] == list(low.values) and rows["low"]["seeds"] == [list(each) for each in low.seeds]
    assert (rows["low"]["source"], rows["low"]["published"], rows["low"]["take"]) == ("a paper, page 3", "7", "best")
    assert (rows["lower"]["control_is"], rows["lower"]["control"]) == ("heavy", list(lower.control))
    assert rows["low"]["fingerprint"] == fingerprint(spec("small"))
    assert rows["low"]["seconds"] == round(sum(run.folder.about()["seconds"] for run in made.runs.values()))
    lines = [line for line in page.read_text().splitlines() if line.startswith("| a \\| b | `energy(optimal)` | ")]
    (few, many) = sorted(each[0] for each in low.seeds)
    assert f"| {few:.4g} (best of 2: {few:.4g} to {many:.4g}) | at most 100 | holds | 7 | a paper, page 3 |" in lines[0]
    assert f"`heavy`: {lower.control[0]:.4g}" in page.read_text()


def test_other_rows_stay_in_a_stable_order_and_doing_it_again_changes_nothing(spec, tmp_path, monkeypatch):
    monkeypatch.setattr(record, "now", lambda: "2031-05-06T07:08:09+00:00")
    page = tmp_path / "claims.md"
    for name in ("second", "first"):
        note(page, reproduce(spec(name), tmp_path / name))
    before = (page.read_text(), record.record_of(page).read_text())
    assert [line for line in before[0].splitlines() if line.startswith("## ")] == ["## first", "## second"]
    note(page, reproduce(spec("second"), tmp_path / "second"))
    assert (page.read_text(), record.record_of(page).read_text()) == before
    assert text(read(page)) == before[0]
    note(page, reproduce(spec("second"), tmp_path / "second", budget="full"))
    found = read(page)
    assert list(found["second"]) == ["low", "lower", "longer"]
    assert [each["budget"] for each in found["second"].values()] == ["laptop", "laptop", "full"]
    assert found["first"] == json.loads(before[1])["first"]


def test_a_claim_that_is_gone_takes_its_row_along(spec, tmp_path):
    page = tmp_path / "claims.md"
    note(page, reproduce(spec("small"), tmp_path / "out"))
    fewer = "".join(line for line in SPEC.splitlines(keepends=True) if not line.startswith("  lower:"))
    note(page, reproduce(spec("small", fewer), tmp_path / "out"))
    assert list(read(page)["small"]) == ["low"]


@pytest.mark.parametrize("wrong", ["[]", "{", '{"a": {"b": {}}}', '{"a": {"b": 3}}'])
def test_a_record_that_is_none_is_refused(tmp_path, wrong):
    (tmp_path / "claims.json").write_text(wrong)
    with pytest.raises(RunError, match="FG647"):
        read(tmp_path / "claims.md")


def test_a_fingerprint_follows_the_file_the_leaves_and_their_helpers(spec, monkeypatch):
    before = fingerprint(spec("small"))
    assert fingerprint(spec("small")) == before
    assert fingerprint(spec("small", SPEC + "# a remark\n")) != before
    real = dependencies._source

    def changed(*names):
        monkeypatch.setattr(dependencies, "_source", lambda file: "new" if file.name in names else real(file))
        return fingerprint(spec("small"))

    assert changed("convolution.py", "log_cosh.py", "recovered.py", "lbfgs.py", "group_active_set.py") == before
    for name in ("l1.py", "linear.py", "_affine.py", "fista.py", "energy.py", "curve.py", "adam.py", "argmin.py"):
        assert changed(name) != before, name


def test_a_run_is_not_used_again_once_a_leaf_has_changed(spec, tmp_path, monkeypatch):
    reproduce(spec("small"), tmp_path)
    said = []
    real = dependencies._source
    monkeypatch.setattr(dependencies, "_source", lambda file: "new" if file.name == "l1.py" else real(file))
    reproduce(spec("small"), tmp_path, say=said.append)
    assert not any("already there" in each for each in said)


def test_the_commit_is_that_of_the_checkout(monkeypatch, tmp_path):
    monkeypatch.setattr(record, "folder", lambda: tmp_path / "specs")
    assert commit() == record.__version__
    git = tmp_path / ".git"
    (git / "refs" / "heads").mkdir(parents=True)
    (git / "HEAD").write_text("ref: refs/heads/main\n")
    (git / "packed-refs").write_text(f"# pack-refs with: peeled\n{'a' * 40} refs/heads/main\n")
    assert commit() == "a" * 10
    (git / "refs" / "heads" / "main").write_text(f"{'b' * 40}\n")
    assert commit() == "b" * 10
    (git / "HEAD").write_text("c" * 40)
    assert commit() == "c" * 10


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_a_commit_that_was_edited_since_says_so(monkeypatch, tmp_path):
    def git(*words):
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        subprocess.run(["git", "-C", str(tmp_path), *who, *words], check=True, capture_output=True)

    monkeypatch.setattr(record, "folder", lambda: tmp_path / "specs")
    for name in ("factorgraph/leaf.py", "specs/a.yaml", "docs/claims.md"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("a")
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "all")
    assert len(commit()) == 10 and "+" not in commit()
    (tmp_path / "docs" / "claims.md").write_text("rows renewed")
    assert "+" not in commit()
    (tmp_path / "specs" / "a.yaml").write_text("b")
    assert commit()[10:] == "+"
    git("commit", "-q", "-a", "-m", "again")
    head = commit()
    git("worktree", "add", "-b", "second", str(tmp_path / "second"))
    monkeypatch.setattr(record, "folder", lambda: tmp_path / "second" / "specs")
    assert commit() == head
    (tmp_path / "second" / "factorgraph" / "new.py").write_text("a leaf")
    assert commit()[10:] == "+"


def test_the_page_of_the_docs_is_made_from_its_record():
    page = ROOT / "docs" / "claims.md"
    found = read(page)
    assert page.read_text() == text(found)
    for name, rows in found.items():
        expect = load(name).expect
        assert set(rows) <= set(expect), name
