"""``reproduce``: several specs, one of which fails, and the table that it renews."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def specs(tiny):
    """A spec whose claim holds, one whose data are missing, and one whose claim fails."""
    text = tiny.read_text()
    changes = {"lost": ("source: curve", "source: arrays, file: nowhere.npy"), "wrong": ("at_most: 100", "at_most: 0")}
    for name, change in changes.items():
        (tiny.parent / f"{name}.yaml").write_text(text.replace(*change))
    return "tiny.yaml", "lost.yaml", "wrong.yaml"


def test_of_several_specs_each_is_run_and_judged(cli, specs, tmp_path):
    said = cli("reproduce", *specs, "--table", "docs/claims.md")
    assert said.code == 1
    assert "lost.yaml was not run" in said.err and "nowhere.npy" in said.err
    assert [line.split()[0] for line in said.out.splitlines() if line.startswith(("holds", "fails"))] == ["holds", "fails"]
    record = json.loads((tmp_path / "docs" / "claims.json").read_text())
    assert {name: rows["low"]["verdict"] for name, rows in record.items()} == {"tiny": "holds", "wrong": "fails"}
    page = (tmp_path / "docs" / "claims.md").read_text()
    assert page.count("| the energy is low | `energy(optimal)` | ") == 2

    said = cli("reproduce", "tiny.yaml", "--json", "--seeds", "2", "--table", "docs/claims.md")
    assert said.code == 0
    (made,) = json.loads(said.out)
    after = json.loads((tmp_path / "docs" / "claims.json").read_text())
    assert after["tiny"]["low"]["seeds"] == made["claims"][0]["seeds"] and len(made["seeds"]) == 2
    assert after["tiny"]["low"]["fingerprint"] == made["fingerprint"] == record["tiny"]["low"]["fingerprint"]
    assert after["wrong"] == record["wrong"]


def test_one_spec_that_cannot_be_run_ends_as_every_command_does(cli, specs):
    said = cli("reproduce", "lost.yaml")
    assert said.code == 1 and "was not run" not in said.err


def test_a_table_is_about_specs_as_they_are(cli, specs):
    said = cli("reproduce", "tiny.yaml", "--table", "claims.md", "--set", "dims.code=3")
    assert said.code == 2 and "leave out --set" in said.err


def test_a_table_keeps_the_seeds_that_a_claim_is_about(cli, tiny, tmp_path):
    tiny.write_text(tiny.read_text().replace("at_most: 100", "at_most: 100, seeds: 2"))
    said = cli("reproduce", "tiny.yaml", "--table", "claims.md", "--seeds", "1")
    assert said.code == 2 and "FG665" in said.err and "leave out --seeds, or --table" in said.err
    assert not (tmp_path / "claims.md").exists() and not (tmp_path / "runs").exists()
    assert cli("reproduce", "tiny.yaml", "--table", "claims.md", "--seeds", "2").code == 0


def test_a_table_holds_nothing_of_smoke(cli, specs):
    said = cli("reproduce", "tiny.yaml", "--table", "claims.md", "--budget", "smoke")
    assert said.code == 2 and "smoke measures nothing" in said.err


def test_a_folder_is_all_specs_in_it_and_a_page_shows_their_surfaces(cli, tiny, tmp_path):
    (tmp_path / "toys").mkdir()
    for name in ("one", "two"):
        (tmp_path / "toys" / f"{name}.yaml").write_text(tiny.read_text().replace("Codes", name.capitalize()))
    said = cli("reproduce", "toys", "--budget", "smoke", "--page", "surfaces.html")
    assert said.code == 0 and "page: surfaces.html" in said.err
    page = (tmp_path / "surfaces.html").read_text()
    assert page.count("<img") == 4 and "One of four units" in page and "Two of four units" in page
    assert (tmp_path / "runs" / "reproduced" / "toys" / "two").is_dir()
