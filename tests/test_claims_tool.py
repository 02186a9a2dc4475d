"""Which specs have their claims checked, in which order, and what becomes of them: tools/claims.py."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

_SPEC = importlib.util.spec_from_file_location("claims_tool", Path(__file__).parents[1] / "tools" / "claims.py")
tool = importlib.util.module_from_spec(_SPEC)
sys.modules["claims_tool"] = tool
_SPEC.loader.exec_module(tool)


def row(day, fingerprint="same", seconds=10, budget="laptop"):
    return {"date": f"2031-01-{day:02}T00:00:00+00:00", "fingerprint": fingerprint, "seconds": seconds, "budget": budget}


RECORD = {
    "a": {"x": row(9)},
    "b": {"x": row(8), "y": row(2, "other")},
    "c": {"x": row(5)},
    "d": {"x": row(4), "z": row(4, seconds=9999, budget="full")},
    "e": {"x": row(7, "other", 1000)},
    "f": {"x": row(6), "z": row(1, "other", budget="full")},  # nothing of another budget counts, its seconds neither
}


def test_what_changed_comes_first_then_the_two_least_recently_checked():
    order = tool.in_order(RECORD, dict.fromkeys("abcdefg", "same"), 600)
    assert order == [
        ("b", "it changed"),
        ("e", "it changed"),
        ("g", "it has no row yet"),
        ("d", "least recently checked"),
        ("c", "least recently checked"),
    ]
    assert [name for name, _ in tool.in_order({}, {"b": "1", "a": "2"}, 600)] == ["a", "b"]


@pytest.fixture
def faked(monkeypatch):
    """The tool with specs, a record and a clock of its own: each check takes 100 s, that of d fails."""
    at, ran = [0.0], []

    def check(name, out, seconds):
        ran.append((name, seconds))
        at[0] += 100
        return "failed" if name == "d" else ""

    spec = SimpleNamespace(expect={"x": SimpleNamespace(budget="laptop")})
    monkeypatch.setattr(tool, "specs", lambda: [SimpleNamespace(name=name) for name in "abcdefg"])
    monkeypatch.setattr(tool, "load", lambda name: spec)
    monkeypatch.setattr(tool, "fingerprint", lambda spec: "same")
    monkeypatch.setattr(tool, "read", lambda page: RECORD)
    monkeypatch.setattr(tool, "check", check)
    monkeypatch.setattr(tool, "time", SimpleNamespace(monotonic=lambda: at[0]))
    return ran


def test_none_is_begun_that_does_not_fit_into_what_is_left(faked, capsys):
    assert tool.main(3.9) == 0
    assert faked == [("b", 234), ("g", 134)]  # e does not fit, g may
    said = capsys.readouterr().out
    assert "2 of 5 specs" in said
    assert "left: e (it changed): 1030 s are needed, 134 s are left" in said
    assert "left: d (least recently checked): 40 s are needed, 34 s are left" in said


def test_a_claim_that_fails_fails_the_whole(faked, capsys):
    assert tool.main(10) == 1
    assert [name for name, _ in faked] == ["b", "g", "d", "c"]
    assert "d: failed" in capsys.readouterr().out


def test_one_that_can_never_fit_keeps_no_other_from_being_checked():
    record = {"long": {"x": row(1, seconds=1000)}, "old": {"x": row(2)}, "new": {"x": row(3)}, "newest": {"x": row(4)}}
    names = [name for name, _ in tool.in_order(record, dict.fromkeys(record, "same"), 600)]
    assert names == ["old", "new"]


def test_it_fails_where_nothing_could_be_checked_though_something_was_to_be(faked, monkeypatch):
    monkeypatch.setattr(tool, "read", lambda page: {"e": RECORD["e"]})
    monkeypatch.setattr(tool, "specs", lambda: [SimpleNamespace(name="e")])
    assert tool.main(2) == 1 and faked == []
    monkeypatch.setattr(tool, "specs", lambda: [])
    assert tool.main(2) == 0


@pytest.mark.parametrize(
    ("said", "data", "outcome"), [("", "", "failed"), ("FG525", "", "its data are not here"), ("FG525", "x", "failed")]
)
def test_a_spec_whose_data_are_missing_fails_where_there_should_be_data(monkeypatch, tmp_path, said, data, outcome):
    monkeypatch.setenv("FACTORGRAPH_DATA", data)
    real = tool.subprocess.Popen
    code = f"import sys; print({said!r}, file=sys.stderr); sys.exit(1)"
    monkeypatch.setattr(tool.subprocess, "Popen", lambda words, **options: real([sys.executable, "-c", code], **options))
    assert tool.check("psd", tmp_path, 100) == outcome


def test_one_that_takes_too_long_is_stopped(monkeypatch, tmp_path):
    real = tool.subprocess.Popen
    code = "import time; time.sleep(60)"
    monkeypatch.setattr(tool.subprocess, "Popen", lambda words, **options: real([sys.executable, "-c", code], **options))
    assert tool.check("psd", tmp_path, 0.2) == "stopped after 0 s"
