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


HEAD = """from typing import ClassVar, Literal
from factorgraph.spec.expressions import Expression
from factorgraph.structure import Factor, Glyph, Smooth

class {name}(Factor, Smooth):
    type: Literal["{type}"] = "{type}"
    between: tuple[Expression, Expression]
"""
GLYPH = '    glyph: ClassVar[Glyph] = Glyph(label="x")\n'
ENERGY = "    def energy(self, a, b):\n        return (a - b).reshape(len(a), -1).sum(1)\n"
CURVATURE = "    def curvature(self, parameters):\n        return 0.0\n"
STRANGE = {
    "own_flat": HEAD + GLYPH + ENERGY,
    "own_undrawn": HEAD + ENERGY + CURVATURE,
    "own_renamed": HEAD.replace("{type}", "own_other") + GLYPH + ENERGY + CURVATURE,
    "own_broken": "class Broken(:\n",
    "own_whole": HEAD + GLYPH + ENERGY + CURVATURE,
}


@pytest.fixture(scope="module")
def strange(site, tmp_path_factory) -> str:
    """A path on which there is a package of one good factor and of bad ones."""
    folder = tmp_path_factory.mktemp("strange")
    for kind, text in STRANGE.items():
        name = kind.removeprefix("own_").title()
        (folder / f"{kind}.py").write_text(text.replace("{name}", name).replace("{type}", kind))
    entries = {kind: f"{kind}:{kind.removeprefix('own_').title()}" for kind in STRANGE}
    write_metadata(folder, {"name": "strange-factors", "version": "0.1", "entry-points": {"factorgraph.factors": entries}})
    return os.pathsep.join([str(site), str(folder)])


def test_a_spec_is_told_why_the_factor_that_it_names_could_not_be_loaded(strange, tmp_path):
    done = command(tmp_path, strange, "validate", SPEC, "--set", "factors.fit.type=own_flat")
    assert done.returncode == 2 and "FG204" in done.stdout
    lost = "= the extension factorgraph.factors: "
    assert f"{lost}own_flat could not be loaded: TypeError: Flat is Smooth and lacks its method curvature" in done.stdout
    assert f"{lost}own_undrawn could not be loaded: TypeError: Undrawn is Factor and lacks its glyph" in done.stdout
    assert f"{lost}own_renamed could not be loaded: ValueError: its type must be its entry point's name" in done.stdout
    assert f"{lost}own_broken could not be loaded: SyntaxError: " in done.stdout and "own_broken.py, line 1" in done.stdout
    assert "own_whole could not" not in done.stdout


def test_explain_says_why_a_leaf_could_not_be_loaded(strange, tmp_path):
    done = command(tmp_path, strange, "explain", "own_broken")
    assert done.returncode == 2
    assert "FG218: the extension factorgraph.factors: own_broken could not be loaded: SyntaxError: " in done.stderr


def test_its_class_is_had_by_its_own_name_whatever_the_prefix_of_its_type(strange, tmp_path):
    code = "from factorgraph import factors; print(factors.Whole(between=['Y', 'Z']), factors.L1.__name__)"
    path = os.pathsep.join([strange, os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    line = [sys.executable, "-c", code]
    done = subprocess.run(line, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.strip().endswith("L1"), done.stderr
