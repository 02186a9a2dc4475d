"""A stranger's package adds a factor and a source by entry points; a broken one is named and disables nothing.

Nothing is installed: what an installer would write about the packages is written into an empty folder on the path.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SPEC = str(HERE / "waves.yaml")


def write_metadata(folder: Path, project: dict) -> None:
    """``NAME-VERSION.dist-info`` as an installer writes it."""
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    lines = []
    for group, entries in project["entry-points"].items():
        lines += [f"[{group}]", *(f"{name} = {target}" for name, target in entries.items()), ""]
    (info / "entry_points.txt").write_text("\n".join(lines))


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    write_metadata(folder, tomllib.loads((HERE / "pyproject.toml").read_text())["project"])
    return folder


def command(folder: Path, site: Path, *words: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(HERE), str(site), os.environ.get("PYTHONPATH", "")])
    setting = {**os.environ, "PYTHONPATH": path.rstrip(os.pathsep)}
    line = [sys.executable, "-m", "factorgraph", *words]
    return subprocess.run(line, cwd=folder, env=setting, capture_output=True, text=True, check=False)


def test_it_validates(site, tmp_path):
    done = command(tmp_path, site, "validate", SPEC)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "optimal: fista" in done.stdout  # its promise of a bounded curvature counts


def test_its_mistakes_are_told_like_any_other(site, tmp_path):
    done = command(tmp_path, site, "validate", SPEC, "--set", "factors.fit.width=-1")
    assert done.returncode == 2
    done = command(tmp_path, site, "validate", SPEC, "--set", "factors.fit.type=acme_hubert")
    assert 'Did you mean "acme_huber"?' in done.stdout


def test_it_is_drawn(site, tmp_path):
    done = command(tmp_path, site, "render", SPEC, "-o", "waves.dot")
    assert done.returncode == 0, done.stderr
    assert "huber(Y" in (tmp_path / "waves.dot").read_text(encoding="utf-8")


def test_it_trains(site, tmp_path):
    done = command(tmp_path, site, "train", SPEC, "--out", "run")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if row["split"] == "train"] == [1, 2, 3]
    assert all(row["shares"]["fit"] > 0 for row in rows)


def test_it_is_listed_and_explained(site, tmp_path):
    listed = command(tmp_path, site, "list")
    assert "  acme_huber " in listed.stdout and "  acme_waves " in listed.stdout
    assert listed.stderr == ""
    assert "Huber, Annals" in command(tmp_path, site, "explain", "acme_huber").stdout


BROKEN = {
    "acme_missing": "no_such_package.module:Thing",
    "acme_not_a_leaf": "json:dumps",
    "acme_other_name": "acme.huber:AcmeHuber",
    "l1": "acme.huber:AcmeHuber",
    "huber": "acme.huber:AcmeHuber",
    "acme_fails": "acme_fails:Thing",
}


def test_broken_ones_are_named_and_disable_nothing(site, tmp_path):
    (tmp_path / "acme_fails.py").write_text("raise RuntimeError('the licence server is down')\n")
    project = {"name": "broken-factors", "version": "0.1", "entry-points": {"factorgraph.factors": BROKEN}}
    write_metadata(tmp_path, project)
    both = os.pathsep.join([str(site), str(tmp_path)])
    listed = command(tmp_path, both, "list", "factors")
    assert listed.returncode == 0
    for name in BROKEN:
        assert f"factorgraph.factors: {name} could not be loaded" in listed.stderr
    assert "the licence server is down" in listed.stderr
    names = [line.split()[0] for line in listed.stdout.splitlines()]
    assert "acme_huber" in names and "l1" in names and not {"acme_fails", "huber", "acme_not_a_leaf"} & set(names)
    assert command(tmp_path, both, "validate", SPEC, "psd").returncode == 0
