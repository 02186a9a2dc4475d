"""A picture always comes out: by ``dot`` where there is one, else by the wheel, and never with noise."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import sketches

from factorgraph.errors import RunError, SpecError
from factorgraph.graph.drawing import FORMATS, png, write
from factorgraph.graph.drawing import layout as layouts

STARTS = {"svg": b"<?xml", "pdf": b"%PDF", "png": b"\x89PNG"} | dict.fromkeys(("dot", "gv"), b"digraph")
STARTS |= dict.fromkeys(("mermaid", "mmd"), b"---")
BROKEN = {
    "fails": "sys.exit(3)",
    "lies": "print('not a picture')",
    "crashes": "import os\nos.kill(os.getpid(), 11)",
    "hangs": "import time\ntime.sleep(60)",
}


@pytest.fixture(autouse=True)
def no_dot(monkeypatch):
    monkeypatch.setenv("PATH", "")


def fake_dot(folder: Path, body: str) -> None:
    script = folder / "dot"
    program = folder / "dot.py"
    program.write_text(f"import sys\n{body}\n")
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{program}" "$@"\n')  # a first line names no path with a space
    script.chmod(0o755)


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_is_written_by_its_ending(form, tmp_path):
    file = tmp_path / f"psd.{form.upper()}"
    said = write(sketches.psd(), file)
    assert file.read_bytes().startswith(STARTS[form])
    assert said == ("pygraphviz" if form in ("svg", "pdf", "png") else "no layout needed")
    assert [each.name for each in tmp_path.iterdir()] == [file.name], "nothing else is left behind"


def test_a_dot_on_the_path_comes_first_and_is_named(tmp_path, monkeypatch):
    body = "assert sys.stdin.buffer.read().startswith(b'digraph')\nprint('<svg>' + ' '.join(sys.argv[1:]) + '</svg>')"
    fake_dot(tmp_path, body)
    monkeypatch.setenv("PATH", str(tmp_path))
    made = layouts.render("digraph {}", "svg")
    assert (made.engine, made.data.strip()) == ("dot on the PATH", b"<svg>-Tsvg</svg>")


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_dot_gives_way_to_the_wheel(body, tmp_path, monkeypatch):
    fake_dot(tmp_path, body)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(layouts, "PATIENCE", 3.0)
    assert layouts.render("digraph { a -> b }", "svg").engine == "pygraphviz"


def test_without_any_engine_both_reasons_are_told(tmp_path, monkeypatch):
    fake_dot(tmp_path, "print('no memory left', file=sys.stderr)\nsys.exit(1)")
    monkeypatch.setenv("PATH", str(tmp_path))
    broken = tmp_path / "wheel.py"
    broken.write_text("import nothing_of_that_name")
    monkeypatch.setattr(layouts, "_CHILD", broken)
    with pytest.raises(RunError) as caught:
        png(sketches.psd())
    issue = caught.value.issues[0]
    assert issue.code == "FG262"
    assert "no memory left" in issue.notes[0] and "nothing_of_that_name" in issue.notes[1]


def test_nothing_reaches_the_terminal_without_home_and_path(tmp_path):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import sketches\n"
        "from factorgraph.graph.drawing import write\n"
        "print(write(sketches.psd(), sys.argv[2]))"
    )
    root = Path(__file__).parents[3]
    env = {"PATH": "", "HOME": "", "PYTHONPATH": str(root)}
    target = tmp_path / "psd.png"
    command = [sys.executable, "-c", code, str(Path(__file__).parent), str(target)]
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=tmp_path, check=True)
    assert (done.stdout, done.stderr) == ("pygraphviz\n", "")
    assert target.read_bytes().startswith(b"\x89PNG")


def test_in_process_nothing_is_printed_either(capfd):
    png(sketches.psd())
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "")


def test_the_wheel_uses_the_fonts_that_come_with_matplotlib(tmp_path):
    config = Path(layouts._fonts(tmp_path)["FONTCONFIG_FILE"]).read_text()
    folder = config.split("<dir>")[1].split("</dir>")[0]
    assert (Path(folder) / "DejaVuSans.ttf").is_file()


@pytest.mark.parametrize("name", ["psd.jpg", "psd", "psd.", ".svg", "psd.svg.exe"])
def test_an_unknown_ending_is_refused_with_the_list(name, tmp_path):
    with pytest.raises(SpecError) as caught:
        write(sketches.psd(), tmp_path / name)
    issue = caught.value.issues[0]
    assert issue.code == "FG260" and ".svg" in issue.allowed and ".mmd" in issue.allowed
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0 if hasattr(os, "geteuid") else False, reason="root may write anywhere")
def test_a_read_only_folder_is_told(tmp_path):
    tmp_path.chmod(0o555)
    with pytest.raises(RunError) as caught:
        write(sketches.psd(), tmp_path / "psd.dot")
    assert caught.value.issues[0].code == "FG261"


def test_a_missing_folder_is_told_and_not_made(tmp_path):
    with pytest.raises(RunError) as caught:
        write(sketches.psd(), tmp_path / "no" / "psd.dot")
    issue = caught.value.issues[0]
    assert issue.code == "FG261" and "make the folder first" in issue.fix
    assert not (tmp_path / "no").exists()


def test_a_failed_replacement_keeps_the_old_picture(tmp_path, monkeypatch):
    file = tmp_path / "psd.dot"
    file.write_text("old")

    def fail(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(RunError, match="No space left"):
        write(sketches.psd(), file)
    assert file.read_text() == "old" and len(list(tmp_path.iterdir())) == 1
