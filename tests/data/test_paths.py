"""A spec reads below the allowed folders only, whatever it writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from factorgraph.data import published
from factorgraph.data.paths import allowed_roots, files_in, find
from factorgraph.errors import DataError


@pytest.fixture
def roots(tmp_path):
    for name in ("spec/deep", "data", "outside"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "outside" / "secret.npy").write_text("x")
    (tmp_path / "data" / "a.npy").write_text("x")
    return tmp_path / "spec", tmp_path / "data"


def test_names_are_looked_for_in_every_root_in_turn(roots):
    assert find("a.npy", roots, ()) == roots[1] / "a.npy"
    (roots[0] / "a.npy").write_text("nearer")
    assert find("a.npy", roots, ()) == roots[0] / "a.npy"
    assert find(str(roots[1] / "a.npy"), roots, ()) == roots[1] / "a.npy"


OUTSIDE = ["../outside/secret.npy", "deep/../../outside/secret.npy", "../outside/none.npy", "/etc/passwd", "link"]
OUTSIDE += ["dir/secret.npy"]


@pytest.mark.parametrize("name", OUTSIDE)
def test_nothing_outside_is_reached(roots, name):
    (roots[0] / "link").symlink_to(roots[0].parent / "outside" / "secret.npy")
    (roots[0] / "dir").symlink_to(roots[0].parent / "outside")
    with pytest.raises(DataError, match="FG502"):
        find(name, roots, ("data", "file"))


def test_what_is_not_there_says_where_it_was_looked_for(roots):
    with pytest.raises(DataError, match="FG501") as error:
        find("b.npy", roots, ("data", "file"))
    assert str(roots[0]) in str(error.value) and str(roots[1]) in str(error.value)
    for wrong in ("", "a\0b", "x" * 5000):
        with pytest.raises(DataError, match="FG501"):
            find(wrong, roots, ())


def test_links_in_a_folder_that_lead_out_are_passed_over(roots):
    (roots[0] / "b.npy").symlink_to(roots[0].parent / "outside" / "secret.npy")
    (roots[0] / "c.NPY").symlink_to(roots[1] / "a.npy")
    assert [each.name for each in files_in(roots[0], frozenset({".npy"}), roots)] == ["c.NPY"]


def test_the_allowed_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("FACTORGRAPH_DATA", str(tmp_path / "mine"))
    found = allowed_roots(tmp_path, [tmp_path / "named"])
    assert found[:2] == (tmp_path, tmp_path / "mine") and found[-1] == tmp_path / "named" and len(found) == 4


def test_allowed_folders_are_known_in_full(tmp_path, monkeypatch):
    """Wherever the command is run: sets that others publish are looked for below each folder."""
    (tmp_path / "home" / "sets" / "mine").mkdir(parents=True)
    (tmp_path / "home" / "sets" / "mine" / "a.bin").write_bytes(b"a")
    monkeypatch.chdir(tmp_path / "home")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for named in ("sets", "~/sets", "./x/../sets"):
        monkeypatch.setenv("FACTORGRAPH_DATA", named)
        roots = allowed_roots(Path(), [Path("~/sets")])
        assert roots[0] == tmp_path / "home" and roots[1] == roots[-1] == tmp_path / "home" / "sets"
        found = published.find(["mine"], ["a.bin"], "", 0, roots)
        assert found is not None and found.read({"a.bin": 1}) == {"a.bin": b"a"}
    monkeypatch.setenv("FACTORGRAPH_DATA", "~nobody-of-this-name/sets")
    assert all(each.is_absolute() for each in allowed_roots(None))
